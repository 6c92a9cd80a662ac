"""A collection as LangChain's retriever, and an agent of LangChain that searches it: always as the tenant's caller, within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import create_retriever_tool
from langgraph.errors import GraphRecursionError

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import Forbidden, NotFound, OverLimit
from passerelle.domain.rag import Found, Seeking
from passerelle.domain.retrieval import Chunk, Condition, Mode
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.rag.retriever import CollectionRetriever
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, ToolCall
from tests.unit.gateway.internal import inside
from tests.unit.pipelines.asking import over

_MEMBER = Caller("key_m", "acme", Role.MEMBER, groups=frozenset({"hr"}))


@dataclass
class Room:
    """A reading room with three passages. It remembers who looked for what."""

    asked: list[tuple[Caller, Seeking]] = field(default_factory=list)

    async def search(self, caller: Caller, seeking: Seeking) -> Sequence[Found]:
        self.asked.append((caller, seeking))
        if seeking.collection != "ponts":
            raise NotFound("There is no such collection.", code="collection_not_found")
        chunks = [
            Chunk("c0", "d0", "Mimram : 2004.", title="Ponts", page=3, metadata={"year": 2004, "score": "A"}),
            Chunk("c1", "d1", "Kehl : 1960.", headings=("Rhin",), start=4, end=16, language="fr"),
            Chunk("c2", "d2", "Beatus : 2017."),
        ]
        found = [
            Found(chunk, 0.9 - place / 10, relevance=None if place else 0.8)
            for place, chunk in enumerate(chunks)
        ]
        return found[: seeking.k or 3]


def _retriever(room: Any, **more: Any) -> CollectionRetriever:
    return CollectionRetriever(**{"reading": room, "caller": _MEMBER, "collection": "ponts", **more})


async def test_passages_come_with_what_is_known_of_them() -> None:
    first, second, third = await _retriever(Room()).ainvoke("Quand ?")
    assert (first.id, first.page_content) == ("c0", "Mimram : 2004.")
    assert first.metadata == {
        "year": 2004, "document_id": "d0", "title": "Ponts", "page": 3, "score": 0.9, "relevance": 0.8,
    }  # fmt: skip
    assert second.metadata == {
        "document_id": "d1", "headings": ["Rhin"], "start": 4, "end": 16, "language": "fr", "score": pytest.approx(0.8),
    }  # fmt: skip
    assert "relevance" not in third.metadata


async def test_it_looks_as_its_caller_for_what_it_was_told() -> None:
    room = Room()
    year = Condition("year", at_least=2000)
    some = _retriever(room, k=2, conditions=(year,), mode=Mode.TEXT, rerank=False, diversity=0.3)
    assert len(await some.ainvoke("Quand ?")) == 2
    assert len(await some.ainvoke("Quand ?", k=1, conditions=())) == 1
    (caller, seeking), (_, again) = room.asked
    assert caller is _MEMBER
    assert seeking == Seeking(
        "ponts", "Quand ?", frozenset({"hr"}), (year,), k=2, mode=Mode.TEXT, rerank=False, diversity=0.3
    )
    assert (again.k, again.conditions) == (1, ())
    await _retriever(room, groups=[]).ainvoke("x")
    assert room.asked[-1][1].groups == frozenset()
    with pytest.raises(Forbidden, match="sales"):
        _retriever(room, groups=["sales"])
    with pytest.raises(NotFound):
        await _retriever(room, collection="x").ainvoke("x")


async def test_threads_beside_the_loop_may_wait_for_it_and_the_loop_may_not() -> None:
    retriever = _retriever(Room())
    assert len(await asyncio.to_thread(retriever.invoke, "Quand ?")) == 3
    assert [len(each) for each in await asyncio.to_thread(retriever.batch, ["a", "b"])] == [3, 3]
    with pytest.raises(RuntimeError, match="named"):
        retriever.invoke("Quand ?")


def _agent(gateway: Any, room: Room, **more: Any) -> Any:
    """LangChain's own agent, with a tool that searches."""
    chat = GatewayChat(asker=Asker(gateway.gateway.ask, gateway.editions, _MEMBER), model="assistant")
    tool = create_retriever_tool(_retriever(room, k=2), "search", "Search the documents about bridges.")
    return create_agent(chat, [tool], system_prompt="Look it up.", **more)


_LOOK = Answer(tools=(ToolCall("search", '{"query":"ouverture de Mimram"}'),))


async def test_an_agent_of_langchain_searches_and_answers_and_every_call_is_the_tenants() -> None:
    room = Room()
    async with OpenAiLike(OPENAI) as engine, inside(over(engine)) as gateway:
        engine.script(_LOOK)
        engine.always(Answer("En 2004."))
        said = await _agent(gateway, room).ainvoke({"messages": [("user", "Quand ?")]})
        bodies = [each.body for each in engine.requests]
    *_, call, found, answer = said["messages"]
    assert isinstance(call, AIMessage)
    assert isinstance(found, ToolMessage)
    assert (found.content, answer.text) == ("Mimram : 2004.\n\nKehl : 1960.", "En 2004.")
    assert bodies[0]["tools"][0]["function"]["name"] == "search"
    assert bodies[1]["messages"][-1] == {
        "role": "tool", "tool_call_id": call.tool_calls[0]["id"], "content": found.content, "name": "search",
    } or bodies[1]["messages"][-1]["content"] == found.content  # fmt: skip
    assert [(record.tenant, record.key_id) for record in gateway.records] == [("acme", "key_m")] * 2
    assert [(caller.key_id, seeking.text) for caller, seeking in room.asked] == [
        ("key_m", "ouverture de Mimram")
    ]
    assert not gateway.ledger.open()
    assert answer.usage_metadata["output_tokens"] == 2


async def test_an_agent_streams_its_words_and_its_steps() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(over(engine)) as gateway:
        engine.script(_LOOK)
        engine.always(Answer(pieces=("En ", "2004.")))
        pieces = [
            piece.content
            async for piece, _ in _agent(gateway, Room()).astream(
                {"messages": [("user", "Quand ?")]}, stream_mode="messages"
            )
            if isinstance(piece, AIMessage) and piece.content
        ]
    assert pieces == ["En ", "2004."]


async def test_an_agent_in_a_loop_is_stopped_by_its_own_bound_and_by_the_tenants_limits() -> None:
    room = Room()
    async with OpenAiLike(OPENAI) as engine, inside(over(engine)) as gateway:
        engine.always(_LOOK)
        with pytest.raises(GraphRecursionError):
            await _agent(gateway, room).ainvoke({"messages": [("user", "?")]}, {"recursion_limit": 8})
        assert len(gateway.records) == len(room.asked) == 4
        assert not gateway.ledger.open()
    async with OpenAiLike(OPENAI) as engine, inside(over(engine, limits={"rpm": 3})) as gateway:
        engine.always(_LOOK)
        with pytest.raises(OverLimit):
            await _agent(gateway, Room()).ainvoke({"messages": [("user", "?")]}, {"recursion_limit": 50})
        assert len(engine.requests) == 3
        assert not gateway.ledger.open()
