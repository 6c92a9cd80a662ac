"""The phases: how much can be done, what happens when five times as much is asked, and how soon that is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter, process_time

import aiohttp

from tools.soak.client import End, Tally, Wish, quantile
from tools.soak.loads import closed, opened

FACTOR = 5.0
_PATIENCE = 2.0  # seconds that callers wait in these phases, as their SDK tells the service
_LIGHT = 0.5  # of the peak: what a service is usually asked
_QUIET = 0.1  # of a core that other programs may take, if the figures are to be judged
_WINDOW = 2.0  # seconds whose p95 is looked at


@dataclass(frozen=True, slots=True)
class Overload:
    """What was measured. Rates are calls a second, times seconds."""

    peak: float
    light_p95: float
    asked: float  # of what was sent, not of what was meant
    goodput: float
    goodput_share: float  # of the peak
    refused: int
    refused_p95: float
    late: int
    strange: list[str]
    back_after: float | None  # None = not within the time that was looked
    cpu: float  # seconds of CPU that the service took for each second of the flood
    waited: float  # seconds of each in which it could have run and others had the core: 0 on a quiet machine
    others: float  # seconds of CPU that programs took which are not of this soak
    own_cpu: float  # seconds of CPU that the callers took
    own_lag: float  # p95 of how late the callers' own loop was: they cannot see what is quicker
    ends: dict[str, int]

    @property
    def disturbed(self) -> bool:
        """Did other programs take so much that these figures are theirs too?"""
        return self.others > _QUIET

    def wrong(self) -> list[str]:
        """What is not as it should be. Goodput and recovery are judged on a machine that is otherwise idle."""
        found = list(self.strange)
        if self.disturbed:
            return found
        if self.goodput_share < 0.9:
            found.append(f"goodput under overload is {self.goodput_share:.0%} of the peak")
        if self.back_after is None or self.back_after > 30:
            found.append("p95 is not back to normal within 30 s")
        return found

    def plain(self) -> dict[str, object]:
        """For a JSON report."""
        return asdict(self)


async def overload(
    session: aiohttp.ClientSession,
    keys: tuple[str, str],
    *,
    slots: int,
    seconds: float,
    draw: random.Random,
    done: Callable[[Tally], None],
    cpu: Callable[[], tuple[float, float, float]],
) -> Overload:
    """Peak (a fifth of the time), light load (a fifth), five times the peak (two fifths), light load again (a fifth).

    `done` is given everything that was seen, for the comparison with the ledger; `cpu` gives the seconds in
    which the service has run so far, and those in which it had to wait for a core,
    and those in which other programs of this machine have run.
    """

    def wish() -> Wish:
        return Wish(draw.choice(keys), stream=draw.random() < 0.5, patience=_PATIENCE)

    part = seconds / 5
    first = await closed(session, wish, clients=slots, seconds=min(2.0, part))  # warms up
    done(first)
    most = await closed(session, wish, clients=2 * slots, seconds=part)
    done(most)
    peak = len(most.of(End.WHOLE)) / part
    light = await opened(session, wish, rate=peak * _LIGHT, seconds=part, draw=draw)
    done(light)
    normal = quantile((each.seconds for each in light.of(End.WHOLE)), 0.95)

    used = waited = others = own = 0.0
    lags: list[float] = []

    async def lag() -> None:
        while True:
            due = perf_counter() + 0.02
            await asyncio.sleep(0.02)
            lags.append(perf_counter() - due)

    async def light_again() -> Tally:
        nonlocal used, waited, others, own
        await asyncio.sleep(2 * part)  # while the last of the flood still wait
        ran, stood, foreign = cpu()
        used, waited, others, own = ran - used, stood - waited, foreign - others, process_time() - own
        watching.cancel()
        return await opened(session, wish, rate=peak * _LIGHT, seconds=max(part, 2 * _WINDOW), draw=draw)

    began, own = perf_counter(), process_time()
    used, waited, others = cpu()
    watching = asyncio.create_task(lag())
    flood, after = await asyncio.gather(
        opened(session, wish, rate=peak * FACTOR, seconds=2 * part, draw=draw), light_again()
    )
    done(flood)
    done(after)
    # Of the calls made between the first second, in which the queue fills, and the end of the flood.
    steady = [each for each in flood.seen if began + 1 <= each.at + each.seconds <= began + 2 * part]
    good = sum(each.end is End.WHOLE for each in steady) / (2 * part - 1)
    refused = flood.of(End.REFUSED)
    return Overload(
        peak=peak,
        light_p95=normal,
        asked=len(flood.seen) / (2 * part),
        goodput=good,
        goodput_share=good / peak if peak else 0.0,
        refused=len(refused),
        refused_p95=quantile((each.seconds for each in refused), 0.95),
        late=len(flood.of(End.LATE)),
        strange=[*most.strange(), *light.strange(), *flood.strange(), *after.strange()],
        back_after=_back(after, began + 2 * part, normal),
        cpu=used / (2 * part),
        waited=waited / (2 * part),
        others=max(0.0, others / (2 * part)),
        own_cpu=own / (2 * part),
        own_lag=quantile(lags, 0.95),
        ends=flood.ends(),
    )


def _back(after: Tally, ended: float, normal: float) -> float | None:
    """Seconds from the end of the flood to the first of two seconds whose p95 is at most half as much again."""
    seen = sorted(after.seen, key=lambda each: each.at)
    if not seen:
        return None
    start, last = seen[0].at, seen[-1].at
    while start + _WINDOW <= last + 0.1:
        window = [each for each in seen if start <= each.at < start + _WINDOW]
        times = [each.seconds if each.end is End.WHOLE else float("inf") for each in window]
        if times and quantile(times, 0.95) <= 1.5 * normal + 0.02:
            return max(0.0, start - ended)
        start += 0.25
    return None
