"""A moderating model is asked through the gateway, as a call of the tenant whose text it is."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from passerelle.gateway.moderation import _judgement, _label
from passerelle.gateway.record import Outcome
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer
from tests.serving import Served, one_backend, serving

_ASK = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}]}


def _moderated(engine: OpenAiLike, *, sides: list[str], places: int = 2) -> dict[str, object]:
    configuration = one_backend("openai", engine.url, model=engine.model, concurrency=places)
    configuration["models"]["moderator"] = configuration["models"]["assistant"]  # type: ignore[index]
    rule = {"name": "harm", "kind": "moderation", "model": "moderator", "sides": sides}
    configuration["tenants"] = {"acme": {"models": {"allow": ["assistant"]}, "guardrails": [rule]}}
    return configuration


async def _stream(served: Served, http: aiohttp.ClientSession) -> bytes:
    async with http.post("/v1/chat/completions", json={**_ASK, "stream": True}) as reply:
        return await reply.read()


async def test_streams_that_are_moderated_on_their_own_backend_do_not_wait_for_each_other() -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Answer("safe"))
        async with serving(_moderated(engine, sides=["output"])) as served, served.client() as http:
            async with asyncio.timeout(20):
                answers = await asyncio.gather(*(_stream(served, http) for _ in range(8)))
    assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_flagged_is_refused_and_the_judge_is_charged_to_the_tenant(*, stream: bool) -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Answer("unsafe\nS1,S10"))
        async with serving(_moderated(engine, sides=["input"])) as served, served.client() as http:
            async with http.post("/v1/chat/completions", json={**_ASK, "stream": stream}) as reply:
                body = await reply.json()
                assert (reply.status, body["error"]["code"]) == (400, "content_filter")
    asked, refused = served.records
    assert (asked.tenant, asked.model, asked.outcome) == ("acme", "moderator", Outcome.ANSWERED)
    assert refused.outcome is Outcome.REFUSED
    (verdict,) = refused.verdicts
    assert (verdict.rule, verdict.blocked, verdict.label) == ("harm", True, "S1,S10")
    (began,) = served.ledger.began
    assert (began.tenant, began.use) == ("acme", "moderation")


async def test_a_verdict_that_is_none_refuses() -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Answer("I think this is fine!"))
        async with serving(_moderated(engine, sides=["input"])) as served, served.client() as http:
            async with http.post("/v1/chat/completions", json=_ASK) as reply:
                assert (reply.status, (await reply.json())["error"]["code"]) == (503, "guardrail_unavailable")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("safe", None),
        ("\n\nSafe", None),
        ("unsafe\nS1", "S1"),
        ("unsafe", "unsafe"),
        ("unsafe\nbecause the user wrote a secret", "unsafe"),
        ("unsafe\nS1,the user wrote: hello,S3", "S1,S3"),
    ],
)
def test_a_judging_model_says_safe_or_unsafe_and_categories(said: str, heard: str | None) -> None:
    assert _judgement({"choices": [{"message": {"content": said}}]}) == heard


@pytest.mark.parametrize(
    ("label", "heard"),
    [("non-toxic", None), ("NOT_TOXIC", None), ("toxic", "toxic"), ("a long sentence", "flagged")],
)
def test_a_classifier_says_a_label(label: str, heard: str | None) -> None:
    assert _label({"data": [{"label": label}]}) == heard


def test_a_label_that_says_nothing_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        _label({"data": [{"label": "LABEL_1"}]})
