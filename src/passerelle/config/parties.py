"""Words about somebody who sees data: where, who, and what is promised. What is not said is not known."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from passerelle.config.base import Strict
from passerelle.config.countries import check_country
from passerelle.domain.catalog import Location, Party, Transfer

Country = Annotated[
    str, AfterValidator(check_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})
]
SELF = "self"  # the operator of this Passerelle, as a legal party


class LocationFields(Strict):
    """Where data is processed, which legal party processes it, and where that party is established."""

    country: Country | None = Field(
        default=None, description="Where data is processed: an ISO 3166-1 code.", examples=["FR"]
    )
    operator: str | None = Field(
        default=None,
        min_length=1,
        description="The legal party that runs it; `self` is the operator of this Passerelle.",
        examples=["self"],
    )
    seat: Country | None = Field(
        default=None,
        description="Where that legal party is established; of `self`, `operator.country` if unsaid.",
        examples=["FR"],
    )

    def value(self) -> Location:
        """The frozen value."""
        return Location(self.country, self.operator, self.seat)


class PartyFields(Strict):
    """Somebody who sees data."""

    location: LocationFields | None = Field(
        default=None,
        description="Where it is and who runs it; a policy refuses what is not known.",
        examples=[{"country": "FR", "operator": "self"}],
    )
    trains: bool | None = Field(default=None, description="Does the party train on what it is sent?")
    retention_days: int | None = Field(
        default=None, ge=0, description="How long the party keeps what it is sent."
    )
    pinned: bool | None = Field(
        default=None,
        description="Does the party promise the place, or may it change? `self` does, if unsaid.",
    )
    transfer: list[Transfer] | None = Field(
        default=None,
        min_length=1,
        description="What makes sending data to it lawful, of a party outside the EEA, where that is in force with it.",
        examples=[["scc"]],
    )

    def where(self) -> Location:
        """Where it processes data and who runs it."""
        return self.location.value() if self.location else Location()

    def as_party(self, name: str) -> Party:
        """The frozen value. Of the operator's own machines it is known that they keep nothing for anybody else."""
        where = self.where()
        own = where.operator == SELF
        return Party(
            name,
            where,
            trains=False if self.trains is None and own else self.trains,
            retention_days=0 if self.retention_days is None and own else self.retention_days,
            pinned=True if self.pinned is None and own else self.pinned,
            transfers=frozenset(self.transfer or ()),
        )
