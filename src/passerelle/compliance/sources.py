"""Everything under `DPA/sources` as checked values, or everything that is wrong with it, each with its line.

What a folder does not hold of the catalogue, of adequacy and of the calendar is taken from what this package ships;
facts of a party's own file go before the shipped ones, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from passerelle.compliance.facts import Client, Entry, Operator, Sources
from passerelle.compliance.reading import Reader, opened
from passerelle.compliance.reading_catalogue import read_agreement, read_entry
from passerelle.compliance.reading_law import Explained, read_adequacy, read_calendar, read_policy
from passerelle.compliance.reading_models import FILE, Origins, read_origins
from passerelle.compliance.reading_parties import read_client, read_operator
from passerelle.domain.errors import CannotRun, Finding

T = TypeVar("T")

_HERE: Final = Path(__file__).parent
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SHIPPED: Final = "shipped/"  # what a place's file begins with, where it came with the package


class SourcesRefused(CannotRun):
    """The sources hold errors; `findings` says which."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in findings))


def shipped() -> Path:
    """The folder of what the package ships: `sources/` and `templates/`."""
    inside = _HERE / "dpa"
    return inside if inside.is_dir() else _HERE.parents[2] / "DPA"


def read_sources(dpa: Path) -> Sources:
    """The sources of a DPA folder. Raises SourcesRefused with everything that is wrong."""
    reading = _Reading(dpa)
    catalogue = reading.catalogue()
    sources = Sources(
        operator=reading.one("operator.yaml", read_operator) or Operator(),
        catalogue=reading.agreed(catalogue),
        clients=reading.clients(),
        adequacy=_first(reading.shared("adequacy.yaml", read_adequacy), ()),
        calendar=_first(reading.shared("legal-calendar.yaml", read_calendar), ()),
        policies=reading.policies(),
        models=reading.models(),
    )
    reading.check_names(sources.catalogue.values())
    if reading.findings:
        raise SourcesRefused(reading.findings)
    return sources


def _first(found: T | None, usual: T) -> T:
    return usual if found is None else found


@dataclass(slots=True)
class _Reading:
    """One reading of a folder, and what it found wrong."""

    dpa: Path
    findings: list[Finding] = field(default_factory=list)

    def one(self, name: str, read: Callable[[Reader], T]) -> T | None:
        """A file of the folder's own; None where it is not there or cannot be read."""
        return self._read(self.dpa / "sources" / name, f"sources/{name}", read)

    def shared(self, name: str, read: Callable[[Reader], T]) -> T | None:
        """A file of the folder's own, or the shipped one."""
        if (self.dpa / "sources" / name).is_file():
            return self.one(name, read)
        return self._read(shipped() / "sources" / name, f"{SHIPPED}sources/{name}", read)

    def catalogue(self) -> dict[str, Entry]:
        """Every party: shipped facts, with the folder's own laid over them."""
        found: dict[str, Entry] = {}
        for root, prefix in ((shipped(), SHIPPED), (self.dpa, "")):
            if not prefix and root.resolve() == shipped().resolve():
                found.clear()
            for file in _files(root / "sources" / "catalogue"):
                name = f"{prefix}sources/catalogue/{file.name}"
                entry = self._read(file, name, partial(read_entry, party=file.stem))
                if entry is not None:
                    found[entry.id] = _over(found.get(entry.id), entry)
        return found

    def policies(self) -> dict[str, Mapping[str, str]]:
        """What policies mean, for people: those of the package, then the folder's own."""
        found: dict[str, Mapping[str, str]] = {}
        for root, prefix in ((shipped(), SHIPPED), (self.dpa, "")):
            for file in _files(root / "sources" / "policies"):
                name = f"{prefix}sources/policies/{file.name}"
                policy: Explained | None = self._read(file, name, partial(read_policy, policy=file.stem))
                if policy is not None:
                    found[policy.name] = policy.what
        return found

    def models(self) -> Origins:
        """Where models come from, where that was looked up."""
        content = self._text(self.dpa / "sources" / FILE, f"sources/{FILE}")
        found = {} if content is None else read_origins(content, file=f"sources/{FILE}")
        if isinstance(found, Finding):
            self.findings.append(found)
            return {}
        return found

    def agreed(self, catalogue: Mapping[str, Entry]) -> Mapping[str, Entry]:
        """The catalogue with what the operator has agreed with its parties."""
        found = dict(catalogue)
        for file in _files(self.dpa / "sources" / "agreements"):
            name, party = f"sources/agreements/{file.name}", file.stem
            if party not in found:
                cure = f"Add sources/catalogue/{party}.yaml, or give the file the name of one that is there."
                self.findings.append(
                    Finding("error", "S05", f"{party!r} is not in the catalogue.", cure, name)
                )
                continue
            entry = self._read(file, name, partial(read_agreement, entry=found[party]))
            if entry is not None:
                found[party] = entry
        return found

    def clients(self) -> dict[str, Client]:
        """Every tenant that has a file."""
        found: dict[str, Client] = {}
        for file in _files(self.dpa / "sources" / "tenants"):
            name = f"sources/tenants/{file.name}"
            client = self._read(file, name, partial(read_client, tenant=file.stem))
            if client is not None:
                found[client.tenant] = client
        return found

    def check_names(self, entries: Iterable[Entry]) -> None:
        """One name must not mean two parties: documents would name the wrong one."""
        owners: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            names = [("operator", each) for each in entry.operators]
            for key in sorted(names + [("provider", each) for each in entry.providers]):
                other = owners.setdefault(key, entry)
                if other is entry:
                    continue
                self.findings.append(
                    Finding(
                        "error",
                        "S06",
                        f"The {key[0]} {key[1]!r} is named by {other.id} and by {entry.id}.",
                        "Name it in one of them.",
                        entry.place.file,
                        entry.place.line,
                    )
                )

    def _read(self, path: Path, name: str, read: Callable[[Reader], T]) -> T | None:
        content = self._text(path, name)
        if content is None:
            return None
        found = opened(content, file=name)
        if isinstance(found, Finding):
            self.findings.append(found)
            return None
        value = read(found)
        self.findings += found.findings
        return value

    def _text(self, path: Path, name: str) -> str | None:
        if not path.is_file():
            return None
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
            cure = "Save it as UTF-8, and let this program read it."
            self.findings.append(Finding("error", "S01", f"The file {said}.", cure, name))
            return None


def _files(folder: Path) -> list[Path]:
    """Its YAML files by name; others, such as an editor's, are left alone."""
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.glob("*.yaml") if _NAME.fullmatch(each.name))


def _over(shipped: Entry | None, own: Entry) -> Entry:
    if shipped is None:
        return own
    return replace(
        own,
        facts={**shipped.facts, **own.facts},
        operators=shipped.operators | own.operators,
        providers=shipped.providers | own.providers,
    )
