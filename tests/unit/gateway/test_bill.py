"""What a call costs whom: budgets, prices of exchange and resale, and the figures that engines get wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.ledger import Certainty, UsageSource
from passerelle.domain.money import decimal, pico
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Pace, Silent, Status
from tests.serving import KEY, Served, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_COST = {"input_per_million": 0, "output_per_million": 1_000_000, "currency": "EUR"}  # one euro a token said


@asynccontextmanager
async def _served(
    engine: OpenAiLike, *, cost: object = _COST, tenant: dict[str, Any] | None = None, **backend: Any
) -> AsyncIterator[Served]:
    options = {**backend, **({"cost": cost} if cost is not None else {})}
    configuration = one_backend("openai", engine.url, model=engine.model, **options)
    configuration["tenants"] = {"acme": tenant or {}}
    async with serving(configuration) as served:
        yield served


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="un") as engine:
        yield engine


async def _post(http: aiohttp.ClientSession, **more: Any) -> tuple[int, dict[str, Any], Any]:
    async with http.post(_PATH, json={**_BODY, **more}) as reply:
        return reply.status, await reply.json(), reply.headers


async def test_two_hundred_calls_at_once_against_room_for_ten_admit_exactly_ten(engine: OpenAiLike) -> None:
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(engine, tenant={"budget": {"amount": 10}}) as served:
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(served.url, headers=headers, connector=connector) as http:
            calls = [asyncio.ensure_future(_post(http, max_tokens=1)) for _ in range(200)]
            await served.until(lambda: sum(call.done() for call in calls) == 190, within=20)
            await engine.until(lambda: engine.live == 10)
            release.set()
            replies = await asyncio.gather(*calls)
            after = await _post(http, max_tokens=1)

    statuses = [status for status, _, _ in replies]
    assert (statuses.count(200), statuses.count(429)) == (10, 190)
    _, body, sent = next(each for each in replies if each[0] == 429)
    assert (body["error"]["code"], body["error"]["type"]) == ("insufficient_quota", "insufficient_quota")
    assert sent["x-should-retry"] == "false"
    assert after[0] == 429
    assert len(served.ledger.began) == 10  # nothing is written down of what was refused


async def test_what_a_call_did_not_use_is_free_again(engine: OpenAiLike) -> None:
    async with _served(engine, tenant={"budget": {"amount": 5}}) as served, served.client() as http:
        statuses = [(await _post(http, max_tokens=4))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]  # 4 and then 4 of 4 left; 3 left are too few


async def test_a_cancelled_call_leaves_no_money_set_aside(engine: OpenAiLike) -> None:
    engine.always(Silent())
    async with _served(engine, tenant={"budget": {"amount": 10}}) as served, served.client() as http:
        calls = [asyncio.ensure_future(_post(http, max_tokens=5)) for _ in range(2)]
        await engine.until(lambda: engine.live == 2)
        for call in calls:
            call.cancel()
        await served.until(lambda: not served.ledger.open())
        tenant = served.editions.catalog.tenants["acme"]
        (state,) = served.ledger.budgets.state(tenant, now=int(served.ledger.books.now() * 1000))
    assert state.pending == 0


async def test_an_unknown_price_is_refused_under_a_hard_budget_and_shown_without_one(
    engine: OpenAiLike,
) -> None:
    async with _served(engine, cost=None, tenant={"budget": {"amount": 10}}) as served:
        async with served.client() as http:
            status, body, _ = await _post(http)
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")
    assert engine.requests == []
    async with _served(engine, cost=None) as served, served.client() as http:
        status, _, headers = await _post(http)
        await served.until(lambda: served.ledger.ended)
    assert (status, headers["x-passerelle-cost"]) == (200, "unknown")
    assert {line.certainty for line in served.ledger.ended[0].lines} == {Certainty.UNPRICED}


async def test_a_budget_that_notifies_refuses_nothing(engine: OpenAiLike) -> None:
    tenant = {"budget": {"amount": 1, "on_exceed": "notify"}}
    async with _served(engine, tenant=tenant) as served, served.client() as http:
        assert [(await _post(http, max_tokens=1))[0] for _ in range(3)] == [200, 200, 200]


async def test_a_key_and_a_model_have_budgets_of_their_own(engine: OpenAiLike) -> None:
    configuration = one_backend("openai", engine.url, model=engine.model, cost=_COST)
    configuration["tenants"] = {"acme": {"budget": {"keys": {"laptop": {"amount": 1}}}}}
    callers = {
        b"key-of-the-laptop-0123456789abcd": Caller("key_1", "acme", Role.MEMBER, "laptop"),
        b"key-of-the-server-0123456789abcd": Caller("key_2", "acme", Role.MEMBER, "server"),
    }
    async with serving(configuration, callers=callers) as served:
        async with served.client("key-of-the-laptop-0123456789abcd") as http:
            laptop = [(await _post(http, max_tokens=1))[0] for _ in range(2)]
        async with served.client("key-of-the-server-0123456789abcd") as http:
            server = [(await _post(http, max_tokens=1))[0] for _ in range(2)]
    assert (laptop, server) == ([200, 429], [200, 200])


async def test_no_call_begins_that_could_not_be_written_down(engine: OpenAiLike) -> None:
    async with _served(engine) as served, served.client() as http:
        served.ledger.full = True
        status, body, headers = await _post(http)
    assert (status, body["error"]["code"]) == (503, "ledger_full")
    assert int(headers["retry-after"]) > 0
    assert engine.requests == []


async def test_a_price_in_dollars_is_billed_in_euros_at_the_rate_that_stays_beside_it(
    engine: OpenAiLike,
) -> None:
    cost = {"input_per_million": 1, "output_per_million": 2, "currency": "USD"}
    async with _served(engine, cost=cost) as served, served.client() as http:
        _, _, headers = await _post(http)
        await served.until(lambda: served.ledger.ended)
    (ended,) = served.ledger.ended
    assert ended.exchange is not None
    assert ended.exchange.currency == "EUR"
    assert ended.exchange.on is not None
    rate = Decimal(ended.exchange.rate)
    for line in ended.lines:
        assert line.currency == "USD"
        assert abs(line.cost - line.amount * rate) <= Decimal("0.5")
    amount, currency = headers["x-passerelle-cost"].split()
    assert (Decimal(amount), currency) == (decimal(sum(line.billed for line in ended.lines)), "EUR")


async def test_a_markup_and_a_resale_price_are_charged_apart_from_what_it_costs(engine: OpenAiLike) -> None:
    sold = {"input_per_million": 0, "output_per_million": 3_000_00, "currency": "EUR"}
    terms = [{"markup_percent": 20}, {"prices": {"assistant": sold}}]
    totals = []
    for resale in terms:
        async with _served(engine, tenant={"resale": resale}) as served, served.client() as http:
            _, _, headers = await _post(http)
            await served.until(lambda served=served: served.ledger.ended)
        (ended,) = served.ledger.ended
        assert sum(line.cost for line in ended.lines) == pico(Decimal(1))
        totals.append((sum(line.billed for line in ended.lines), headers["x-passerelle-cost"]))
    assert totals == [(pico(Decimal("1.2")), "1.2 EUR"), (pico(Decimal("0.3")), "0.3 EUR")]


async def test_tags_that_the_operator_has_named_are_kept_and_no_others(engine: OpenAiLike) -> None:
    async with _served(engine, tenant={"tags": ["project"]}) as served, served.client() as http:
        await _post(http, metadata={"project": "website", "user_email": "someone@example.com"})
        await served.until(lambda: served.ledger.ended)
    assert served.ledger.began[0].tags == {"project": "website"}


async def test_an_engine_that_bills_what_nobody_reads_is_listened_to_for_what_it_used(
    engine: OpenAiLike,
) -> None:
    engine.answer = "un deux trois quatre cinq"
    step = asyncio.Event()
    engine.always(Pace(step))
    async with _served(engine, timeouts={"after_hangup": "5s"}) as served, served.client() as http:
        step.set()
        step.clear()
        reply = asyncio.ensure_future(http.post(_PATH, json={**_BODY, "stream": True}))
        while not reply.done():
            step.set()
            await asyncio.sleep(0)
            step.clear()
            await asyncio.sleep(0.005)
        (await reply).close()
        await asyncio.sleep(0)
        step.set()
        await served.until(lambda: served.ledger.ended)
    (ended,) = served.ledger.ended
    assert (ended.outcome, ended.usage_source) == ("hung_up", UsageSource.PROVIDER)
    assert {line.meter: line.quantity for line in ended.lines}["output"] == 5
    assert {line.certainty for line in ended.lines} == {Certainty.EXACT}
    assert engine.hung_up == []


_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d%b}}\n\n'


@pytest.mark.parametrize(
    ("frames", "certainty"),
    [
        ([_USAGE % (10, 1, 11, b"")], Certainty.EXACT),
        ([_USAGE % (9, 1, 10, b""), _USAGE % (10, 1, 11, b"")], Certainty.EXACT),
        ([_USAGE % (10, 1, 11, b""), _USAGE % (1, 1, 2, b"")], Certainty.ESTIMATED),
        ([_USAGE % (10, 1, 11, b',"prompt_tokens_details":{"cached_tokens":99}')], Certainty.ESTIMATED),
    ],
    ids=["once", "growing", "shrinking", "more-cached-than-asked"],
)
async def test_usage_that_cannot_be_is_marked_and_never_nought(
    engine: OpenAiLike, frames: list[bytes], certainty: Certainty
) -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"un"},"finish_reason":"stop"}]}\n\n'
    whole = body + b"".join(frames) + b"data: [DONE]\n\n"
    engine.always(Status(200, whole, content_type="text/event-stream"))
    async with _served(engine) as served, served.client() as http:
        async with http.post(_PATH, json={**_BODY, "stream": True}) as reply:
            await reply.read()
        await served.until(lambda: served.ledger.ended)
    (ended,) = served.ledger.ended
    assert {line.meter: line.quantity for line in ended.lines} == {"input": 10, "output": 1}
    assert {line.certainty for line in ended.lines} == {certainty}


async def test_a_stream_without_usage_is_counted_from_its_text(engine: OpenAiLike) -> None:
    text = "mot " * 100
    frame = (
        b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % text.encode()
    )
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    engine.always(Status(200, frame + end, content_type="text/event-stream"))
    async with _served(engine) as served, served.client() as http:
        async with http.post(_PATH, json={**_BODY, "stream": True}) as reply:
            await reply.read()
        await served.until(lambda: served.ledger.ended)
    (ended,) = served.ledger.ended
    assert {line.meter: line.quantity for line in ended.lines}["output"] == 100
    assert ended.usage_source is UsageSource.ESTIMATE
    assert {line.certainty for line in ended.lines} == {Certainty.ESTIMATED}
