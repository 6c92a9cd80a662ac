"""A question is asked again behind its caller's back: charged to the tenant, answered by no cache, shown to nobody."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from passerelle.cache.entry import Spot
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.gateway.shadow import Shadow
from passerelle.subjects.pseudonyms import Pseudonyms
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Fail, Silent, Wait
from tests.serving import PEPPER, one_backend
from tests.unit.gateway.internal import Inside, inside

_SPOT = Spot("acme", "partition", "exact", "Où est la gare ?", "fr", "assistant")


def _ask(model: str = "assistant", **body: object) -> Ask:
    messages = [{"role": "user", "content": "Où est la gare ?"}]
    whole = {"model": model, "messages": messages, "user": "u1", "stream": True, "cache": {"ttl": 5}, **body}
    whole["stream_options"] = {"include_usage": True}
    return Ask(
        Route.CHAT,
        model,
        whole,
        True,
        True,
        "req_1",
        Needs(),
        monotonic(),
        patience=0.001,
        returns=2,
        size=40,
    )


def _configuration(engine: OpenAiLike, **tenant: object) -> dict[str, object]:
    configuration = one_backend("openai", engine.url, model=engine.model)
    configuration["tenants"] = {
        "acme": {"models": {"default": "assistant", "allow": ["assistant"]}, **tenant}
    }
    return configuration


def _shadow(gateway: Inside, **bounds: int) -> Shadow:
    return Shadow(gateway.gateway.ask, lambda: gateway.editions.catalog, clock=lambda: 7.0, **bounds)


@pytest.mark.parametrize("name", ["assistant", "default"])
async def test_it_is_asked_again_whole_by_its_own_name_and_charged_to_its_tenant(name: str) -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Answer("À droite."))
        async with inside(_configuration(engine)) as gateway:
            ask = _ask(name)
            kept = await _shadow(gateway).ask(ask, spot=_SPOT)
            sent = engine.requests[-1].body
    assert kept is not None
    assert (kept.message["content"], kept.finish_reason, kept.asked) == (
        "À droite.",
        "stop",
        "Où est la gare ?",
    )
    assert (kept.tenant, kept.partition, kept.exact, kept.name) == ("acme", "partition", "exact", "assistant")
    assert kept.usage is not None
    assert not {"stream_options", "cache"} & sent.keys()
    assert not sent.get("stream")
    pseudonym = Pseudonyms(PEPPER).of("acme", "u1")
    assert (sent["user"], ask.body["stream"]) == (pseudonym, True)  # the caller's own body is as it was
    (began,) = gateway.ledger.began
    assert (began.tenant, began.key_id, began.use) == ("acme", "internal:cache-shadow", "cache-shadow")
    assert began.request_id != "req_1"
    assert not gateway.ledger.open()
    (ended,) = gateway.ledger.ended
    assert (ended.served, ended.payer) == (True, "tenant:acme")


async def test_it_takes_no_request_of_the_tenants_rate() -> None:
    async with OpenAiLike(OPENAI) as engine, inside(_configuration(engine, limits={"rpm": 1})) as gateway:
        shadow = _shadow(gateway)
        assert [await shadow.ask(_ask(), spot=_SPOT) is not None for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("name", ["assistant", "gone"])
async def test_what_cannot_be_asked_is_no_answer(name: str) -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Fail("validation"))
        async with inside(_configuration(engine)) as gateway:
            assert await _shadow(gateway).ask(_ask(name), spot=_SPOT) is None
            gateway.publish({**_configuration(engine), "tenants": {"globex": {}}})
            assert await _shadow(gateway).ask(_ask(), spot=_SPOT) is None
            assert not gateway.ledger.open()


async def test_a_few_are_asked_at_once_and_what_is_too_many_is_left_out() -> None:
    go = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Wait(go, before=-1))
        async with inside(_configuration(engine)) as gateway:
            shadow = _shadow(gateway, at_once=2, waiting=1)
            asked = [asyncio.ensure_future(shadow.ask(_ask(), spot=_SPOT)) for _ in range(3)]
            await _until(lambda: len(gateway.ledger.began) == 2)
            assert await shadow.ask(_ask(), spot=_SPOT) is None
            assert len(gateway.ledger.began) == 2
            go.set()
            assert all(await asyncio.gather(*asked))
            assert await shadow.ask(_ask(), spot=_SPOT) is not None


async def test_one_that_is_cancelled_gives_back_its_place() -> None:
    async with OpenAiLike(OPENAI) as engine:
        engine.script(Silent())
        async with inside(_configuration(engine)) as gateway:
            shadow = _shadow(gateway, at_once=1, waiting=0)
            asked = asyncio.ensure_future(shadow.ask(_ask(), spot=_SPOT))
            await _until(lambda: any(request.method == "POST" for request in engine.requests))
            asked.cancel()
            await asyncio.wait({asked})
            assert await shadow.ask(_ask(), spot=_SPOT) is not None
            assert not gateway.ledger.open()


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)
