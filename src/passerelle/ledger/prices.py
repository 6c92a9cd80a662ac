"""`PriceBook`: which price applies to a target and why. What nobody states is unknown, and unknown is never nought.

The operator's word goes first, then the provider's own list as last asked, then lists that came with packages. Pure:
what was learned of a backend is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.facts import Known, Price
from passerelle.domain.ledger import TokenKind, Unit
from passerelle.domain.prices import Basis, Cost, Listed
from passerelle.ledger.price_tables import PriceTable
from passerelle.ledger.quotes import (
    IMAGE,
    SECOND,
    Capacity,
    PriceSource,
    Quote,
    Rates,
    believable,
    filled,
    pico_each,
    price_id,
    single_meter,
    token_meters,
)

_CHOICES = frozenset({"auto", "preferred", "cheapest", "fastest"})  # no provider is called so
_STATE_IT = "write its `cost`"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a survey taught about a target, and when."""

    known: Known
    at: datetime


class PriceBook:
    """The prices of one configuration. Prices that apply are those in force when a try begins: ask then, and keep."""

    def __init__(self, *, currency: str, version: str, tables: Sequence[PriceTable] = ()) -> None:
        """`currency` is the operator's, of what is unpriced or free; `version` the configuration's.

        `tables` may be filled later: what is asked from then on is found in them.
        """
        self._currency = currency
        self._version = version
        self._tables = tables

    def quote(
        self,
        spec: BackendSpec,
        target: Target,
        *,
        provider: str | None = None,
        seen: Seen | None = None,
        at: datetime | None = None,
    ) -> Quote:
        """What applies to a try of a target. `provider` is the one that a router says has served it.

        `at` is when the try began, for lists that know older prices; None = now.
        """
        stated = target.cost if target.cost is not None else spec.cost
        sku = f"{spec.name}/{target.model}"
        if isinstance(stated, Cost):
            whose = "target" if target.cost is not None else "backend"
            return self._configured(stated, sku, backend=spec.name, why=f"The file states it of the {whose}.")
        if spec.kind == "builtin":
            nothing = dict.fromkeys(TokenKind, Decimal(0))
            priced = token_meters(nothing, sku=sku, currency=self._currency, valid_from="always")
            return Quote(
                self._currency,
                PriceSource.OURS,
                "It runs in this process, whose cost is no one's bill.",
                priced,
            )
        if stated is not Listed.AUTO:
            return self._unknown(f"Nobody states what it costs: {_STATE_IT}.")
        if spec.kind == "hf-endpoint":
            return self._endpoint(spec, seen)
        if spec.kind == "litellm":
            return self._litellm(spec, target, sku, seen=seen, at=at)
        return self._hub(spec, target, provider=provider, seen=seen, at=at)

    def _unknown(self, why: str) -> Quote:
        return Quote(self._currency, PriceSource.UNKNOWN, why)

    def _configured(self, cost: Cost, sku: str, *, backend: str, why: str) -> Quote:
        if not all(believable(price) for price in _figures(cost)):
            return self._unknown(
                f"The file's price is none that anything could have: mend its `cost` ({cost})."
            )
        known = {"sku": sku, "currency": cost.currency, "valid_from": self._version}
        quote = Quote(cost.currency, PriceSource.CONFIGURED, why, as_of=self._version)
        if cost.basis is Basis.HOUR and cost.per_hour is not None:
            return _hourly(quote, backend, cost.per_hour)
        if cost.per_image is not None:
            return replace(quote, priced=single_meter(IMAGE, cost.per_image, unit=Unit.IMAGES, **known))
        if cost.per_second is not None:
            return replace(quote, priced=single_meter(SECOND, cost.per_second, unit=Unit.SECONDS, **known))
        given = {
            TokenKind.INPUT: cost.input_per_million,
            TokenKind.OUTPUT: cost.output_per_million,
            TokenKind.CACHED_INPUT: cost.cached_input_per_million,
            TokenKind.CACHE_WRITE: cost.cache_write_per_million,
            TokenKind.REASONING: cost.reasoning_per_million,
        }
        rates, _ = filled({kind: price for kind, price in given.items() if price is not None}, stated=True)
        return replace(quote, priced=token_meters(rates, **known))

    def _endpoint(self, spec: BackendSpec, seen: Seen | None) -> Quote:
        price = seen.known.facts.price if seen else None
        if seen is None or price is None or price.per_hour is None or not _possible(price.per_hour):
            return self._unknown(
                f"Hugging Face has not said what an hour of it costs: ask again, or {_STATE_IT}."
            )
        why = "Hugging Face's price of an hour of its hardware."
        quote = Quote(price.currency, PriceSource.PROVIDER, why, as_of=_day(seen))
        return _hourly(quote, spec.name, price.per_hour)

    def _litellm(
        self, spec: BackendSpec, target: Target, sku: str, *, seen: Seen | None, at: datetime | None
    ) -> Quote:
        """Its facts are LiteLLM's list too, with less in them: the list itself goes first where it is there."""
        provider = _option(spec, "provider") or ""
        listed = self._from_tables(sku, provider, target.model, region=_option(spec, "region"), at=at)
        if listed is not None:
            return listed
        if seen and (told := _from_price(seen.known.facts.price, sku, seen)):
            return replace(told, why=f"LiteLLM's price for {provider}.")
        return self._unknown(f"No list has {target.model!r} of {provider}: {_STATE_IT}.")

    def _hub(
        self,
        spec: BackendSpec,
        target: Target,
        *,
        provider: str | None,
        seen: Seen | None,
        at: datetime | None,
    ) -> Quote:
        """The provider that served, else the one asked by name, else the dearest that might have."""
        chosen = _option(spec, "provider")
        named = chosen if chosen not in _CHOICES else None
        served = provider or (target.host.name if target.host else None) or named
        hosts = seen.known.hosts if seen else ()
        if served is not None:
            sku = f"{spec.name}/{served}/{target.model}"
            for host in hosts:
                its_own = served in (host.provider, host.party.name)
                if its_own and seen and (told := _from_price(host.facts.price, sku, seen)):
                    return replace(told, why=f"Hugging Face's list, for {served}.")
            if listed := self._from_tables(sku, served, target.model, hub=True, at=at):
                guessed = frozenset(listed.priced or ())  # another's list of what the provider asks elsewhere
                return replace(
                    listed, guessed=guessed, why=f"{listed.why} Hugging Face lists no price of {served}."
                )
        quotes = [
            quote
            for host in hosts
            if seen
            and (quote := _from_price(host.facts.price, f"{spec.name}/{host.provider}/{target.model}", seen))
        ]
        if seen is None:
            return self._unknown("Hugging Face's list has not been asked for it yet.")
        if not quotes or (served is not None and served == named):
            return self._unknown(f"No list has {target.model!r} at {served or 'any provider'}: {_STATE_IT}.")
        dearest = max(quotes, key=_dearness)
        who = f"it is not listed for {served}" if served else "who serves it is not known"
        why = f"The dearest on Hugging Face's list, because {who}."
        return replace(dearest, guessed=frozenset(dearest.priced or ()), why=why)

    def _from_tables(
        self,
        sku: str,
        provider: str,
        model: str,
        *,
        region: str | None = None,
        hub: bool = False,
        at: datetime | None = None,
    ) -> Quote | None:
        for table in self._tables:
            rates = table.rates(provider, model, region=region, hub=hub, at=at)
            if rates is not None and (quote := _listed(rates, sku, PriceSource.TABLE, as_of=table.as_of)):
                return replace(quote, why=f"From {table.name}, for {provider}.")
        return None


def _figures(cost: Cost) -> list[Decimal]:
    given = (getattr(cost, each.name) for each in fields(cost))
    return [figure for figure in given if isinstance(figure, Decimal)]


def _option(spec: BackendSpec, name: str) -> str | None:
    value: Any = getattr(spec.options, name, None)
    return value if isinstance(value, str) else None


def _day(seen: Seen) -> str:
    return seen.at.date().isoformat()


def _possible(price: Decimal) -> bool:
    return believable(price) and price > 0


def _hourly(quote: Quote, backend: str, per_hour: Decimal) -> Quote:
    """Tokens cost nothing of their own: the hours are paid, and shared out by what was used."""
    valid_from, each = quote.as_of or "", pico_each(per_hour)
    identity = price_id(backend, "hour", valid_from=valid_from, per_unit=each)
    nothing = dict.fromkeys(TokenKind, Decimal(0))
    priced = token_meters(nothing, sku=f"{backend}/hour", currency=quote.currency, valid_from=valid_from)
    return replace(quote, priced=priced, capacity=Capacity(identity, quote.currency, each))


def _from_price(price: Price | None, sku: str, seen: Seen) -> Quote | None:
    """A provider's own list. Where all of it is 0, free and not said look the same, and it is not believed."""
    if price is None:
        return None
    given = {TokenKind.INPUT: price.input_per_million, TokenKind.OUTPUT: price.output_per_million}
    rates = Rates(price.currency, {kind: each for kind, each in given.items() if each is not None})
    return _listed(rates, sku, PriceSource.PROVIDER, as_of=_day(seen))


def _listed(rates: Rates, sku: str, source: PriceSource, *, as_of: str) -> Quote | None:
    full, guessed = filled(rates.per_million, stated=False)
    if not any(full.values()):
        return None
    known = {"sku": sku, "currency": rates.currency, "valid_from": as_of}
    tiers = tuple(
        (above, token_meters(filled(tier, stated=False)[0], **known)) for above, tier in rates.tiers
    )
    return Quote(
        rates.currency,
        source,
        "",
        token_meters(full, **known),
        as_of=as_of,
        guessed=guessed,
        tiers=tiers,
    )


def _dearness(quote: Quote) -> int:
    """For comparing: a prompt is commonly three times as long as its answer. What lists one side alone comes last."""
    priced = quote.priced or {}
    sides = [priced.get(TokenKind.INPUT), priced.get(TokenKind.OUTPUT)]
    if None in sides:
        return -1
    return sum(weight * side.per_unit for weight, side in zip((3, 1), sides, strict=True) if side)
