"""A party's files as values: what is publicly known of it, and what the operator has agreed with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from passerelle.compliance.facts import Assessment, Confidence, Entry, Fact, Tool
from passerelle.compliance.reading import (
    Fields,
    Parse,
    Reader,
    by_language,
    day,
    listed,
    one_of,
    truth,
    whole,
    words,
)
from passerelle.config.countries import check_country

UNSAID: Final = "unknown"  # the value of a fact that nobody has found


def country(value: Any) -> str:
    """The code of a country."""
    return check_country(words(value))


def link(value: Any) -> str:
    """An address on the web."""
    text = words(value)
    if not text.startswith(("https://", "http://")) or any(each in text for each in " <>\"'"):
        raise ValueError("is no address; write it whole, from https:// on")
    return text


# What can be known of a party.
FACTS: Final[Mapping[str, Parse[Any]]] = {
    "legal_name": words,
    "address": words,
    "seat": country,
    "contact": words,
    "country": country,
    "hosting": by_language(words),
    "pinned": truth,
    "trains": truth,
    "retention_days": whole(0, 36_500),
    "retention_note": by_language(words),
    "agreement": by_language(words),
    "agreement_url": link,
    "hub_partner": truth,
    "certifications": listed(words),
    "subprocessors": listed(words),
    "dpf_listed": truth,
}
_CONFIDENCE: Final = one_of(Confidence, tuple(each.value for each in Confidence))
_TOOL: Final = one_of(Tool, tuple(each.value for each in Tool))
_UNVERIFIED: Final = Confidence.UNVERIFIED
_WORDS: Final = listed(words)
_NONE: Final[tuple[str, ...]] = ()


def read_entry(reader: Reader, *, party: str) -> Entry:
    """`catalogue/<id>.yaml`."""
    root = reader.root()
    said = root.need("id", words, party)
    if said != party:
        reader.wrong(("id",), f"`id` is {said!r} in the file of {party!r}.", "Give both the same name.")
    operators = root.get("operators", _WORDS, _NONE)
    providers = root.get("providers", _WORDS, _NONE)
    inside = root.inside("facts")
    facts = {name: _fact(inside, name) for name in inside.names()}
    root.end()
    return Entry(party, facts, frozenset(operators), frozenset(providers), place=root.place("id"))


def _fact(inside: Fields, name: str) -> Fact:
    parse = FACTS.get(name)
    if parse is None:
        known = ", ".join(sorted(FACTS))
        inside.reader.wrong(
            (*inside.path, name), f"`{name}` is no fact of the catalogue.", f"Known are: {known}."
        )
        return Fact(None)
    told = inside.inside(name)
    value = told.need("value", lambda said: None if said == UNSAID else parse(said), None)
    fact = Fact(
        value,
        told.get("source_url", link, ""),
        told.get("quote", words, ""),
        told.get("verified_on", day, None),
        told.get("verified_by", words, ""),
        told.need("confidence", _CONFIDENCE, _UNVERIFIED),
        told.place(),
        told.get("source", words, ""),
    )
    told.end()
    if fact.confidence is not _UNVERIFIED and (fact.verified_on is None or not fact.verified_by):
        inside.reader.wrong(
            told.path,
            f"`{name}` is {fact.confidence.value} without the day and the person of its reading.",
            "Add `verified_on` and `verified_by`, or write `confidence: unverified`.",
            rule="S04",
        )
    return fact


def read_agreement(reader: Reader, *, entry: Entry) -> Entry:
    """`agreements/<id>.yaml`, laid over what the catalogue says of the same party."""
    root = reader.root()
    signed = root.inside("signed")
    framework = root.inside("dpf")
    agreed = replace(
        entry,
        tools=root.get("tools", listed(_TOOL), ()),
        module=root.get("module", whole(1, 4), None),
        signed_on=signed.get("on", day, None),
        signed_reference=signed.get("reference", words, ""),
        dpf_entity=framework.get("entity", words, ""),
        dpf_checked_on=framework.get("checked_on", day, None),
        assessment=_assessment(root),
        zero_retention=root.get("zero_retention", truth, False),
        opt_out=root.get("opt_out", words, ""),
    )
    for each in (signed, framework, root):
        each.end()
    if Tool.SCC in agreed.tools and agreed.module is None:
        reader.wrong(("tools",), "Standard clauses without their module.", "Add `module: 3` (or 1, 2, 4).")
    return agreed


def _assessment(root: Fields) -> Assessment | None:
    if "assessment" not in root.data:
        root.asked.add("assessment")
        return None
    told = root.inside("assessment")
    done, review = told.need("done_on", day, None), told.need("review_on", day, None)
    file = told.get("file", words, "")
    told.end()
    return Assessment(done, review, file) if done is not None and review is not None else None
