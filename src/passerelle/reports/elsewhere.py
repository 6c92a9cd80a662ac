"""The same month elsewhere: what a tenant's traffic would have cost at every other place that its policy permits.

Pure. What it compares is this month's tokens at today's prices; hours are counted as if the tenant had them alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from passerelle.domain.ask import Needs
from passerelle.domain.catalog import BackendSpec, Catalog, Target, Tenant
from passerelle.domain.facts import Known
from passerelle.domain.ledger import EntryKind, TokenKind, Unit
from passerelle.domain.money import exact
from passerelle.ledger.exchange import Rate
from passerelle.ledger.quotes import Quote
from passerelle.ledger.usage import INPUT_KINDS
from passerelle.reports.build_slices import from_cache
from passerelle.reports.document import BreakEven, Elsewhere
from passerelle.reports.rows import Rows
from passerelle.routing.plan import Plan

_HOUR = 3600
_MILLION = 1_000_000
_MOST_WAYS = 4  # providers of one router that are shown
_SHOWN_MODELS = 5  # those with the most tokens


@dataclass(frozen=True, slots=True)
class Market:
    """What is known today of places and prices. `rate` gives what a currency is worth in the report's."""

    catalog: Catalog
    plan: Callable[[Tenant, str, Needs], Plan]  # by the model's name
    quote: Callable[[Target, str | None], Quote]
    rate: Callable[[str], Rate | None]
    known: Mapping[tuple[str, str], Known]


@dataclass(frozen=True, slots=True)
class _Traffic:
    """A model's month, without what the cache has answered: it would have done so elsewhere too."""

    model: str
    requests: int
    tokens: Mapping[str, int]  # by kind
    home: tuple[str, str, str]  # backend, target and provider that served most of it

    @property
    def total(self) -> int:
        return sum(self.tokens.values())

    @property
    def prompt(self) -> int:
        """Tokens of an average prompt, by which some prices go."""
        asked = sum(self.tokens.get(kind.value, 0) for kind in INPUT_KINDS)
        return asked // max(self.requests, 1)


def elsewhere(
    rows: Rows, *, tenant: Tenant, begins: datetime, until: datetime, market: Market
) -> tuple[tuple[Elsewhere, ...], tuple[BreakEven, ...]]:
    """Every place for each of the month's models, dearest last, and when hours would be cheaper than tokens."""
    seconds = max(int((until - begins).total_seconds()), 1)
    awake = len({hour.hour for hour in rows.hours if hour.hour >= begins and hour.kind == EntryKind.SETTLE})
    speeds = {(each.backend, each.target, each.provider): each.median_ms for each in rows.speeds}
    places: list[Elsewhere] = []
    breaks: list[BreakEven] = []
    for traffic in _traffics(rows, tenant)[:_SHOWN_MODELS]:
        if traffic.model not in market.catalog.models:
            continue
        found = [
            _Place(traffic, target, provider, market, seconds=seconds, awake=awake)
            for target, provider in _targets(tenant, traffic, market)
        ]
        shown = [place.shown(speeds) for place in found]
        shown.sort(key=lambda place: (place.cost is None, place.cost or 0))
        places += shown
        breaks += _break_even(found, traffic, seconds)
    return tuple(places), tuple(breaks)


def _traffics(rows: Rows, tenant: Tenant) -> list[_Traffic]:
    """The models that served the tenant, those with the most tokens first."""
    tokens: dict[str, Counter[str]] = {}
    homes: dict[str, Counter[tuple[str, str, str]]] = {}
    for group in rows.groups:
        settled = group.kind == EntryKind.SETTLE and group.unit == Unit.TOKENS and not from_cache(group)
        if settled and group.side == "tenant" and group.served and group.tenant == tenant.name:
            tokens.setdefault(group.model, Counter())[group.meter] += group.quantity
            home = (group.backend, group.target, group.provider)
            homes.setdefault(group.model, Counter())[home] += group.quantity
    requests: Counter[str] = Counter()
    for tries in rows.tries:
        if tries.served and tries.tenant == tenant.name:
            requests[tries.model] += tries.tries - tries.cached
    found = [
        _Traffic(model, requests[model], counts, homes[model].most_common(1)[0][0])
        for model, counts in tokens.items()
    ]
    return sorted((each for each in found if each.total), key=lambda each: (-each.total, each.model))


def _targets(tenant: Tenant, traffic: _Traffic, market: Market) -> list[tuple[Target, str | None]]:
    """Where the model may be asked today, a router's providers one by one; what answers by extracts is left out."""
    plan = market.plan(tenant, traffic.model, Needs())
    found: list[tuple[Target, str | None]] = []
    for target in plan.targets:
        if target.degraded or market.catalog.backends[target.backend].kind == "builtin":
            continue
        ways = plan.ways.get(target, (target,))[:_MOST_WAYS]
        found += [(way, way.host.name if way.host else None) for way in ways]
    return found


class _Place:
    """One place beside one model's month."""

    def __init__(
        self,
        traffic: _Traffic,
        target: Target,
        provider: str | None,
        market: Market,
        *,
        seconds: int,
        awake: int,
    ) -> None:
        self.traffic = traffic
        self.target = target
        self.provider = provider
        self.spec: BackendSpec = market.catalog.backends[target.backend]
        self.quote = market.quote(target, provider)
        self.rate = market.rate(self.quote.currency)
        self.hourly = self.quote.capacity is not None
        self.cost = self._hours(seconds, awake) if self.hourly else self._tokens()
        self._known = market.known.get((target.backend, target.model), Known())

    @property
    def name(self) -> str:
        return f"{self.target.name} ({self.provider})" if self.provider else self.target.name

    def shown(self, speeds: Mapping[tuple[str, str, str], int]) -> Elsewhere:
        place = self.spec.place_of(self.target)
        backend, target, provider = self.traffic.home
        at_home = (self.target.backend, self.target.model) == (backend, target)
        measured = [
            speed
            for (named, model, served), speed in speeds.items()
            if (named, model) == (self.target.backend, self.target.model)
            and (self.provider is None or served == self.provider)
        ]
        listed = [host.latency for host in self._known.hosts if host.provider == self.provider]
        return Elsewhere(
            backend=self.target.backend,
            target=self.target.model,
            kind=self._kind(),
            provider=self.provider,
            country=place.country,
            here=at_home and (self.provider is None or self.provider == provider),
            price=self._price(),
            cost=self.cost,
            first_token_ms=min(measured, default=None),
            listed_first_token_ms=round(listed[0] * 1000) if listed and listed[0] is not None else None,
            model=self.traffic.model,
        )

    def per_hour(self) -> int | None:
        """One hour, in the report's currency."""
        capacity = self.quote.capacity
        return self.rate.of(capacity.per_hour) if capacity and self.rate else None

    def _kind(self) -> str:
        if self.spec.kind == "hf-endpoint":
            return "endpoint"
        if self.hourly:
            return "own"
        return "provider" if self.spec.kind in ("hf-providers", "litellm") else "other"

    def _tokens(self) -> int | None:
        if self.rate is None:
            return None
        meters = self.quote.meters(self.traffic.prompt)
        amount = 0
        for kind, quantity in self.traffic.tokens.items():
            price = meters.get(kind)
            if price is None:
                return None
            amount += quantity * price.per_unit
        return self.rate.of(amount)

    def _hours(self, seconds: int, awake: int) -> int | None:
        """All hours of the month so far; of an endpoint that sleeps, those in which somebody asked something."""
        per_hour = self.per_hour()
        if per_hour is None:
            return None
        sleeps = self.spec.kind == "hf-endpoint" and self.spec.wake > 0
        return per_hour * awake if sleeps else per_hour * seconds // _HOUR

    def _price(self) -> str:
        if self.quote.capacity is not None:
            return f"{exact(self.quote.capacity.per_hour)} {self.quote.currency}/h"
        meters = self.quote.meters(self.traffic.prompt)
        sides = [meters.get(kind.value) for kind in (TokenKind.INPUT, TokenKind.OUTPUT)]
        if not any(sides):
            return "?"
        figures = " / ".join(exact(side.per_unit * _MILLION) if side else "?" for side in sides)
        return f"{figures} {self.quote.currency}/Mtok"


def _break_even(places: Sequence[_Place], traffic: _Traffic, seconds: int) -> list[BreakEven]:
    """Each place that is paid by the hour beside the cheapest that is paid by the token."""
    by_token = [place for place in places if not place.hourly and place.cost]
    if not by_token:
        return []
    cheapest = min(by_token, key=lambda place: place.cost or 0)
    actual = (Decimal(traffic.total) / seconds).quantize(Decimal("0.001"))
    found = []
    for place in places:
        hour = place.per_hour() if place.hourly else None
        if hour and cheapest.cost:
            level = Decimal(hour) * traffic.total / (Decimal(cheapest.cost) * _HOUR)
            found.append(
                BreakEven(place.name, cheapest.name, level.quantize(Decimal("0.1")), actual, traffic.model)
            )
    return found
