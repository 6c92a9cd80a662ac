"""Any schedule of faults and of callers that leave: one end for each call, one bill for each try, nothing held."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chaos.callers import asking, leave
from tests.chaos.proxy import Proxy
from tests.chaos.scene import LIMITS, Heard, Scene, Toxic, check, eventually, poison, scene
from tests.fakes.script import Pace

_QUICK = {**LIMITS, "first_content": 0.25, "between_chunks": 0.25, "total": 0.6}


def _down(name: str, value: float) -> Toxic:
    return lambda proxy: setattr(proxy.down, name, value)


_TOXICS: dict[str, Toxic] = {
    "latency": _down("latency", 0.01),
    "jitter": _down("jitter", 0.02),
    "bandwidth": _down("bandwidth", 50_000),
    "blackhole": _down("blackhole", 1),
    "blackhole-up": lambda proxy: setattr(proxy.up, "blackhole", True),
    "slice": _down("slice", 7),
    "truncate": lambda proxy: setattr(proxy.down, "truncate", 500),
    "slow-close": _down("slow_close", 0.02),
    "refuse": lambda proxy: proxy.refuse(),
    "reset": lambda proxy: setattr(proxy, "reset", True),
    "cut": lambda proxy: proxy.cut(),
    "close": lambda proxy: proxy.cut(reset=False),
    "heal": lambda proxy: proxy.heal(),
}


@dataclass(frozen=True)
class _Call:
    """`leaves` is after how many bytes of the reply the caller goes, None = it stays to the end."""

    stream: bool
    leaves: int | None = None
    how: str = "FIN"


_CALLS = st.builds(_Call, st.booleans(), st.none() | st.integers(0, 3_000), st.sampled_from(["FIN", "RST"]))
# After how many bytes of all answers together what happens to the way.
_STEPS = st.lists(st.tuples(st.integers(0, 6_000), st.sampled_from(sorted(_TOXICS))), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    calls=st.lists(_CALLS, min_size=1, max_size=5),
    steps=_STEPS,
    paired=st.booleans(),
    attempts=st.integers(1, 3),
    places=st.sampled_from([1, 2, 100]),
)
def test_any_schedule_of_faults_and_hangups(
    calls: list[_Call], steps: list[tuple[int, str]], paired: bool, attempts: int, places: int
) -> None:
    asyncio.run(_run(calls, steps, paired=paired, attempts=attempts, places=places))


async def _run(
    calls: list[_Call], steps: list[tuple[int, str]], *, paired: bool, attempts: int, places: int
) -> None:
    room = {"most": places, "adaptive": False}
    async with scene(paired=paired, limits=_QUICK, attempts=attempts, concurrency=room) as play:
        play.engine.always(Pace(0.001))
        fate = asyncio.ensure_future(_befall(play.proxy, sorted(steps)))
        async with asyncio.timeout(20):
            heard = await asyncio.gather(*[_made(play, call, f"call-{n}") for n, call in enumerate(calls)])
        fate.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await fate
        await play.proxy.heal()
        for each in heard:
            if each is not None:
                check(each)
        await eventually(lambda: not play.holds())
        play.clock.now += 61
        check(await play.call(stream=True))
    # Everything is closed now: nothing can come any more.
    assert play.holds() == []
    told = [record.request_id for record in play.served.records]
    assert len(told) == len(set(told))
    ended = [each.attempt_id for each in play.served.ledger.ended]
    assert sorted(ended) == sorted({each.attempt_id for each in play.served.ledger.began})
    stayed = sum(1 for call in calls if call.leaves is None) + 1
    assert stayed <= len(told) <= len(calls) + 1  # who left at once may not have been heard
    assert {f"call-{n}" for n, call in enumerate(calls) if call.leaves} <= set(told)


async def _befall(proxy: Proxy, steps: list[tuple[int, str]]) -> None:
    """Each step once so many bytes have come back, or soon where none come any more."""
    for after, name in steps:
        with contextlib.suppress(TimeoutError):
            await eventually(lambda after=after: proxy.down.bytes >= after, within=0.15)  # type: ignore[misc]
        await poison(proxy, _TOXICS[name])


async def _made(play: Scene, call: _Call, request_id: str) -> Heard | None:
    """What the caller heard; None where it left."""
    if call.leaves is None:
        return await play.call(stream=call.stream)
    async with asking(play.served.port, stream=call.stream, request_id=request_id) as (reader, writer):
        left = call.leaves
        while left > 0 and (part := await reader.read(min(left, 4096))):
            left -= len(part)
            if b"[DONE]" in part or not call.stream or b'"error"' in part:
                break
        leave(writer, call.how)
    return None
