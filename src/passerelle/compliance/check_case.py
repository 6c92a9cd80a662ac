"""What a rule is asked about: one tenant, who its data may reach, what is written, what was signed, and what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from passerelle.compliance.estate import ASKED
from passerelle.compliance.estate_processors import provider_of
from passerelle.compliance.facts import Client, Entry, Place, Sources
from passerelle.compliance.findings import Found
from passerelle.compliance.observed import Observed
from passerelle.compliance.registers import Notice
from passerelle.compliance.signed import Annex, Signed
from passerelle.domain.catalog import Catalog, Party, Tenant, Transfer
from passerelle.domain.privacy import Retention
from passerelle.policy.judge import SELF
from passerelle.policy.regions import EEA
from passerelle.policy.seen import Seen, Use
from passerelle.routing.source import Path as Where
from passerelle.routing.source import Source


@dataclass(frozen=True, slots=True)
class Edit:
    """A generated file that is not what a rebuild gives; `line` is the first that differs."""

    file: str  # below the DPA folder
    why: str
    line: int = 1
    outdated: bool = False  # as it was built, from what has changed since


@dataclass(frozen=True, slots=True)
class Case:
    """One tenant on one day. None = that was not looked at."""

    catalog: Catalog
    tenant: Tenant
    seen: tuple[Seen, ...]
    sources: Sources
    today: date
    now: datetime
    annex: Annex  # as it would be built now
    retention: tuple[Retention, ...] = ()  # as it is configured now
    printed: Annex | None = None  # as it stands in the generated folder
    documents: Mapping[str, str] = field(default_factory=dict)  # of that folder, by path below the DPA folder
    edits: tuple[Edit, ...] = ()
    signed: Signed | None = None
    notices: tuple[Notice, ...] = ()
    observed: Observed | None = None
    probes: Mapping[str, bool | None] = field(default_factory=dict)  # of measures, by what is configured
    partners: frozenset[str] = frozenset()  # providers on the Hub's list
    lines: Source | None = None  # of the configuration
    folder: str = "DPA"  # how people find it

    @property
    def client(self) -> Client | None:
        """The tenant as a party to an agreement."""
        return self.sources.clients.get(self.tenant.name)

    def reached(self) -> Iterator[Seen]:
        """Whoever no rule keeps the data from, and whoever has it whatever a rule says."""
        return (seen for seen in self.seen if seen.verdict is None or seen.use not in ASKED)

    def others(self) -> Iterator[tuple[Seen, Entry | None]]:
        """Those of them that are not the operator itself, and what the catalogue has of each."""
        for seen in self.reached():
            if seen.party.location.operator != SELF:
                yield seen, self.entry(seen)

    def entry(self, seen: Seen) -> Entry | None:
        """What the catalogue has of a party; of the operator itself, nothing."""
        operator = seen.party.location.operator
        if operator == SELF:
            return None
        return self.sources.entry_of(operator=operator, provider=provider_of(self.catalog, seen))

    def known(self, seen: Seen) -> Party:
        """A party with what the catalogue adds where the configuration says nothing."""
        entry, party = self.entry(seen), seen.party
        if entry is None:
            return party
        where = party.location
        location = replace(
            where,
            country=where.country or entry.fact("country").value,
            seat=where.seat or entry.fact("seat").value,
        )
        tools = frozenset(Transfer(tool.value) for tool in entry.tools)
        return replace(party, location=location, transfers=party.transfers | tools)

    def decided(self, country: str) -> bool:
        """Is a decision on the adequacy of a country in force? That of the United States covers listed firms only."""
        return country != "US" and any(
            each.country == country
            and (each.since is None or each.since <= self.today)
            and (each.until is None or each.until >= self.today)
            for each in self.sources.adequacy
        )

    def outside(self, party: Party) -> tuple[str, ...]:
        """Countries without adequate law that a party, as it is known, processes in or reaches from."""
        own = party.location.operator == SELF
        places = (party.location.country, None if own else party.location.seat)
        return tuple(
            dict.fromkeys(
                where
                for where in places
                if where is not None and where not in EEA and not self.decided(where)
            )
        )

    def in_file(self, rule: str, severity: str, message: str, cure: str, *, path: Where) -> Found:
        """Something about the configuration."""
        place = self.lines.place(path) if self.lines else None
        line, column = place or (None, None)
        return Found(severity, rule, message, cure, self.catalog.source, line, column, self.tenant.name)

    def of(
        self, seen: Seen, rule: str, severity: str, message: str, cure: str, *, place: Place | None = None
    ) -> Found:
        """Something about a party, at its place in the configuration unless another is given.

        What is switched off for want of a secret is not urgent yet.
        """
        if seen.off and severity == "error":
            severity, message = "warning", f"{message} It is off until its secret is set."
        if place is not None:
            return self.at(place, rule, severity, message, cure)
        branch = _BRANCH.get(seen.use, "backends")
        return self.in_file(rule, severity, message, cure, path=(branch, seen.through))

    def at(self, place: Place, rule: str, severity: str, message: str, cure: str, **more: Any) -> Found:
        """Something about the DPA folder. `tenant` may be given as empty: about all of them."""
        file = place.file if place.file.startswith("shipped/") else f"{self.folder}/{place.file}"
        return Found(
            severity, rule, message, cure, file, place.line, None, more.get("tenant", self.tenant.name)
        )


_BRANCH: Mapping[Use, str] = {Use.WEBHOOK: "webhooks"} | {
    use: "systems" for use in Use if use not in ASKED and use is not Use.WEBHOOK
}
