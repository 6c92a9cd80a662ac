"""Whose item is next: deficit round robin over the tenants that wait for workers, on what their items cost.

M. Shreedhar and G. Varghese, "Efficient Fair Queueing using Deficit Round Robin", SIGCOMM 1995. Tenants stand in a
circle; each turn gives credit of `QUANTUM` times the tenant's share, and items are taken while the credit pays for
them. Between two decisions the circle is in the database, so that all workers on all machines share it. Over any
time in which two tenants always wait, what each was served, divided by its share, differs by less than one quantum plus
one largest item of either. Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

QUANTUM = 1  # of an item's cost: a turn is one item where items cost 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tenant that waits: what its next item costs, and where it stands. A newcomer has no place yet."""

    tenant: str
    cost: int
    place: int | None = None
    credit: int = 0
    visited: bool = False  # its turn is now, and the credit of this turn has been given
    share: int = 1

    @property
    def _turns(self) -> int:
        """How many more turns pay for its item."""
        return max(0, -(-(self.cost - self.credit) // (QUANTUM * self.share)))


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose item is next, and how everybody stands afterwards, in the order of their turns."""

    tenant: str
    circle: Sequence[Waiting]


def choose(waiting: Sequence[Waiting]) -> Choice:
    """Take the next item. `waiting` is everybody who waits, in any order; raises IndexError where nobody does."""
    circle = _in_order(waiting)
    top = circle[-1].place or 0
    if not circle[0].visited:
        circle[0] = _visit(circle[0])
    while circle[0].cost > circle[0].credit:
        top += 1
        circle = [*circle[1:], replace(circle[0], visited=False, place=top)]
        rounds = min(each._turns for each in circle) - 1
        if (
            rounds > 0
        ):  # nobody can be served in the next round: the credit of all until somebody can, at once
            circle = [replace(each, credit=each.credit + rounds * QUANTUM * each.share) for each in circle]
        circle[0] = _visit(circle[0])
    circle[0] = replace(circle[0], credit=circle[0].credit - circle[0].cost)
    return Choice(circle[0].tenant, circle)


def _in_order(waiting: Sequence[Waiting]) -> list[Waiting]:
    """By place; newcomers behind all others, by name so that every worker sees the same order."""
    old = sorted((each for each in waiting if each.place is not None), key=lambda each: each.place or 0)
    new = sorted((each for each in waiting if each.place is None), key=lambda each: each.tenant)
    top = (old[-1].place or 0) if old else 0
    return [*old, *(replace(each, place=place) for place, each in enumerate(new, top + 1))]


def _visit(tenant: Waiting) -> Waiting:
    return replace(tenant, credit=tenant.credit + QUANTUM * tenant.share, visited=True)
