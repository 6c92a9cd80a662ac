"""A `Quote`: what each thing costs at one target, who says so, and an id from which it can be worked out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from types import MappingProxyType

from passerelle.domain.ledger import Priced, TokenKind, Unit
from passerelle.domain.money import PICO

IMAGE = "image"
SECOND = "second"
_MILLION = 1_000_000
_DEAREST = Decimal(1_000_000)


class PriceSource(StrEnum):
    """Who says what something costs, by who goes first."""

    CONFIGURED = "configured"  # the operator, in the file
    OURS = "ours"  # it runs in this process
    PROVIDER = "provider"  # the provider's own list, as last asked
    TABLE = "table"  # a list that came with a package
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one hour of a backend costs, whoever uses it and whether anybody does."""

    price_id: str
    currency: str
    per_hour: int  # pico-units


@dataclass(frozen=True, slots=True)
class Quote:
    """What applies to a target. `priced` is by meter (a `TokenKind`, `image`, `second`), None where nothing is known.

    A meter that is not in it is unpriced, which is not free. Where `capacity` is set, the meters are 0: the hours
    are paid, and shared out by what was used. `guessed` are meters whose price is our reading and not the list's.
    `tiers` are other prices for all meters of a call whose prompt has more tokens than so many.
    """

    currency: str
    source: PriceSource
    why: str  # one sentence
    priced: Mapping[str, Priced] | None = None
    as_of: str | None = None  # a date, a version of the file, or of a package
    guessed: frozenset[str] = frozenset()
    capacity: Capacity | None = None
    tiers: tuple[tuple[int, Mapping[str, Priced]], ...] = ()  # by tokens, ascending

    def meters(self, prompt: int) -> Mapping[str, Priced]:
        """What applies to a call whose prompt has so many tokens."""
        found: Mapping[str, Priced] = self.priced or {}
        for above, priced in self.tiers:
            if prompt > above:
                found = priced
        return found


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of a million tokens by kind, as a list has them; a kind that is not there is not listed."""

    currency: str
    per_million: Mapping[TokenKind, Decimal]
    tiers: tuple[tuple[int, Mapping[TokenKind, Decimal]], ...] = field(default=())


# What a kind costs where a list does not name it. Reasoning is output wherever we know; that the cache costs what
# input costs is only the careful reading, and audio costs so much more than text that there is none.
_LIKE = {
    TokenKind.CACHED_INPUT: TokenKind.INPUT,
    TokenKind.CACHE_WRITE: TokenKind.INPUT,
    TokenKind.REASONING: TokenKind.OUTPUT,
}
_AS_STATED = _LIKE | {TokenKind.AUDIO_INPUT: TokenKind.INPUT, TokenKind.AUDIO_OUTPUT: TokenKind.OUTPUT}


def believable(price: Decimal) -> bool:
    """Is it a price that something could have?"""
    return price.is_finite() and 0 <= price <= _DEAREST


def filled(
    per_million: Mapping[TokenKind, Decimal], *, stated: bool
) -> tuple[dict[TokenKind, Decimal], frozenset[str]]:
    """Prices with those that follow from their neighbours, and which of them nobody stated.

    What an operator states is the whole price: a kind not priced apart costs what its neighbour costs.
    """
    rates = {kind: price for kind, price in per_million.items() if believable(price)}
    guessed = set()
    for kind, neighbour in (_AS_STATED if stated else _LIKE).items():
        if kind not in rates and neighbour in rates:
            rates[kind] = rates[neighbour]
            if not stated and kind is not TokenKind.REASONING:
                guessed.add(kind.value)
    return rates, frozenset(guessed)


def pico_each(price: Decimal, *, units: int = 1) -> int:
    """Pico-units for one, where so many cost `price`; to the nearest, which matters only for dirt in others' lists."""
    return int((price * PICO / units).to_integral_value(rounding=ROUND_HALF_EVEN))


def price_id(sku: str, meter: str, *, valid_from: str, per_unit: int) -> str:
    """`sku:meter@valid-from=pico`: the price itself stands in it, so that no list is needed to work it out again."""
    return f"{sku}:{meter}@{valid_from}={per_unit}"


def per_unit_of(identity: str) -> int:
    """The pico-units per unit that a price id holds. Raises ValueError for what is none."""
    _, mark, amount = identity.rpartition("=")
    if not mark or not amount.isdecimal():
        raise ValueError("not the id of a price")
    return int(amount)


def token_meters(
    rates: Mapping[TokenKind, Decimal], *, sku: str, currency: str, valid_from: str
) -> Mapping[str, Priced]:
    """Prices of single tokens."""
    each = {kind: pico_each(price, units=_MILLION) for kind, price in rates.items()}
    return MappingProxyType(
        {
            kind.value: Priced(price_id(sku, kind, valid_from=valid_from, per_unit=amount), currency, amount)
            for kind, amount in each.items()
        }
    )


def single_meter(
    meter: str, price: Decimal, *, unit: Unit, sku: str, currency: str, valid_from: str
) -> Mapping[str, Priced]:
    """The price of one image or one second; tokens cost nothing beside it."""
    amount = pico_each(price)
    identity = price_id(sku, meter, valid_from=valid_from, per_unit=amount)
    free = {kind.value: Decimal(0) for kind in TokenKind}
    return MappingProxyType(
        {
            **token_meters(
                {TokenKind(kind): nought for kind, nought in free.items()},
                sku=sku,
                currency=currency,
                valid_from=valid_from,
            ),
            meter: Priced(identity, currency, amount, unit),
        }
    )
