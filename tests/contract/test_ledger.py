"""Every kind, one way to keep the books: each try begins before its first byte, ends once, and is paid by one account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from passerelle.domain.ledger import Certainty, Ended, UsageSource
from passerelle.domain.money import pico
from tests.contract.engines import ROWS, SECRETS, Row
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, Close, Fail, Pace, Reset, Silent, Status, Wait
from tests.serving import Served, serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_PATH = "/v1/chat/completions"
_COST = {"input_per_million": 3, "output_per_million": 15, "currency": "EUR"}
_LONG = "un deux trois quatre cinq six sept huit"


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture
async def engine(row: Row) -> AsyncIterator[Any]:
    async with row.make() as engine:
        yield engine


@pytest.fixture
async def spare() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="De secours.") as spare:
        yield spare


@pytest.fixture
async def served(row: Row, engine: Any, spare: OpenAiLike) -> AsyncIterator[Served]:
    configuration = row.configuration(engine)
    configuration["backends"]["engine"]["cost"] = _COST
    configuration["backends"]["spare"] = {
        "kind": "openai",
        "url": spare.url,
        "cost": {"input_per_million": 1, "output_per_million": 2, "currency": "EUR"},
    }
    configuration["models"]["assistant"]["targets"].append(
        {"backend": "spare", "model": spare.model, "rank": 2}
    )
    async with serving(configuration, environment=SECRETS) as served:
        await row.known(served)
        yield served


async def _ended(served: Served, count: int) -> list[Ended]:
    await served.until(lambda: len(served.ledger.ended) == count and not served.ledger.open())
    return served.ledger.ended


def _quantities(ended: Ended) -> dict[str, int]:
    return {line.meter: line.quantity for line in ended.lines}


async def test_a_stream_costs_what_the_same_answer_costs_in_one_piece(served: Served, engine: Any) -> None:
    engine.answer = _LONG
    async with served.client() as http:
        async with http.post(_PATH, json=_BODY) as reply:
            await reply.read()
            header = reply.headers["x-passerelle-cost"]
        async with http.post(_PATH, json={**_BODY, "stream": True}) as reply:
            comment = (await reply.text()).split(": passerelle ")[1]
    whole, stream = await _ended(served, 2)

    assert [(line.meter, line.quantity, line.amount) for line in whole.lines] == [
        (line.meter, line.quantity, line.amount) for line in stream.lines
    ]
    total = sum(line.amount for line in whole.lines)
    counts = _quantities(whole)
    assert total == counts["input"] * pico(Decimal("3e-6")) + counts["output"] * pico(Decimal("15e-6"))
    assert (header, comment.split("cost=")[1].split("\n")[0]) == (header, header)
    amount, currency = header.split()
    assert (pico(Decimal(amount)), currency) == (total, "EUR")
    for ended in (whole, stream):
        assert (ended.payer, ended.served, ended.outcome) == ("tenant:acme", True, "answered")
        assert ended.usage_source is UsageSource.PROVIDER
        assert {line.certainty for line in ended.lines} == {Certainty.EXACT}
        assert sum(line.billed for line in ended.lines) == total


@pytest.mark.parametrize("position", [1, 2, 4, 6, 8])
async def test_a_stream_that_is_left_costs_what_was_delivered_and_says_that_it_is_estimated(
    served: Served, engine: Any, position: int
) -> None:
    step = asyncio.Event()
    engine.answer = _LONG
    engine.always(Pace(step))
    word = _LONG.split()[position - 1].encode()
    async with served.client() as http:
        async with asyncio.TaskGroup() as group:
            feeder = group.create_task(_drip(step))
            reply = await http.post(_PATH, json={**_BODY, "stream": True})
            seen = b""
            while word not in seen:
                seen += await reply.content.readany()
            feeder.cancel()
        reply.close()
    (ended,) = await _ended(served, 1)

    counts = _quantities(ended)
    assert (ended.payer, ended.served) == ("tenant:acme", True)
    assert counts["input"] > 0
    assert counts["output"] >= 1
    if ended.outcome != "answered":  # of the last word the end may be there too
        assert ended.outcome == "hung_up"
        assert {line.certainty for line in ended.lines} == {Certainty.ESTIMATED}
        assert position <= counts["output"] <= len(_LONG) // 2


async def _drip(step: asyncio.Event) -> None:
    while True:
        step.set()
        await asyncio.sleep(0)
        step.clear()
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_caller_that_leaves_before_the_answer_pays_for_what_was_asked(
    served: Served, engine: Any, stream: bool
) -> None:
    engine.always(Silent())
    async with served.client() as http:
        call = asyncio.ensure_future(http.post(_PATH, json={**_BODY, "stream": stream}))
        await engine.until(lambda: engine.live == 1)
        call.cancel()
    (ended,) = await _ended(served, 1)

    assert (ended.payer, ended.served, ended.outcome) == ("tenant:acme", False, "hung_up")
    assert set(_quantities(ended)) == {"input"}
    assert {line.certainty for line in ended.lines} == {Certainty.ESTIMATED}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("touch", "paid"),
    [
        (Fail("overloaded"), False),
        (Status(429, {"error": "slow down"}), False),
        (Close(after=0), True),
        (Status(200, "not json"), True),
    ],
    ids=["overloaded", "429", "cut", "garbage"],
)
async def test_a_fallback_is_charged_at_the_price_of_the_try_that_answered_and_retries_are_the_operators(
    served: Served, engine: Any, touch: Any, paid: bool, stream: bool
) -> None:
    engine.always(touch)
    async with served.client() as http, http.post(_PATH, json={**_BODY, "stream": stream}) as reply:
        await reply.read()
    failed, answered = await _ended(served, 2)

    assert (failed.payer, failed.served, failed.outcome) == ("operator:retry", False, "failed")
    assert bool(failed.lines) is paid
    assert {line.certainty for line in failed.lines} <= {Certainty.ESTIMATED}
    counts = _quantities(answered)
    assert sum(line.amount for line in answered.lines) == pico(
        Decimal(counts["input"]) / 1_000_000 + Decimal(counts["output"] * 2) / 1_000_000
    )
    assert [each.sequence for each in served.ledger.began] == [1, 2]
    assert served.ledger.began[0].request_id == served.ledger.began[1].request_id


@pytest.mark.parametrize("touch", [Fail("generation", after=3), Reset(after=3)], ids=["error", "reset"])
async def test_what_was_delivered_before_an_engine_broke_off_is_charged(
    served: Served, engine: Any, touch: Any
) -> None:
    engine.answer = _LONG
    read = asyncio.Event()
    engine.always(Wait(read, before=3), touch)
    async with served.client() as http, http.post(_PATH, json={**_BODY, "stream": True}) as reply:
        await reply.content.readany()
        read.set()
        await reply.read()
    (ended,) = await _ended(served, 1)

    assert (ended.payer, ended.served, ended.outcome) == ("tenant:acme", True, "broken")
    counts = _quantities(ended)
    assert 1 <= counts["output"] <= len(_LONG) // 2
    assert {line.certainty for line in ended.lines} == {Certainty.ESTIMATED}


async def test_what_a_try_can_cost_at_most_is_written_down_before_it_begins(served: Served) -> None:
    body = {**_BODY, "max_tokens": 100}
    async with served.client() as http, http.post(_PATH, json=body) as reply:
        await reply.read()
    (ended,) = await _ended(served, 1)
    (began,) = served.ledger.began

    assert began.held is not None
    assert began.held >= 100 * pico(Decimal("15e-6")) + sum(line.amount for line in ended.lines[:1])
    assert (began.tenant, began.key_id, began.backend) == ("acme", "key_test", "engine")


_TELLING = [row for row in ROWS if row.name in ("openai", "vllm", "sglang")]  # engines that tell them apart


@pytest.mark.parametrize("row", _TELLING, ids=lambda row: row.name)
async def test_cached_and_reasoning_tokens_are_lines_of_their_own(row: Row) -> None:
    answer = Answer("un deux trois quatre", cached_tokens=2, reasoning_tokens=1)
    async with row.make(answer) as engine:
        configuration = row.configuration(engine, cost=_COST)
        async with serving(configuration, environment=SECRETS) as served, served.client() as http:
            totals = []
            for stream in (False, True):
                async with http.post(_PATH, json={**_BODY, "stream": stream}) as reply:
                    await reply.read()
            for ended in await _ended(served, 2):
                assert sum(_quantities(ended).values()) == _total(ended)
                totals.append(_quantities(ended))
    assert totals[0] == totals[1]
    assert {"cached_input", "reasoning"} & set(totals[0])


def _total(ended: Ended) -> int:
    assert ended.usage is not None
    total = ended.usage["total_tokens"]
    assert isinstance(total, int)
    return total
