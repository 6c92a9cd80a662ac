"""Annex III: everybody else whom a tenant's data may reach, one line for each legal party and place. Pure.

What the configuration states of a party goes before the catalogue; what neither says is not known. The whole chain is
listed (EDPB opinion 22/2024): routers, and those among whom a router chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from passerelle.compliance.facts import Assessment, Confidence, Entry, Fact, Sources, Tool
from passerelle.domain.catalog import Catalog, Party
from passerelle.policy.regions import EEA
from passerelle.policy.seen import Seen, Use

_CONFIGURED = "providers.yaml"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What says a fact: an address, the name of a page, or the configuration."""

    fact: str
    source: str
    url: str = ""
    verified_on: date | None = None
    confidence: str = Confidence.UNVERIFIED.value
    by: str = ""


@dataclass(frozen=True, slots=True)
class Processor:
    """A sub-processor. Empty text and None: not known."""

    id: str
    name: str
    address: str = ""
    contact: str = ""
    seat: str | None = None
    country: str | None = None  # where it processes
    hosting: Mapping[str, str] = field(default_factory=dict)  # what is known of the place, by language
    pinned: bool | None = None
    trains: bool | None = None
    retention_days: int | None = None
    retention_note: Mapping[str, str] = field(default_factory=dict)
    agreement: Mapping[str, str] = field(default_factory=dict)
    agreement_url: str = ""
    signed_on: date | None = None
    signed_reference: str = ""
    tools: tuple[str, ...] = ()
    module: int | None = None
    dpf_entity: str = ""
    dpf_checked_on: date | None = None
    assessment: Assessment | None = None
    zero_retention: bool = False
    opt_out: str = ""
    certifications: tuple[str, ...] = ()
    subprocessors: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()  # names that mean it in the ledger
    providers: tuple[str, ...] = ()
    unnamed: bool = False  # somebody else chooses who it is
    candidates: tuple[str, ...] = ()  # those among whom that is chosen, as far as they are known
    listed: bool = False  # it has an entry in the catalogue
    evidence: tuple[Evidence, ...] = ()

    @property
    def transfer(self) -> bool:
        """Does data leave the EEA, or might it? A seat outside is enough: remote access from there is a transfer."""
        return self.country not in EEA or (self.seat is not None and self.seat not in EEA)

    @property
    def open_points(self) -> tuple[str, ...]:
        """What is still to be found out, agreed or decided about it."""
        tools, moves = set(self.tools), self.transfer
        points = (
            ("unnamed", self.unnamed),
            ("catalogue", not self.listed and not self.unnamed),
            ("identity", not self.unnamed and not (self.address and self.contact)),
            ("country", self.country is None),
            ("pinned", self.country is not None and self.pinned is not True),
            ("trains", self.trains is not False and not self.opt_out),
            ("retention", self.retention_days is None and not self.zero_retention),
            ("agreement", self.signed_on is None),
            ("tool", moves and not tools),
            ("dpf-only", moves and tools == {"dpf"}),
            ("assessment", moves and "scc" in tools and self.assessment is None),
            ("evidence", any(each.confidence == Confidence.UNVERIFIED for each in self.evidence)),
        )
        return tuple(name for name, is_open in points if is_open)


def processors(sources: Sources, catalog: Catalog, reached: Sequence[Seen]) -> tuple[Processor, ...]:
    """One for each party and place, in the order of their names."""
    found: dict[tuple[str, str | None], Processor] = {}
    for seen in reached:
        provider = provider_of(catalog, seen)
        entry = sources.entry_of(operator=seen.party.location.operator, provider=provider)
        made = _made(sources, seen, entry, provider)
        key = (made.id, made.country)
        known = found.get(key)
        found[key] = made if known is None else _both(known, made)
    return tuple(sorted(found.values(), key=lambda each: (each.name.casefold(), each.id, each.country or "")))


def provider_of(catalog: Catalog, seen: Seen) -> str | None:
    """The name by which the catalogue may know who answers: a provider's, or of a kind that is somebody's service."""
    if seen.use is Use.ROUTER:
        return None
    backend = catalog.backends.get(seen.through)
    if backend is None:
        return None
    if backend.kind == "hf-endpoint":
        return backend.kind
    if backend.choice is not None:
        return seen.party.name
    named = getattr(backend.options, "provider", None)
    return named if isinstance(named, str) else None


def _made(sources: Sources, seen: Seen, entry: Entry | None, provider: str | None) -> Processor:
    party = seen.party
    place, known = party.location, _Known(party, entry)
    country = known.value("country", place.country)
    tools = {each.value for each in entry.tools} if entry else set()
    tools |= {str(each.value) for each in party.transfers}
    seat = known.value("seat", place.seat)
    adequate = {each.country for each in sources.adequacy}
    if (country in adequate or country in EEA) and (seat in adequate or seat in EEA):
        tools |= {Tool.ADEQUACY.value} if not (country in EEA and seat in EEA) else set()
    name = known.text("legal_name") or place.operator or party.name
    return Processor(
        id=entry.id if entry else (place.operator or party.name),
        name=name,
        address=known.text("address"),
        contact=known.text("contact"),
        seat=seat,
        country=country,
        hosting=known.value("hosting") or {},
        pinned=known.value("pinned", party.pinned),
        trains=known.value("trains", party.trains),
        retention_days=known.value("retention_days", party.retention_days),
        retention_note=known.value("retention_note") or {},
        agreement=known.value("agreement") or {},
        agreement_url=known.text("agreement_url"),
        tools=tuple(sorted(tools)),
        certifications=tuple(known.value("certifications") or ()),
        subprocessors=tuple(known.value("subprocessors") or ()),
        uses=("answer" if seen.use in (Use.PRIMARY, Use.FALLBACK) else seen.use.value,),
        through=(seen.through,),
        models=seen.models,
        operators=tuple(sorted({*(entry.operators if entry else ()), *filter(None, (place.operator,))})),
        providers=tuple(sorted({*(entry.providers if entry else ()), *filter(None, (provider,))})),
        unnamed=party.unnamed,
        candidates=_candidates(sources) if party.unnamed else (),
        listed=entry is not None,
        evidence=known.evidence(),
        **_agreed(entry),
    )


def _agreed(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {
        "signed_on": entry.signed_on,
        "signed_reference": entry.signed_reference,
        "module": entry.module,
        "dpf_entity": entry.dpf_entity,
        "dpf_checked_on": entry.dpf_checked_on,
        "assessment": entry.assessment,
        "zero_retention": entry.zero_retention,
        "opt_out": entry.opt_out,
    }


def _candidates(sources: Sources) -> tuple[str, ...]:
    """Whom Hugging Face's router may choose: its partners, as far as the catalogue knows them."""
    partners = (each for each in sources.catalogue.values() if each.fact("hub_partner").value is True)
    return tuple(
        sorted({str(each.fact("legal_name").value or each.id) for each in partners}, key=str.casefold)
    )


def _both(one: Processor, other: Processor) -> Processor:
    def joined(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({*left, *right}))

    kept = (one.retention_days, other.retention_days)
    return replace(
        one,
        # Of two backends the worse is told: not known, then yes, then the longer.
        retention_days=None if None in kept else max(each for each in kept if each is not None),
        trains=_worse((one.trains, other.trains), bad=True),
        pinned=_worse((one.pinned, other.pinned), bad=False),
        uses=joined(one.uses, other.uses),
        through=joined(one.through, other.through),
        models=joined(one.models, other.models),
        operators=joined(one.operators, other.operators),
        providers=joined(one.providers, other.providers),
        tools=joined(one.tools, other.tools),
        unnamed=one.unnamed or other.unnamed,
        candidates=joined(one.candidates, other.candidates),
        evidence=one.evidence + tuple(each for each in other.evidence if each not in one.evidence),
    )


def _worse(said: tuple[bool | None, ...], *, bad: bool) -> bool | None:
    if bad in said:
        return bad
    return None if None in said else not bad


@dataclass(frozen=True, slots=True)
class _Known:
    """What the configuration and the catalogue say of a party."""

    party: Party
    entry: Entry | None

    def fact(self, name: str) -> Fact:
        return self.entry.fact(name) if self.entry else Fact(None)

    def value(self, name: str, stated: Any = None) -> Any:
        return stated if stated is not None else self.fact(name).value

    def text(self, name: str) -> str:
        return str(self.fact(name).value or "")

    def evidence(self) -> tuple[Evidence, ...]:
        """For the four facts that decide, and the agreement."""
        place = self.party.location
        stated = {
            "country": place.country,
            "seat": place.seat,
            "trains": self.party.trains,
            "retention_days": self.party.retention_days,
            "agreement": None,
        }
        found = []
        for name, said in stated.items():
            fact = self.fact(name)
            if said is not None and fact.value != said:
                found.append(Evidence(name, _CONFIGURED, confidence=Confidence.STATED.value))
            elif fact.value is not None:
                found.append(
                    Evidence(
                        name,
                        fact.source,
                        fact.source_url,
                        fact.verified_on,
                        fact.confidence.value,
                        fact.verified_by,
                    )
                )
        return tuple(found)
