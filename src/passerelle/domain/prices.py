"""What the operator says a backend or a target costs, as written in `providers.yaml`: exact decimals, one form each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum, StrEnum


class Basis(StrEnum):
    """What a cost counts."""

    TOKENS = "tokens"
    HOUR = "hour"  # of capacity, whether it is used or not
    IMAGE = "image"
    SECOND = "second"  # of a try, from its start to its end; a second that has begun counts


@dataclass(frozen=True, slots=True)
class Cost:
    """An operator's own price. Only the fields of its `basis` are set.

    A kind of token that is not priced apart costs what its neighbour costs: what is read from or written to a cache
    what input costs, reasoning what output costs.
    """

    currency: str
    input_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    reasoning_per_million: Decimal | None = None
    per_hour: Decimal | None = None
    per_image: Decimal | None = None
    per_second: Decimal | None = None

    def __str__(self) -> str:
        given = ((each.name, getattr(self, each.name)) for each in fields(self) if each.name != "currency")
        return ", ".join([f"{name} {value}" for name, value in given if value is not None] + [self.currency])

    @property
    def basis(self) -> Basis:
        """Which of the forms it has."""
        if self.per_hour is not None:
            return Basis.HOUR
        if self.per_image is not None:
            return Basis.IMAGE
        return Basis.SECOND if self.per_second is not None else Basis.TOKENS


class Listed(Enum):
    """`auto`: what the provider's own list says."""

    AUTO = "auto"


Stated = Cost | Listed  # what may stand under `cost:`

# Kinds of backend of whose prices there is a list; for all others `auto` would promise what nobody can look up.
KINDS_WITH_A_LIST = frozenset({"hf-providers", "hf-endpoint", "litellm"})
