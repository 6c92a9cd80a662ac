"""A call whose place was taken before it, for the work that it is a part of."""

from __future__ import annotations

import time

import pytest

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import NotFound, OverLimit
from passerelle.gateway.record import Outcome
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import one_backend
from tests.unit.gateway.internal import inside

CALLER = Caller("key_1", "acme", Role.MEMBER)


def _ask(model: str = "assistant") -> Ask:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    return Ask(Route.CHAT, model, body, False, False, "req_1", Needs(), time.monotonic(), size=40)


def _configuration(engine: OpenAiLike, **limits: int) -> dict[str, object]:
    return {**one_backend("openai", engine.url, model=engine.model), "tenants": {"acme": {"limits": limits}}}


async def test_a_call_with_a_permit_takes_no_second_request_and_no_second_place() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine, rpm=1, concurrency=1)) as it:
        permit = await it.gateway.admit(CALLER, "assistant")
        with pytest.raises(OverLimit):
            await it.gateway.admit(CALLER)
        answer = await it.gateway.ask(CALLER, _ask(), permit)
        answer.settle(Outcome.ANSWERED)
        answer.close()
        assert not permit.goes_on()
        assert [record.model for record in it.records] == ["assistant"]


async def test_the_place_is_free_again_once_the_permit_is_settled() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine, concurrency=1)) as it:
        for _ in range(3):
            permit = await it.gateway.admit(CALLER, "assistant")
            permit.settle(0)


async def test_nobody_is_admitted_for_a_model_that_is_not_his() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine, rpm=9)) as it:
        with pytest.raises(NotFound):
            await it.gateway.admit(CALLER, "another")
