"""An hour of capacity as entries: two sides of every share, and the operator's margin on it. Pure.

The shares of every price in the hour add up to what it cost, in its own currency, in the operator's, and in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

from passerelle.domain.billing import Sharing
from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.domain.money import PICO, pico
from passerelle.ledger.capacity import UNPRICED, Claim, Paid, Part, Share, claims, divide
from passerelle.ledger.posting import Posting

METER = "capacity"
IDLE_REASON = "idle"  # of an entry: it is for time in which nothing ran
MARGIN = "operator:margin"

_TENANT = "tenant:"


class RateLike(Protocol):
    """What an amount is multiplied by, and of which day it is."""

    @property
    def text(self) -> str:
        """A decimal, exactly as it is multiplied."""
        ...

    @property
    def on(self) -> date | None:
        """The day of the reference rate, None where nothing is exchanged."""
        ...

    def of(self, amount: int) -> int:
        """An amount of pico-units in the other currency."""
        ...


class Rates(Protocol):
    """Rates between currencies by day."""

    def rate(self, source: str, target: str, day: date) -> RateLike | None:
        """None for currencies or days of which none is known."""
        ...


@dataclass(frozen=True, slots=True)
class Hour:
    """All that an hour's shares are made of. `payee` and `currency` are of its last state."""

    backend: str
    begin: datetime
    paid: Paid
    busy_ms: int
    weights: Mapping[str, int]  # by the account that pays
    sharing: Sharing
    payee: str
    currency: str

    @property
    def reference(self) -> str:
        """What its entries are booked under."""
        return reference(self.backend, self.begin)


@dataclass(frozen=True, slots=True)
class Terms:
    """How what an hour cost becomes what is charged for it. Without `rates`, amounts of other currencies wait.

    `markup` is percent by tenant, on the tenant's own shares.
    """

    currency: str  # the operator's
    rates: Rates | None
    markup: Callable[[str], Decimal]

    def rate(self, source: str, day: date) -> RateLike | None:
        """From a price's currency into the operator's."""
        if self.rates is not None:
            return self.rates.rate(source, self.currency, day)
        return _Same() if source == self.currency else None


def no_markup(tenant: str) -> Decimal:
    """Capacity is charged at what it costs."""
    return Decimal(0)


def reference(backend: str, begin: datetime) -> str:
    """The name of an hour of a backend in the ledger."""
    return f"capacity:{backend}:{begin.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def postings(hour: Hour, terms: Terms) -> list[Posting]:
    """An hour's entries; none while a rate is missing.

    An hour that cost nothing has one line of nought, so that it is known to be done.
    """
    nothing = Part("", hour.currency, hour.payee, sure=True, quantity=0, cost=0)
    parts = hour.paid.parts or (nothing,)
    rates = [terms.rate(part.currency, hour.begin.date()) for part in parts]
    if any(rate is None and part.cost for rate, part in zip(rates, parts, strict=True)):
        return []
    among = claims(hour.paid.milliseconds, hour.busy_ms, hour.weights, hour.sharing)
    found: list[Posting] = []
    for index, (part, rate) in enumerate(zip(parts, rates, strict=True)):
        found += _of_part(hour, part, rate, among, first=index * len(among) + 1, terms=terms)
    return found


def _of_part(
    hour: Hour, part: Part, rate: RateLike | None, among: Sequence[Claim], *, first: int, terms: Terms
) -> Iterator[Posting]:
    shares = divide(part.cost, among)
    exchanged = divide(rate.of(part.cost) if rate else 0, among)
    quantities = divide(part.quantity, among)
    certainty = Certainty.EXACT if part.sure else Certainty.ESTIMATED
    if part.quantity and part.price_id == UNPRICED:
        certainty = Certainty.UNPRICED
    for line, (share, own, quantity) in enumerate(zip(shares, exchanged, quantities, strict=True), first):
        for account, amount, billed in _sides(share, own.amount, part.payee, terms):
            yield Posting(
                reference=hour.reference,
                line=line,
                at=hour.begin,
                tenant=_tenant(share),
                account=account,
                kind=EntryKind.ALLOCATE,
                meter=METER,
                quantity=quantity.amount,
                unit=Unit.MILLISECONDS,
                currency=part.currency,
                amount=amount,
                certainty=certainty,
                price_id=part.price_id or None,
                fx_rate=rate.text if rate else None,
                fx_date=rate.on if rate else None,
                billed_currency=terms.currency,
                billed=billed,
                backend=hour.backend,
                reason=IDLE_REASON if share.idle else None,
            )


def _sides(share: Share, own: int, payee: str, terms: Terms) -> list[tuple[str, int, int]]:
    """Account, amount and billed amount of each. `own` is the share in the operator's currency."""
    tenant = _tenant(share)
    margin = _percent(own, terms.markup(tenant)) if tenant else 0
    sides = [(share.account, share.amount, own + margin), (payee, -share.amount, -own)]
    return [*sides, (MARGIN, 0, -margin)] if margin else sides


def _tenant(share: Share) -> str:
    return share.account.removeprefix(_TENANT) if share.account.startswith(_TENANT) else ""


def _percent(amount: int, percent: Decimal) -> int:
    """So many percent of an amount, half to even."""
    down = 100 * PICO
    whole, rest = divmod(amount * pico(percent), down)
    return whole + (2 * rest > down or (2 * rest == down and whole % 2 == 1))


@dataclass(frozen=True, slots=True)
class _Same:
    """Of a currency into itself."""

    text: str = "1"
    on: date | None = None

    def of(self, amount: int) -> int:
        return amount
