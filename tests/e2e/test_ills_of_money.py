"""The ways in which spend trackers are known to lose, invent or misplace money, each as tests found by its name.

Every class has a test here, through real HTTP. What other files prove more widely stands beside it:

| class                           | here (test_...)                 | more                                                |
|---------------------------------|---------------------------------|-----------------------------------------------------|
| spend of streams is lost        | streamed_spend_...              | contract/test_ledger: a_stream_costs_what_...       |
| cached tokens are not told apart| cached_tokens_...               | contract/test_ledger: cached_and_reasoning_...      |
| unknown prices count as nought  | unpriced_...                    | gateway/test_bill: an_unknown_price_...             |
| callers that leave are free     | disconnects_...                 | contract/test_ledger: a_stream_that_is_left_...     |
| money stays set aside           | reservations_...                | gateway/test_money_fuzz; ledger/test_budget_machine |
| budgets are overshot in a race  | overshoot_...                   | gateway/test_bill: two_hundred_calls_...            |
| budgets forget at a restart     | a_budget_after_a_restart_...    | ledger/test_spent, test_budgets                     |
| a stop loses what is buffered   | tests/kill/test_sigterm         | tests/kill/test_kill; ledger/test_killed            |
| one call is billed twice        | double_billing_...              | ledger/test_drain: an_end_counts_once_...           |
| fallbacks at another's price    | fallback_mispricing_...         | contract/test_ledger: a_fallback_is_charged_...     |
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.calendar import Month
from passerelle.domain.ledger import Certainty, Ended
from passerelle.domain.money import pico
from passerelle.gateway.relay import Relay
from passerelle.ledger.spent import Spent
from passerelle.ledger.usage import counted
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Fail, Pace, Silent, Status
from tests.serving import Served, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_COST = {"input_per_million": 4, "cached_input_per_million": 1, "output_per_million": 8, "currency": "EUR"}
_EURO = {"input_per_million": 0, "output_per_million": 1_000_000, "currency": "EUR"}  # a token


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="un deux trois quatre") as engine:
        yield engine


@asynccontextmanager
async def _served(
    engine: OpenAiLike, *, cost: object = _COST, tenant: dict[str, Any] | None = None, **backend: Any
) -> AsyncIterator[Served]:
    options = {**backend, **({"cost": cost} if cost is not None else {})}
    configuration = one_backend("openai", engine.url, model=engine.model, **options)
    configuration["tenants"] = {"acme": tenant or {}}
    async with serving(configuration) as served:
        yield served


async def _post(served: Served, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, str, str]:
    async with served.client() as http:
        async with http.post(_PATH, json={**_BODY, **more}, headers=headers) as reply:
            return reply.status, await reply.text(), reply.headers.get("x-passerelle-cost", "")


async def _ended(served: Served, count: int) -> list[Ended]:
    await served.until(lambda: len(served.ledger.ended) == count and not served.ledger.open())
    return served.ledger.ended


def _billed(ended: Ended) -> int:
    return sum(line.billed for line in ended.lines)


def _now(served: Served) -> int:
    return int(served.ledger.books.now() * 1000)


def _pending(served: Served) -> int:
    tenant = served.editions.catalog.tenants["acme"]
    return sum(state.pending for state in served.ledger.budgets.state(tenant, now=_now(served)))


# Spend of streams is lost

_TOLD = b'"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}'
_ONE = b'"choices":[{"index":0,"delta":{"content":"un "},"finish_reason":null}]'
_TWO = b'"choices":[{"index":0,"delta":{"content":"deux"},"finish_reason":"stop"}]'


@pytest.mark.parametrize(
    "chunks",
    [
        [_ONE, _TWO, b'"choices":[],' + _TOLD],
        [_ONE, _TWO + b"," + _TOLD],
        [_ONE + b"," + _TOLD, _TWO],
        [_ONE + b"," + _TOLD, _TWO + b"," + _TOLD, b'"choices":[],' + _TOLD],
        [b'"choices":[],' + _TOLD, _ONE, _TWO],
        [_ONE, b'"choices":null,' + _TOLD, _TWO],
    ],
    ids=["own-chunk", "last-choice", "first-choice", "every-chunk", "before-all", "between"],
)
async def test_streamed_spend_is_not_lost_wherever_an_engine_tells_of_it(
    engine: OpenAiLike, chunks: list[bytes]
) -> None:
    """Class: the trackers looked for usage in one place of a stream, did not find it, and booked nought."""
    events = b"".join(b"data: {%b}\n\n" % chunk for chunk in chunks)
    engine.always(Status(200, events + b"data: [DONE]\n\n", content_type="text/event-stream"))
    async with _served(engine) as served:
        _, text, _ = await _post(served, stream=True)
        (ended,) = await _ended(served, 1)
    assert _billed(ended) == pico(Decimal("56e-6"))
    assert "cost=0.000056 EUR" in text
    assert {line.certainty for line in ended.lines} == {Certainty.EXACT}


# Cached tokens are not told apart


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_cached_tokens_are_charged_at_their_own_price_streamed_or_not(stream: bool) -> None:
    """Class: a stream's usage was copied without its details, and cached tokens cost as much as new ones."""
    async with OpenAiLike(OPENAI, answer=Answer("un deux", cached_tokens=2)) as engine:
        async with _served(engine) as served:
            await _post(served, stream=stream)
            (ended,) = await _ended(served, 1)
    counts = {line.meter: line.quantity for line in ended.lines}
    assert counts["cached_input"] == 2
    dear, cheap, out = (pico(Decimal(price)) for price in ("4e-6", "1e-6", "8e-6"))
    assert _billed(ended) == counts.get("input", 0) * dear + 2 * cheap + counts["output"] * out


@pytest.mark.parametrize(
    "more",
    [{"prompt_tokens_details": {"cached_tokens": 4}}, {"prompt_cache_hit_tokens": 4}],
    ids=["inside", "deepseek"],
)
async def test_cached_tokens_are_found_by_every_name_they_have(
    engine: OpenAiLike, more: dict[str, Any]
) -> None:
    """Class: a provider's own name for cached tokens was not known, and its discount never arrived."""
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, **more}
    choice = {"index": 0, "message": {"role": "assistant", "content": "un"}, "finish_reason": "stop"}
    engine.always(Status(200, {"choices": [choice], "usage": usage}))
    async with _served(engine) as served:
        await _post(served)
        (ended,) = await _ended(served, 1)
    assert {line.meter: line.quantity for line in ended.lines} == {"input": 6, "cached_input": 4, "output": 1}


# Unknown prices count as nought


async def test_unpriced_targets_are_passed_over_under_a_budget_that_blocks(engine: OpenAiLike) -> None:
    """Class: a model that no list knows cost nought, so that no budget ever ended."""
    configuration = one_backend("openai", engine.url, model=engine.model)
    async with OpenAiLike(OPENAI, answer="un") as priced:
        configuration["backends"]["priced"] = {"kind": "openai", "url": priced.url, "cost": _COST}  # type: ignore[index]
        targets = configuration["models"]["assistant"]["targets"]  # type: ignore[index]
        targets.append({"backend": "priced", "model": priced.model, "rank": 2})
        configuration["tenants"] = {"acme": {"budget": {"keys": {"key_test": {"amount": 1}}}}}
        async with serving(configuration) as served:
            status, _, cost = await _post(served)
            (ended,) = await _ended(served, 1)
    assert (status, cost.endswith(" EUR")) == (200, True)
    assert served.ledger.began[0].backend == "priced"
    assert engine.requests == []
    assert _billed(ended) > 0


async def test_unpriced_is_what_a_price_in_no_known_currency_is(engine: OpenAiLike) -> None:
    """Class: what could not be priced was shown as free; here as unknown, and refused where a budget blocks."""
    cost = {"input_per_million": 1, "output_per_million": 1, "currency": "XAU"}
    async with _served(engine, cost=cost) as served:
        _, _, said = await _post(served)
        (ended,) = await _ended(served, 1)
    async with _served(engine, cost=cost, tenant={"budget": {"amount": 10}}) as served:
        status, _, _ = await _post(served)
    assert (said, status) == ("unknown", 429)
    assert {line.certainty for line in ended.lines} == {Certainty.UNPRICED}


# Callers that leave are free, or what they used is counted at everybody's expense


def test_disconnects_are_priced_in_the_same_few_steps_however_long_the_answer_was() -> None:
    """Class: a caller's leaving had the answer so far cut into tokens, while every other call stood still."""

    def steps(events: int) -> Counter[str]:
        ask = Ask(
            Route.CHAT, "m", {}, stream=True, wants_usage=False, request_id="r", needs=Needs(), arrived=0.0
        )
        relay = Relay(ask)
        for _ in range(events):
            relay.take(b"data: {%b}\n\n" % _ONE)
        seen: Counter[str] = Counter()

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call":
                seen[frame.f_code.co_name] += 1

        sys.setprofile(note)
        try:
            used = counted(relay.said, sent=1_000_000, received=relay.received)
        finally:
            sys.setprofile(None)
        assert used.certainty is Certainty.ESTIMATED
        return seen

    assert steps(3) == steps(3_000)


# Money stays set aside


async def test_reservations_are_given_back_however_a_call_ends(engine: OpenAiLike) -> None:
    """Class: cancelled calls left their reservation behind, until a budget was full of nothing."""
    release = asyncio.Event()
    budget = {"budget": {"amount": 9}}  # of a call at a time: whatever one leaves behind refuses the next
    async with _served(engine, cost=_EURO, tenant=budget) as served:
        for touch in (
            Fail("overloaded"),
            Fail("server"),
            Status(200, "not json"),
            Status(400, {"error": "no"}),
        ):
            engine.always(touch)
            for stream in (False, True):
                assert (await _post(served, max_tokens=5, stream=stream))[0] >= 400
                assert _pending(served) == 0
        for touch in (Silent(), Pace(release)):
            engine.always(touch)
            for stream in (False, True):
                call = asyncio.ensure_future(_post(served, max_tokens=5, stream=stream))
                await engine.until(lambda: engine.live == 1)
                assert _pending(served) > 0
                call.cancel()
                await served.until(lambda: not served.ledger.open() and not _pending(served))
                await engine.until(lambda: engine.live == 0)


# Budgets are overshot


async def test_overshoot_by_a_reload_in_the_middle_of_calls_is_not_possible(engine: OpenAiLike) -> None:
    """Class: what was reserved was forgotten or counted anew by another worker or a new configuration."""
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(
        engine, cost=_EURO, tenant={"budget": {"models": {"assistant": {"amount": 3}}}}
    ) as served:
        first = [asyncio.ensure_future(_post(served, max_tokens=1)) for _ in range(2)]
        await engine.until(lambda: engine.live == 2)
        configuration = one_backend("openai", engine.url, model=engine.model, cost=_EURO)
        configuration["tenants"] = {"acme": {"budget": {"amount": 3}}}  # another ceiling over the same calls
        served.publish(configuration)
        then = [asyncio.ensure_future(_post(served, max_tokens=1)) for _ in range(5)]
        await served.until(lambda: sum(call.done() for call in then) == 4)
        release.set()
        statuses = [(await call)[0] for call in (*first, *then)]
        assert _pending(served) == 0
    assert sorted(statuses) == [200, 200, 200, 429, 429, 429, 429]


async def test_a_budget_after_a_restart_goes_on_where_the_ledger_stands(engine: OpenAiLike) -> None:
    """Class: budgets by model lived in memory, and every restart and replica began them anew."""
    tenant = {"budget": {"models": {"assistant": {"amount": 6}}}}
    async with _served(engine, cost=_EURO, tenant=tenant) as served:
        assert (await _post(served, max_tokens=4))[0] == 200
        (ended,) = await _ended(served, 1)
    (began,) = served.ledger.began
    month = Month.of(datetime.fromtimestamp(ended.at / 1000, UTC), ZoneInfo("UTC"))
    async with _served(engine, cost=_EURO, tenant=tenant) as again:
        again.ledger.budgets.restore(
            Spent(month, {(began.tenant, began.key_id, began.model): _billed(ended)}), {}
        )
        assert (await _post(again, max_tokens=4))[0] == 429
        assert (await _post(again, max_tokens=2))[0] == 200


# One call is billed twice


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_double_billing_of_one_request_never_and_of_a_repeated_one_by_name(
    engine: OpenAiLike, stream: bool
) -> None:
    """Class: one call was logged by two hooks. A client that repeats a call has made two, and both are shown."""
    async with _served(engine) as served:
        for _ in range(2):
            await _post(served, {"x-request-id": "the-same-from-a-client"}, stream=stream)
        first, second = await _ended(served, 2)
        await served.until(lambda: len(served.records) == 2)
    assert first.attempt_id != second.attempt_id
    assert {began.request_id for began in served.ledger.began} == {"the-same-from-a-client"}
    assert [record.charged for record in served.records] == [_billed(first), _billed(second)]
    assert len(engine.requests) == 2


# Fallbacks at another's price


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dear_first", [False, True], ids=["to-a-dear-one", "to-a-cheap-one"])
async def test_fallback_mispricing_is_not_possible_and_the_caller_is_told_the_same_figure(
    engine: OpenAiLike, stream: bool, dear_first: bool
) -> None:
    """Class: the answer of a second target was charged at the price of the first."""
    prices = {"dear": _COST, "cheap": {"input_per_million": 1, "output_per_million": 2, "currency": "EUR"}}
    first, second = ("dear", "cheap") if dear_first else ("cheap", "dear")
    engine.always(Fail("overloaded"))
    async with OpenAiLike(OPENAI, answer="un deux trois") as other:
        urls = {first: engine.url, second: other.url}
        targets = [
            {"backend": name, "model": engine.model, "rank": rank}
            for rank, name in enumerate((first, second), 1)
        ]
        configuration = {
            "backends": {
                name: {"kind": "openai", "url": urls[name], "cost": prices[name]} for name in (first, second)
            },
            "models": {"assistant": {"task": "chat", "targets": targets}},
            "tenants": {"acme": {}},
        }
        async with serving(configuration) as served:
            _, text, header = await _post(served, stream=stream)
            failed, answered = await _ended(served, 2)
    counts = {line.meter: line.quantity for line in answered.lines}
    into, out = ("1e-6", "2e-6") if dear_first else ("4e-6", "8e-6")
    expected = counts["input"] * pico(Decimal(into)) + counts["output"] * pico(Decimal(out))
    assert (_billed(failed), failed.payer, _billed(answered)) == (0, "operator:retry", expected)
    told = text.split("cost=")[1].split(" ")[0] if stream else header.split(" ")[0]
    assert pico(Decimal(told)) == expected
