"""What the documents are made of: facts with where they come from, and who is who. Values; files are read elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


class Confidence(StrEnum):
    """How sure a fact is."""

    VERIFIED = "verified"  # read at its source by a named person, on a day
    STATED = "stated"  # by the operator itself, of itself
    SECONDARY = "secondary"  # read in somebody else's account of the source
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands: its path below the DPA folder, and its line from 1."""

    file: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known, or is known not to be. `value` None = unknown."""

    value: Any
    source_url: str = ""
    quote: str = ""
    verified_on: date | None = None
    verified_by: str = ""
    confidence: Confidence = Confidence.UNVERIFIED
    place: Place = Place("")
    source: str = ""  # the page or paper that says it, by name, where its address is not known


UNKNOWN = Fact(None)


class Tool(StrEnum):
    """What makes a transfer to a country outside the EEA lawful (GDPR, chapter V)."""

    ADEQUACY = "adequacy"  # article 45
    DPF = "dpf"  # decision 2023/1795, of the entity that is listed
    SCC = "scc"  # decision 2021/914
    BCR = "bcr"


@dataclass(frozen=True, slots=True)
class Assessment:
    """Of a transfer (EDPB recommendations 01/2020)."""

    done_on: date
    review_on: date
    file: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A party of the catalogue: `catalogue/<id>.yaml`.

    `facts` are by name: `legal_name`, `address`, `seat` (country), `contact`, `country` (of processing), `pinned`
    (bool: the region is promised), `trains` (bool), `retention_days` (int), `agreement` (URL of its DPA), `hub_partner`
    (bool), `certifications`, `subprocessors`. What only the operator knows stands beside them.
    """

    id: str
    facts: Mapping[str, Fact]
    operators: frozenset[str] = frozenset()  # names in `location.operator` that mean it
    providers: frozenset[str] = frozenset()  # names in `provider:` and in the ledger that mean it
    tools: tuple[Tool, ...] = ()  # of transfer, that are in force with it
    module: int | None = None  # of the standard clauses
    signed_on: date | None = None  # the operator's agreement with it
    signed_reference: str = ""
    dpf_entity: str = ""
    dpf_checked_on: date | None = None
    assessment: Assessment | None = None
    zero_retention: bool = False  # agreed with it in writing
    opt_out: str = ""  # evidence that it does not train on what we send
    place: Place = Place("")

    def fact(self, name: str) -> Fact:
        """The fact of this name; unknown where there is none."""
        return self.facts.get(name, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or an office to write to."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""


class Position(StrEnum):
    """What the operator is to its tenants (GDPR, article 4)."""

    PROCESSOR = "processor"
    CONTROLLER = "controller-self-hosted"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs this Passerelle: `operator.yaml`. Empty text = a human must still write it."""

    name: str = ""
    legal_form: str = ""
    registration: str = ""
    address: str = ""
    country: str = ""
    representative: str = ""
    email: str = ""
    phone: str = ""
    position: Position = Position.PROCESSOR
    officer: Contact = Contact()  # data-protection officer
    security: Contact = Contact()  # who hears of breaches
    notice_days: int = 30  # before a new sub-processor
    breach_hours: int = 24  # until a tenant is told
    evidence_days: int = 180  # for which a fact of the catalogue is believed
    measures: Mapping[str, bool] = field(default_factory=dict)  # organisational ones that are declared, by id
    place: Place = Place("operator.yaml")


@dataclass(frozen=True, slots=True)
class Client:
    """A tenant as a party to an agreement: `tenants/<tenant>.yaml`."""

    tenant: str
    name: str = ""
    address: str = ""
    country: str = ""
    registration: str = ""
    representative: str = ""
    officer: Contact = Contact()
    contact: Contact = Contact()
    started_on: date | None = None
    duration: str = ""
    purposes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by language
    persons: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # categories of subjects, by language
    data: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # categories of data, by language
    legal_bases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dpia_on: date | None = None
    dpia_file: str = ""
    languages: tuple[str, ...] = ("fr", "en")
    place: Place = Place("")


@dataclass(frozen=True, slots=True)
class Adequacy:
    """A decision of the Commission about a country (article 45): `adequacy.yaml`."""

    country: str
    decision: str
    since: date | None
    until: date | None  # None: no end is set
    scope: str = ""
    source_url: str = ""
    confidence: Confidence = Confidence.UNVERIFIED
    place: Place = Place("adequacy.yaml")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A date or a length of time that the law sets: `legal-calendar.yaml`."""

    id: str
    what: Mapping[str, str]  # by language
    on: date | None
    hours: int | None
    source_url: str
    as_of: date | None
    confidence: Confidence = Confidence.UNVERIFIED
    place: Place = Place("legal-calendar.yaml")


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything under `DPA/sources`."""

    operator: Operator
    catalogue: Mapping[str, Entry]
    clients: Mapping[str, Client]
    adequacy: tuple[Adequacy, ...]
    calendar: tuple[Deadline, ...]
    policies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what each means, by language
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # where each comes from, by its id

    def entry_of(self, *, operator: str | None, provider: str | None = None) -> Entry | None:
        """Whose entry a party's is, by the name the file gives it; None = there is none.

        The provider goes first: one operator may run several, each with its own place and retention.
        """
        entries = self.catalogue.values()
        if provider is not None:
            for entry in entries:
                if provider in entry.providers:
                    return entry
        if operator is not None:
            for entry in entries:
                if operator in entry.operators:
                    return entry
        return None
