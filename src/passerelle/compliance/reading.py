"""A YAML file of the sources as values: every field checked, every error with its line, its cause and its cure.

Unknown fields are refused, so that a slip in a word is not taken for something that nobody said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import Any, TypeVar

from passerelle.compliance.facts import Place
from passerelle.domain.errors import Finding
from passerelle.routing.source import Path, Source, read_source

T = TypeVar("T")
Parse = Callable[[Any], T]  # raises ValueError with what is wrong and the way out

_LONGEST = 2_000  # characters of one text


@dataclass(slots=True)
class Reader:
    """One file: what was asked of it, and what was wrong with it."""

    file: str
    source: Source
    findings: list[Finding] = field(default_factory=list)

    def root(self) -> Fields:
        """Its outermost mapping."""
        return Fields(self, (), self.source.data)

    def place(self, path: Path) -> Place:
        """Where a path stands."""
        found = self.source.place(path)
        return Place(self.file, found[0] if found else 1)

    def wrong(self, path: Path, message: str, cure: str, *, rule: str = "S02") -> None:
        """Note what is wrong at a path."""
        found = self.source.place(path) or (1, None)
        self.findings.append(Finding("error", rule, message, cure, self.file, *found))


@dataclass(slots=True)
class Fields:
    """One mapping. Each field is asked for by name; `end` refuses those that nobody asked for."""

    reader: Reader
    path: Path
    data: Mapping[str, Any]
    asked: set[str] = field(default_factory=set)

    def get(self, name: str, parse: Parse[T], usual: T) -> T:
        """The field's value, or `usual` where it is not there or is wrong."""
        self.asked.add(name)
        if name not in self.data:
            return usual
        try:
            return parse(self.data[name])
        except ValueError as error:
            self.reader.wrong((*self.path, name), f"`{name}` {error}.", "Write it as the example files do.")
            return usual

    def need(self, name: str, parse: Parse[T], usual: T) -> T:
        """The field's value, which must be there."""
        if name not in self.data:
            self.asked.add(name)
            self.reader.wrong(self.path, f"`{name}` is missing.", f"Add `{name}:`.", rule="S03")
            return usual
        return self.get(name, parse, usual)

    def inside(self, name: str) -> Fields:
        """The mapping under a name; an empty one where it is not there or is something else."""
        self.asked.add(name)
        path, found = (*self.path, name), self.data.get(name, {})
        if not isinstance(found, dict):
            self.reader.wrong(path, f"`{name}` holds no keys and values.", "Indent its fields under it.")
            found = {}
        return Fields(self.reader, path, found)

    def each(self, name: str) -> Iterator[Fields]:
        """The mappings of the list under a name."""
        self.asked.add(name)
        found = self.data.get(name, [])
        if not isinstance(found, list):
            self.reader.wrong(
                (*self.path, name), f"`{name}` is no list.", "Begin each of its entries with -."
            )
            return
        for index, entry in enumerate(found):
            path = (*self.path, name, index)
            if isinstance(entry, dict):
                yield Fields(self.reader, path, entry)
            else:
                self.reader.wrong(path, "This entry holds no keys and values.", "Write its fields under it.")

    def names(self) -> tuple[str, ...]:
        """All keys, as they stand; asking for them is asking for each."""
        self.asked.update(self.data)
        return tuple(self.data)

    def place(self, name: str | None = None) -> Place:
        """Where the mapping, or a field of it, stands."""
        return self.reader.place(self.path if name is None else (*self.path, name))

    def end(self) -> None:
        """Refuse every field that was not asked for."""
        for name in self.data:
            if name in self.asked:
                continue
            near = get_close_matches(name, self.asked, n=1)
            cure = f"Did you mean `{near[0]}`?" if near else f"Known are: {', '.join(sorted(self.asked))}."
            self.reader.wrong((*self.path, name), f"`{name}` is not a field here.", cure, rule="S01")


def opened(content: str, *, file: str) -> Reader | Finding:
    """A file's text, ready to be asked; or the one thing that makes it unreadable."""
    if not content.strip():
        return Finding("error", "S01", "The file is empty.", "Write its fields, or remove it.", file)
    found = read_source(content, file=file)
    if isinstance(found, Source):
        return Reader(file, found)
    if found.message == "The file does not hold keys and values.":
        return Finding("error", "S01", found.message, "Write it as `name: value`, a line each.", file)
    return found


def words(value: Any) -> str:
    """One line of text."""
    if not isinstance(value, str):
        raise ValueError("is not a text; put it in quotes")  # noqa: TRY004 - told like every other slip
    if len(value) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    return value.strip()


def truth(value: Any) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")  # noqa: TRY004
    return value


def whole(least: int, most: int) -> Parse[int]:
    """A whole number between two."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"is not a whole number from {least} to {most}")
        return value

    return parse


def day(value: Any) -> date:
    """A day, as 2027-03-31."""
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("is not a day; write it as 2027-03-31") from None


def listed(parse: Parse[T]) -> Parse[tuple[T, ...]]:
    """A list of them."""

    def parsed(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError("is no list; write it as [one, two]")  # noqa: TRY004
        return tuple(parse(each) for each in value)

    return parsed


def one_of(kind: Callable[[str], T], known: tuple[str, ...]) -> Parse[T]:
    """One of some words."""

    def parse(value: Any) -> T:
        if value not in known:
            raise ValueError(f"is none of {', '.join(known)}")
        return kind(value)

    return parse


def by_language(parse: Parse[T]) -> Parse[Mapping[str, T]]:
    """What is said in French under `fr`, in English under `en`."""

    def parsed(value: Any) -> Mapping[str, T]:
        if not isinstance(value, dict) or not set(value) <= {"fr", "en"}:
            raise ValueError("is not said by language; write {fr: ..., en: ...}")
        return {language: parse(said) for language, said in value.items()}

    return parsed
