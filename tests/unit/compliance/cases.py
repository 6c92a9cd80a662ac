"""A tenant that does everything right, with one sub-processor; tests take one thing away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from passerelle.backends.provider_parties import PARTIES
from passerelle.backends.registry import kinds
from passerelle.compliance.check import RULES
from passerelle.compliance.check_case import Case
from passerelle.compliance.facts import (
    Client,
    Confidence,
    Contact,
    Entry,
    Fact,
    Operator,
    Place,
    Sources,
)
from passerelle.compliance.findings import Found
from passerelle.compliance.observed import Observed, Went
from passerelle.compliance.signed import Annex, Listed, Signed, read_annex
from passerelle.domain.privacy import Retention
from passerelle.routing.everyone import everyone
from passerelle.routing.load import load
from passerelle.routing.source import Source, read_source

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()
LISTED = Listed("beispiel", "Beispiel Cloud GmbH", "DE", "DE", retention_days=0, through=("hosted",))
ANNEX: dict[str, Any] = {
    "countries": ["FR", "DE"],
    "operators": ["self", "Beispiel Cloud GmbH"],
    "providers": ["hosted"],
    "policy": {},
    "notice_days": 30,
    "subprocessors": [
        {
            "id": "beispiel",
            "legal_name": "Beispiel Cloud GmbH",
            "country": "DE",
            "seat": "DE",
            "tools": [],
            "module": None,
            "retention_days": 0,
            "pinned": True,
            "uses": ["answer"],
            "through": ["hosted"],
        }
    ],
    "retention": [{"store": "conversations", "seconds": 2_592_000.0}],
    "measures": {"policy": True},
}
RETENTION = (
    Retention("conversations", "conversations", 2_592_000.0, "rag.conversations.keep", "rag-forget"),
)
SIGNED = Signed(
    "acme",
    date(2026, 1, 15),
    "managing director",
    "signed.pdf",
    "0" * 64,
    "1" * 64,
    read_annex(ANNEX),
    Place("signed/acme/2026-01-15-11111111.json"),
)


def fact(value: Any, *, on: date = date(2026, 11, 1), confidence: Confidence = Confidence.VERIFIED) -> Fact:
    """Something that was looked up."""
    return Fact(
        value, "https://example.com", "quoted", on, "somebody", confidence, Place("sources/x.yaml", 7)
    )


FACTS: Mapping[str, Fact] = {
    name: fact(value)
    for name, value in {
        "legal_name": "Beispiel Cloud GmbH",
        "country": "DE",
        "seat": "DE",
        "pinned": True,
        "trains": False,
        "retention_days": 0,
    }.items()
}
ENTRY = Entry(
    "beispiel",
    FACTS,
    operators=frozenset({"Beispiel Cloud GmbH"}),
    signed_on=date(2026, 1, 1),
    signed_reference="B-1",
    place=Place("sources/catalogue/beispiel.yaml", 1),
)
OPERATOR = Operator(
    name="Formation SAS",
    address="Paris",
    country="FR",
    email="contact@example.com",
    officer=Contact("Officer", "dpo@example.com"),
    security=Contact("Security", "security@example.com"),
    place=Place("sources/operator.yaml", 1),
)
_WORDS = {"fr": ("mots",), "en": ("words",)}
CLIENT = Client(
    "acme",
    name="Acme SA",
    address="Lyon",
    country="FR",
    contact=Contact("Contact", "contact@acme.example"),
    duration="12",
    purposes=_WORDS,
    persons=_WORDS,
    data=_WORDS,
    place=Place("sources/tenants/acme.yaml", 1),
)
HOSTED: dict[str, Any] = {
    "kind": "openai",
    "url": "https://llm.example.net/v1",
    "location": {"country": "DE", "operator": "Beispiel Cloud GmbH"},
    "trains": False,
    "retention_days": 0,
}
_GPU = {"kind": "openai", "url": "http://gpu:80", "location": {"country": "FR", "operator": "self"}}


def configured(
    *, backends: Mapping[str, Any] | None = None, tenant: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A configuration: `gpu` answers first, then whatever else there is."""
    every = {"gpu": _GPU, **({"hosted": HOSTED} if backends is None else backends)}
    targets = [{"backend": name, "model": "m", "rank": rank} for rank, name in enumerate(every, 1)]
    return {
        "version": 1,
        "backends": every,
        "models": {"assistant": {"targets": targets}},
        "policies": {"eu": {"countries": ["EEA"], "training": "forbidden", "max_retention_days": 0}},
        "tenants": {"acme": {"policy": "eu", "rag": False, **(tenant or {})}},
        **more,
    }


def sources(*entries: Entry, **changes: Any) -> Sources:
    """Everything that is written down, as it should be."""
    made = Sources(OPERATOR, {entry.id: entry for entry in entries or (ENTRY,)}, {"acme": CLIENT}, (), ())
    return replace(made, **changes)


def case(
    configuration: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    **changes: Any,
) -> Case:
    """The tenant's case, with changes."""
    text = yaml.safe_dump(configuration or configured(), sort_keys=False)
    lines = read_source(text, file="providers.yaml")
    assert isinstance(lines, Source)
    options = {name: kind.options for name, kind in kinds(Path("nowhere")).items()}
    loaded = load(text, kinds=options, environment=environment or {}, source="providers.yaml")
    catalog = loaded.catalog or loaded.draft
    assert catalog is not None, [str(each) for each in loaded.findings]
    tenant = catalog.tenants["acme"]
    given: dict[str, Any] = {
        "catalog": catalog,
        "tenant": tenant,
        "seen": everyone(catalog, tenant),
        "sources": sources(),
        "today": TODAY,
        "now": NOW,
        "annex": read_annex(ANNEX),
        "retention": RETENTION,
        "printed": read_annex(ANNEX),
        "signed": SIGNED,
        "observed": Observed(NOW, (went(),), oldest={"acme": {}}, probes={"policy": True}),
        "partners": frozenset(PARTIES),
        "lines": lines,
    }
    return Case(**{**given, **changes})


def went(**changes: Any) -> Went:
    """Calls that the ledger saw."""
    first = datetime(2026, 11, 2, tzinfo=UTC)
    row = Went("acme", "2026-11", "hosted", None, "DE", ("Beispiel Cloud GmbH",), 12, first, NOW)
    return replace(row, **changes)


def annex(**changes: Any) -> Annex:
    """The usual annex with changes, by the manifest's words."""
    return read_annex({**ANNEX, **changes})


def found(of: Case, rule: str) -> list[Found]:
    """What one rule finds."""
    return [each for run in RULES[rule].run for each in run(of)]


def severities(of: Case, rule: str) -> set[str]:
    """How bad it is."""
    return {each.severity for each in found(of, rule)}
