"""A tenant's documents, made whole from its estate: the same inputs give the same bytes, whenever they are built.

The date in them is the day on which their content last changed. Nothing is written but by `write`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from passerelle import __version__
from passerelle.audit.disclosure import disclosure
from passerelle.compliance.build_documents import DOCUMENTS, file_of, names_of
from passerelle.compliance.build_history import history
from passerelle.compliance.build_register import as_csv, as_jsonld
from passerelle.compliance.estate import Estate
from passerelle.compliance.estate_annex import annex_of
from passerelle.compliance.estate_dpia import presumed
from passerelle.compliance.facts import Position
from passerelle.compliance.manifest import (
    NAME,
    SCHEMA,
    digest,
    fingerprint,
    kept,
    plain,
    read_manifest,
    with_kept,
    written,
)
from passerelle.compliance.render import Raw, templates_of
from passerelle.compliance.sources import shipped
from passerelle.compliance.words import Words
from passerelle.domain.errors import CannotRun

_OURS: Final = (".md", ".csv", ".jsonld", ".json")


@dataclass(frozen=True, slots=True)
class Built:
    """Texts by their path below `generated/<tenant>/`, the manifest among them."""

    files: Mapping[str, str]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that is not what would be built. `why`: missing, edited, outdated or unexpected."""

    file: str
    why: str


def build(estate: Estate, *, folder: Path, languages: Sequence[str], on: date) -> Built:
    """Everything of a tenant. `folder` is what stands: its kept blocks, history and date are gone on with.

    `templates` of the same DPA folder go before the shipped ones, file by file. Raises CannotRun.
    """
    before = read_manifest(folder)
    own, ours = folder.parent.parent / "templates", shipped() / "templates"
    maker = _Maker(estate, (own, ours) if own.is_dir() else (ours,), tuple(languages), folder)
    if before is not None and before["languages"] == list(languages):
        same = maker.make(before["changes"], date.fromisoformat(before["date"]))
        if same.manifest["files"] == before["files"] and same.manifest["annex"] == before["annex"]:
            return same
    # History is told inside the documents: what else changed is known once they are made without it.
    draft = maker.make(
        before["changes"] if before else [], date.fromisoformat(before["date"]) if before else on
    )
    changes = history(before, draft.manifest["annex"], _changed(before, draft), on=on)
    return maker.make(changes, on)


def _changed(before: Mapping[str, Any] | None, draft: Built) -> Iterable[str]:
    old = before["files"] if before else {}
    return [name for name, found in draft.manifest["files"].items() if old.get(name) != found]


@dataclass(frozen=True, slots=True)
class _Maker:
    estate: Estate
    templates: tuple[Path, ...]
    languages: tuple[str, ...]
    folder: Path

    def make(self, changes: Sequence[Mapping[str, Any]], on: date) -> Built:
        annex = annex_of(self.estate)
        files: dict[str, str] = {}
        for language in self.languages:
            files |= self._language(Words(language), changes, on)
        manifest = {
            "schema": SCHEMA,
            "generator": f"passerelle {__version__}",
            "tenant": self.estate.tenant,
            "languages": list(self.languages),
            "date": on.isoformat(),
            "catalogue_as_of": plain(self.estate.catalogue_as_of),
            "inputs": self._inputs(),
            "files": {name: digest(text) for name, text in sorted(files.items())},
            "annex": annex,
            "changes": list(changes),
        }
        return Built({**files, NAME: written(manifest)}, manifest)

    def _inputs(self) -> dict[str, str]:
        said = plain(self.estate)
        found = {name: fingerprint(value) for name, value in said.items()}
        for language in self.languages:
            for document in DOCUMENTS:
                name = f"{language}/{document.template}"
                place = next((each / name for each in self.templates if (each / name).is_file()), None)
                found[f"templates/{name}"] = fingerprint(place.read_text(encoding="utf-8") if place else "")
        return found

    def _language(self, words: Words, changes: Sequence[Mapping[str, Any]], on: date) -> dict[str, str]:
        language, templates = words.language, templates_of(self.templates, words.language)
        names = names_of(language)
        values = {
            "e": self.estate,
            "tenant": Raw(self.estate.tenant),  # inside commands: its letters are those that names may have
            "operator": self.estate.operator,
            "client": self.estate.client,
            "privacy": self.estate.privacy,
            "on": on,
            "files": names,
            "changes": [_dated(each) for each in changes],
            "presumed": presumed(self.estate.criteria),
            "disclosure": disclosure(self.estate.privacy.marking, language),
            "alone": self.estate.operator.position is Position.CONTROLLER,  # it is its tenants' own service
            "lang": language,
            "version": __version__,
        }
        files: dict[str, str] = {}
        for document in DOCUMENTS:
            name = f"{language}/{file_of(document, language)}"
            files[name] = self._with_kept(name, templates.render(document.template, values))
        stem = names["register"].removesuffix(".md")
        files[f"{language}/{stem}.csv"] = as_csv(self.estate, words)
        files[f"{language}/{stem}.jsonld"] = as_jsonld(self.estate, words, on=on)
        return files

    def _with_kept(self, name: str, text: str) -> str:
        standing = self.folder / name
        if not standing.is_file():
            return text
        try:
            return with_kept(text, kept(standing.read_text(encoding="utf-8"), file=str(standing)))
        except UnicodeDecodeError:
            raise CannotRun(f"{standing} is not UTF-8 text.", "Save it as UTF-8.") from None


def _dated(entry: Mapping[str, Any]) -> dict[str, Any]:
    until = entry["objection_until"]
    return {
        **entry,
        "date": date.fromisoformat(entry["date"]),
        "objection_until": date.fromisoformat(until) if until else None,
    }


def write(built: Built, folder: Path) -> tuple[str, ...]:
    """Write what is not there already, and say which files those are. Raises CannotRun."""
    done = []
    try:
        for name, text in built.files.items():
            file, data = folder / name, text.encode()
            if file.is_file() and file.read_bytes() == data:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            done.append(name)
    except OSError as error:
        raise CannotRun(
            f"{folder} cannot be written: {error.strerror}.", "Let this user write there."
        ) from error
    return tuple(done)


def drift(built: Built, folder: Path) -> tuple[Drift, ...]:
    """Where a folder is not what would be built. What people wrote in kept blocks is not drift."""
    before = read_manifest(folder)
    stood: Mapping[str, str] = before["files"] if before else {}
    found = []
    for name, text in sorted(built.files.items()):
        file = folder / name
        if not file.is_file():
            found.append(Drift(name, "missing"))
        elif (there := file.read_bytes()) != text.encode():
            edited = name in stood and digest(there.decode(errors="replace")) != stood[name]
            found.append(Drift(name, "edited" if edited else "outdated"))
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = file.relative_to(folder).as_posix()
        if file.is_file() and file.suffix in _OURS and name not in built.files:
            found.append(Drift(name, "unexpected"))
    return tuple(found)
