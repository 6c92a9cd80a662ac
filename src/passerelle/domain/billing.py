"""What is agreed about money: budgets, resale, tax, how hours of capacity are shared, who is told of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from passerelle.domain.prices import Cost


class OnExceed(StrEnum):
    """What happens to a call that there is no money left for."""

    BLOCK = "block"  # refused before it costs anything
    NOTIFY = "notify"  # answered; people are told


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much may be charged in one calendar month, in pico-units of the operator's currency."""

    amount: int
    on_exceed: OnExceed = OnExceed.BLOCK


@dataclass(frozen=True, slots=True)
class Budget:
    """What a tenant may spend in a calendar month: in all, by one key, on one model. A call must fit in all of them."""

    currency: str  # the operator's
    tenant: Ceiling | None = None
    keys: Mapping[str, Ceiling] = field(default_factory=dict, hash=False)  # by id or name
    models: Mapping[str, Ceiling] = field(default_factory=dict, hash=False)  # by the name that is asked for
    alerts: tuple[int, ...] = (50, 80, 100)  # percent of an amount at which people are told, ascending
    forecast: bool = True  # tell people too when the month's forecast passes an amount


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tenant is charged, apart from what its calls cost: a markup, or prices of its own per model.

    A model with a price of its own is charged at that price, whatever the call has cost.
    """

    markup: Decimal = Decimal(0)  # percent
    prices: Mapping[str, Cost] = field(default_factory=dict, hash=False)  # by the name that is asked for


@dataclass(frozen=True, slots=True)
class Tax:
    """A line of tax under a tenant's report; all other amounts are net."""

    name: str
    percent: Decimal


class Idle(StrEnum):
    """Who bears the time in which paid capacity did nothing."""

    OPERATOR = "operator"
    USERS = "users"  # by what they used in that hour; an hour that nobody used stays with the operator
    FIXED = "fixed"  # by shares that were agreed


@dataclass(frozen=True, slots=True)
class Sharing:
    """How an hour of a backend's capacity is shared among those who used it.

    `weights` are by `TokenKind`: what one token costs the engine, beside one of plain input. Decimals, exact.
    """

    weights: Mapping[str, Decimal] = field(
        default_factory=dict, hash=False
    )  # what is not in it has the default
    idle: Idle = Idle.OPERATOR
    shares: Mapping[str, int] = field(default_factory=dict, hash=False)  # by tenant, where idle is FIXED


@dataclass(frozen=True, slots=True)
class Power:
    """What a machine of the operator's draws while it is on, measured at its socket; average watts."""

    watts: Decimal
    pue: Decimal = Decimal("1.0")  # power usage effectiveness of the room around it (ISO/IEC 30134-2)


# What people may be told of.
THRESHOLD, FORECAST, FORECAST_P90, PRICE = (
    "budget.threshold", "budget.forecast", "budget.forecast.p90", "price.unknown",
)  # fmt: skip
EVENTS = frozenset({THRESHOLD, FORECAST, FORECAST_P90, PRICE})


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of events by HTTP. `tenants` None = of all."""

    name: str
    url: str
    secret: str = field(repr=False)
    events: frozenset[str] = frozenset()  # empty = all
    tenants: frozenset[str] | None = None
