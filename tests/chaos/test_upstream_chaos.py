"""Whatever happens on the way to an engine, a caller gets one clear error or one engine's whole answer."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.chaos.callers import request
from tests.chaos.proxy import Proxy
from tests.chaos.scene import (
    BODY,
    BROKEN_CODES,
    KINDS,
    LIMITS,
    PATH,
    SHORT,
    TEXT,
    Heard,
    Toxic,
    check,
    eventually,
    poison,
    scene,
)
from tests.fakes.engine import Engine
from tests.fakes.script import HEAD, Close, Pace, Touch, Truncate, Wait


def _set(way: str, **toxics: Any) -> Toxic:
    def apply(proxy: Proxy) -> None:
        for name, value in toxics.items():
            setattr(getattr(proxy, way), name, value)

    return apply


def _flag(name: str) -> Toxic:
    return lambda proxy: setattr(proxy, name, True)


# What slows an answer down or cuts it into pieces takes nothing from it.
HARMLESS: dict[str, Toxic] = {
    "latency": _set("down", latency=0.02, jitter=0.02),
    "latency-up": _set("up", latency=0.02, jitter=0.02),
    "bandwidth": _set("down", bandwidth=100_000),
    "slice": _set("down", slice=1),
    "slice-up": _set("up", slice=1),
    "slow-close": _set("down", slow_close=0.05),
    "half-open": _flag("half_open"),
}
# Nothing of an answer gets through: with the codes that a whole call and a stream are told.
_BROKEN = ("upstream_broken", "upstream_broken")
_SILENT = ("upstream_total_timeout", "upstream_first_content_timeout")
DEADLY: dict[str, tuple[Toxic, tuple[str, str]]] = {
    "refuse": (lambda proxy: proxy.refuse(), ("upstream_unreachable", "upstream_unreachable")),
    "reset": (_flag("reset"), _BROKEN),
    "blackhole-up": (_set("up", blackhole=True), _SILENT),
    "blackhole-down": (_set("down", blackhole=True), _SILENT),
    "truncate-up": (_set("up", truncate=50), _BROKEN),
    "truncate-before-head": (_set("down", truncate=0), _BROKEN),
    "truncate-in-head": (_set("down", truncate=20), _BROKEN),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def _head_of(engine: Engine, *, stream: bool) -> int:
    """Bytes of the head of this engine's reply, which come before those of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    writer.write(request(stream=stream).replace(b'"assistant"', b'"qwen2.5-7b-instruct"'))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    await engine.until(lambda: engine.live == 0)
    return len(head)


@pytest.mark.parametrize("toxic", HARMLESS)
async def test_what_only_slows_leaves_the_answer_whole(kind: str, stream: bool, toxic: str) -> None:
    async with scene(kind) as play:
        await poison(play.proxy, HARMLESS[toxic])
        heard = [await play.call(stream=stream) for _ in range(2)]
        for each in heard:
            check(each)
        assert [each.text for each in heard] == [TEXT, TEXT]
        await play.settled(2)


@pytest.mark.parametrize("toxic", DEADLY)
async def test_what_kills_before_the_first_content_is_one_error(kind: str, stream: bool, toxic: str) -> None:
    apply, codes = DEADLY[toxic]
    async with scene(kind, limits=SHORT) as play:
        await poison(play.proxy, apply)
        heard = await play.call(stream=stream)
        check(heard)
        assert heard.code == codes[stream]
        await play.settled(1)
        assert play.served.records[0].outcome == "failed"


@pytest.mark.parametrize("kind", ["openai", "tgi"])
@pytest.mark.parametrize("toxic", DEADLY)
async def test_and_the_second_target_answers_it_whole(kind: str, stream: bool, toxic: str) -> None:
    async with scene(kind, paired=True, limits=SHORT) as play:
        await poison(play.proxy, DEADLY[toxic][0])
        heard = await play.call(stream=stream)
        check(heard)
        assert (heard.status, heard.backend, heard.code) == (200, "spare", None)
        await play.settled(1)
        first, second = play.served.records[0].attempts
        assert (first.backend, second.backend, second.fault) == ("engine", "spare", None)
        assert first.fault is not None


@pytest.mark.parametrize("paired", [False, True], ids=["alone", "paired"])
async def test_an_answer_cut_in_its_first_bytes(kind: str, stream: bool, paired: bool) -> None:
    async with scene(kind, paired=paired) as play:
        play.proxy.down.truncate = await _head_of(play.engine, stream=stream) + 12
        heard = await play.call(stream=stream)
        check(heard)
        assert heard.code == (None if paired else "upstream_broken")
        assert heard.backend == ("spare" if paired else None)
        await play.settled(1)


# What may befall a stream after its caller has read the first content.
_GONE = pytest.param(lambda proxy: proxy.cut(reset=True), id="reset")
_LATE = [
    _GONE,
    pytest.param(lambda proxy: proxy.cut(reset=False), id="closed"),
    pytest.param(_flag("reset"), id="reset-at-the-next-byte"),
    pytest.param(lambda proxy: setattr(proxy.down, "truncate", proxy.down.bytes + 60), id="truncated"),
    pytest.param(_set("down", blackhole=True), id="blackhole"),
]


@pytest.mark.parametrize("toxic", _LATE)
async def test_what_kills_a_stream_later_is_told_in_it_and_nothing_is_glued_on(
    kind: str, toxic: Toxic
) -> None:
    async with scene(kind, paired=True, limits={**LIMITS, "between_chunks": 0.5}) as play:
        read = asyncio.Event()
        play.engine.always(Wait(read, before=5))
        heard = await _read_around(play, toxic, read)
        check(heard)
        assert heard.backend == "engine"
        assert heard.code in BROKEN_CODES
        assert heard.text
        await play.settled(1)
        assert play.spare.requests == []
        assert play.served.records[0].outcome == "broken"


@pytest.mark.parametrize("toxic", [*HARMLESS, "refuse"])
async def test_what_slows_a_stream_later_leaves_it_whole(toxic: str) -> None:
    late: dict[str, Toxic] = {**HARMLESS, "refuse": lambda proxy: proxy.refuse()}
    async with scene(paired=True) as play:
        read = asyncio.Event()
        play.engine.always(Wait(read, before=5))
        heard = await _read_around(play, late[toxic], read)
        check(heard)
        assert heard.text == TEXT
        await play.settled(1)


async def _read_around(play: Any, toxic: Toxic, read: asyncio.Event) -> Heard:
    """A stream whose way is poisoned once its first content is here, and whose engine goes on then."""
    async with play.served.client() as http, asyncio.timeout(15):
        async with http.post(PATH, json={**BODY, "stream": True}) as reply:
            body = await reply.content.readuntil(b"mot0")
            await poison(play.proxy, toxic)
            read.set()
            try:
                body += await reply.content.read()
            except aiohttp.ClientError:
                return Heard(reply.status, {}, body, whole=False)
            headers = {name.lower(): value for name, value in reply.headers.items()}
            return Heard(reply.status, headers, body)


@pytest.mark.parametrize("end", [Close(after=6), Truncate(after=6)], ids=["closed", "ended-in-order"])
async def test_an_end_that_comes_too_soon_and_is_told_late_is_no_end(end: Touch) -> None:
    async with scene(limits={**LIMITS, "between_chunks": 1}) as play:
        play.engine.always(Pace(0.01), end)
        play.proxy.down.slow_close = 0.1
        heard = await play.call(stream=True)
        check(heard)
        assert heard.code in BROKEN_CODES
        await play.settled(1)


@pytest.mark.parametrize("seed", range(8))
async def test_a_corrupted_answer_ends_and_is_billed_once(stream: bool, seed: int) -> None:
    # Bytes that are flipped inside a text cannot be told from an answer, so only the shape is looked at here.
    async with scene(paired=True, limits=SHORT | {"total": 3.0}, seed=seed) as play:
        play.engine.always(Pace(0.001))
        play.proxy.down.corrupt = 0.002 * (seed + 1)
        heard = await play.call(stream=stream)
        assert heard.whole
        assert heard.status in (200, 400, 502, 503, 504)
        assert not (heard.backend == "engine" and b"secours" in heard.body)
        assert not (heard.backend == "spare" and b"mot" in heard.body)
        if heard.status == 200 and stream:
            assert heard.done != heard.events[-1].startswith(b'{"error"')
        await play.settled(1)


async def test_a_kept_connection_that_died_costs_a_caller_nothing(kind: str, stream: bool) -> None:
    async with scene(kind, attempts=3) as play:
        check(await play.call(stream=stream))
        await play.settled(1)
        for reset in (True, False):
            play.proxy.cut(reset=reset)
            heard = await play.call(stream=stream)
            check(heard)
            assert heard.text == TEXT
        await play.settled(3)


async def test_an_engine_whose_process_dies_and_comes_back() -> None:
    async with scene(paired=True) as play:
        read = asyncio.Event()
        play.engine.always(Wait(read, before=HEAD))
        calls = [asyncio.ensure_future(play.call(stream=bool(number % 2))) for number in range(10)]
        await eventually(lambda: play.engine.live == 10)
        await play.engine.down()
        for heard in await asyncio.gather(*calls):
            check(heard)
            assert heard.backend == "spare"
        await play.engine.up()
        read.set()
        play.clock.now += 61  # longer than any rest
        heard = await play.call()
        check(heard)
        assert heard.backend == "engine"
        await play.settled(11)
