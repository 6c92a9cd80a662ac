"""What would make a bill wrong: holds that are too small, prices of another day, ends that never come."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.domain.ask import Route
from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog, Party
from passerelle.domain.facts import Facts, Host, Known, Price
from passerelle.domain.ledger import Ended, TokenKind
from passerelle.domain.money import pico
from passerelle.gateway import gateway as gateway_module
from passerelle.gateway.pricing import Pricing
from passerelle.http.intake import make_ask
from passerelle.ledger.exchange import Exchanger
from passerelle.ledger.price_tables import PriceTable
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.quotes import Rates
from passerelle.ledger.reference_rates import packaged_rates
from passerelle.ledger.spool_lines import decode, encode
from tests.books import pricing
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Insert, Pace, Silent, Status, Wait
from tests.serving import Served, catalog_of, gateway_of, one_backend, serving

_PATH = "/v1/chat/completions"
_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_COST = {"input_per_million": 0, "output_per_million": 1_000_000, "currency": "EUR"}  # one euro a token said


@asynccontextmanager
async def _served(
    engine: OpenAiLike, *, cost: object = _COST, tenant: dict[str, Any] | None = None, **backend: Any
) -> AsyncIterator[Served]:
    configuration = one_backend("openai", engine.url, model=engine.model, cost=cost, **backend)
    configuration["tenants"] = {"acme": tenant or {}}
    async with serving(configuration) as served:
        yield served


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="un") as engine:
        yield engine


async def _post(served: Served, path: str = _PATH, **more: Any) -> int:
    async with served.client() as http, http.post(path, json={**_BODY, **more}) as reply:
        await reply.read()
        return reply.status


async def _ended(served: Served) -> Ended:
    await served.until(lambda: served.ledger.ended and not served.ledger.open())
    (ended,) = served.ledger.ended
    return ended


def _pending(served: Served) -> int:
    tenant = served.editions.catalog.tenants["acme"]
    return sum(
        state.pending
        for state in served.ledger.budgets.state(tenant, now=int(served.ledger.books.now() * 1000))
    )


# Holds that are too small


async def test_the_alias_of_a_model_is_bound_by_its_budget(engine: OpenAiLike) -> None:
    tenant = {"budget": {"models": {"assistant": {"amount": 1}}}}
    async with _served(engine, tenant=tenant) as served:
        assert [await _post(served, model=name, max_tokens=1) for name in ("default", "default")] == [
            200,
            429,
        ]
        await served.until(lambda: served.ledger.ended)
    assert [began.model for began in served.ledger.began] == ["assistant"]


async def test_the_alias_of_a_model_is_sold_at_its_price(engine: OpenAiLike) -> None:
    sold = {"input_per_million": 0, "output_per_million": 300_000, "currency": "EUR"}
    tenant = {"resale": {"prices": {"assistant": sold}}}
    async with _served(engine, tenant=tenant) as served:
        await _post(served, model="default")
        ended = await _ended(served)
    assert sum(line.billed for line in ended.lines) == pico(Decimal("0.3"))


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (_PATH, {"max_completion_tokens": 1, "max_tokens": 50}),
        (_PATH, {"max_completion_tokens": 50, "max_tokens": 1}),
        (_PATH, {"max_tokens": 10, "n": 5}),
        ("/v1/completions", {"prompt": ["a", "b", "c", "d", "e"], "max_tokens": 10}),
        ("/v1/completions", {"prompt": [[1], [2], [3], [4], [5]], "max_tokens": 10}),
        ("/v1/completions", {"prompt": "a", "max_tokens": 10, "best_of": 5}),
    ],
    ids=["two-limits", "two-limits-turned", "choices", "prompts", "prompts-of-ids", "best-of"],
)
async def test_a_hold_covers_everything_that_may_be_generated(
    engine: OpenAiLike, path: str, more: dict[str, Any]
) -> None:
    async with _served(engine, tenant={"budget": {"amount": 49}}) as served:
        assert await _post(served, path, **more) == 429
    assert engine.requests == []


async def test_a_limit_beyond_all_reason_is_written_down_so_that_it_can_be_read_again(
    engine: OpenAiLike,
) -> None:
    cost = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}
    async with _served(engine, cost=cost) as served:
        await _post(served, "/v1/completions", prompt=["a"] * 5_000, max_tokens=2**63, n=128)
        await served.until(lambda: served.ledger.ended)
    began = served.ledger.began[0]
    assert decode(encode(began)[:-1]) == began


@pytest.mark.parametrize("sold", [{"per_second": 1}, {"per_image": 1}], ids=["second", "image"])
async def test_a_resale_price_by_the_piece_is_held_too(engine: OpenAiLike, sold: dict[str, Any]) -> None:
    tenant = {"budget": {"amount": 0.5}, "resale": {"prices": {"assistant": {**sold, "currency": "EUR"}}}}
    async with _served(engine, tenant=tenant) as served:
        assert await _post(served, max_tokens=1) == 429


def test_an_image_counts_the_same_whatever_its_file_weighs_and_hides_nothing_beside_it() -> None:
    def size(url: str, tools: int) -> int:
        image = {"type": "image_url", "image_url": {"url": url}}
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": [image]}],
            "tools": [{"a": "x" * tools}],
        }
        raw = orjson.dumps(body)
        return make_ask(Route.CHAT, body, request_id="r", arrived=0.0, size=len(raw)).size

    assert size("data:image/png;base64," + "A" * 1_000_000, 0) == size("http://example.com/a.png", 0)
    assert size("http://example.com/a.png", 100_000) == size("http://example.com/a.png", 0) + 100_000


async def test_a_hold_lives_as_long_as_its_call_can(engine: OpenAiLike) -> None:
    times = {"total": "100s", "after_hangup": "30s"}
    async with _served(engine, tenant={"budget": {"amount": 10}}, timeouts=times) as served:
        engine.always(Silent())
        async with served.client() as http:
            call = asyncio.ensure_future(http.post(_PATH, json={**_BODY, "max_tokens": 5}))
            await engine.until(lambda: engine.live == 1)
            store = served.ledger.budgets._store
            begun = store.clock
            store.clock = lambda: begun() + 129.0  # nearly all of its time, and what is heard after it
            assert served.ledger.budgets.sweep() == []
            assert _pending(served) >= 5
            call.cancel()
            await _ended(served)
    assert _pending(served) == 0


# Prices of another day


def _known(price: int) -> Known:
    party = Party("together")
    facts = Facts(price=Price("EUR", Decimal(price), Decimal(price)))
    return Known(Facts(), (Host("together", party, facts),))


def _auto() -> Catalog:
    configuration = one_backend("hf-providers", "", model="org/model", token="env:HF", cost="auto")
    return catalog_of(configuration, environment={"HF": "hf_test"}, models=Path("unused"))


def test_a_try_that_began_before_a_new_price_does_not_bring_the_old_one_back() -> None:
    catalog = _auto()
    (target,) = catalog.models["assistant"].targets
    prices = pricing(catalog)
    old, new, at = _known(1), _known(9), datetime(2026, 11, 21, tzinfo=UTC)

    def asked(known: Known) -> int:
        quote = prices.quote(target, known=known, at=at, provider="together")
        return (quote.priced or {})["input"].per_unit

    assert asked(old) == pico(Decimal("1e-6"))
    prices.forget()
    assert asked(old) == pico(Decimal("1e-6"))  # it ends after the new price is known
    assert asked(new) == pico(Decimal("9e-6"))
    assert asked(old) == pico(Decimal("1e-6"))


class _Table:
    name, as_of = "a list", "2026-11-21"

    def rates(self, provider: str, model: str, **_: object) -> Rates:
        return Rates("EUR", {TokenKind.INPUT: Decimal(1), TokenKind.OUTPUT: Decimal(2)})


def test_lists_that_are_read_after_an_edition_was_made_apply_to_it() -> None:
    catalog = _auto()
    (target,) = catalog.models["assistant"].targets
    tables: list[PriceTable] = []
    book = PriceBook(currency=catalog.currency, version=catalog.version, tables=tables)
    prices = Pricing(catalog, book, Exchanger(packaged_rates()))
    assert prices.quote(target, known=None, at=None, provider="together").priced is None

    tables.append(_Table())
    prices.forget()

    assert prices.quote(target, known=None, at=None, provider="together").priced is not None


async def test_what_is_under_way_is_charged_at_the_prices_of_its_start(engine: OpenAiLike) -> None:
    step = asyncio.Event()
    engine.always(Pace(step))
    async with _served(engine) as served:
        call = asyncio.ensure_future(_post(served))
        await engine.until(lambda: engine.live == 1)
        cheaper = {**_COST, "output_per_million": 500_000}  # half
        served.publish(one_backend("openai", engine.url, model=engine.model, cost=cheaper))
        step.set()
        assert await call == 200
        ended = await _ended(served)
    assert sum(line.billed for line in ended.lines) == pico(Decimal(1))


# Clocks


def _clock(served: Served, now: Callable[[], float]) -> None:
    object.__setattr__(served.ledger.books, "now", now)


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, 86_400.0 * 365], ids=["back", "on", "a-year-on"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_clock_that_jumps_sells_no_time(engine: OpenAiLike, jump: float, stream: bool) -> None:
    release = asyncio.Event()
    engine.always(Pace(release))
    async with _served(engine, cost={"per_second": 1, "currency": "EUR"}) as served:
        call = asyncio.ensure_future(_post(served, stream=stream))
        await engine.until(lambda: engine.live == 1)
        _clock(served, lambda: time.time() + jump)
        release.set()
        assert await call == 200
        ended = await _ended(served)
    (began,) = served.ledger.began
    seconds = next(line.quantity for line in ended.lines if line.meter == "second")
    assert 1 <= seconds <= 10
    assert ended.at >= began.at
    assert ended.first_ms is not None
    assert ended.first_ms < 10_000
    assert decode(encode(ended)[:-1]) == ended


# Ends that never come


_CHOICES: list[Any] = [
    ["x"],
    [None],
    [{"message": "x"}],
    [{"message": {"content": ["x"]}}],
    [{"message": {"tool_calls": "x"}}],
    [{"text": 5}],
    [[]],
]


@pytest.mark.parametrize("choices", _CHOICES, ids=orjson.dumps)
async def test_an_answer_of_any_shape_ends_once_and_frees_its_hold(engine: OpenAiLike, choices: Any) -> None:
    engine.always(Status(200, {"choices": choices}))
    async with _served(engine, tenant={"budget": {"amount": 100}}) as served:
        await _post(served, max_tokens=5)
        await served.until(lambda: served.ledger.ended and not served.ledger.open())
        assert _pending(served) == 0
    assert len(served.records) == 1


_ODD: list[bytes] = [
    b'{"choices":5,"usage":{}}',
    b'{"choices":"x","usage":{}}',
    b'{"choices":[{"index":[],"finish_reason":"stop"}]}',
    b'{"choices":[{"index":0,"delta":5,"finish_reason":"stop"}]}',
    b'{"choices":[{"index":0,"delta":{"tool_calls":5},"finish_reason":"stop"}]}',
    b'{"choices":{"a":1},"usage":{"total_tokens":[]}}',
    b'{"choices":[],"usage":{"total_tokens":"9","prompt_tokens":-1,"completion_tokens":1.5}}',
    b'{"choices":[],"usage":[1]}',
    b'{"choices":[],"usage":{"prompt_tokens":1e300,"completion_tokens":true,"prompt_tokens_details":[]}}',
]


@pytest.mark.parametrize("odd", _ODD, ids=repr)
async def test_a_stream_of_any_shape_ends_once_and_tells_the_caller_that_it_broke(
    engine: OpenAiLike, odd: bytes
) -> None:
    read = asyncio.Event()
    engine.answer = "un deux"
    engine.always(Wait(read, before=2), Insert(b"data: " + odd + b"\n\n", before=2))
    async with _served(engine, tenant={"budget": {"amount": 100}}, timeouts={"after_hangup": "1s"}) as served:
        body = {**_BODY, "stream": True, "max_tokens": 5}
        async with served.client() as http, http.post(_PATH, json=body) as reply:
            await reply.content.readany()
            read.set()
            assert (await reply.read()).endswith(b"\n\n")
        ended = await _ended(served)
        assert _pending(served) == 0
    assert ended.outcome in ("answered", "broken")
    assert (ended.payer, ended.served) == ("tenant:acme", True)
    assert all(line.amount >= 0 for line in ended.lines)
    gc.collect()  # a task whose error nobody looked at would say so now


async def test_usage_as_deep_as_json_can_be_is_cut_and_the_try_ends(engine: OpenAiLike) -> None:
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    usage = b'{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"more":%b}' % deep
    choice = b'{"index":0,"message":{"role":"assistant","content":"un"},"finish_reason":"stop"}'
    engine.always(
        Status(200, b'{"choices":[%b],"usage":%b}' % (choice, usage), content_type="application/json")
    )
    async with _served(engine) as served:
        await _post(served)
        ended = await _ended(served)
    assert decode(encode(ended)[:-1]) == ended


async def test_nothing_that_was_said_is_written_down_with_the_usage(engine: OpenAiLike) -> None:
    told = {"cached_tokens": 1, "prompt": "SECRET", "more": ["SECRET"], "SECRET " * 50: 1}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "prompt_tokens_details": told}
    choice = {"index": 0, "message": {"content": "un"}, "finish_reason": "stop"}
    engine.always(Status(200, {"choices": [choice], "usage": usage | {"SECRET " * 50: 1}}))
    async with _served(engine) as served:
        await _post(served)
        ended = await _ended(served)
    assert ended.usage is not None
    assert ended.usage["prompt_tokens_details"] == {"cached_tokens": 1}
    assert b"SECRET" not in encode(ended)


async def test_an_engine_still_listened_to_when_the_gateway_closes_is_settled(engine: OpenAiLike) -> None:
    engine.answer = "un deux trois"
    step = asyncio.Event()
    engine.always(Pace(step))
    async with _served(engine, timeouts={"after_hangup": "30s"}) as served:
        gateway = gateway_of(served.editions, books=served.ledger.books, sinks=[], draw=lambda: 0.5)
        caller = Caller("key_test", "acme", Role.MEMBER)
        body = {**_BODY, "stream": True}
        ask = make_ask(Route.CHAT, body, request_id="r", arrived=time.monotonic(), size=80)
        call = asyncio.ensure_future(gateway.ask(caller, ask))
        while not call.done():
            step.set()
            await asyncio.sleep(0)
            step.clear()
            await asyncio.sleep(0.005)
        (await call).close()
        await gateway.aclose()  # at once: what listens has not had its first turn
        assert not served.ledger.open()
        assert served.editions.current.calls == 0


async def test_an_answer_that_we_cannot_hand_over_is_hung_up_on_and_not_the_tenants(
    engine: OpenAiLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(gateway_module, "Answer", broken)
    step = asyncio.Event()
    engine.answer = "un deux trois"
    engine.always(Pace(step))
    async with _served(engine, tenant={"budget": {"amount": 100}}) as served:
        call = asyncio.ensure_future(_post(served, stream=True, max_tokens=5))
        while not call.done():
            step.set()
            await asyncio.sleep(0)
            step.clear()
            await asyncio.sleep(0.005)
        assert await call == 500
        ended = await _ended(served)
        assert _pending(served) == 0
        await engine.until(lambda: engine.live == 0)
    assert (ended.payer, ended.served) == ("operator:retry", False)
    assert served.editions.current.calls == 0
