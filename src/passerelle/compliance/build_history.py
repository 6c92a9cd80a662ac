"""What changed from one version of a tenant's documents to the next, and until when it may object. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

Entry = dict[str, Any]  # date, added, removed, changed, documents, objection_until


def history(
    before: Mapping[str, Any] | None, annex: Mapping[str, Any], documents: Iterable[str], *, on: date
) -> list[Entry]:
    """The entries with the newest first. `before`: the manifest that stands; `documents` that are not as they were.

    What is built twice on one day is one version of that day.
    """
    if before is None:
        return [_entry(on, first=True)]
    old, new = _by_place(before["annex"]), _by_place(annex)
    names = {key: value["legal_name"] for key, value in (old | new).items()}
    entry = _entry(on)
    entry["added"] = sorted(names[key] for key in new.keys() - old.keys())
    entry["removed"] = sorted(names[key] for key in old.keys() - new.keys())
    entry["changed"] = sorted(
        names[key] for key in new.keys() & old.keys() if _told(new[key]) != _told(old[key])
    )
    entry["documents"] = sorted(documents)
    rest: Sequence[Entry] = before["changes"]
    if rest and rest[0]["date"] == on.isoformat():
        entry, rest = _joined(rest[0], entry), rest[1:]
    if entry["added"] or entry["changed"]:
        entry["objection_until"] = (on + timedelta(days=int(annex["notice_days"]))).isoformat()
    return [entry, *rest]


def _entry(on: date, *, first: bool = False) -> Entry:
    return {
        "date": on.isoformat(),
        "first": first,
        "added": [],
        "removed": [],
        "changed": [],
        "documents": [],
        "objection_until": None,
    }


def _by_place(annex: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """A party that moves to another country is another one to object to."""
    return {(each["id"], each["country"] or ""): each for each in annex["subprocessors"]}


def _told(listed: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(listed[name] for name in ("seat", "tools", "retention_days", "pinned", "uses"))


def _joined(earlier: Entry, later: Entry) -> Entry:
    """Two builds of one day. Of the first version there is nothing to object to."""
    if earlier["first"]:
        return earlier
    gone, new = set(later["removed"]), set(later["added"])
    return later | {
        "added": sorted({*earlier["added"]} - gone | (new - {*earlier["removed"]})),
        "removed": sorted({*earlier["removed"]} - new | (gone - {*earlier["added"]})),
        "changed": sorted({*earlier["changed"], *later["changed"]} - gone),
        "documents": sorted({*earlier["documents"], *later["documents"]}),
    }
