"""What `passerelle rag ingest` is given: files, folders and addresses, as requests that hand them in.

A file's key is its name, and in a folder its path from there, so that giving the same folder again changes only what
has changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from passerelle.cli.forms import form_of, unreadable, whole
from passerelle.domain.errors import CannotRun

# In folders; a file that is named itself is sent whatever it is called.
ENDINGS = frozenset(
    {".pdf", ".docx", ".pptx", ".html", ".htm", ".md", ".markdown", ".mdown", ".mkd", ".txt", ".text", ".csv"}
)
_MOST_BYTES, _MOST_FILES = 16 * 1_048_576, 50  # of a request
_MOST_ADDRESSES = 500
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Source:
    """A document to be handed in: a file, or an address where there is none."""

    key: str
    file: Path | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class About:
    """What is said of all documents."""

    title: str = ""
    language: str = ""
    groups: Sequence[str] = ()
    metadata: Mapping[str, Any] | None = None
    refresh: str | None = None

    def fields(self) -> dict[str, Any]:
        """Without what is not said."""
        named = {
            "title": self.title,
            "language": self.language,
            "groups": list(self.groups),
            "metadata": dict(self.metadata or {}),
            "refresh": self.refresh,
        }
        return {name: value for name, value in named.items() if value}


def find(places: Sequence[str]) -> tuple[list[Source], list[Path]]:
    """Documents in their order, and files of folders that are left out for their endings. Raises CannotRun."""
    sources: list[Source] = []
    left: list[Path] = []
    for place in places:
        if place.startswith(("http://", "https://")):
            sources.append(Source(place))
            continue
        path = Path(place)
        if path.is_dir():
            for file in _walk(path):
                if file.suffix.lower() in ENDINGS:
                    sources.append(_source(file, file.relative_to(path).as_posix()))
                else:
                    left.append(file)
        elif path.is_file():
            sources.append(_source(path, path.name))
        else:
            raise CannotRun(f"There is no file or folder {place}.", "Give paths, or addresses with https://.")
    twice = [key for key, count in Counter(source.key for source in sources).items() if count > 1]
    if twice:
        raise CannotRun(
            f"Two documents would have the same name, {min(twice)!r}.",
            "Give them one after the other, or rename one.",
        )
    return sources, left


def batches(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Sources that are handed in together: addresses by themselves, files up to a size."""
    addresses = [source for source in sources if source.file is None]
    for start in range(0, len(addresses), _MOST_ADDRESSES):
        yield addresses[start : start + _MOST_ADDRESSES]
    batch: list[Source] = []
    size = 0
    for source in sources:
        if source.file is None:
            continue
        if batch and (size + source.size > _MOST_BYTES or len(batch) == _MOST_FILES):
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += source.size
    if batch:
        yield batch


def request_of(batch: Sequence[Source], about: About) -> tuple[Any, str]:
    """A request's body and its kind. Raises CannotRun for a file that cannot be read."""
    if batch[0].file is None:
        return {"documents": [{"url": source.key, **about.fields()} for source in batch]}, _JSON
    fields: list[tuple[str, str | bytes]] = []
    for name, value in about.fields().items():
        said = value if name == "groups" else [value]
        fields += ((name, orjson.dumps(each) if name == "metadata" else str(each)) for each in said)
    if len(batch) == 1 or any("/" in source.key for source in batch):  # else they are called by their names
        fields += [("key", source.key) for source in batch]
    files = [(source.key.rpartition("/")[2], source.file) for source in batch if source.file is not None]
    return form_of(fields, files)


def metadata_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Of `name=value`: numbers and true or false are that, anything else is a text. Raises CannotRun."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise CannotRun(f"{pair!r} is no metadata.", "Write --metadata name=value.")
        found[name] = _value(value)
    return found


def _value(written: str) -> Any:
    try:
        value = orjson.loads(written)
    except orjson.JSONDecodeError:
        return written
    return value if isinstance(value, bool | int | float) else written


def _walk(folder: Path) -> Iterator[Path]:
    """Files of a folder and those in it by name, without hidden ones; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and (file := Path(place, name)).is_file():
                yield file


def _source(file: Path, key: str) -> Source:
    try:
        return Source(whole(key), file, file.stat().st_size)
    except OSError as error:
        raise unreadable(file, error) from error
