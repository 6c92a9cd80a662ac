"""The month summed again, plainly: from what each try was and from the list of prices, without the ledger or its database.

Fractions instead of pico-units, one loop over all tries and one over all hours; nothing of it is the service's own code.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from pathlib import Path

from tools.demo_costs.traffic import PARIS, Fact, awake
from tools.demo_costs.world import HOURLY, MARKUP, RESOLD, TARIFFS

_PICO = 10**12
_HOUR = 3_600_000
_RETRY, _IDLE = "operator:retry", "operator:idle"
_READ = ("input", "cached_input")
_WRITTEN = ("output", "reasoning")


@dataclass
class Sums:
    """One tenant's month, or all of them; amounts in pico-units of a euro."""

    requests: int = 0
    tries: int = 0
    failed: int = 0
    hits: int = 0
    unpriced: int = 0
    read: int = 0
    written: int = 0
    billed: int = 0
    cost: int = 0
    estimated: int = 0
    retries: int = 0
    saved: int = 0
    tags: bool = False  # does the report show any?
    by: dict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  # dimension, name: billed
    quantities: Counter[str] = field(default_factory=Counter)  # by kind of token

    def charge(self, amount: int, *, cost: int, estimated: bool, **names: str) -> None:
        """Somebody is billed an amount, for what has these values in the report's dimensions."""
        self.billed += amount
        self.cost += cost
        self.estimated += amount if estimated else 0
        for dimension, name in names.items():
            self.by[dimension][name] += amount


class Rates:
    """Euros for a dollar, from ECB's file alone."""

    def __init__(self, file: Path) -> None:
        lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
        self._usd = {date.fromisoformat(row["Date"]): row["USD"] for row in csv.DictReader(lines)}

    def euros(self, currency: str, day: date) -> Fraction:
        """That day's rate or the last before it, to twelve digits."""
        if currency == "EUR":
            return Fraction(1)
        last = max(each for each in self._usd if each <= day)
        return Fraction(
            Context(prec=12, rounding=ROUND_HALF_EVEN).divide(Decimal(1), Decimal(self._usd[last]))
        )


def tokens(fact: Fact) -> tuple[dict[str, int], bool]:
    """Tokens by kind, and whether they are a guess from bytes, four of them to a token."""
    if fact.outcome == "refused":
        return {}, False
    if fact.usage is None:
        written = 0 if fact.outcome == "broken" else -(-fact.received // 4)
        return {"input": -(-fact.sent // 4), "output": written}, True
    cached = fact.usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    reasoned = fact.usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    written = fact.usage.get("completion_tokens", 0)
    return {
        "input": fact.usage["prompt_tokens"] - cached,
        "cached_input": cached,
        "output": written - reasoned,
        "reasoning": reasoned,
    }, False


def add_try(fact: Fact, rates: Rates, into: Sequence[Sums]) -> None:
    """One try in the sums of its tenant and of the operator."""
    used, guessed = tokens(fact)
    served, hit = fact.outcome in ("answered", "cut", "hit"), fact.outcome == "hit"
    tariff = TARIFFS.get((fact.backend, fact.target, fact.provider))
    hourly = fact.backend in HOURLY
    rate = rates.euros(tariff.currency, _day(fact.ended)) if tariff else Fraction(1)
    tag = next(iter(fact.tags.values())) if fact.tags else ""
    for sums in into:
        sums.tries += 1
        sums.failed += not served
        sums.requests += served
        sums.hits += hit
        sums.unpriced += served and not hit and tariff is None and not hourly
    for kind, count in used.items():
        each = (
            Fraction(0)
            if tariff is None
            else {"input": tariff.read, "cached_input": tariff.cached}.get(kind, tariff.written)
        )
        cost = _even(_even(Fraction(each) * _PICO / 1_000_000) * count * rate)
        sold = RESOLD.get((fact.tenant, fact.model))
        billed = (
            _even(Fraction(sold[kind in _WRITTEN]) * _PICO / 1_000_000) * count
            if sold
            else _even(cost * Fraction(100 + MARKUP.get(fact.tenant, 0), 100))
        )
        for sums, whole in zip(into, (False, True), strict=True):
            if served or whole:
                sums.quantities[kind] += count
            if not served:
                sums.retries += cost
                sums.cost += cost if whole else 0
                continue
            sums.read += count if kind in _READ else 0
            sums.written += count if kind in _WRITTEN else 0
            if hit:
                sums.saved += billed
                continue
            sums.charge(
                billed,
                cost=cost,
                # What the Hub's list does not say is read from its neighbour.
                estimated=guessed or (kind == "cached_input" and fact.backend == "hub"),
                model=fact.model,
                token_kind=kind,
                backend=fact.backend,
                provider=fact.provider or "self",
                key=fact.key,
                tag=tag,
                tenant=fact.tenant,
            )


@dataclass
class Shares:
    """An hour of a backend: what was used and idle of what it cost, and who bears it; pico-units of a euro."""

    cost: int = 0
    idle: int = 0
    by_tenant: Counter[str] = field(default_factory=Counter)
    margins: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    unused: int = 0  # borne by the operator


def share_hour(backend: str, hour: int, facts: Iterable[Fact], rates: Rates) -> Shares:
    """An hour that begins at a moment, by the tries that touched it; a cached answer touched nothing."""
    price, currency, (read, cached, written), users = HOURLY[backend]
    if backend == "endpoint" and not awake(datetime.fromtimestamp(hour / 1000, UTC)):
        return Shares()
    cost = _even(Fraction(price) * _PICO * rates.euros(currency, _day(hour)))
    ran = [
        (fact, max(fact.began, hour), min(fact.ended, hour + _HOUR))
        for fact in facts
        if fact.outcome != "hit"
    ]
    weights: dict[str, Fraction] = defaultdict(Fraction)
    times: dict[str, Fraction] = defaultdict(Fraction)
    for fact, begins, ends in ran:
        failed = fact.outcome in ("refused", "broken")
        payer = _RETRY if failed else f"tenant:{fact.tenant}"
        times[payer] += max(ends - begins, 0)
        if hour <= fact.ended < hour + _HOUR:
            for kind, count in tokens(fact)[0].items():
                weight = {"input": read, "cached_input": cached}.get(kind, written)
                weights[payer] += Fraction(weight) * count
    if not any(weights.values()):
        weights = times
    busy = min(_union((begins, ends) for _, begins, ends in ran), _HOUR)
    whole = sum(weights.values(), Fraction(0))
    claims = [(payer, weights[payer] * busy, False) for payer in sorted(weights)] if whole else []
    rest = _HOUR - (busy if whole else 0)
    if users and whole and busy:
        claims += [(payer, weights[payer] * rest, True) for payer in sorted(weights)]
    else:
        claims.append((_IDLE, rest * (whole or 1), True))
    claims = [claim for claim in claims if claim[1]]
    found = Shares(cost=cost)
    for (payer, _, idle), amount in zip(
        claims, divided(cost, [weight for _, weight, _ in claims]), strict=True
    ):
        found.idle += amount if idle else 0
        if payer == _RETRY:
            found.retried += amount
        elif payer == _IDLE:
            found.unused += amount
        else:
            tenant = payer.removeprefix("tenant:")
            found.by_tenant[tenant] += amount
            found.margins[tenant] += _even(amount * Fraction(MARKUP.get(tenant, 0), 100))
    return found


def divided(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Shares that add up, by the largest remainder; of equals, the first."""
    whole = sum(weights)
    exact = [Fraction(total) * weight / whole for weight in weights]
    shares = [int(each) for each in exact]
    for index in sorted(range(len(exact)), key=lambda each: (shares[each] - exact[each], each))[
        : total - sum(shares)
    ]:
        shares[index] += 1
    return shares


@dataclass
class Month:
    """A month again: sums by tenant, those of the operator under None, and capacity by backend."""

    sums: dict[str | None, Sums]
    capacity: dict[str, Shares]


def month_again(
    facts: Sequence[Fact], hours: Sequence[int], tenants: Iterable[str], rates: Rates, name: str
) -> Month:
    """`hours` are the beginnings of all that were shared out, as Unix milliseconds; `name` is as 2026-10."""
    sums: dict[str | None, Sums] = {tenant: Sums() for tenant in (*tenants, None)}
    for fact in facts:
        sums[fact.tenant].tags |= fact.tags is not None
    inside: Callable[[int], bool] = lambda at: f"{datetime.fromtimestamp(at / 1000, PARIS):%Y-%m}" == name  # noqa: E731
    touching: dict[tuple[str, int], list[Fact]] = defaultdict(list)
    for fact in facts:
        if inside(fact.ended):
            add_try(fact, rates, (sums[fact.tenant], sums[None]))
        for hour in range(fact.began // _HOUR, fact.ended // _HOUR + 1):
            touching[fact.backend, hour * _HOUR].append(fact)
    capacity = {backend: Shares() for backend in HOURLY}
    for hour in hours:
        for backend, whole in capacity.items() if inside(hour) else ():
            _add(whole, share_hour(backend, hour, touching[backend, hour], rates), backend, sums)
    return Month(sums, capacity)


def _add(whole: Shares, hour: Shares, backend: str, sums: dict[str | None, Sums]) -> None:
    whole.cost += hour.cost
    whole.idle += hour.idle
    whole.by_tenant.update(hour.by_tenant)
    sums[None].cost += hour.retried + hour.unused
    for tenant, own in hour.by_tenant.items():
        for each in (sums[tenant], sums[None]):
            each.charge(
                own + hour.margins[tenant],
                cost=own,
                estimated=backend == "endpoint",  # that it was up is known from asking now and then
                model="", token_kind="", backend=backend, provider="", key="", tag="", tenant=tenant,
            )  # fmt: skip


def _union(intervals: Iterable[tuple[int, int]]) -> int:
    total = reached = 0
    for begins, ends in sorted(intervals):
        total += max(0, ends - max(begins, reached))
        reached = max(reached, ends)
    return total


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()


def _even(value: Fraction | int) -> int:
    """To the nearest whole number, half to even."""
    return round(Fraction(value))
