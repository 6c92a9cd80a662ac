"""Limits of one process, in its memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from passerelle.domain.limits import Meter
from passerelle.limits.store import LEASE, SECOND, Claim, Clock, Grant, Reading, fits, sunk

_LEASE = int(LEASE * SECOND)
_FORGOTTEN = 3600 * SECOND  # a call that nobody renewed or settled for so long never will be
_SETTLED = 4096  # calls that are known as settled; a call's own acquire comes long before so many others
_SWEEP = 1024  # buckets or calls, from which on those of no use are dropped now and then


def monotonic() -> int:
    """Microseconds that never go back."""
    return time.monotonic_ns() // 1000


class _Bucket:
    """A rate: its level at a moment."""

    __slots__ = ("at", "level", "limit")

    def __init__(self, at: int, limit: int) -> None:
        self.level, self.at, self.limit = 0.0, at, limit

    def now(self, moment: int, limit: int) -> float:
        return sunk(self.level, limit, moment - self.at)


class _House:
    """Leases of places: call to the end of its lease."""

    __slots__ = ("leases", "soonest")

    def __init__(self) -> None:
        self.leases: dict[str, int] = {}
        self.soonest = 0  # no lease ends before

    def take(self, call_id: str, until: int) -> None:
        if not self.leases:
            self.soonest = until
        self.leases[call_id] = until

    def clear(self, now: int) -> None:
        """Drop the leases that have ended."""
        if self.soonest <= now:
            for call_id in [each for each, until in self.leases.items() if until <= now]:
                del self.leases[call_id]
            self.soonest = min(self.leases.values(), default=0)


@dataclass(slots=True)
class _Call:
    until: int = 0  # of its lease, from the first taking on
    claims: dict[str, Claim] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)


_Key = tuple[str, str]  # tenant, name


class MemoryStore:
    """The twin of the shared store for a process that is alone, or cut off."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._rates: dict[_Key, _Bucket] = {}
        self._places: dict[_Key, _House] = {}
        self._calls: dict[str, _Call] = {}
        self._settled: set[str] = set()
        self._order: deque[str] = deque()
        self._sweep_at = _SWEEP

    async def acquire(self, call_id: str, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`."""
        return self.take(call_id, claims)

    def take(self, call_id: str, claims: Sequence[Claim]) -> Grant:
        """Acquire, at once."""
        now = self._clock()
        call = self._calls.get(call_id)
        held = call.held if call is not None and call.until > now else {}
        over = call_id in self._settled
        readings = []
        admitted = True
        for claim in claims:
            reading = self._read(claim, call_id, held, now=now, over=over)
            readings.append(reading)
            if reading.wanted and not fits(reading):
                admitted = False
        if over or not admitted:
            return Grant(admitted, tuple(readings))
        if call is None:
            self._sweep(now)
            call = self._calls[call_id] = _Call()
        for claim, reading in zip(claims, readings, strict=True):
            call.claims[claim.name] = claim
            if reading.wanted:
                if call.until <= now:
                    call.held, call.until = {}, now + _LEASE
                self._raise(call_id, call, claim, reading=reading, now=now)
                reading.used, reading.wanted = reading.used + reading.wanted, 0
        return Grant(admitted=True, readings=tuple(readings))

    def settle(self, call_id: str, used: Mapping[str, int]) -> None:
        """See `LimitStore`; takes effect at once."""
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        now = self._clock()
        held = call.held if call.until > now else {}
        for claim in call.claims.values():
            key = (claim.tenant, claim.name)
            if claim.meter is Meter.CALLS:
                self._leave(key, call_id)
            elif claim.name in used:
                bucket = self._bucket(key, claim, now)
                level = bucket.now(now, claim.limit)
                bucket.level = max(0.0, level + used[claim.name] - held.get(claim.name, 0))
                bucket.at, bucket.limit = now, claim.limit
        self._remember(call_id)

    async def renew(self, call_ids: Iterable[str]) -> None:
        """See `LimitStore`."""
        now = self._clock()
        for call_id in call_ids:
            call = self._calls.get(call_id)
            if call is None:
                continue
            if call.until <= now:
                call.held = {}  # too late: what it took is no longer known
            call.until = now + _LEASE
            for claim in call.claims.values():
                if claim.meter is Meter.CALLS:
                    self._house((claim.tenant, claim.name)).take(call_id, call.until)

    async def look(self, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`."""
        now = self._clock()
        readings = [self._read(claim, "", {}, now=now, over=True) for claim in claims]
        return Grant(admitted=True, readings=tuple(readings))

    async def aclose(self) -> None:
        """Nothing is left to do."""

    def _read(self, claim: Claim, call_id: str, held: Mapping[str, int], *, now: int, over: bool) -> Reading:
        key = (claim.tenant, claim.name)
        if claim.meter is Meter.CALLS:
            house = self._places.get(key)
            if house is None:
                return Reading(claim, 0, 0 if over else claim.cost)
            house.clear(now)
            return Reading(claim, len(house.leases), 0 if over or call_id in house.leases else claim.cost)
        wanted = 0 if over else claim.cost - held.get(claim.name, 0)
        wanted = wanted if wanted > 0 else 0
        bucket = self._rates.get(key)
        if bucket is None:
            return Reading(claim, 0.0, wanted)
        elapsed = now - bucket.at
        if elapsed < 0:
            bucket.at = now  # the clock went back: time counts from here
        return Reading(claim, sunk(bucket.level, claim.limit, elapsed), wanted)

    def _raise(self, call_id: str, call: _Call, claim: Claim, *, reading: Reading, now: int) -> None:
        key = (claim.tenant, claim.name)
        if claim.meter is Meter.CALLS:
            self._house(key).take(call_id, call.until)
            return
        bucket = self._bucket(key, claim, now)
        bucket.level, bucket.at, bucket.limit = reading.used + reading.wanted, now, claim.limit
        call.held[claim.name] = claim.cost

    def _bucket(self, key: _Key, claim: Claim, now: int) -> _Bucket:
        bucket = self._rates.get(key)
        if bucket is None:
            bucket = self._rates[key] = _Bucket(now, claim.limit)
        return bucket

    def _house(self, key: _Key) -> _House:
        house = self._places.get(key)
        if house is None:
            house = self._places[key] = _House()
        return house

    def _leave(self, key: _Key, call_id: str) -> None:
        house = self._places.get(key)
        if house is not None:
            house.leases.pop(call_id, None)
            if not house.leases:
                del self._places[key]

    def _remember(self, call_id: str) -> None:
        self._settled.add(call_id)
        self._order.append(call_id)
        if len(self._order) > _SETTLED:
            self._settled.discard(self._order.popleft())

    def _sweep(self, now: int) -> None:
        """Drop buckets that have run dry and calls that nobody will settle, each time their number has doubled."""
        if len(self._rates) + len(self._calls) < self._sweep_at:
            return
        for key in [key for key, each in self._rates.items() if not each.now(now, each.limit)]:
            del self._rates[key]
        for call_id in [each for each, call in self._calls.items() if call.until + _FORGOTTEN <= now]:
            del self._calls[call_id]
        self._sweep_at = max(_SWEEP, 2 * (len(self._rates) + len(self._calls)))
