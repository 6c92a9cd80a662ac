"""Two registers that people keep with our help: breaches (GDPR, article 33(5)), and notices of changes that were sent.

`DPA/registers/breaches.yaml` and `notices.yaml`, one list each. They are rewritten as a whole and in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml

from passerelle.compliance.facts import Place
from passerelle.domain.errors import CannotRun, Finding
from passerelle.routing.source import read_source

FOLDER = "registers"
AUTHORITY_HOURS = 72  # a controller's, to the supervisory authority (article 33(1))

NOWHERE = Place("")
_HEAD = "# Kept by `passerelle dpa {verb}`, which writes this file anew: comments do not stay.\n"
_Row = TypeVar("_Row", "Breach", "Notice")


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of personal data: its facts, its effects, and what was done about it. Moments have a time zone."""

    id: str
    discovered_at: datetime
    facts: str
    tenants: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # confidentiality, integrity, availability
    began_at: datetime | None = None
    persons: str = ""  # categories and about how many
    records: str = ""
    effects: str = ""
    remedies: str = ""
    risk: str = ""  # none, risk, high: of the persons, as the controller judges
    told_tenants_at: datetime | None = None
    told_authority_at: datetime | None = None
    told_persons_at: datetime | None = None
    why_late: str = ""  # or why not at all
    closed_at: datetime | None = None
    place: Place = NOWHERE

    def tenants_by(self, hours: int) -> datetime:
        """Until when the tenants must know, by their contract."""
        return self.discovered_at + timedelta(hours=hours)

    def authority_by(self) -> datetime:
        """Until when a controller that learned of it at once tells its authority."""
        return self.discovered_at + timedelta(hours=AUTHORITY_HOURS)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of a change among sub-processors, as it was sent."""

    id: str
    tenant: str
    party: str  # the id of its entry in the catalogue
    sent_on: date
    sent_to: str
    effective_on: date
    objection_until: date
    emergency: str = ""  # why the period could not be kept; empty: it was no emergency
    objected_on: date | None = None
    place: Place = NOWHERE


def breaches(dpa: Path) -> tuple[Breach, ...]:
    """The register. Raises CannotRun where it cannot be read."""
    return _rows(dpa, "breaches", Breach)


def notices(dpa: Path) -> tuple[Notice, ...]:
    """The register. Raises CannotRun where it cannot be read."""
    return _rows(dpa, "notices", Notice)


def keep_breaches(dpa: Path, rows: Sequence[Breach]) -> None:
    """Write the register. Raises CannotRun."""
    _write(dpa, "breaches", rows, verb="breach")


def keep_notices(dpa: Path, rows: Sequence[Notice]) -> None:
    """Write the register. Raises CannotRun."""
    _write(dpa, "notices", rows, verb="notice")


def next_id(rows: Sequence[_Row], year: int) -> str:
    """The next number of a year: `2026-003`."""
    taken = [row.id.partition("-")[2] for row in rows if row.id.startswith(f"{year}-")]
    return f"{year}-{max((int(number) for number in taken if number.isdigit()), default=0) + 1:03}"


def closed(rows: Sequence[Breach], number: str, **said: Any) -> tuple[Breach, ...]:
    """The register with a breach closed. Raises CannotRun for one that is not there, or is closed already."""
    found = next((row for row in rows if row.id == number), None)
    if found is None:
        raise CannotRun(f"There is no breach {number[:100]!r}.", "`passerelle dpa breach list` shows them.")
    if found.closed_at is not None:
        raise CannotRun(f"The breach {number} was closed on {found.closed_at:%Y-%m-%d}.")
    done = replace(found, **said)
    if not done.effects or not done.remedies:
        raise CannotRun(
            f"The breach {number} has no effects or remedies written down.",
            "Give --effects and --remedies: article 33(5) asks for both.",
        )
    return tuple(done if row is found else row for row in rows)


def _file(dpa: Path, name: str) -> Path:
    return dpa / FOLDER / f"{name}.yaml"


def _rows(dpa: Path, name: str, kind: type[_Row]) -> tuple[_Row, ...]:
    file = _file(dpa, name)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{file} cannot be read.", "Make it a readable file of UTF-8 text.") from error
    read = read_source(text, file=str(file), foreign=True)
    if isinstance(read, Finding):
        raise CannotRun(f"{read}")
    rows = read.data.get(name)
    if rows is None:
        return ()
    if not isinstance(rows, list):
        raise CannotRun(f"{file} has no list `{name}`.", f"Begin it with `{name}:`.")
    return tuple(
        _row(row, kind, Place(f"{FOLDER}/{name}.yaml", (read.place((name, index)) or (1, 1))[0]), file)
        for index, row in enumerate(rows)
    )


def _row(values: Any, kind: type[_Row], place: Place, file: Path) -> _Row:
    known = {each.name: each.type for each in fields(kind) if each.name != "place"}
    try:
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise CannotRun(f"{file}:{place.line}: {unknown[0]!r} is not a word of this register.")
        read = {name: _READ[str(known[name])](value) for name, value in values.items() if value is not None}
        return kind(**read, place=place)
    except (TypeError, ValueError, AttributeError) as error:
        raise CannotRun(
            f"{file}:{place.line}: this row is not whole, or a moment in it is not ISO 8601.",
            f"It needs {', '.join(_NEEDED[kind])}; a moment is 2026-11-22T09:30:00+01:00.",
        ) from error


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("without a time zone")
    return moment


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("a list is wanted")
    return tuple(str(each) for each in value)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "str": str,
    "tuple[str, ...]": _texts,
    "date": lambda value: date.fromisoformat(str(value)),
    "date | None": lambda value: date.fromisoformat(str(value)),
    "datetime": _moment,
    "datetime | None": _moment,
}
_NEEDED: Mapping[type, tuple[str, ...]] = {
    Breach: ("id", "discovered_at", "facts"),
    Notice: ("id", "tenant", "party", "sent_on", "sent_to", "effective_on", "objection_until"),
}


def _write(dpa: Path, name: str, rows: Sequence[Breach] | Sequence[Notice], *, verb: str) -> None:
    file = _file(dpa, name)
    values = [
        {
            each.name: _plain(getattr(row, each.name))
            for each in fields(row)
            if each.name != "place" and getattr(row, each.name) not in (None, "", ())
        }
        for row in rows
    ]
    text = yaml.safe_dump({name: values}, sort_keys=False, allow_unicode=True, width=100)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(_HEAD.format(verb=verb) + text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CannotRun(f"{file} cannot be written: {(error.strerror or 'error').lower()}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
