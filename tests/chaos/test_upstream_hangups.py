"""A caller that leaves takes its engine's work with it, whenever it leaves and however; one that does not read, too."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic

import pytest

from passerelle.http.vigil import Patience
from tests.chaos.callers import asking, leave
from tests.chaos.scene import TEXT, Scene, check, eventually, scene
from tests.fakes.script import HEAD, Answer, Pace, RoleFirst, Status, Touch, Wait

_BOUND = 2.0  # seconds; the promise is 0.5, and machines that run tests are busy
_NEVER = 60.0


@pytest.fixture(params=["FIN", "RST"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# When a caller leaves: whether it has asked for a stream, what the engine does, what the caller has read by then.
_MOMENTS: dict[str, tuple[bool, list[Touch], bytes]] = {
    "before-the-headers": (True, [Wait(_NEVER, before=HEAD)], b""),
    "before-the-first-token": (True, [RoleFirst(), Wait(_NEVER, before=1)], b""),
    "mid-stream": (True, [Wait(_NEVER, before=4)], b"mot1"),
    "between-many-chunks": (True, [Pace(0.002)], b"mot3"),
    "no-stream": (False, [Wait(_NEVER, before=HEAD)], b""),
}


async def test_a_call_under_way_holds_what_a_settled_one_has_given_back() -> None:
    async with scene() as play:
        go_on = asyncio.Event()
        play.engine.always(Wait(go_on, before=4))
        call = asyncio.ensure_future(play.call(stream=True))
        await eventually(lambda: play.engine.live == 1)
        held = " ".join(play.holds())
        for each in (
            "a try without an end",
            "money: ",
            "the tenant's calls",
            "places: ",
            "in flight on engine",
        ):
            assert each in held
        go_on.set()
        check(await call)
        await play.settled(1)
        assert play.served.records[0].charged > 0


@pytest.mark.parametrize("kind", ["openai", "vllm", "tgi"])
@pytest.mark.parametrize("moment", _MOMENTS)
async def test_the_engine_is_hung_up_on(kind: str, moment: str, how: str) -> None:
    stream, touches, read = _MOMENTS[moment]
    async with scene(kind, paired=True, answer=TEXT * 20 if "many" in moment else TEXT) as play:
        play.engine.always(*touches)
        async with asking(play.served.port, stream=stream) as (reader, writer):
            await eventually(lambda: play.engine.live == 1)
            if read:
                await reader.readuntil(read)
            left = leave(writer, how)
            await play.engine.until(lambda: play.engine.hung_up, within=_BOUND)
        print(f"{moment}, {how}: engine closed after {(play.engine.hung_up[0].at - left) * 1000:.1f} ms")
        await play.settled(1)

        record = play.served.records[0]
        assert record.outcome == "hung_up"
        assert (len(play.engine.requests), play.spare.requests) == (1, [])
        # Whatever it has used is written down once: what an engine worked for nobody is somebody's to pay.
        assert [each.attempt_id for each in play.served.ledger.ended] == [
            each.attempt_id for each in play.served.ledger.began
        ]


async def test_a_call_that_leaves_in_the_middle_of_a_whole_body(how: str) -> None:
    async with scene(answer=TEXT * 50) as play:
        play.proxy.down.slice, play.proxy.down.bandwidth = 200, 4_000
        async with asking(play.served.port, stream=False) as (_, writer):
            await eventually(lambda: play.proxy.down.bytes >= 1_000)
            leave(writer, how)
            await eventually(lambda: play.proxy.open == 0, within=_BOUND)
        await play.settled(1)
        assert play.served.records[0].outcome == "hung_up"


async def test_a_call_that_leaves_while_it_waits_for_a_place(how: str) -> None:
    async with scene(concurrency={"most": 1, "adaptive": False}) as play:
        go_on = asyncio.Event()
        play.engine.script(Wait(go_on, before=3))
        first = asyncio.ensure_future(play.call(stream=True))
        await eventually(lambda: play.engine.live == 1)
        async with asking(play.served.port, stream=True) as (_, writer):
            await eventually(lambda: _waiting(play) == 1)
            leave(writer, how)
            await eventually(lambda: _waiting(play) == 0, within=_BOUND)
        await eventually(lambda: play.served.records)
        assert (play.served.records[0].outcome, play.served.records[0].attempts) == ("hung_up", ())
        assert len(play.engine.requests) == 1
        go_on.set()
        check(await first)
        assert (await play.call()).text == TEXT
        await play.settled(3)


def _waiting(play: Scene) -> int:
    occupancy = play.served.watch.places.of("engine")
    return occupancy.waiting if occupancy else 0


async def test_a_call_that_leaves_in_a_pause_before_a_repeat(how: str) -> None:
    async with scene(attempts=3) as play:
        play.engine.always(Status(503, {"error": "busy"}, {"retry-after": "2"}))
        async with asking(play.served.port, stream=True) as (_, writer):
            await eventually(lambda: play.served.ledger.ended)
            leave(writer, how)
            await eventually(lambda: play.served.records, within=_BOUND)
        await play.settled(1)
        assert play.served.records[0].outcome == "hung_up"
        assert len(play.engine.requests) == 1


@pytest.mark.parametrize("toxic", ["blackhole", "half-open", "latency", "slice"])
async def test_a_caller_may_leave_on_a_bad_way_to_the_engine(toxic: str, how: str) -> None:
    async with scene() as play:
        play.engine.always(Wait(_NEVER, before=4))
        if toxic == "latency":
            play.proxy.down.latency = 0.05
        if toxic == "slice":
            play.proxy.down.slice = 1
        play.proxy.half_open = toxic == "half-open"
        async with asking(play.served.port, stream=True) as (reader, writer):
            await reader.readuntil(b"mot1")
            play.proxy.down.blackhole = toxic == "blackhole"
            leave(writer, how)
            await eventually(lambda: play.served.records, within=_BOUND)
            if toxic == "half-open":  # the engine cannot know; what is ours is free nevertheless
                await eventually(lambda: not play.holds())
                play.proxy.cut()
        await play.settled(1)
        assert play.served.records[0].outcome == "hung_up"


async def test_two_hundred_callers_leave_at_once(how: str) -> None:
    async with (
        scene(concurrency={"most": 50, "adaptive": False}) as play,
        contextlib.AsyncExitStack() as stack,
    ):
        play.engine.always(Wait(_NEVER, before=0))
        pairs = [
            await stack.enter_async_context(asking(play.served.port, stream=bool(number % 4)))
            for number in range(200)
        ]
        await eventually(lambda: play.engine.live == 50 and _waiting(play) == 150)
        began = monotonic()
        for _, writer in pairs:
            leave(writer, how)
        await play.engine.until(lambda: play.engine.live == 0, within=10)
        print(f"200 callers, {how}: engine idle after {(monotonic() - began) * 1000:.0f} ms")
        await play.settled(200)
        assert {record.outcome for record in play.served.records} == {"hung_up"}
        assert len(play.engine.requests) <= 50 + 5  # a place that comes free is not given to those who left


@pytest.mark.parametrize("moment", ["from-the-start", "after-a-while"])
async def test_a_caller_that_does_not_read_is_hung_up_on(moment: str) -> None:
    # More than all buffers on the way hold; a slow caller must not have it pile up in ours.
    answer = Answer(pieces=tuple(f"{number:05d}" + "x" * 20_000 for number in range(1_500)))
    patience = Patience(tick=0.02, reading=0.3)
    async with scene(answer=answer, patience=patience) as play:
        async with asking(play.served.port, stream=True, buffer=4096) as (reader, _):
            if moment == "after-a-while":
                await reader.readexactly(200_000)
            await play.engine.until(lambda: play.engine.hung_up, within=15)
        assert play.engine.hung_up[0].frames < 1_500
        print(f"{moment}: engine was stopped after {play.engine.hung_up[0].frames} of 1500 frames")
        await play.settled(1)
        assert play.served.records[0].outcome == "hung_up"


async def test_a_slow_reader_that_reads_gets_everything() -> None:
    async with scene(answer=TEXT, patience=Patience(tick=0.02, reading=0.5)) as play:
        play.engine.always(Pace(0.005))
        async with asking(play.served.port, stream=True, buffer=4096) as (reader, _):
            said = b""
            while b"0\r\n\r\n" not in said[-8:]:
                said += await reader.read(64)
                await asyncio.sleep(0.001)
        assert b"[DONE]" in said
        await play.settled(1)
