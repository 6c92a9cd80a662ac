"""Search, answers, feedback and conversations: what the body says reaches the reading room, and its words the caller."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import Fault, NotFound, Unavailable, UpstreamFailed
from passerelle.domain.limits import Meter, Standing
from passerelle.domain.rag import Begun, Found, Refusal, Said, Turn
from passerelle.domain.retrieval import Chunk, Condition, Mode
from passerelle.http.vigil import Patience
from tests.fakes.rag import ANSWERED, CITED, RagFake, ReadingFake, kept
from tests.serving import FixedKeys
from tests.unit.http.rag_scene import CALLERS, ask, code, events_of, running

_CHAT, _SEARCH = "/v1/rag/chat", "/v1/rag/search"
_ASKED = {"collection": "faq", "question": "Combien de jours ?"}


async def test_passages_come_with_scores_and_where_they_are_from() -> None:
    chunk = Chunk(
        "c1", "doc_1", "Deux jours.", title="Livraison", page=2, start=4, end=15, metadata={"year": 2026}
    )
    rag = RagFake(
        room=ReadingFake(found=[Found(chunk, 0.9, 0.7, "https://e.com", text_score=3.2, dense_score=0.8)])
    )
    body = {
        "collection": "faq", "query": "délai", "k": 3, "mode": "hybrid", "filter": {"year": {"gte": 2025}},
        "groups": ["hr"], "rerank": False, "diversity": 0.3,
    }  # fmt: skip
    async with running(rag) as served:
        status, found = await ask(served, "member-of-hr", "POST", _SEARCH, body)
        assert await code(served, "member", "POST", _SEARCH, body) == (403, "group_not_yours")
    (passage,) = found["data"]
    assert (status, passage["document"], passage["page"], passage["score"]) == (200, "doc_1", 2, 0.9)
    assert passage["scores"] == {"text": 3.2, "dense": 0.8, "rerank": None}
    ((caller, seeking),) = rag.room.sought
    assert (caller.key_id, seeking.text, seeking.k, seeking.mode) == ("key_h", "délai", 3, Mode.HYBRID)
    assert seeking.conditions == (Condition("year", at_least=2025),)
    assert (seeking.groups, seeking.rerank, seeking.diversity) == (frozenset({"hr"}), False, 0.3)


async def test_what_cannot_be_looked_for_is_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {}, {"query": ""}, {"query": "  "}, {"query": "a\0"}, {"query": "x" * 8_001}, {"k": 0}, {"k": 201}, {"k": "3"},
        {"mode": "magic"}, {"filter": {"year": None}}, {"filter": [1]}, {"groups": "hr"}, {"diversity": 2},
        {"collection": "a/b"}, {"colour": "red"}, {"filter": {str(n): n for n in range(17)}},
    ]  # fmt: skip
    rag = RagFake()
    async with running(rag) as served:
        assert (await ask(served, "member", "POST", _SEARCH, {"query": "x"}))[0] == 400
        for change in wrong[1:]:
            assert (
                await ask(served, "member", "POST", _SEARCH, {"collection": "faq", "query": "x", **change})
            )[0] == 400
    assert rag.room.sought == []


async def test_an_answer_is_whole_with_its_sources_cost_and_who_served_it() -> None:
    async with running() as served, served.client("member") as http, http.post(_CHAT, json=_ASKED) as reply:
        card, headers = await reply.json(), reply.headers
    assert (card["object"], card["answer"], card["refused"]) == ("rag.answer", ANSWERED.text, False)
    (cited,) = card["citations"]
    assert (cited["number"], cited["page"], cited["places"], cited["supported"]) == (1, 2, [[24, 27]], True)
    assert card["usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 9,
        "total_tokens": 129,
        "cached_tokens": 20,
    }
    assert (card["cost"], card["latency"]["total"], card["served"]["backend"]) == (
        "0.0001 EUR",
        0.25,
        "engine",
    )
    assert (headers["x-passerelle-backend"], headers["x-passerelle-cost"]) == ("engine", "0.0001 EUR")


async def test_its_head_says_who_answers_and_how_limits_stand_streamed_or_whole() -> None:
    begun = Begun({"backend": "engine", "target": "m-1"}, (Standing(Meter.TOKENS, 1_000, 871, 8.0),))
    answered = replace(
        ANSWERED, facts={"backend": "engine", "target": "m-1", "request_id": "r"}, overhead=0.004
    )
    rag = RagFake(room=ReadingFake(events=[begun, Said(answered.text), answered]))
    async with running(rag) as served, served.client("member") as http:
        for stream in (True, False):
            async with http.post(_CHAT, json={**_ASKED, "stream": stream}) as reply:
                body = await reply.read()
            headers = reply.headers
            assert (headers["x-passerelle-backend"], headers["x-passerelle-model"]) == ("engine", "m-1")
            assert headers["x-ratelimit-remaining-tokens"] == "871"
            assert not {"x-passerelle-target", "x-passerelle-request_id"} & {name.lower() for name in headers}
            if stream:
                assert [name for _, name, _ in events_of(body)] == ["delta", "answer"]
            else:
                assert headers["x-passerelle-overhead-ms"] == "4.00"


async def test_a_stream_tells_words_then_sources_then_the_whole() -> None:
    async with running() as served, served.client("member") as http:
        async with http.post(_CHAT, json={**_ASKED, "stream": True}) as reply:
            assert (reply.status, reply.content_type) == (200, "text/event-stream")
            told = events_of(await reply.read())
        async with http.post(_CHAT, json=_ASKED) as reply:
            whole = await reply.json()
    assert [name for _, name, _ in told] == ["delta", "delta", "citation", "answer"]
    assert "".join(data["text"] for _, name, data in told if name == "delta") == ANSWERED.text
    assert told[2][2] == whole["citations"][0]
    assert told[3][2] == whole


async def test_a_refusal_names_the_nearest_sources() -> None:
    refused = replace(
        ANSWERED,
        text="I don't know.",
        citations=(),
        refusal=Refusal.NOT_RELEVANT,
        nearest=(CITED,),
        usage=Usage(),
    )
    async with running(RagFake(room=ReadingFake(events=[refused]))) as served:
        _, card = await ask(served, "member", "POST", _CHAT, _ASKED)
    assert (card["refused"], card["refusal"], card["citations"]) == (True, "not_relevant", [])
    assert card["nearest"][0]["document"] == "doc_1"


async def test_everything_that_is_asked_reaches_the_answer() -> None:
    rag = RagFake()
    body = {
        "collection": "faq",
        "messages": [
            {"role": "system", "content": "Sois bref."},
            {"role": "user", "content": "Bonjour"},
            {"role": "assistant", "content": "Bonjour !"},
            {"role": "user", "content": [{"type": "text", "text": "Combien ?"}]},
        ],
        "conversation": "conv_1", "groups": [], "filter": {"lang": "fr"}, "k": 4, "mode": "text", "model": "assistant",
        "temperature": 0, "max_tokens": 200, "user": "jean", "metadata": {"page": "home"}, "cache": {"no-store": True},
    }  # fmt: skip
    async with running(rag) as served:
        headers = {"x-request-id": "req_mine", "x-stainless-read-timeout": "12"}
        assert (await ask(served, "member-of-hr", "POST", _CHAT, body, headers=headers))[0] == 200
        assert (await ask(served, "operator", "POST", f"{_CHAT}?tenant=acme", _ASKED))[0] == 200
    (caller, question), (operator, plain) = rag.room.asked
    assert caller.key_id == "key_h"
    assert question.turns == (
        Turn("user", "Bonjour"),
        Turn("assistant", "Bonjour !"),
        Turn("user", "Combien ?"),
    )
    assert (question.system, question.conversation, question.groups) == ("Sois bref.", "conv_1", frozenset())
    assert (question.k, question.mode, question.model, question.patience) == (4, Mode.TEXT, "assistant", 12)
    assert question.options == {
        "temperature": 0,
        "max_tokens": 200,
        "user": "jean",
        "metadata": {"page": "home"},
    }
    assert (question.wishes.keep, question.request_id) == (False, "req_mine")
    assert (operator.tenant, operator.role, plain.asked) == ("acme", Role.ADMIN, "Combien de jours ?")


async def test_a_question_that_is_none_is_refused_before_anything_is_asked() -> None:
    user = {"role": "user", "content": "x"}
    wrong: list[dict[str, Any]] = [
        {"question": None}, {"messages": [user]}, {"question": " "}, {"question": "x" * 8_001}, {"stream": "yes"},
        {"question": None, "messages": []}, {"question": None, "messages": [{"role": "assistant", "content": "x"}]},
        {"question": None, "messages": [{"role": "user", "content": " "}]},
        {"question": None, "messages": [{"role": "user", "content": "x" * 8_001}]},
        {"question": None, "messages": [user] * 65}, {"question": None, "messages": [{"role": "tool", "content": "x"}]},
        {"question": None, "messages": [{**user, "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"temperature": 3}, {"temperature": "hot"}, {"max_tokens": 0}, {"k": 51}, {"metadata": {"a": 1}}, {"user": "\0"},
        {"groups": ["hr", 3]}, {"tools": []}, {"cache": {"ttl": -1}}, {"filter": {"groups": "hr"}},
    ]  # fmt: skip
    rag = RagFake()
    async with running(rag) as served:
        for change in wrong:
            body = {name: value for name, value in {**_ASKED, **change}.items() if value is not None}
            assert (await ask(served, "member", "POST", _CHAT, body))[0] == 400, change
        for hr in ("member", "member-of-hr"):
            assert await code(served, hr, "POST", _CHAT, {**_ASKED, "groups": ["it"]}) == (
                403,
                "group_not_yours",
            )
    assert rag.room.asked == []


async def test_what_goes_wrong_before_the_first_word_has_its_status_streaming_or_not() -> None:
    for error, wanted in (
        (
            NotFound("There is no such collection.", code="collection_not_found"),
            (404, "collection_not_found"),
        ),
        (Unavailable("The index does not answer.", code="index_unavailable"), (503, "index_unavailable")),
    ):
        rag = RagFake(room=ReadingFake(events=[error]))
        async with running(rag) as served:
            for stream in (False, True):
                assert await code(served, "member", "POST", _CHAT, {**_ASKED, "stream": stream}) == wanted
        assert rag.room.closed == 2


async def test_what_goes_wrong_later_is_the_last_event() -> None:
    failed = UpstreamFailed(Fault.BROKEN, "It broke off.")
    for error, wanted in (
        (failed, "upstream_broken"),
        (RuntimeError("secret words"), "internal_error"),
        (None, "upstream_broken"),
    ):
        events = [Said("Deux "), *([error] if error else [])]
        async with (
            running(RagFake(room=ReadingFake(events=events))) as served,
            served.client("member") as http,
        ):
            async with http.post(_CHAT, json={**_ASKED, "stream": True}) as reply:
                told = events_of(await reply.read())
        assert [name for _, name, _ in told] == ["delta", "error"]
        assert told[1][2]["error"]["code"] == wanted
        assert "secret" not in str(told)


async def test_an_answer_stops_when_its_caller_hangs_up_streaming_or_not() -> None:
    for stream in (True, False):
        rag = RagFake(room=ReadingFake(holds=asyncio.Event()))
        async with running(rag) as served, served.client("member") as http:
            asking = asyncio.create_task(http.post(_CHAT, json={**_ASKED, "stream": stream}).__aenter__())
            if stream:
                reply = await asking
                await reply.content.readline()
                reply.close()
            else:
                await served.until(partial(getattr, rag.room, "asked"))
                asking.cancel()
            await served.until(partial(getattr, rag.room, "closed"))
        assert rag.room.closed == 1


async def test_a_stream_ends_with_its_key() -> None:
    callers = dict(CALLERS)
    rag = RagFake(room=ReadingFake(holds=asyncio.Event()))
    patience = Patience(tick=0.01, silence=0.03, trust=0.05)
    async with (
        running(rag, keys=FixedKeys(callers), patience=patience) as served,
        served.client("member") as http,
    ):
        async with http.post(_CHAT, json={**_ASKED, "stream": True}) as reply:
            first = await reply.content.readuntil(b"\n\n")
            callers[b"member"] = Caller("key_other", "acme", Role.MEMBER)
            told = events_of(first + await reply.read())
    assert told[-1][2]["error"]["code"] == "key_revoked"
    assert rag.room.closed == 1


async def test_readers_say_what_they_think_of_an_answer() -> None:
    rag = RagFake()
    async with running(rag) as served:
        said = {"thumb": "down", "comment": "Source périmée."}
        status, taken = await ask(served, "member", "POST", "/v1/rag/answers/ra_1/feedback", said)
        assert (status, taken) == (200, {"id": "ra_1", "object": "rag.feedback", "thumb": "down"})
        path = "/v1/rag/answers/ra_2/feedback"
        assert await code(served, "member", "POST", path, said) == (404, "answer_not_found")
        for wrong in ({}, {"thumb": "sideways"}, {"thumb": "up", "comment": "x" * 2_001}):
            assert (await ask(served, "member", "POST", path, wrong))[0] == 400
    assert [each[1:] for each in rag.room.thumbs] == [("ra_1", "down", "Source périmée.")]


async def test_conversations_are_a_users_own() -> None:
    rag = RagFake(room=ReadingFake(kept={"c1": kept("c1", "jean"), "c2": kept("c2", "anne")}))
    path = "/v1/rag/conversations"
    async with running(rag) as served:
        _, listed = await ask(served, "member", "GET", f"{path}?user=jean")
        assert ([each["id"] for each in listed["data"]], listed["has_more"]) == (["c1"], False)
        assert "turns" not in listed["data"][0]
        _, whole = await ask(served, "member", "GET", f"{path}/c1?user=jean")
        assert whole["turns"][0]["answer_id"] == "ra_1"
        for method in ("GET", "DELETE"):
            assert await code(served, "member", method, f"{path}/c1?user=anne") == (
                404,
                "conversation_not_found",
            )
        assert (await ask(served, "member", "DELETE", f"{path}/c1?user=jean"))[0] == 204
        assert (await ask(served, "member", "GET", f"{path}?user=jean"))[1]["data"] == []
