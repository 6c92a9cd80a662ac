"""A full backend is shared by its tenants, nobody waits in vain, and no place is ever lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fairness import CASES, SLOTS, measure
from passerelle.domain.catalog import BackendSpec, Tenant
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import Load
from passerelle.domain.limits import Concurrency, Limits
from passerelle.limits.places import Place, Places
from tests.virtual_time import run_virtually

ACME, BETA = Tenant("acme", ()), Tenant("beta", ())
ONE = Concurrency(most=1, least=1)


def spec(stated: Concurrency = ONE) -> BackendSpec:
    """A backend that is sent so many at once."""
    return BackendSpec("engine", "vllm", None, concurrency=stated)


@dataclass
class Bench:
    """Places in a loop whose time is virtual, and calls that wait for one."""

    replicas: int = 1
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places(asyncio.get_running_loop().time, lambda: self.replicas)

    async def now(self, stated: Concurrency = ONE, tenant: Tenant = ACME, *, cost: int = 100) -> Place:
        """A place that must be free."""
        return await self.places.enter(spec(stated), tenant, cost, 60.0)

    async def later(
        self, stated: Concurrency = ONE, tenant: Tenant = ACME, *, cost: int = 100, patience: float = 60.0
    ) -> asyncio.Task[Place]:
        """One that has begun to wait."""
        task = asyncio.ensure_future(self.places.enter(spec(stated), tenant, cost, patience))
        await asyncio.sleep(0)
        return task

    def counts(self) -> tuple[int, int]:
        """In flight, and waiting."""
        seen = self.places.of("engine")
        assert seen is not None
        return seen.in_flight, seen.waiting


def virtually(test: object) -> object:
    """Run an async test in virtual time."""

    def run() -> None:
        assert callable(test)
        run_virtually(test())

    run.__name__ = getattr(test, "__name__", "test")
    run.__doc__ = getattr(test, "__doc__", None)
    return run


@virtually
async def test_a_backend_without_a_limit_takes_every_call() -> None:
    bench = Bench()
    places = [await bench.now(Concurrency()) for _ in range(1_000)]
    assert bench.counts() == (1_000, 0)
    for place in places:
        place.leave()
        place.leave()
    assert bench.counts() == (0, 0)


@virtually
async def test_a_free_place_is_taken_without_giving_way_to_anybody() -> None:
    bench = Bench()
    with pytest.raises(StopIteration) as done:
        bench.places.enter(spec(), ACME, 100, 60.0).send(None)
    done.value.value.leave()
    assert bench.counts() == (0, 0)


@virtually
async def test_the_next_of_the_queue_goes_when_one_leaves_and_says_how_long_it_waited() -> None:
    bench = Bench()
    first = await bench.now()
    second = await bench.later()
    await asyncio.sleep(3)
    first.leave()
    place = await second
    assert place.waited == pytest.approx(3)
    assert bench.counts() == (1, 0)


@virtually
async def test_several_processes_have_their_part_each() -> None:
    bench = Bench(replicas=3)
    stated = Concurrency(most=8)
    for _ in range(3):
        await bench.now(stated)
    waits = await bench.later(stated)
    assert bench.counts() == (3, 1)
    bench.replicas = 2
    await bench.now(stated, BETA) if waits.done() else None
    other = await bench.later(stated, BETA)
    await asyncio.sleep(0)
    assert waits.done()
    assert not other.done()
    other.cancel()


@virtually
async def test_a_reload_changes_the_limit_of_those_who_wait() -> None:
    bench = Bench()
    await bench.now()
    waits = await bench.later()
    more = await bench.later(Concurrency(most=3, least=1))
    await asyncio.sleep(0)
    assert waits.done()
    assert more.done()
    assert bench.counts() == (3, 0)


async def _refused(waits: asyncio.Future[Place]) -> UpstreamFailed:
    with pytest.raises(UpstreamFailed) as refused:
        await waits
    assert refused.value.fault is Fault.BUSY
    assert refused.value.told.retry_after is not None
    assert 1 <= refused.value.told.retry_after <= 60
    return refused.value


@virtually
async def test_nobody_waits_longer_than_the_backend_says_or_its_patience() -> None:
    bench = Bench()
    clock = asyncio.get_running_loop().time
    await bench.now()
    for stated, patience, seconds in (
        (ONE, 60.0, 10.0),
        (ONE, 2.0, 2.0),
        (replace(ONE, wait=1.0), 60.0, 1.0),
    ):
        began = clock()
        await _refused(await bench.later(stated, patience=patience))
        assert clock() - began == pytest.approx(seconds)
        assert bench.counts() == (1, 0)
    await _refused(await bench.later(patience=0.0))
    await _refused(await bench.later(replace(ONE, waiting=0)))


@virtually
async def test_a_call_whose_turn_cannot_come_in_time_is_refused_at_once() -> None:
    bench = Bench()
    clock = asyncio.get_running_loop().time
    stated = replace(ONE, wait=10.0)

    async def serve(task: asyncio.Future[Place]) -> None:
        place = await task
        await asyncio.sleep(1)
        place.leave()

    for _ in range(30):
        asyncio.ensure_future(serve(await bench.later(stated)))  # noqa: RUF006 - the loop ends with the test
    await asyncio.sleep(8.5)  # one a second: 100 tokens a second; of 30 all but ten will wait in vain
    assert bench.counts() == (1, 21)
    began = clock()
    refused = await _refused(await bench.later(stated))
    assert clock() == began
    assert refused.told.retry_after == pytest.approx(21, rel=0.2)
    # Another tenant is served beside the flood, and so it may wait.
    await asyncio.wait_for(await bench.later(stated, BETA), 5)


@virtually
async def test_a_stalled_engine_does_not_keep_calls_out_for_ever() -> None:
    bench = Bench()
    for _ in range(10):
        place = await bench.now()
        waits = await bench.later()
        await asyncio.sleep(50 if _ > 5 else 0.1)
        place.leave()
        if not waits.done():
            (await waits).leave()
        elif waits.exception() is None:
            waits.result().leave()
    place = await bench.now()
    waits = await bench.later()
    await asyncio.sleep(1)
    assert not waits.done(), "the first to wait always may"
    place.leave()
    await waits


@virtually
async def test_a_full_waiting_room_belongs_to_tenants_by_share() -> None:
    bench = Bench()
    stated = replace(ONE, waiting=6)
    big = Tenant("big", (), limits=Limits(share=2))
    await bench.now(stated)
    flood = [await bench.later(stated) for _ in range(6)]
    await _refused(await bench.later(stated))
    others = [await bench.later(stated, big) for _ in range(4)]
    await _refused(await bench.later(stated, big))
    await asyncio.sleep(0)
    assert [task.done() for task in flood] == [False, False, True, True, True, True], "the newest give way"
    assert not any(task.done() for task in others)
    for task in flood[2:]:
        await _refused(task)
    seen = bench.places.of("engine")
    assert seen is not None
    assert seen.tenants == {"acme": 2, "big": 4}
    assert seen.refused == 6


@virtually
async def test_what_the_engine_says_of_its_queue_bounds_what_it_is_sent() -> None:
    bench = Bench()
    for _ in range(20):
        await bench.now(Concurrency())
    for _ in range(4):
        bench.places.heard("engine", Load(8, 12))
        await asyncio.sleep(1)
    bench.places.heard("unheard of", Load(8, 12))
    bench.places.heard("engine", None)
    seen = bench.places.of("engine")
    assert seen is not None
    assert (seen.limit, seen.load) == (16, Load(8, 12))
    waits = await bench.later(Concurrency())
    assert not waits.done()
    unbound = await bench.later(Concurrency(adaptive=False))
    await asyncio.sleep(0)
    assert waits.done()
    assert unbound.done()
    await asyncio.sleep(6)
    assert bench.places.snapshot()[0].load is None, "what was said long ago is not known any more"


@virtually
async def test_backends_that_are_gone_are_forgotten_once_nobody_is_there() -> None:
    bench = Bench()
    place = await bench.now()
    bench.places.keep(["another"])
    assert bench.counts() == (1, 0)
    place.leave()
    bench.places.keep(["another"])
    assert bench.places.snapshot() == ()


# Cancelled, late and handed a place in one instant: every order, and what stands between them.


@pytest.mark.parametrize("order", list(itertools.permutations(["leave", "cancel", "late"])), ids="-".join)
@pytest.mark.parametrize("apart", range(4), ids=lambda bits: f"pauses{bits:02b}")
@pytest.mark.parametrize("another", [False, True], ids=["alone", "another-waits"])
def test_no_order_of_events_loses_a_place(order: tuple[str, ...], apart: int, *, another: bool) -> None:
    async def main() -> None:
        bench = Bench()
        held = await bench.now()
        waits = await bench.later(patience=5.0)
        behind = await bench.later(patience=50.0) if another else None
        room = bench.places._rooms["engine"]
        turn = next(iter(room.queue._of))
        events: dict[str, Callable[[], object]] = {
            "leave": held.leave,
            "cancel": waits.cancel,
            "late": lambda: room.late(turn, ACME, 100),
        }
        for number, event in enumerate(order):
            events[event]()
            if apart >> number & 1:
                await asyncio.sleep(0)
        outcome = (await asyncio.gather(waits, return_exceptions=True))[0]
        if isinstance(outcome, Place):
            outcome.leave()
        if behind is not None:
            (await behind).leave()
        assert bench.counts() == (0, 0)
        assert not room.queue._queues
        (await bench.now()).leave()

    run_virtually(main())


@virtually
async def test_a_call_that_is_closed_while_it_waits_leaves_nothing() -> None:
    bench = Bench()
    held = await bench.now()
    waits = bench.places.enter(spec(), ACME, 100, 60.0)
    waits.send(None)
    assert bench.counts() == (1, 1)
    waits.close()
    assert bench.counts() == (1, 0)
    held.leave()
    assert bench.counts() == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(1, 3_000),  # tokens
            st.floats(0.0, 2.0),  # when it comes
            st.floats(0.0, 3.0),  # how long it holds its place
            st.none() | st.floats(0.0, 4.0),  # when it is cancelled, after it came
            st.floats(0.0, 3.0),  # patience
        ),
        max_size=40,
    ),
    st.integers(1, 4),
    st.integers(0, 8),
)
def test_whatever_comes_no_place_is_lost_and_none_is_given_twice(
    calls: list[tuple[str, int, float, float, float | None, float]], most: int, waiting: int
) -> None:
    async def main() -> None:
        bench = Bench()
        stated = Concurrency(most=most, least=1, waiting=waiting, wait=2.0)
        busy = 0

        async def call(name: str, cost: int, come: float, hold: float, *, patience: float) -> None:
            nonlocal busy
            await asyncio.sleep(come)
            place = await bench.places.enter(spec(stated), Tenant(name, ()), cost, patience)
            busy += 1
            try:
                assert busy <= most
                assert bench.counts()[1] <= waiting
                await asyncio.sleep(hold)
            finally:
                busy -= 1
                place.leave()

        loop = asyncio.get_running_loop()
        tasks = []
        for name, cost, come, hold, cancelled, patience in calls:
            task = asyncio.ensure_future(call(name, cost, come, hold, patience=patience))
            tasks.append(task)
            if cancelled is not None:
                loop.call_later(come + cancelled, task.cancel)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, (UpstreamFailed, asyncio.CancelledError)), outcome
        if calls and bench.places.of("engine"):
            assert bench.counts() == (0, 0)

    run_virtually(main())


def test_a_call_that_states_any_maximum_makes_nobody_wait_in_vain() -> None:
    """What its caller says that it may cost is served in no time, and is no measure of the engine."""

    async def main() -> None:
        bench = Bench()
        place = await bench.now(cost=10**12)
        for _ in range(10):
            waiting = await bench.later(cost=1_000)
            await asyncio.sleep(1.0)
            place.leave()
            place = await waiting
        crowd = [await bench.later(cost=1_000, tenant=BETA) for _ in range(400)]
        refused = [each for each in crowd if each.done()]
        assert len(refused) > 100, "the queue is far longer than anybody's patience"
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        place.leave()

    run_virtually(main())


@pytest.mark.parametrize(
    ("case", "seconds"),
    [(CASES[1], 4.0), (CASES[2], 20.0)],
    ids=["arrivals-at-random", "clients-in-a-loop"],
)
def test_a_hundredfold_flood_does_not_double_the_wait_of_who_keeps_to_its_share(
    case: object, seconds: float
) -> None:
    outcome = run_virtually(measure(case, seconds=seconds))  # type: ignore[arg-type]
    assert outcome.kept.p95 > 0
    assert outcome.ratio <= 2
    assert outcome.flooded.refused == 0
    assert len(outcome.first.waits) + len(outcome.flooded.waits) >= 0.95 * seconds * SLOTS / 0.05, (
        "and no slot idles"
    )
