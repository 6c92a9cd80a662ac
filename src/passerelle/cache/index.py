"""Members beside a question: in this process while a partition is small, on a Qdrant server when it is large.

A partition is searched whole or not at all. Until it has been loaded nothing is found in it, and where a part of it is
on a server that cannot be asked, looking fails: a vote of some of the neighbours is none. Where there is no server,
the oldest members of a full partition leave; where there is one, the partition moves over in the background, found
all the while. What was dropped is not found from that moment on, whenever the server hears of it.

Nothing here imports numpy before the first question or member has come.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from passerelle.cache.entry import Member, Near, State
from passerelle.cache.erasing import Erasure
from passerelle.cache.moving import Mover
from passerelle.cache.seams import Clock, Members
from passerelle.stores.qdrant import Missing

if TYPE_CHECKING:
    from passerelle.cache.brute import Brute
    from passerelle.cache.entry import Vector
    from passerelle.cache.qdrant import Large

BOUND = 10_000  # members of one partition that are compared one by one: 0.4 ms on the loop
HELD = 50_000  # members in this process; of 384 numbers each, about 200 MB
PLACES = 8192  # partitions in this process
_AGAIN = 2.0  # seconds until a partition that could not be loaded is tried again
_TIDY = 60.0  # seconds between looks for what has expired

Key = tuple[str, str]  # tenant and partition


@dataclass(slots=True)
class Place:
    """One partition as this process holds it."""

    tenant: str
    partition: str
    here: Brute | None = (
        None  # None until it is loaded; of one that is on the server, what is still to be written
    )
    over: bool = False  # a part of it, or all, is on the server
    counted: int = 0  # its members among those held
    again: float = 0.0  # on the loop's clock: when it may be loaded
    tidied: float = 0.0  # when what has expired was last let go
    loading: asyncio.Task[None] | None = None
    arrived: dict[str, Member] = field(default_factory=dict)  # while it was being loaded
    dropped: set[str] = field(default_factory=set)  # while it was being loaded

    @property
    def key(self) -> Key:
        """Under which it is known."""
        return self.tenant, self.partition


class Tiers:
    """An `Index`. Whoever makes it, closes it; `large` is another's."""

    def __init__(
        self,
        members: Members,
        *,
        clock: Clock,
        large: Large | None = None,
        bound: int = BOUND,
        held: int = HELD,
        places: int = PLACES,
    ) -> None:
        self._members, self._clock, self._large, self._bound = members, clock, large, bound
        self._held_most, self._places_most = held, places
        self._held = 0
        self._places: OrderedDict[Key, Place] = OrderedDict()  # the one used longest ago first
        self._due: dict[Key, None] = {}  # of which the server is to be told something
        self._turns: dict[
            str, int
        ] = {}  # by tenant: how often something was taken away from what may be found
        self._mover = Mover(large, self._next, self._written) if large is not None else None
        self._closed = False

    @property
    def held(self) -> int:
        """Members that are in this process."""
        return self._held

    async def near(self, tenant: str, partition: str, vector: Vector, *, most: int = 8) -> Sequence[Near]:
        """As `Index`. Raises Outage where a part of the partition is on a server that cannot be asked."""
        place = self._place(tenant, partition)
        here = place.here
        if here is None:
            self._load(place)
            return ()
        found = here.near(vector, most=most, now=self._clock())
        if not place.over or self._large is None:
            return found
        erasures = self._mover.erasures.of(tenant) if self._mover is not None else []
        if any(erasure.covers_all(partition) for erasure in erasures):
            return found
        turn = self._turns.get(tenant, 0)
        try:
            beyond = await self._large.near(
                tenant, partition, vector, most=most + _hidden(erasures, partition)
            )
        except Missing:
            self._forget(place)  # the server has lost it: what is shared otherwise is loaded again
            raise
        if self._turns.get(tenant, 0) != turn or self._places.get(place.key) is not place:
            return ()  # something was taken away meanwhile, and may be among these
        # What is being written may have been found on neither side, or on both; the later one counts.
        after = here.near(vector, most=most, now=self._clock())
        seen = [near for near in beyond if not any(e.covers(partition, near.member.id) for e in erasures)]
        by_id = {near.member.id: near for near in (*seen, *found, *after)}
        return sorted(by_id.values(), key=lambda near: -near.similarity)[:most]

    def add(self, member: Member) -> None:
        """As `Index`: of what this process has learned."""
        place = self._place(member.tenant, member.partition)
        if member.state is not State.VERIFIED:
            self._turn(member.tenant)
        if place.here is None:
            place.arrived[member.id] = member
            place.dropped.discard(member.id)
            self._load(place)
            return
        place.here.add(member)
        self._counted(place)

    def hear(self, member: Member) -> None:
        """Of what another process has learned: a partition that is not here is loaded when it is asked for."""
        if (member.tenant, member.partition) in self._places:
            self.add(member)

    def drop(self, tenant: str, *, members: Sequence[str] = (), partition: str | None = None) -> None:
        """As `Index`: not found from now on; from the server in the background, as often as it takes."""
        self._turn(tenant)
        everything = not members and partition is None
        for place in [place for place in self._places.values() if place.tenant == tenant]:
            if everything or place.partition == partition:
                self._forget(place)
                continue
            for member in members:
                place.arrived.pop(member, None)
                if place.here is None:
                    place.dropped.add(member)
                else:
                    place.here.drop(member)
            self._counted(place)
        if self._mover is not None:
            self._mover.erasures.ask(tenant, members=members, partition=partition)
            self._mover.wake()

    async def dropped(self, *, within: float) -> bool:
        """Has everything that was to be dropped left the server too? Waits so many seconds at most."""
        return self._mover is None or await self._mover.erased(within=within)

    def clear(self) -> None:
        """Forget what this process holds of every tenant, for news was missed; it is loaded again when asked for."""
        for place in list(self._places.values()):
            self._turn(place.tenant)
            self._forget(place)

    async def aclose(self, *, within: float = 1.0) -> None:
        """Let the server hear what was dropped and learned, as far as that takes no longer, and end what runs."""
        self._closed = True
        tasks = [place.loading for place in self._places.values() if place.loading is not None]
        if self._mover is not None:
            await self._mover.aclose(within=within)
        self.clear()
        if tasks:
            await asyncio.wait(tasks)

    # partitions

    def _place(self, tenant: str, partition: str) -> Place:
        key = (tenant, partition)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(tenant, partition)
            self._make_room(place)
        else:
            self._places.move_to_end(key)
        self._tidy(place)
        self._tidy(next(iter(self._places.values())))
        return place

    def _tidy(self, place: Place) -> None:
        """Let go what has expired; nobody would find it, and it is somebody's question."""
        now = self._clock()
        if place.here is None or now < place.tidied + _TIDY:
            return
        place.tidied = now
        place.here.expire(now)
        self._count(place)

    def _forget(self, place: Place) -> None:
        if self._places.get(place.key) is place:
            del self._places[place.key]
        self._held -= place.counted
        place.counted = 0
        if place.loading is not None:
            place.loading.cancel()

    def _turn(self, tenant: str) -> None:
        self._turns[tenant] = self._turns.get(tenant, 0) + 1

    def _count(self, place: Place) -> None:
        now = 0 if place.here is None else len(place.here)
        self._held += now - place.counted
        place.counted = now

    def _counted(self, place: Place) -> None:
        """After its members have changed."""
        self._count(place)
        if self._mover is not None and self._to_write(place):
            self._due[place.key] = None
            self._mover.wake()
        self._make_room(place)

    def _make_room(self, newest: Place) -> None:
        """Let the partitions go that were used longest ago; what the server is still to be told is kept."""
        if self._held <= self._held_most and len(self._places) <= self._places_most:
            return
        for place in list(self._places.values()):
            if self._held <= self._held_most and len(self._places) <= self._places_most:
                return
            if place is not newest and not (place.over and place.counted):
                self._forget(place)

    # loading

    def _load(self, place: Place) -> None:
        loop = asyncio.get_running_loop()
        if self._closed or place.loading is not None or loop.time() < place.again:
            return
        place.loading = loop.create_task(self._loaded(place))
        place.loading.add_done_callback(lambda task: self._load_ended(place, task))

    def _load_ended(self, place: Place, task: asyncio.Task[None]) -> None:
        place.loading = None
        if not task.cancelled() and task.exception() is not None:
            # The store or the server is away: the partition stays unknown, and its arrivals wait for it.
            place.again = asyncio.get_running_loop().time() + _AGAIN
            while len(place.arrived) > self._bound:
                place.arrived.pop(next(iter(place.arrived)))

    async def _loaded(self, place: Place) -> None:
        # Libraries of some weight, once: in a thread, so that no request waits for them.
        brute = await asyncio.to_thread(import_module, "passerelle.cache.brute")
        there = await self._there(place)
        shared: Sequence[Member] = ()
        if there is None or there < self._bound:
            # Of a move that was broken off the rest is here; what is there already is written over.
            shared = await self._members.load(place.tenant, place.partition)
        if there is None and not shared:
            raise Missing("It is not known whether the partition is on the server.")
        members = {member.id: member for member in shared if member.id not in place.dropped}
        members |= place.arrived
        place.arrived, place.dropped = {}, set()
        place.over = bool(there)
        place.here = brute.filled(
            members.values(), bound=self._bound if self._large is None else 2 * self._bound, now=self._clock()
        )
        place.tidied = self._clock()
        if there and self._mover is not None:
            self._mover.wake()
        self._counted(place)

    async def _there(self, place: Place) -> int | None:
        """How many of its members are on the server; None where that cannot be known."""
        if self._large is None or self._mover is None:
            return 0
        try:
            there = await self._large.count(place.tenant, place.partition)
        except Exception:  # noqa: BLE001 - whatever is wrong with the server, small partitions do without it
            return None
        erasures = self._mover.erasures.of(place.tenant)
        return 0 if any(erasure.covers_all(place.partition) for erasure in erasures) else there

    # moving over

    def _to_write(self, place: Place) -> bool:
        return place.here is not None and len(place.here) > (0 if place.over else self._bound)

    def _next(self, most: int) -> list[Member]:
        """The next members for the server, all of one partition; expired ones are let go on the way."""
        while self._due:
            key = next(iter(self._due))
            place = self._places.get(key)
            if place is not None and place.here is not None:
                place.here.expire(self._clock())
                self._count(place)
                if self._to_write(place):
                    return place.here.first(most)
            del self._due[key]
        return []

    def _written(self, members: Sequence[Member]) -> None:
        """They are on the server: from now on they are found there, unless they have changed meanwhile."""
        for member in members:
            place = self._places.get((member.tenant, member.partition))
            if place is None or place.here is None:
                continue
            place.over = True
            if place.here.get(member.id) is member:
                place.here.drop(member.id)
        for key in {(member.tenant, member.partition) for member in members}:
            if key in self._places:
                self._counted(self._places[key])


def _hidden(erasures: Sequence[Erasure], partition: str) -> int:
    """How many of the nearest may have been dropped already."""
    return min(64, sum(len(erasure.members) for erasure in erasures))
