"""The words of policies, and of what Passerelle itself stands on: what a tenant allows, and of whom it is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from passerelle.config.base import Strict, written
from passerelle.config.countries import GROUPS, check_country
from passerelle.config.parties import PartyFields
from passerelle.domain.catalog import Party, System, Transfer
from passerelle.domain.privacy import Datum


def _country_or_group(value: str) -> str:
    return value if value in GROUPS else check_country(value)


Where = Annotated[
    str, AfterValidator(_country_or_group), written(f"^([A-Z]{{2}}|{'|'.join(sorted(GROUPS))})$")
]


class PolicyFields(Strict):
    """What a tenant allows; a rule that cannot be shown to hold does not hold."""

    countries: list[Where] | None = Field(
        default=None,
        min_length=1,
        description=f"Where data may be processed: ISO 3166-1 codes, {', '.join(GROUPS)}.",
        examples=[["EEA"]],
    )
    operators: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Who may process it: names of `location.operator`; `self` is the operator of this Passerelle.",
        examples=[["self"]],
    )
    seats: list[Where] | None = Field(
        default=None,
        min_length=1,
        description="Where who processes it must be established: as `countries`, of `location.seat`.",
        examples=[["EU"]],
    )
    transfers: list[Transfer] | None = Field(
        default=None,
        min_length=1,
        description="Who is outside the EEA, by place or by seat, needs one of these in force with it: `transfer`.",
        examples=[["adequacy", "scc"]],
    )
    pinned: bool = Field(default=False, description="Must the place be promised?")
    training: Literal["forbidden", "allowed"] = Field(
        default="allowed", description="`forbidden`: only parties known not to train on what they are sent."
    )
    max_retention_days: int | None = Field(
        default=None, ge=0, le=36_500, description="How many days a party may keep what it is sent."
    )
    redact: list[Datum] | None = Field(
        default=None,
        min_length=1,
        description="Kinds of personal data that the tenant must have replaced before anybody but `self` sees it.",
        examples=[["email", "phone"]],
    )
    degraded: Literal["forbidden", "allowed"] = Field(
        default="allowed", description="`forbidden`: no degraded answers, whatever the tenant says."
    )


_OURS = frozenset({"database", "cache", "vectors", "hosting"})


class SystemFields(PartyFields):
    """Something that Passerelle itself stands on, where somebody else runs it."""

    kind: Literal["database", "cache", "vectors", "logs", "telemetry", "backups", "hosting"] = Field(
        description="What it is to Passerelle."
    )
    tenants: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Whose data reaches it; everybody's, if unsaid.",
        examples=[["client-a"]],
    )

    def as_party(self, name: str) -> Party:
        """The frozen value. What a database keeps is ours to delete, so that it keeps nothing of itself, if unsaid."""
        told = self
        if self.retention_days is None and self.kind in _OURS:
            told = self.model_copy(update={"retention_days": 0})
        return super(SystemFields, told).as_party(name)

    def value(self, name: str) -> System:
        """The frozen value."""
        tenants = None if self.tenants is None else frozenset(self.tenants)
        return System(name, self.kind, self.as_party(name), tenants)
