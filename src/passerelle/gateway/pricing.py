"""What an edition's targets cost and what its tenants are charged: each worked out once, then looked up.

A price holds for a try from its start: what changes meanwhile counts for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import ceil

from passerelle.domain.catalog import Catalog, Target, Tenant
from passerelle.domain.facts import Known
from passerelle.domain.ledger import Exchange, Line, Priced
from passerelle.ledger.charge import charge, most
from passerelle.ledger.exchange import Exchanger, Rate
from passerelle.ledger.prices import PriceBook, Seen
from passerelle.ledger.quotes import Quote
from passerelle.ledger.resale import charged, resale_meters
from passerelle.ledger.usage import Counted

_MOST_KEPT = 5_000  # quotes; who serves is a header that somebody else writes
_MOST_RATES = 100  # one a day and currency
_MANY = 1_000_000_000  # tokens: more than any step in a list of prices is at


@dataclass(frozen=True, slots=True)
class Charged:
    """What a try comes to. `total` is what its payer is charged, in pico-units of the operator's currency."""

    lines: tuple[Line, ...]
    exchange: Exchange | None
    total: int


@dataclass(frozen=True, slots=True)
class Spared:
    """What an answer comes to that is given again: nothing, and beside it what it would have come to."""

    usage: object  # held, so that nothing else has its identity
    quote: Quote
    day: date
    counted: Counted
    figures: Mapping[str, object] | None
    charged: Charged


@dataclass(frozen=True, slots=True)
class _Bound:
    """The most that one token of each side can cost, and the rest of a call, in pico-units."""

    prompt: int
    completion: int
    rest: int

    def of(self, prompt: int, completion: int) -> int:
        return self.prompt * prompt + self.completion * completion + self.rest


_Key = tuple[object, ...]


class Pricing:
    """The prices of one catalog, for as long as nothing new is known of its backends."""

    def __init__(self, catalog: Catalog, book: PriceBook, exchanger: Exchanger) -> None:
        self._catalog = catalog
        self._book = book
        self._exchanger = exchanger
        self._quotes: dict[_Key, tuple[Known | None, Quote]] = {}
        self._bounds: dict[_Key, _Bound | None] = {}
        self._resale: dict[tuple[str, str], Mapping[str, Priced] | None] = {}
        self._exchanges: dict[Rate, Exchange] = {}
        self._spared: dict[_Key, Spared] = {}

    def forget(self) -> None:
        """Something new is known of a backend."""
        self._quotes.clear()
        self._bounds.clear()

    def quote(
        self, target: Target, *, known: Known | None, at: datetime | None, provider: str | None = None
    ) -> Quote:
        """What applies to a try of a target, `provider` being who has served it, where that is known.

        `known` is what its backend said of the model, at the moment `at`.
        """
        key = _key(target, provider)
        kept = self._quotes.get(key)
        # What was known when it was worked out: tries that began before it changed go on asking by what they knew.
        if kept is None or kept[0] is not known:
            if len(self._quotes) >= _MOST_KEPT:
                self._quotes.clear()
            spec = self._catalog.backends[target.backend]
            seen = Seen(known, at) if known is not None and at is not None else None
            quote = self._book.quote(spec, target, provider=provider, seen=seen)
            kept = self._quotes[key] = known, quote
        return kept[1]

    def charge(
        self,
        used: Counted,
        quote: Quote,
        *,
        day: date,
        milliseconds: int = 0,
        tenant: Tenant | None,
        model: str,
    ) -> Charged:
        """What a try comes to on a day. `tenant` None = the operator bears it: what it costs and no markup."""
        lines = charge(used, quote, milliseconds=milliseconds)
        rate = self._exchanger.rate(quote.currency, self._catalog.currency, day)
        terms = tenant.terms if tenant else None
        lines = charged(
            lines, rate=rate, terms=terms, resale=self._resold(tenant, model), milliseconds=milliseconds
        )
        exchange = self._exchange(rate) if rate else None
        return Charged(lines, exchange, sum([line.billed for line in lines]))

    def spared(self, key: _Key, usage: object, *, quote: Quote, day: date) -> Spared | None:
        """What was worked out before for this very usage, at this price and on this day."""
        known = self._spared.get((id(usage), *key))
        return known if known is not None and known.quote is quote and known.day == day else None

    def spare(self, key: _Key, spared: Spared) -> None:
        """Remember it: what is asked often is answered often."""
        if len(self._spared) >= _MOST_KEPT:
            self._spared.clear()
        self._spared[id(spared.usage), *key] = spared

    def most(self, target: Target, quote: Quote, *, prompt: int, completion: int) -> int | None:
        """The most that a try can cost, in pico-units of the quote's currency; None where nobody knows."""
        key = _key(target, None)
        if key in self._bounds:
            bound = self._bounds[key]
        else:
            bound = self._bounds[key] = self._bound(target, quote)
        return None if bound is None else bound.of(prompt, completion)

    def most_charged(
        self,
        target: Target,
        quote: Quote,
        *,
        prompt: int,
        completion: int,
        day: date,
        tenant: Tenant,
        model: str,
    ) -> int | None:
        """The most that a tenant can be charged for a try; None where nobody knows."""
        resale = self._resold(tenant, model)
        if resale is not None:
            own = replace(quote, priced=resale, tiers=(), currency=self._catalog.currency)
            seconds = self._seconds(target)
            return most(own, prompt=prompt, completion=completion, seconds=seconds, images=1)
        cost = self.most(target, quote, prompt=prompt, completion=completion)
        rate = self._exchanger.rate(quote.currency, self._catalog.currency, day)
        if cost is None or rate is None:
            return None
        cost = rate.of(cost)
        # Upwards: what is held is never less than what is charged.
        return cost if tenant.terms is None else int(cost * (100 + tenant.terms.markup) / 100) + 1

    def _bound(self, target: Target, quote: Quote) -> _Bound | None:
        prompt = most(quote, prompt=_MANY, completion=0)
        completion = most(quote, prompt=0, completion=_MANY)
        rest = most(quote, prompt=0, completion=0, seconds=self._seconds(target), images=1)
        if quote.tiers:  # a long prompt makes the answer dearer too
            both = most(quote, prompt=_MANY, completion=_MANY)
            completion = None if both is None or prompt is None else both - prompt
        if prompt is None or completion is None or rest is None:
            return None
        return _Bound(-(-prompt // _MANY), -(-completion // _MANY), rest)

    def _seconds(self, target: Target) -> int:
        """The most that a try can take."""
        return ceil(self._catalog.backends[target.backend].limits.longest)

    def _resold(self, tenant: Tenant | None, model: str) -> Mapping[str, Priced] | None:
        if tenant is None or tenant.terms is None or not tenant.terms.prices:
            return None
        key = (tenant.name, model)
        if key not in self._resale:
            self._resale[key] = resale_meters(
                tenant.terms, model, currency=self._catalog.currency, version=self._catalog.version
            )
        return self._resale[key]

    def _exchange(self, rate: Rate) -> Exchange:
        made = self._exchanges.get(rate)
        if made is None:
            if len(self._exchanges) >= _MOST_RATES:
                self._exchanges.clear()
            made = self._exchanges[rate] = rate.into(self._catalog.currency)
        return made


def _key(target: Target, provider: str | None) -> _Key:
    # By the identity of what is stated of its cost, which lives as long as the catalog.
    return (
        target.backend,
        target.model,
        id(target.cost),
        target.host.name if target.host else None,
        provider,
    )
