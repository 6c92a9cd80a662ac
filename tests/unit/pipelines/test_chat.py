"""LangChain's chat model over the gateway: every call is a tenant's, told, paid, and closed however it ends."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from typing_extensions import TypedDict

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, Blocked, Forbidden, NotFound, OverLimit, UpstreamFailed
from passerelle.gateway.recall import Recall
from passerelle.gateway.record import Outcome
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Fail, Reset, Silent, Status, ToolCall, Wait
from tests.serving import gateway_of, serving
from tests.unit.pipelines.asking import asker_of, asking, over

_WEATHER = {
    "title": "meteo",
    "description": "Le temps qu'il fait.",
    "type": "object",
    "properties": {"ville": {"type": "string"}},
    "required": ["ville"],
}


def _model(asker: Asker, **settings: Any) -> GatewayChat:
    return GatewayChat(asker=asker, model="assistant", **settings)


async def test_a_call_is_the_tenants_and_its_answer_says_what_it_used_and_who_gave_it() -> None:
    async with asking() as (engine, gateway, asker):
        engine.always(Answer("Il fait beau à Orléans, déjà 24 °C."))
        said = await _model(asker, temperature=0, max_tokens=50, labels={"course": "7"}).ainvoke(
            [SystemMessage("Répondez en français."), HumanMessage("Quel temps fait-il ?")]
        )
        body = engine.requests[-1].body
    assert said.content == "Il fait beau à Orléans, déjà 24 °C."
    assert said.usage_metadata is not None
    assert said.usage_metadata["total_tokens"] == sum(
        said.usage_metadata[name] for name in ("input_tokens", "output_tokens")
    )
    about = said.response_metadata
    assert (about["backend"], about["target"], about["cache"]) == ("engine", engine.model, "bypass")
    assert about["finish_reason"] == "stop"
    assert about["cost"]
    assert (body["temperature"], body["max_tokens"], body["metadata"]) == (0, 50, {"course": "7"})
    assert body["messages"][0] == {"role": "system", "content": "Répondez en français."}
    (record,) = gateway.records
    assert (record.tenant, record.key_id, record.request_id) == ("acme", "internal:rag", about["request_id"])
    assert record.outcome is Outcome.ANSWERED


async def test_a_stream_gives_the_text_in_pieces_and_the_same_figures_once() -> None:
    async with asking() as (engine, gateway, asker):
        engine.always(Answer(pieces=("Déjà ", "vu", " à ", "Nîmes.")))
        pieces = [piece async for piece in _model(asker).astream("Où ?")]
    whole = AIMessageChunk(content="")
    for piece in pieces:
        whole = whole + piece
    assert [piece.content for piece in pieces if piece.content] == ["Déjà ", "vu", " à ", "Nîmes."]
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 4
    about = whole.response_metadata
    assert (about["finish_reason"], about["backend"]) == ("stop", "engine")
    assert about["request_id"] == gateway.records[0].request_id
    assert about["model_provider"] == "passerelle"
    assert gateway.records[0].outcome is Outcome.ANSWERED


async def test_usage_reaches_callbacks_of_a_chain_streamed_or_not() -> None:
    counted = UsageMetadataCallbackHandler()
    async with asking() as (_, _, asker):
        chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | _model(asker) | StrOutputParser()
        config: Any = {"callbacks": [counted]}
        one = await chain.ainvoke({"q": "Ça va ?"}, config)
        other = "".join([piece async for piece in chain.astream({"q": "Ça va ?"}, config)])
    assert one == other == "Bonjour le monde."
    (usage,) = counted.usage_metadata.values()
    assert usage["output_tokens"] == 6


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cancelled_call_hangs_up_on_the_engine_and_is_settled(streamed: bool) -> None:
    never = asyncio.Event()
    async with asking() as (engine, gateway, asker):
        engine.always(Answer(pieces=("Un", " deux")), Wait(never, before=2) if streamed else Silent())
        first = asyncio.Event()

        async def call() -> None:
            if not streamed:
                await _model(asker).ainvoke("Comptez.")
            async for piece in _model(asker).astream("Comptez."):
                if piece.content:
                    first.set()

        task = asyncio.ensure_future(call())
        await (first.wait() if streamed else engine.until(lambda: engine.live == 1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.until(lambda: engine.live == 0)
        assert [record.outcome for record in gateway.records] == [Outcome.HUNG_UP]


async def test_a_reader_that_leaves_in_the_middle_hangs_up() -> None:
    never = asyncio.Event()
    async with asking() as (engine, gateway, asker):
        engine.always(Answer(pieces=("Un", " deux")), Wait(never, before=2))
        async for piece in _model(asker).astream("Comptez."):
            if piece.content:
                break
        await engine.until(lambda: engine.live == 0 and gateway.records)
    assert [record.outcome for record in gateway.records] == [Outcome.HUNG_UP]


async def test_a_stream_that_breaks_is_an_error_and_no_short_answer() -> None:
    async with asking() as (engine, gateway, asker):
        engine.always(Answer(pieces=("Un", " deux", " trois")), Reset(after=2))
        with pytest.raises(UpstreamFailed):
            [piece async for piece in _model(asker).astream("Comptez.")]
    assert [record.outcome for record in gateway.records] == [Outcome.BROKEN]


async def test_errors_of_the_gateway_come_through_with_their_codes() -> None:
    async with asking(limits={"rpm": 3}) as (engine, _, asker):
        person = replace(asker, caller=Caller("key_test", "acme", Role.MEMBER))
        model = _model(person)
        with pytest.raises(NotFound) as missing:
            await GatewayChat(asker=person, model="assistent").ainvoke("Oui ?")
        engine.script(Fail("validation", message="trop long"))
        with pytest.raises(UpstreamFailed) as refused:
            await model.ainvoke("Oui ?")
        await model.ainvoke("Oui ?")
        with pytest.raises(OverLimit) as over_limit:
            await model.ainvoke("Oui ?")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert refused.value.final
    assert refused.value.told.message == "trop long"
    assert over_limit.value.code == "rate_limit_exceeded"
    assert over_limit.value.retry_after


async def test_a_jobs_calls_count_against_the_tokens_of_its_tenant() -> None:
    async with asking(limits={"tpm": 150}) as (_, _, asker):
        with pytest.raises(OverLimit) as caught:
            await _model(asker, max_tokens=20).abatch(["Oui ?"] * 20)
    assert caught.value.retry_after


async def test_guardrails_look_at_what_a_chain_asks_and_another_tenant_is_nobody() -> None:
    words = [{"name": "secret", "kind": "words", "phrases": ["Zorglub"]}]
    async with asking(guardrails=words) as (engine, gateway, asker):
        with pytest.raises(Blocked):
            await _model(asker).ainvoke("Qui est Zorglub ?")
        with pytest.raises(Forbidden):
            await _model(asker_of(gateway, "initech")).ainvoke("Qui ?")
        assert engine.requests == []


async def test_tools_are_offered_called_and_answered() -> None:
    async with asking() as (engine, _, asker):
        model = _model(asker).bind_tools([_WEATHER], tool_choice="meteo")
        engine.always(Answer(tools=(ToolCall("meteo", '{"ville": "Orléans"}'),)))
        said = await model.ainvoke("Quel temps ?")
        streamed = AIMessageChunk(content="")
        async for piece in model.astream("Quel temps ?"):
            streamed = streamed + piece
        body = engine.requests[-1].body
        engine.always(Answer("Beau."))
        after = await model.ainvoke(
            [HumanMessage("?"), said, ToolMessage("24", tool_call_id=said.tool_calls[0]["id"])]
        )
        turns = engine.requests[-1].body["messages"]
    assert isinstance(said, AIMessage)
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [("meteo", {"ville": "Orléans"})]
    assert [call["args"] for call in streamed.tool_calls] == [{"ville": "Orléans"}]
    assert body["tools"][0]["function"]["name"] == "meteo"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "meteo"}}
    assert after.content == "Beau."
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool"]
    assert json.loads(turns[1]["tool_calls"][0]["function"]["arguments"]) == {"ville": "Orléans"}


async def test_arguments_of_a_tool_that_are_no_json_are_kept_as_invalid() -> None:
    async with asking() as (engine, _, asker):
        engine.always(Answer(tools=(ToolCall("meteo", '{"ville": '),)))
        said = await _model(asker).bind_tools([_WEATHER]).ainvoke("Quel temps ?")
    assert said.tool_calls == []
    assert [call["args"] for call in said.invalid_tool_calls] == ['{"ville": ']


@pytest.mark.parametrize(
    "wrong", [{"api_base": "http://elsewhere"}, {"max_tokens": "9"}, {"temperature": "warm"}, {"n": 3}]
)
async def test_what_no_call_can_say_is_refused_before_it_is_sent(wrong: dict[str, Any]) -> None:
    async with asking() as (engine, _, asker):
        with pytest.raises(BadRequest) as caught:
            await _model(asker).ainvoke("Oui ?", **wrong)
        assert engine.requests == []
    assert caught.value.param == next(iter(wrong))


async def test_a_prompt_never_shows_in_what_a_model_says_of_itself() -> None:
    async with asking() as (_, _, asker):
        model = _model(asker)

        assert "asker" not in repr(model)
        assert "asker" not in model.model_dump()
        assert model.cache is False


async def test_many_calls_at_once_are_each_their_own() -> None:
    async with asking() as (engine, gateway, asker):
        engine.answer = lambda request: f"re: {request.body['messages'][-1]['content']}"
        said = await _model(asker).abatch([f"n° {number}" for number in range(40)])
    assert [one.content for one in said] == [f"re: n° {number}" for number in range(40)]
    assert len({record.request_id for record in gateway.records}) == 40


async def test_methods_that_wait_work_in_other_threads_and_refuse_in_this_one() -> None:
    async with asking() as (_, _, asker):
        model = _model(asker)
        said = await asyncio.to_thread(model.invoke, "Oui ?")
        pieces = await asyncio.to_thread(lambda: list(model.stream("Oui ?")))
        with pytest.raises(RuntimeError, match="methods named"):
            model.invoke("Oui ?")
    assert said.content == "Bonjour le monde."
    assert "".join(str(piece.content) for piece in pieces) == "Bonjour le monde."


async def test_a_kept_answer_says_so_and_costs_nothing() -> None:
    async with OpenAiLike(OPENAI) as engine, serving(over(engine, cache={})) as served:
        gateway = gateway_of(
            served.editions,
            books=served.ledger.books,
            sinks=[served.records.append],
            draw=random.Random(7).random,
            recall=Recall(served.remembering.cache),
        )
        asker = Asker(gateway.ask, served.editions, Caller("key_test", "acme", Role.MEMBER))
        first = await _model(asker).ainvoke("Quelle est la capitale de la France ?")
        again = await _model(asker).ainvoke("Quelle est la capitale de la France ?")
        streamed = [piece async for piece in _model(asker).astream("Quelle est la capitale de la France ?")]
        assert len(engine.requests) == 1
        await gateway.aclose()
    assert (first.response_metadata["cache"], again.response_metadata["cache"]) == ("miss", "hit")
    assert again.content == first.content == "".join(str(piece.content) for piece in streamed)
    assert streamed[-1].response_metadata["cache"] == "hit"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}, ""),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "Là."}]}}]}, "Là."),
        ({"choices": [{"message": {"content": "Là.", "reasoning_content": "Où ?"}}], "usage": None}, "Là."),
    ],
    ids=["null", "parts", "no usage"],
)
async def test_what_engines_leave_out_or_say_in_parts_is_understood(reply: Any, text: str) -> None:
    async with asking() as (engine, _, asker):
        engine.always(Status(200, {"object": "chat.completion", "model": "m", **reply}))
        said = await _model(asker).ainvoke("Où ?")
    assert said.content == text
    assert said.usage_metadata is None


@pytest.mark.parametrize(
    "reply", [{"choices": []}, {"choices": [{}]}, {"choices": [{"message": "Là."}]}, [1]]
)
async def test_an_answer_that_is_none_is_an_engines_failure(reply: Any) -> None:
    async with asking() as (engine, _, asker):
        engine.always(Status(200, reply))
        with pytest.raises(UpstreamFailed):
            await _model(asker).ainvoke("Où ?")


async def test_a_thread_beside_the_loop_reads_a_stream_and_closes_it_when_it_leaves() -> None:
    never = asyncio.Event()
    async with asking() as (engine, gateway, asker):
        loop = asyncio.get_running_loop()

        def read() -> list[str]:
            model = GatewayChat(asker=asker, model="assistant", loop=loop)  # made where no loop runs
            return [str(piece.text) for piece in model.stream("Où ?") if piece.text]

        def leave() -> str:
            for piece in _model(asker, loop=loop).stream("Comptez."):
                if piece.text:
                    return str(piece.text)
            return ""

        engine.script(Answer(pieces=("Déjà ", "vu.")))
        assert await asyncio.to_thread(read) == ["Déjà ", "vu."]
        engine.always(Answer(pieces=("Un", " deux")), Wait(never, before=2))
        assert await asyncio.to_thread(leave) == "Un"
        await engine.until(lambda: engine.live == 0)
        assert [record.outcome for record in gateway.records] == [Outcome.ANSWERED, Outcome.HUNG_UP]
        with pytest.raises(RuntimeError, match="named"):
            list(_model(asker).stream("Où ?"))


async def test_a_call_may_name_another_model_and_what_stops_nothing_is_not_said() -> None:
    async with asking() as (engine, _, asker):
        await _model(asker, stop=[]).ainvoke("Ça va ?")
        assert "stop" not in engine.requests[-1].body
        with pytest.raises(NotFound):
            await _model(asker).ainvoke("Ça va ?", model="nowhere")
    assert _model(asker)._get_ls_params(model="other", stop=["x"]) == {
        "ls_provider": "passerelle", "ls_model_name": "other", "ls_model_type": "chat", "ls_stop": ["x"],
    }  # fmt: skip


class _Place(TypedDict):
    """A place."""

    ville: str


async def test_a_typed_dict_is_a_schema_and_tracers_are_told_of_it() -> None:
    seen: list[Any] = []

    class Watching(AsyncCallbackHandler):
        async def on_chat_model_start(
            self, serialized: dict[str, Any], messages: Any, *, options: Any = None, **_: Any
        ) -> None:
            seen.append(options["ls_structured_output_format"]["schema"]["title"])

    async with asking() as (engine, _, asker):
        engine.always(Answer('{"ville":"Nîmes"}'))
        place = _model(asker).with_structured_output(_Place, method="json_schema", strict=True)
        assert await place.ainvoke("Où ?", {"callbacks": [Watching()]}) == {"ville": "Nîmes"}
    assert seen == ["_Place"]
