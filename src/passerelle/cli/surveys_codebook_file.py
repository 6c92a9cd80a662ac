"""Codebooks as files, in YAML or JSON: whatever is wrong in one is told with its line and field.

All values are texts, so that `no` or `2026` need no quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from passerelle.cli.forms import contents
from passerelle.domain.errors import CannotRun

_LONGEST = 1_048_576  # bytes
_DEEPEST = 8  # lists and mappings in each other
_FIELDS = ("name", "language", "categories", "merged", "note")
_OF_CATEGORY = ("id", "name", "definition", "include", "exclude", "examples")
_CURE = "`passerelle surveys codebook sample` prints one that is right."


@dataclass(frozen=True, slots=True)
class Read:
    """A codebook of a file. `body` is what the service is sent."""

    name: str
    body: dict[str, Any]


def read_codebook(file: Path) -> Read:
    """The codebook of a file. Raises CannotRun, which names line and field."""
    raw = contents(file)
    if len(raw) > _LONGEST:
        raise CannotRun(f"{file} is longer than {_LONGEST} bytes.", "That is no codebook.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise CannotRun(f"{file}, line {line}: this is no UTF-8.", "Save it as UTF-8.") from error
    return _Reader(str(file)).read(text)


def sample(language: str) -> str:
    """The codebook that is shipped for training companies, in French or English."""
    place = files("passerelle.cli") / "samples" / f"codebook_{language}.yaml"
    return place.read_text(encoding="utf-8")


def file_of(card: Mapping[str, Any]) -> str:
    """A version that the service shows, as a file that is read as the same. `merged`, which is of that step, is left out."""
    said = {name: card[name] for name in ("name", "language", "categories")}
    text: str = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=110)
    return text


class _Reader:
    """Reads one file, and knows where it is in it."""

    def __init__(self, file: str) -> None:
        self._file = file

    def read(self, text: str) -> Read:
        root = self._tree(text)
        if root is None:
            raise self._wrong(1, "the file is empty")
        said = self._mapping(root, "the file", _FIELDS)
        name = self._text(said.get("name"), "name", line=1)
        language = self._text(said.get("language"), "language", line=1)
        if "categories" not in said:
            raise self._wrong(_line(root), "`categories` is missing")
        categories = [
            self._category(node, f"categories[{place}]")
            for place, node in enumerate(self._sequence(said["categories"], "categories"))
        ]
        if not categories:
            raise self._wrong(_line(said["categories"]), "`categories` is empty")
        self._unlike(said["categories"], categories)
        body: dict[str, Any] = {"language": language, "categories": categories}
        if "merged" in said:
            merged = self._mapping(said["merged"], "merged", None)
            body["merged"] = {old: self._text(node, f"merged.{old}", line=0) for old, node in merged.items()}
        if "note" in said:
            body["note"] = self._value(said["note"], "note")
        return Read(name, body)

    def _tree(self, text: str) -> yaml.Node | None:
        try:
            self._check(text)
            found: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "it is neither YAML nor JSON"
            raise self._wrong(mark.line + 1 if mark is not None else 1, str(problem)) from error
        return found

    def _check(self, text: str) -> None:
        """What would grow without end when it is read."""
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise self._wrong(line, "references (`*name`) are not read; write it out")
            if depth > _DEEPEST:
                raise self._wrong(line, "there are lists in lists in lists")

    def _category(self, node: yaml.Node, where: str) -> dict[str, Any]:
        said = self._mapping(node, where, _OF_CATEGORY)
        found: dict[str, Any] = {
            name: self._text(said.get(name), f"{where}.{name}", line=_line(node)) for name in ("id", "name")
        }
        for name in ("definition", "include", "exclude"):
            if name in said:
                found[name] = self._value(said[name], f"{where}.{name}")
        if "examples" in said:
            found["examples"] = [
                self._text(each, f"{where}.examples[{place}]", line=0)
                for place, each in enumerate(self._sequence(said["examples"], f"{where}.examples"))
            ]
        return found

    def _unlike(self, node: yaml.Node, categories: Sequence[Mapping[str, Any]]) -> None:
        seen: set[str] = set()
        for place, (each, category) in enumerate(zip(node.value, categories, strict=True)):
            if category["id"] in seen:
                raise self._wrong(_line(each), f"`categories[{place}].id` {category['id']!r} is there twice")
            seen.add(category["id"])

    def _mapping(self, node: yaml.Node, where: str, known: Sequence[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(_line(node), f"{_named(where)} must be a mapping, such as `name: value`")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if known is not None and name not in known:
                message = f"{_named(where)} has no field `{name[:60]}`; it takes {', '.join(known)}"
                raise self._wrong(_line(key), message)
            if name in found:
                raise self._wrong(_line(key), f"`{name[:60]}` is said twice")
            found[name] = value
        return found

    def _sequence(self, node: yaml.Node, where: str) -> Sequence[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(_line(node), f"`{where}` must be a list")
        found: Sequence[yaml.Node] = node.value
        return found

    def _text(self, node: yaml.Node | None, where: str, *, line: int) -> str:
        """A text that must be there."""
        value = "" if node is None else self._value(node, where)
        if not value:
            raise self._wrong(line if node is None else _line(node), f"`{where}` is missing")
        return value

    def _value(self, node: yaml.Node, where: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._wrong(_line(node), f"`{where}` must be a text")
        return "" if node.tag == "tag:yaml.org,2002:null" else " ".join(str(node.value).split())

    def _wrong(self, line: int, what: str) -> CannotRun:
        return CannotRun(f"{self._file}, line {line}: {what}.", _CURE)


def _named(where: str) -> str:
    return where if where == "the file" else f"`{where}`"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
