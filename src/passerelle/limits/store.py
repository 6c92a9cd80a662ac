"""What a store of limits promises, and the arithmetic that all of them share.

A rate is a leaky bucket with a continuous level (ITU-T I.371, the other form of its generic cell rate algorithm):
what is taken raises the level, which sinks by the limit every minute; a call fits where the level stays within the
limit. So the limit itself is the burst. A call may turn out to cost more than was taken for it: then the level
stands above the limit until that debt has sunk too.

A place among the calls under way is a lease. The process that holds it renews it; one that dies gives it back
within `LEASE` seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol

from passerelle.domain.limits import Meter, Standing

LEASE = 60.0  # seconds; also how long a call's takings can be settled without a renewal
RENEWAL = 20.0  # seconds between renewals
REMEMBERED = 30.0  # seconds for which a settled call is known as settled
SECOND = 1_000_000  # microseconds: the unit of every clock here
SLACK = 1 + 1e-12  # of a limit: a wait that was told is enough, whatever the last bit of a level says
_MINUTE = 60 * SECOND
_PLACE_WAIT = 1.0  # seconds; nobody knows when a call ends

Clock = Callable[[], int]  # microseconds, since any moment


@dataclass(frozen=True, slots=True)
class Claim:
    """What one call takes of one limit. `cost` is 1 for a place among the calls under way."""

    tenant: str
    name: str  # of what is limited, in its store: unique among the tenant's limits
    meter: Meter
    limit: int  # a minute, or at once
    cost: int = 1


@dataclass(slots=True)  # not frozen: that makes them three times as dear, and every call makes several
class Reading:
    """One limit as the store saw it: how much of it is used, after a grant or before a refusal."""

    claim: Claim  # as it was judged; a store that is cut off judges by its share of the limit
    used: float
    wanted: int = 0  # what the call asked for beyond what it holds


@dataclass(frozen=True, slots=True)
class Grant:
    """The outcome of one acquire: everything was taken, or nothing was."""

    admitted: bool
    readings: tuple[Reading, ...]  # one for each claim, in their order


class LimitStore(Protocol):
    """Takes and gives back. All claims of one acquire are of one tenant."""

    async def acquire(self, call_id: str, claims: Sequence[Claim]) -> Grant:
        """Raise what the call holds of each claim to its cost: all of it or nothing.

        What it holds already is not taken again, so that the same acquire may be repeated. A call that was settled
        takes nothing.
        """
        ...

    def settle(self, call_id: str, used: Mapping[str, int]) -> None:
        """The call has ended: its places are free, and the named rates are charged what it really used.

        Takes effect soon. Rates that are not named stay charged what was taken. Only the first one counts.
        """
        ...

    async def renew(self, call_ids: Iterable[str]) -> None:
        """These calls go on."""
        ...

    async def look(self, claims: Sequence[Claim]) -> Grant:
        """How the limits stand. Takes nothing."""
        ...

    async def aclose(self) -> None:
        """Bring what is settled to its end, and stop."""
        ...


def sunk(level: float, limit: int, elapsed: int) -> float:
    """A level after so many microseconds. A clock that went back sinks nothing."""
    if elapsed <= 0:
        return level
    left = level - elapsed * limit / _MINUTE
    return left if left > 0.0 else 0.0  # max() costs as much as all the rest


def fits(reading: Reading) -> bool:
    """May it be taken?"""
    return reading.wanted == 0 or reading.used + reading.wanted <= reading.claim.limit * SLACK


def wait(reading: Reading) -> float | None:
    """Seconds until it fits if nothing else comes; None: never."""
    claim = reading.claim
    if fits(reading):
        return 0.0
    if claim.cost > claim.limit:
        return None
    if claim.meter is Meter.CALLS:
        return _PLACE_WAIT
    over = reading.used + reading.wanted - claim.limit
    return ceil(over * 60 * SECOND / claim.limit) / SECOND


def refused(grant: Grant) -> tuple[int, float | None]:
    """Which claim keeps a call out the longest, and for how many seconds. For a grant that is not admitted."""
    waits = [(index, wait(reading)) for index, reading in enumerate(grant.readings) if not fits(reading)]
    return max(waits, key=lambda each: float("inf") if each[1] is None else each[1])


def standing(reading: Reading) -> Standing:
    """What a caller may be told of a limit."""
    claim, used = reading.claim, reading.used
    remaining = max(0, floor(claim.limit * SLACK - used))
    if claim.meter is Meter.CALLS:
        return Standing(claim.meter, claim.limit, remaining, _PLACE_WAIT if used else 0.0)
    return Standing(claim.meter, claim.limit, remaining, used * 60 / claim.limit)
