"""What a report is built from: sums of a month's entries and counts of its tries, as plain values.

Amounts are whole pico-units with the account's sign: what an account owes is above nought. What has no name is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from passerelle.domain.caller import INTERNAL


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that differ in nothing a report asks for.

    `side` is what their account is: `tenant`, `payee`, `margin`, or `operator` for whatever else the operator bears.
    `payer` is who pays for the try: `tenant`, `operator`, or "" where no try has made the entry.
    """

    kind: str
    side: str
    payer: str
    served: bool
    tenant: str
    model: str
    backend: str
    target: str
    provider: str
    country: str
    meter: str
    unit: str
    use: str
    key: str
    certainty: str
    price_id: str | None
    currency: str
    fx_rate: str | None
    fx_date: date | None
    billed_currency: str | None
    lines: int
    quantity: int
    amount: int
    billed: int
    saved: int
    rate_age: int | None  # days, at most, from the reference rate to what was exchanged at it

    @property
    def asked(self) -> bool:
        """Are they of a caller's own request, not of what Passerelle asks beside those?"""
        return not self.key.startswith(INTERNAL)


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries that differ in nothing a report asks for. `unknown` ended when their process died."""

    tenant: str
    model: str
    backend: str
    target: str
    provider: str
    country: str
    use: str
    key: str
    served: bool
    tries: int
    unpriced: int
    cached: int
    unknown: int

    @property
    def asked(self) -> int:
        """How many of them are for a caller's own request, not for what Passerelle asks beside those."""
        return 0 if self.key.startswith(INTERNAL) else self.tries


@dataclass(frozen=True, slots=True)
class BilledDay:
    """What tenants were charged on a day of the month. What is of an earlier month is on its first day."""

    day: date
    billed: int


@dataclass(frozen=True, slots=True)
class BilledHour:
    """What tenants were charged for what happened in an hour, by the kind of its entries; for a forecast.

    Hours begin as clocks show them in the report's time zone, also before its month.
    """

    hour: datetime
    kind: str
    billed: int


@dataclass(frozen=True, slots=True)
class TagGroup:
    """What carries one value of a tag. `value` None: all values that are not among the dearest."""

    name: str
    value: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cost: int
    billed: int


@dataclass(frozen=True, slots=True)
class Speed:
    """How soon a target's answers began, of those that said so. Milliseconds."""

    backend: str
    target: str
    provider: str
    served: int
    median_ms: int
    p95_ms: int


@dataclass(frozen=True, slots=True)
class CapacityPart:
    """What one account bears of a backend's hours, or is paid for them. `milliseconds` of capacity, above nought."""

    backend: str
    account: str
    meter: str
    hours: int  # different ones
    milliseconds: int
    billed: int
    tenant: str = ""  # whose share it is of, on both sides
    idle: bool = False  # for time in which nothing ran


@dataclass(frozen=True, slots=True)
class SharingTerms:
    """How a backend's hours were shared at the month's end."""

    idle: str = "operator"
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """All of it, of one snapshot of the ledger."""

    groups: tuple[Group, ...] = ()
    tries: tuple[Tries, ...] = ()
    days: tuple[BilledDay, ...] = ()
    served_days: Mapping[date, int] = field(default_factory=dict)
    hours: tuple[BilledHour, ...] = ()  # of eight weeks before the month, and of the month
    tags: tuple[TagGroup, ...] = ()
    speeds: tuple[Speed, ...] = ()
    capacity: tuple[CapacityPart, ...] = ()
    sharing: Mapping[str, SharingTerms] = field(default_factory=dict)
