"""What changed between two annexes: who came, who went, and what is different of those who stayed. Pure but for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from passerelle.compliance.signed import Annex, Listed, read_annex
from passerelle.domain.errors import CannotRun

_TOLD = ("country", "seat", "tools", "module", "retention_days", "pinned", "uses", "legal_name")


@dataclass(frozen=True, slots=True)
class Change:
    """Of one sub-processor. `fields`: what was and what is, by the annex's words."""

    before: Listed | None
    after: Listed | None
    fields: Mapping[str, tuple[Any, Any]]

    @property
    def party(self) -> Listed:
        """Whom it is about, as it is now, or was at the end."""
        party = self.after or self.before
        assert party is not None  # one of the two is there  # noqa: S101
        return party

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that an annex says otherwise than another."""

    parties: tuple[Change, ...]
    retention: Mapping[str, tuple[Any, Any]]  # times in seconds, by store
    measures: Mapping[str, tuple[Any, Any]]
    policy: Mapping[str, tuple[Any, Any]]
    countries: tuple[tuple[str, ...], tuple[str, ...]]  # that came, and that went

    def __bool__(self) -> bool:
        return bool(self.parties or self.retention or self.measures or self.policy or any(self.countries))

    def of_kind(self, kind: str) -> tuple[Change, ...]:
        """The sub-processors that were `added`, `removed` or `changed`."""
        return tuple(each for each in self.parties if each.kind == kind)

    @property
    def needs_notice(self) -> bool:
        """Must a controller hear of it beforehand (article 28(2))? Additions, and moves to another country."""
        return any(each.kind == "added" or "country" in each.fields for each in self.parties)

    def as_values(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "parties": [
                {
                    "id": each.party.id,
                    "name": each.party.name,
                    "change": each.kind,
                    "fields": {name: list(values) for name, values in each.fields.items()},
                }
                for each in self.parties
            ],
            "countries": {"added": list(self.countries[0]), "removed": list(self.countries[1])},
            "retention": {store: list(values) for store, values in self.retention.items()},
            "measures": {name: list(values) for name, values in self.measures.items()},
            "policy": {word: list(values) for word, values in self.policy.items()},
            "needs_notice": self.needs_notice,
        }


def compare(old: Annex, new: Annex) -> Difference:
    """What `new` says otherwise than `old`."""
    came, went = sorted(new.countries - old.countries), sorted(old.countries - new.countries)
    return Difference(
        parties=tuple(_parties(old, new)),
        retention=_differing(old.retention, new.retention),
        measures=_differing(old.measures, new.measures),
        policy=_differing(old.policy, new.policy),
        countries=(tuple(came), tuple(went)),
    )


def _parties(old: Annex, new: Annex) -> Iterator[Change]:
    """Each by its id, and by its country where one party stands in several."""
    before, after = _by_key(old, new), _by_key(new, old)
    for key in sorted({*before, *after}, key=str):
        was, now = before.get(key), after.get(key)
        fields = {
            name: (getattr(was, name, None), getattr(now, name, None))
            for name in (_TOLD if was and now else ())
            if getattr(was, name, None) != getattr(now, name, None)
        }
        if was is None or now is None or fields:
            yield Change(was, now, fields)


def _by_key(annex: Annex, other: Annex) -> dict[tuple[str, str | None], Listed]:
    several = {
        each.id
        for side in (annex, other)
        for each in side.listed
        if sum(e.id == each.id for e in side.listed) > 1
    }
    return {(each.id, each.country if each.id in several else None): each for each in annex.listed}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (old.get(key), new.get(key)) for key in sorted({*old, *new}) if old.get(key) != new.get(key)}


def annex_in(place: Path) -> Annex:
    """The annex of a manifest, of a folder with one, or of a record of a signature. Raises CannotRun."""
    file = place / "manifest.json" if place.is_dir() else place
    try:
        values = orjson.loads(file.read_bytes())
        annex = values["annex"]
        return read_annex(annex)
    except FileNotFoundError as error:
        raise CannotRun(f"There is no {file}.", "Name a manifest, or a folder that has one.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRun(f"{file} holds no annex.", "Name a manifest, or a folder that has one.") from error
