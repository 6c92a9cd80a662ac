"""Places on backends: how many calls each is sent at once, and who waits for one, in which order and how long.

A call takes a place before its backend is asked and leaves it when its answer is over. Where none is free it waits in
the queue of its tenant, and deficit round robin says who is next (`fair.py`). Nobody waits in vain: the room to wait
in is bounded, no tenant crowds others out of it, and a call whose turn cannot come in time is refused at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from time import monotonic

from passerelle.domain.catalog import BackendSpec, Tenant
from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.domain.facts import Load
from passerelle.domain.limits import Concurrency
from passerelle.limits.adaptive import FRESH, Adaptive
from passerelle.limits.fair import Fair
from passerelle.limits.pace import Pace

Clock = Callable[[], float]

_SOONEST = 1.0  # seconds, the least a refused caller is told to stay away
_LATEST = 60.0  # seconds, the most: clients take a longer time for none
_DEAREST = (
    200_000  # tokens; what a caller states beyond it is no measure of what it uses, nor of the engine's speed
)


def alone() -> int:
    """The number of gateway processes where there is but this one."""
    return 1


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full a backend is, as this process sees it."""

    backend: str
    in_flight: int
    waiting: int
    limit: int | None  # calls of this process at once; None = none is stated, and none was learned
    refused: int  # calls that were not given a place, since the start
    tokens_per_second: float | None  # that it serves while calls wait; None = not known
    load: Load | None  # what the engine said of itself last; None = nothing, or too long ago
    tenants: Mapping[str, int]  # how many wait, of each tenant of whom any does


class Place:
    """A call's place on a backend. Whoever holds it leaves it, once its answer is over."""

    __slots__ = ("_cost", "_room", "waited")

    def __init__(self, room: _Room, cost: int, waited: float = 0.0) -> None:
        self._room: _Room | None = room
        self._cost = cost
        self.waited = waited  # seconds

    def leave(self) -> None:
        """Free for the next one. Idempotent, never waits, never raises."""
        room, self._room = self._room, None
        if room is not None:
            room.left(self._cost)


class _Turn(asyncio.Future["UpstreamFailed | None"]):
    """What a call waits on: None once it has a place, else why it will get none.

    A cancelled one is out of the queue in the same instant, so that no place is handed to somebody who has gone.
    """

    def __init__(self, room: _Room) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._room = room

    def cancel(self, msg: object = None) -> bool:
        """See `asyncio.Future.cancel`."""
        self._room.withdraw(self)
        return super().cancel(msg)

    def refuse(self, failure: UpstreamFailed) -> None:
        """Wait no more."""
        if not self.done():
            self._room.withdraw(self)
            self.set_result(failure)

    @property
    def granted(self) -> bool:
        """Whether a place was handed to it."""
        return self.done() and not self.cancelled() and self.result() is None


class _Room:
    """One backend: who is in flight there, who waits, and what was learned of how much it can take."""

    __slots__ = (
        "_clock", "_load", "_name", "_replicas", "_told_at", "adaptive", "flight", "pace", "queue", "refused", "stated"
    )  # fmt: skip

    def __init__(self, name: str, stated: Concurrency, *, clock: Clock, replicas: Callable[[], int]) -> None:
        self._name = name
        self._clock = clock
        self._replicas = replicas
        self._load: Load | None = None
        self._told_at = 0.0
        self.stated = stated
        self.flight = 0
        self.refused = 0
        self.queue: Fair[_Turn] = Fair()
        self.adaptive = Adaptive()
        self.pace = Pace()

    def limit(self) -> int | None:
        """How many this process may send it at once; None = any number."""
        stated = self.stated
        learned = self.adaptive.limit if stated.adaptive else None
        if stated.most is None:
            return learned
        most = self._part(stated.most)
        return most if learned is None or learned > most else learned

    def _part(self, number: int) -> int:
        """This process's part of what all gateway processes may do together, rounded up."""
        return -(-number // max(1, self._replicas()))

    def free(self) -> bool:
        """Whether one more may be sent now."""
        limit = self.limit()
        return limit is None or self.flight < limit

    def enter(self, tenant: Tenant, cost: int, *, may: float) -> _Turn:
        """Wait in turn. Raises UpstreamFailed where the turn cannot come in time, or the room to wait in is full."""
        name, share = tenant.name, tenant.limits.share
        predicted = self.predicted(tenant, cost)
        if self.stated.waiting < 1 or may <= 0:
            raise self.busy("has no place free", predicted)
        if predicted is not None and predicted > may:
            raise self.busy("would have no place free in time", predicted)
        if len(self.queue) >= self.stated.waiting:
            other = self.queue.gives_way(tenant=name, share=share)
            if other is None:
                raise self.busy("has no place free, and as many wait as may", predicted)
            other.refuse(self.busy("has no place free, and others wait who use less of it", predicted))
        turn = _Turn(self)
        self.queue.push(turn, tenant=name, share=share, cost=cost)
        self.pace.begin(self._clock())
        return turn

    def busy(self, why: str, predicted: float | None = None) -> UpstreamFailed:
        """Somebody is refused a place."""
        self.refused += 1
        told = Told(retry_after=min(_LATEST, max(_SOONEST, predicted or 0.0)))
        return UpstreamFailed(Fault.BUSY, f"The backend {self._name} {why}.", told=told)

    def late(self, turn: _Turn, tenant: Tenant, cost: int) -> None:
        """It has waited as long as it may."""
        if not turn.done():
            self.withdraw(turn)
            turn.refuse(self.busy("had no place free in time", self.predicted(tenant, cost)))

    def predicted(self, tenant: Tenant, cost: int) -> float | None:
        """Seconds that a call would wait that came now; None = not known."""
        ahead = self.queue.ahead(tenant=tenant.name, share=tenant.limits.share, cost=cost)
        return self.pace.seconds(ahead, self._clock())

    def hand_out(self) -> None:
        """Give the places that are free to those who wait."""
        queue = self.queue
        while queue and self.free():
            turn = queue.pop()
            self.flight += 1
            turn.set_result(None)
        if not queue:
            self.pace.end(self._clock())

    def left(self, cost: int) -> None:
        """A call has left."""
        self.flight -= 1
        if self.queue:
            self.pace.left(cost, self._clock())
            self.hand_out()

    def give_back(self) -> None:
        """A place was handed to a call that does not take it."""
        self.flight -= 1
        self.hand_out()

    def withdraw(self, turn: _Turn) -> None:
        """It waits no more."""
        if self.queue.remove(turn) and not self.queue:
            self.pace.end(self._clock())

    def heard(self, load: Load | None) -> None:
        """What the engine says of its own queue."""
        now = self._clock()
        if load is not None:
            self._load, self._told_at = load, now
        stated = self.stated
        self.adaptive.heard(
            load,
            now=now,
            in_flight=self.flight,
            least=self._part(stated.least),
            most=None if stated.most is None else self._part(stated.most),
        )
        if self.queue:
            self.hand_out()

    def occupancy(self) -> Occupancy:
        """What is known of it."""
        now = self._clock()
        return Occupancy(
            self._name,
            self.flight,
            len(self.queue),
            self.limit(),
            self.refused,
            self.pace.rate(now),
            self._load if now - self._told_at <= FRESH else None,
            self.queue.tenants(),
        )


class Places:
    """The places of every backend. One of it is shared by all calls of a process, over all reloads."""

    def __init__(self, clock: Clock = monotonic, replicas: Callable[[], int] = alone) -> None:
        self._clock = clock
        self._replicas = replicas
        self._rooms: dict[str, _Room] = {}
        self._asides: dict[str, _Room] = {}  # for what Passerelle asks itself while a call waits for it

    async def enter(
        self, spec: BackendSpec, tenant: Tenant, cost: int, patience: float, *, aside: bool = False
    ) -> Place:
        """A place on this backend, at once where one is free and nobody waits for it.

        `cost` is what the call is expected to use, in tokens; it may wait `patience` seconds, and no longer than the
        backend says. Raises UpstreamFailed(BUSY) with the seconds after which another try makes sense.

        A call that others wait for while they hold places of their own goes `aside`: as many places again are for
        those alone. In one queue they would wait for each other for ever.
        """
        cost = min(cost, _DEAREST)
        rooms = self._asides if aside else self._rooms
        room = rooms.get(spec.name)
        if room is None:
            room = _Room(spec.name, spec.concurrency, clock=self._clock, replicas=self._replicas)
            rooms[spec.name] = room
        room.stated = spec.concurrency  # a reload may have changed it
        queued = len(room.queue)
        if queued:
            room.hand_out()
            queued = len(room.queue)
        if not queued and room.free():
            room.flight += 1
            return Place(room, cost)
        began = self._clock()
        await _wait(room, tenant, cost, min(patience, spec.concurrency.wait))
        return Place(room, cost, self._clock() - began)

    def heard(self, backend: str, load: Load | None) -> None:
        """What an engine says of its own queue; None = it could not be had."""
        room = self._rooms.get(backend)
        if room is not None:
            room.heard(load)

    def keep(self, backends: Container[str]) -> None:
        """Forget the others, as far as nobody is there any more."""
        for rooms in (self._rooms, self._asides):
            gone = [
                name
                for name, room in rooms.items()
                if name not in backends and not room.flight and not room.queue
            ]
            for name in gone:
                del rooms[name]

    def of(self, backend: str) -> Occupancy | None:
        """How full this backend is; None = no call has come for it yet."""
        room = self._rooms.get(backend)
        return room.occupancy() if room else None

    def snapshot(self) -> tuple[Occupancy, ...]:
        """How full every backend is that calls have come for."""
        return tuple([room.occupancy() for room in self._rooms.values()])


async def _wait(room: _Room, tenant: Tenant, cost: int, may: float) -> None:
    """Wait for a place and take it, or leave nothing behind. Raises UpstreamFailed."""
    turn = room.enter(tenant, cost, may=may)
    timer = turn.get_loop().call_later(may, room.late, turn, tenant, cost)
    try:
        refused = await turn
    except (
        BaseException
    ):  # cancelled, or closed unfinished: a place handed over at this moment goes to the next
        if turn.granted:
            room.give_back()
        else:
            turn.cancel()
        raise
    finally:
        timer.cancel()
    if refused is not None:
        raise refused
