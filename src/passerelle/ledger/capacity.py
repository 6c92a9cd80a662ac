"""What an hour of capacity cost and who bears it: shares that add up to the hour, to the pico-unit. Pure.

Of the time that was paid, what was busy goes to those who used it, by weighted tokens, and what was idle to whom the
operator has agreed. Times are Unix milliseconds, UTC; hours are UTC's, so that no clock that is put back makes one
twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType

from passerelle.domain.billing import Idle, Sharing
from passerelle.domain.ledger import TokenKind
from passerelle.domain.money import pico, shared

HOUR = 3_600_000
IDLE = "operator:idle"
UNPRICED = ""  # the id of a price that nobody knows

# What a token costs an engine beside one of plain input: what is read from a cache is hardly computed, and the answer
# is made one token after another. `calibration` measures them for one machine.
WEIGHTS: Mapping[str, Decimal] = MappingProxyType(
    {
        TokenKind.INPUT.value: Decimal(1),
        TokenKind.CACHED_INPUT.value: Decimal("0.1"),
        TokenKind.CACHE_WRITE.value: Decimal(1),
        TokenKind.OUTPUT.value: Decimal(4),
        TokenKind.REASONING.value: Decimal(4),
        TokenKind.AUDIO_INPUT.value: Decimal(1),
        TokenKind.AUDIO_OUTPUT.value: Decimal(4),
    }
)

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `at` on, until the next one of the same backend, so many replicas are paid at this price."""

    at: int
    replicas: int
    per_hour: int  # pico-units, of one replica
    currency: str
    price_id: str
    payee: str
    sure: bool = True  # False: it was learned by asking now and then
    sharing: Sharing = field(default_factory=Sharing)


@dataclass(frozen=True, slots=True)
class Part:
    """What an hour cost at one price. `quantity` is in milliseconds of single replicas."""

    price_id: str
    currency: str
    payee: str
    sure: bool
    quantity: int
    cost: int


@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid in an hour. Its time is the clock's: two replicas do not make it longer."""

    parts: tuple[Part, ...]
    intervals: tuple[Interval, ...]

    @property
    def milliseconds(self) -> int:
        """How long anything at all was paid."""
        return sum(end - begin for begin, end in self.intervals)

    def busy(self, tries: Iterable[Interval]) -> int:
        """How long of that at least one try was running."""
        known = list(tries)
        return sum(busy(known, begin, end) for begin, end in self.intervals)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who bears how much of an hour, beside the hour's other claims. `idle`: of the time in which nothing ran."""

    account: str
    weight: int
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What somebody bears of a total."""

    account: str
    amount: int
    idle: bool = False


def weigh(tokens: Mapping[TokenKind | str, int] | Mapping[str, int], sharing: Sharing) -> int:
    """What tokens cost an engine, in 1e-12 of one token of plain input. What has no weight weighs nothing.

    Raises ValueError for a weight below nought, without end, or of more than twelve decimals.
    """
    total = 0
    for kind, count in tokens.items():
        name = str(kind)
        weight = pico(sharing.weights.get(name, WEIGHTS.get(name, Decimal(0))))
        if weight < 0:
            raise ValueError(f"the weight of {name} is below nought")
        total += max(count, 0) * weight
    return total


def busy(intervals: Iterable[Interval], begin: int, end: int) -> int:
    """Milliseconds between `begin` and `end` that lie in at least one interval. One that ends before it begins is empty."""
    total, reached = 0, begin
    for start, stop in sorted(intervals):
        start, stop = max(start, reached), min(stop, end)  # noqa: PLW2901 - clipped
        if stop > start:
            total += stop - start
            reached = stop
    return total


def paid(states: Sequence[Stretch], begin: int, end: int) -> Paid:
    """What the time between `begin` and `end` cost. `states` are ascending; before the first, nothing is paid.

    Every price is rounded once, half to even; a whole hour of one replica costs its price exactly. What was learned by
    asking is sure where it was asked in this time and nothing had changed.
    """
    steady = len({(state.replicas, state.price_id) for state in states}) == 1 and states[-1].at >= begin
    quantities: dict[tuple[str, str, str, bool], int] = {}
    products: dict[tuple[str, str, str, bool], int] = {}
    intervals: list[Interval] = []
    for state, following in pairwise((*states, None)):
        if state is None:
            break
        start = max(state.at, begin)
        stop = min(following.at, end) if following else end
        if state.replicas <= 0 or stop <= start:
            continue
        key = (state.price_id, state.currency, state.payee, state.sure or steady)
        quantity = state.replicas * (stop - start)
        quantities[key] = quantities.get(key, 0) + quantity
        products[key] = products.get(key, 0) + quantity * state.per_hour
        if intervals and intervals[-1][1] == start:
            start = intervals.pop()[0]
        intervals.append((start, stop))
    parts = tuple(Part(*key, quantity, _divided(products[key])) for key, quantity in quantities.items())
    return Paid(parts, tuple(intervals))


def claims(paid_ms: int, busy_ms: int, weights: Mapping[str, int], sharing: Sharing) -> tuple[Claim, ...]:
    """Who bears an hour: weights by account, such as `tenant:acme`; never empty.

    An hour that nobody used stays with the operator, or with those whose shares are agreed.
    """
    whole = sum(weights.values())
    used = min(busy_ms, paid_ms) if whole else 0
    unused = max(paid_ms, 1) - used
    names = sorted(weights)
    scale, idle = 1, [Claim(IDLE, unused * max(whole, 1), idle=True)]
    if sharing.idle is Idle.USERS and used:
        idle = [Claim(name, weights[name] * unused, idle=True) for name in names]
    elif sharing.idle is Idle.FIXED and (agreed := sum(sharing.shares.values())):
        scale = agreed
        idle = [
            Claim(f"tenant:{name}", sharing.shares[name] * unused * max(whole, 1), idle=True)
            for name in sorted(sharing.shares)
        ]
    found = (*(Claim(name, weights[name] * used * scale) for name in names), *idle)
    return tuple(claim for claim in found if claim.weight)


def split(
    cost: int, paid_ms: int, busy_ms: int, weights: Mapping[str, int], sharing: Sharing
) -> tuple[Share, ...]:
    """The cost of an hour among accounts; the shares add up to it."""
    return divide(cost, claims(paid_ms, busy_ms, weights, sharing))


def divide(total: int, among: Sequence[Claim]) -> tuple[Share, ...]:
    """A total among claims, to which the shares add up."""
    amounts = shared(total, [claim.weight for claim in among])
    return tuple(
        Share(claim.account, amount, claim.idle) for claim, amount in zip(among, amounts, strict=True)
    )


def _divided(product: int) -> int:
    """By the milliseconds of an hour, half to even."""
    whole, rest = divmod(product, HOUR)
    return whole + (2 * rest > HOUR or (2 * rest == HOUR and whole % 2 == 1))
