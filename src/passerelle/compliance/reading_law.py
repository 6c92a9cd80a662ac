"""What the law says of countries and of time, and what policies mean, as values.

`adequacy.yaml`, `legal-calendar.yaml`, `policies/<name>.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.compliance.facts import Adequacy, Confidence, Deadline
from passerelle.compliance.reading import (
    Fields,
    Reader,
    by_language,
    day,
    listed,
    one_of,
    truth,
    whole,
    words,
)
from passerelle.compliance.reading_catalogue import country, link

_CONFIDENCE: Final = one_of(Confidence, tuple(each.value for each in Confidence))
_UNVERIFIED: Final = Confidence.UNVERIFIED


def read_adequacy(reader: Reader) -> tuple[Adequacy, ...]:
    """The decisions of the Commission, in the file's order."""
    root = reader.root()
    found = tuple(_decision(each) for each in root.each("decisions"))
    root.end()
    return found


def _decision(told: Fields) -> Adequacy:
    decision = Adequacy(
        told.need("country", country, ""),
        told.get("decision", words, ""),
        told.get("since", day, None),
        told.get("until", day, None),
        told.get("scope", words, ""),
        told.get("source_url", link, ""),
        told.need("confidence", _CONFIDENCE, _UNVERIFIED),
        told.place(),
    )
    told.end()
    return decision


def read_calendar(reader: Reader) -> tuple[Deadline, ...]:
    """Dates and lengths of time, in the file's order."""
    root = reader.root()
    found = tuple(_deadline(each) for each in root.each("deadlines"))
    root.end()
    return found


def _deadline(told: Fields) -> Deadline:
    deadline = Deadline(
        told.need("id", words, ""),
        told.need("what", by_language(words), {}),
        told.get("on", day, None),
        told.get("hours", whole(1, 100_000), None),
        told.get("source_url", link, ""),
        told.need("as_of", day, None),
        told.need("confidence", _CONFIDENCE, _UNVERIFIED),
        told.place(),
    )
    told.end()
    return deadline


@dataclass(frozen=True, slots=True)
class Explained:
    """A policy for people. `rules`: as it says them, in the words of the configuration."""

    name: str
    what: Mapping[str, str]
    rules: Mapping[str, Any]


def read_policy(reader: Reader, *, policy: str) -> Explained:
    """`policies/<name>.yaml`."""
    root = reader.root()
    said = root.need("name", words, policy)
    if said != policy:
        reader.wrong(("name",), f"`name` is {said!r} in the file of {policy!r}.", "Give both the same name.")
    what: Mapping[str, str] = root.need("what", by_language(words), {})
    lists = {name: root.get(name, listed(words), None) for name in _LISTS}
    rules: dict[str, Any] = {
        **lists,
        "training": root.get("training", words, ""),
        "max_retention_days": root.get("max_retention_days", whole(0, 36_500), None),
        "pinned": root.get("pinned", truth, False),
    }
    root.end()
    return Explained(policy, what, rules)


_LISTS: Final = ("countries", "seats", "operators", "transfers")
