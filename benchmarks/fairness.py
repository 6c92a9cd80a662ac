"""python -m benchmarks.fairness: what one tenant's flood does to another's wait. Exit 0: at most twice; 1: more; 2: not known.

An engine of 8 slots serves each call in 50 ms, 160 a second; two tenants of equal shares ask it, so that half of that is
the share of each. One keeps to its share, then floods a hundredfold; the other asks the same both times. The gateway's
own places and queues are measured (`passerelle.limits.places`), in this process and in the time of its event loop,
without HTTP around them. This is the one file of the package that imports what it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import table
from passerelle.domain.catalog import BackendSpec, Tenant
from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.limits import Concurrency
from passerelle.limits.places import Places

SLOTS = 8
SERVICE = 0.050  # seconds a call holds its slot
SHARE = SLOTS / SERVICE / 2  # calls a second, of each of the two
FLOOD = 100
BAR = 2.0
_COST = 500  # tokens a call is expected to use
_WARM = 1.0  # seconds at the beginning that do not count
_TICK = 0.001  # seconds between looks at who has come
_LATE = 0.010  # seconds; those who would have come before are left out where this machine is too slow for the flood
_ENOUGH = 0.8  # of the flood


@dataclass(frozen=True, slots=True)
class Case:
    """How the two ask: `other` and `first` are parts of a share for arrivals at random, else clients in a closed loop."""

    name: str
    other: float
    first: float
    closed: bool = False
    judged: bool = True


# Who asks for little finds a slot free as long as there are any. Once the engine is always full, the next call waits
# for one of eight to end, however it is preferred: that row is shown, and cannot be promised.


CASES = (
    Case("arrivals at random, the other uses 50 % of its share", 0.5, 1.0),
    Case("arrivals at random, the other uses 80 % of its share", 0.8, 1.0),
    Case("8 clients each, that ask again once answered", 8, 8, closed=True),
    Case("arrivals at random, the other uses 20 % of its share (not judged)", 0.2, 1.0, judged=False),
)


@dataclass(slots=True)
class Seen:
    """What became of one tenant's calls."""

    waits: list[float] = field(default_factory=list)  # seconds
    refused: int = 0
    asked: int = 0  # of arrivals at random

    @property
    def p95(self) -> float:
        """Seconds, by nearest rank; 0 without any."""
        ordered = sorted(self.waits)
        return ordered[max(0, -(-len(ordered) * 95 // 100) - 1)] if ordered else 0.0


class Engine:
    """The slots, and who was in them; more than there are is an error of what is measured."""

    def __init__(self) -> None:
        self.places = Places(asyncio.get_running_loop().time)
        self._spec = BackendSpec("engine", "vllm", None, concurrency=Concurrency(most=SLOTS))
        self._busy = 0

    async def call(self, tenant: Tenant, seen: Callable[[], Seen]) -> bool:
        """Ask once; True when it was answered."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            place = await self.places.enter(self._spec, tenant, _COST, 60.0)
        except UpstreamFailed:
            seen().refused += 1
            return False
        seen().waits.append(clock() - began)
        self._busy += 1
        if self._busy > SLOTS:
            raise AssertionError("more calls in flight than slots")
        try:
            await asyncio.sleep(SERVICE)
        finally:
            self._busy -= 1
            place.leave()
        return True


class Asking:
    """One tenant's way of asking, which may grow while it asks."""

    def __init__(self, engine: Engine, tenant: Tenant, *, amount: float, closed: bool, seed: str) -> None:
        self.seen = Seen()
        self._engine = engine
        self._tenant = tenant
        self._amount = amount
        self._closed = closed
        self._seed = seed
        self._draw = random.Random(seed)
        self._calls: set[asyncio.Task[Any]] = set()
        self._spread: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if self._closed:
            self._add(round(self._amount))
        else:
            self._spread = asyncio.ensure_future(self._arrive())

    def watch(self) -> None:
        """Forget what was seen, and come from now on as at the start: both halves see the same arrivals."""
        self.seen = Seen()
        self._draw.seed(self._seed)

    def grow(self, times: int) -> None:
        """Ask so much more from now on."""
        if self._closed:
            self._add(round(self._amount * (times - 1)))
        self._amount *= times

    async def stop(self) -> None:
        """Ask no more; what is under way is broken off. Raises what went wrong meanwhile."""
        tasks = [*self._calls, *([self._spread] if self._spread else [])]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _add(self, clients: int) -> None:
        for _ in range(clients):
            self._calls.add(asyncio.ensure_future(self._client()))

    async def _client(self) -> None:
        while True:
            if not await self._engine.call(self._tenant, lambda: self.seen):
                await asyncio.sleep(1.0)  # what a refusal tells it, at least

    async def _arrive(self) -> None:
        """A Poisson process; those who came within a tick come together, and a tick that comes late brings no more."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due = max(due, clock() - _LATE)
            until = clock()
            while due <= until:
                due += self._draw.expovariate(self._amount * SHARE)
                self.seen.asked += 1
                call = asyncio.ensure_future(self._engine.call(self._tenant, lambda: self.seen))
                self._calls.add(call)
                call.add_done_callback(self._done)
            await asyncio.sleep(max(_TICK, due - clock()))

    def _done(self, call: asyncio.Task[bool]) -> None:
        if call.cancelled() or call.exception() is None:
            self._calls.discard(call)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case, before and during the flood."""

    case: Case
    kept: Seen  # what the other saw while the first kept to its share
    flooded: Seen  # and while it flooded
    first: Seen  # what the first saw while it flooded
    seconds: float  # of either

    @property
    def ratio(self) -> float:
        """How many times longer the other waits, at the 95th percentile."""
        return self.flooded.p95 / self.kept.p95 if self.kept.p95 else float("inf")

    @property
    def flood(self) -> float:
        """How many times its share the first has asked for."""
        if self.case.closed:
            return float(FLOOD)
        return self.first.asked / (SHARE * self.case.first * self.seconds)

    @property
    def holds(self) -> bool:
        """At most twice, and nobody who kept to its share was turned away."""
        return self.ratio <= BAR and not self.flooded.refused


async def measure(case: Case, *, seconds: float, seed: int = 1) -> Outcome:
    """Both halves of a case, `seconds` each, on one engine that is never idle between them."""
    engine = Engine()

    def asking(name: str, amount: float) -> Asking:
        return Asking(engine, Tenant(name, ()), amount=amount, closed=case.closed, seed=f"{seed} {name}")

    other, first = asking("other", case.other), asking("first", case.first)
    other.start()
    first.start()
    try:
        kept, _ = await _watch(engine, other, first, seconds=seconds)
        first.grow(FLOOD)
        flooded, flood = await _watch(engine, other, first, seconds=seconds)
    finally:
        await other.stop()
        await first.stop()
    return Outcome(case, kept, flooded, flood, seconds)


async def _watch(engine: Engine, *askers: Asking, seconds: float) -> tuple[Seen, ...]:
    """What each of them sees in the time that comes, its beginning left out."""
    await asyncio.sleep(_WARM)
    for asker in askers:
        asker.watch()
    await asyncio.sleep(seconds)
    return tuple(asker.seen for asker in askers)


def _rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    def ms(seen: Seen) -> str:
        return f"{seen.p95 * 1e3:.1f}"

    return [
        [
            outcome.case.name,
            ms(outcome.kept),
            ms(outcome.flooded),
            f"{outcome.ratio:.2f}",
            str(outcome.kept.refused + outcome.flooded.refused),
            f"{outcome.flood:.0f}x: {len(outcome.first.waits)} / {outcome.first.refused}",
        ]
        for outcome in outcomes
    ]


def main(argv: Sequence[str] | None = None, show: Callable[[str], None] = print) -> int:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="each tenant is watched, before and during the flood"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    given = parser.parse_args(argv)
    outcomes = [asyncio.run(measure(case, seconds=given.seconds, seed=given.seed)) for case in CASES]
    header = [
        "load",
        "p95 wait, ms",
        f"p95 at {FLOOD}x, ms",
        "ratio",
        "refused",
        "the flood: served / refused",
    ]
    show(table(header, _rows(outcomes)))
    if any(outcome.flood < FLOOD * _ENOUGH for outcome in outcomes):
        show("This machine is too busy to flood itself: nothing was measured.")
        return 2
    return 0 if all(outcome.holds for outcome in outcomes if outcome.case.judged) else 1


if __name__ == "__main__":
    raise SystemExit(main())
