"""A month's report as one frozen value: every form of it shows the same figures, and none works out its own.

Amounts are whole pico-units of the report's currency unless a field says otherwise; they are rounded in the forms,
once. Moments are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

SCHEMA = "passerelle.costs/1"

# How the uses begin that the cache's own calls have: embeddings, judging, asking again to check.
CACHE_USES = "cache-"

# By what a report is divided, in this order; tags follow as `tag:<name>`.
DIMENSIONS = ("model", "backend", "provider", "country", "meter", "use", "key", "kind")


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a month: everything that has one value of a dimension.

    `requests` counts requests that were answered (of a dimension's value, by the try that answered), and for `meter`
    those that used any of it. What Passerelle asks by itself is no request: it has tokens and amounts alone. Tokens are
    of the served tries.
    """

    name: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    quantity: int = 0  # of its unit, for `meter`
    unit: str = ""
    cost: int = 0  # what was paid for it
    billed: int = 0  # what the tenant is charged for it


@dataclass(frozen=True, slots=True)
class Totals:
    """All of the month. Requests and tries are of what callers asked; tokens and amounts are of everything."""

    requests: int = 0  # that were answered
    tries: int = 0
    failed_tries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    billed: int = 0
    estimated: int = 0  # of `billed`: counted or shared out by us
    unpriced_requests: int = 0  # answered at a price nobody knows: in no amount
    retries: int = 0  # cost of tries that the operator bears
    saved: int = 0  # what answers from the cache would have been charged; in no amount
    cache_hits: int = 0
    cache_cost: int = 0  # of `billed`: what the cache's own calls were charged

    @property
    def saved_net(self) -> int:
        """What the cache saved, less what it was charged itself; below nought where it did not pay."""
        return self.saved - self.cache_cost


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the month, in the report's time zone."""

    day: date
    requests: int
    billed: int


@dataclass(frozen=True, slots=True)
class Hours:
    """Capacity of one backend that is paid by the hour."""

    backend: str
    hours: Decimal  # that were paid, of all replicas
    cost: int  # of those hours
    used: int  # of `cost`: the share of time in which it worked
    idle: int  # the rest
    idle_borne_by: str  # `operator`, `users` or `fixed`
    share: int  # of `cost`: this tenant's
    utilisation: Decimal  # 0 to 1
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One ceiling and how much of it is spent."""

    name: str  # `tenant`, `key:<id>`, `model:<name>`
    amount: int
    spent: int
    on_exceed: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the whole month will be, as far as its days so far tell."""

    method: str  # `hour-of-week-bootstrap` or `linear`
    p10: int
    p50: int
    p90: int
    days: int  # of data
    confident: bool  # False with less than three days of data


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The same month's tokens at one other place that the tenant's policy permits."""

    backend: str
    target: str
    kind: str  # `own`, `endpoint`, `provider` or `other`
    provider: str | None
    country: str | None
    here: bool  # it is where (most of) the month ran
    price: str  # in figures that need no language: `0.06 / 0.18 USD/Mtok`, `0.76 EUR/h`
    cost: int | None  # None: the price is not known
    first_token_ms: int | None  # median, measured here; None: never
    listed_first_token_ms: int | None  # as its provider states it
    why_not: str | None = None  # a reason that it could not have served all of it (context, capability)
    model: str = ""  # whose traffic of the month this is about


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From how many tokens a second, day and night, an hour is cheaper than tokens."""

    hourly: str  # the place that is paid by the hour
    tokens: str  # the place that is paid by the token
    tokens_per_second: Decimal
    actual_tokens_per_second: Decimal  # of this tenant's month
    model: str = ""


@dataclass(frozen=True, slots=True)
class Energy:
    """What the month's answers drew, and what that emitted."""

    method: str  # `measured`, `modelled` or `mixed`
    watt_hours: tuple[Decimal, Decimal]  # least and most
    grams_co2e: tuple[Decimal, Decimal]
    covered: Decimal  # the share of output tokens that this speaks of, 0 to 1
    note: str  # a key of the texts: what is not counted


@dataclass(frozen=True, slots=True)
class PriceUsed:
    """A price that entries of the month were worked out with."""

    price_id: str
    currency: str
    fx_rate: str | None
    fx_date: date | None
    quantity: int
    amount: int  # pico-units of `currency`


@dataclass(frozen=True, slots=True)
class TaxLine:
    """Tax on what is billed. `amount` is rounded to the currency's cents."""

    name: str
    percent: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """A tenant's month, or with `tenant` None all of the operator's."""

    tenant: str | None
    operator: str
    month: str  # as 2026-11
    time_zone: str
    currency: str
    begins: datetime
    ends: datetime
    written_at: datetime
    closed: bool
    totals: Totals
    by: Mapping[str, tuple[Slice, ...]]  # dimension to parts, dearest first; each adds up to `totals.billed`
    days: tuple[Day, ...]
    hours: tuple[Hours, ...] = ()
    budget: tuple[BudgetLine, ...] = ()
    forecast: Forecast | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    break_even: tuple[BreakEven, ...] = ()
    energy: Energy | None = None
    prices: tuple[PriceUsed, ...] = ()
    tax: TaxLine | None = None
    corrections: int = 0  # of `billed`: adjustments and credits, of this and of earlier months
    reconciled: tuple[str, ...] = ()  # providers whose invoice of this month has been compared
    warnings: tuple[str, ...] = ()  # keys of the texts, such as `unpriced`
