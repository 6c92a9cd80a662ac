"""YAML text as plain data, with the place of every key, so that each error can name its line.

Only YAML 1.2's core words are booleans, nulls and numbers: the country NO stays a country. The parser's events are
read one by one, so that no tag makes an object, depth costs no stack and aliases cannot multiply without end.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from passerelle.domain.errors import Finding
from passerelle.routing.syntax import explain_syntax

Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, from 1

LONGEST = 1_048_576  # bytes
_MOST_NODES = 200_000  # after aliases are followed: a file of a thousand tenants has a tenth of it
_MOST_DIGITS = 18  # more would not fit where numbers go from here
_DEEPEST = 32  # the format itself goes six levels down

# libyaml reads twenty times faster; PyYAML's own parser gives the same events where it was not built in.
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # what one line of text cannot hold
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class Source:
    """Data, and the line and column (from 1) of each path in it."""

    data: dict[str, Any]
    places: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where a path stands, or the nearest thing above it that stands somewhere."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)


class _Wrong(Exception):
    def __init__(self, rule: str, message: str, cure: str, *, place: Place | None = None) -> None:
        super().__init__(message)
        self.rule, self.message, self.cure, self.place = rule, message, cure, place


def version_of(text: str) -> str:
    """The short hash by which a text is known in records, headers and logs."""
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()[:12]


def read_source(text: str, *, file: str, foreign: bool = False) -> Source | Finding:
    """The data of a file, or the one thing that makes it unreadable.

    In a `foreign` file, another program's, keys may stand without a value and texts may have lines.
    """
    text = text.removeprefix("\ufeff")
    try:
        _check_text(text)
        reader = _Reader(foreign=foreign)
        for event in yaml.parse(text, Loader=_PARSER):
            reader.take(event)
        return Source(reader.root(), reader.places)
    except _Wrong as wrong:
        line, column = wrong.place or (None, None)
        return Finding("error", wrong.rule, wrong.message, wrong.cure, file, line, column)
    except yaml.MarkedYAMLError as error:
        told = explain_syntax(error, text)
        return Finding("error", "C01", told.cause, told.cure, file, told.line, told.column)


def _check_text(text: str) -> None:
    if len(text) > LONGEST or len(text.encode("utf-8", errors="replace")) > LONGEST:
        raise _Wrong(
            "C01",
            f"The file is longer than {LONGEST} bytes.",
            "Remove what nobody uses; a file of two hundred tenants and a hundred models has a twentieth of that.",
        )
    found = _UNPRINTABLE.search(text)
    if found is not None:
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        raise _Wrong(
            "C01",
            f"The file holds the character U+{ord(found[0]):04X}, which no text has.",
            "Remove it; an editor that shows invisible characters finds it.",
            place=(line, column),
        )


@dataclass(slots=True)
class _Open:
    """A mapping or a list that has not ended yet; `key` is the key whose value comes next."""

    data: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    before: int  # nodes read before it
    key: str | None = None

    def inside(self) -> Path:
        """The path of what comes next."""
        return (*self.path, len(self.data) if isinstance(self.data, list) else self.key or "")


class _Reader:
    """Turns the parser's events into data, noting places, refusing what could be read in two ways."""

    def __init__(self, *, foreign: bool) -> None:
        self._foreign = foreign
        self.places: dict[Path, Place] = {}
        self._root: Any = None
        self._documents = 0
        self._nodes = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}  # data and its nodes; None while it is open

    def take(self, event: yaml.Event) -> None:
        """Read one event. Raises _Wrong."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _Wrong(
                    "C01",
                    "A second document begins here.",
                    "Keep one, and remove the line `---`.",
                    place=_place_of(event),
                )

    def root(self) -> dict[str, Any]:
        """The whole, once every event was taken. Raises _Wrong unless it is a mapping."""
        if self._root is None:
            raise _Wrong(
                "C01", "The file is empty.", "Begin with `version: 1`, a backend, a model and a tenant."
            )
        if not isinstance(self._root, dict):
            cure = "Begin with `version: 1`, and give it backends, models and tenants."
            raise _Wrong("C01", "The file does not hold keys and values.", cure)
        return self._root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(1, event)
        _refuse_tag(event)
        if not self._foreign and _NO_LINE.search(event.value):
            raise _Wrong(
                "C01",
                "A value here holds a line break or a control character.",
                "Write it on one line, without backslash escapes.",
                place=_place_of(event),
            )
        if self._wants_key():
            self._key(event)
        else:
            value = event.value if event.style else _plain(event)
            if value is None and not self._foreign:
                self._refuse_nothing(event)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            self._place(value, event)

    def _refuse_nothing(self, event: yaml.ScalarEvent) -> None:
        """A key without a value is an edit that was not finished, and `policy:` must not read as no policy.

        Only a tenant may be a name of which nothing is said.
        """
        if not self._stack:
            return
        path = self._stack[-1].inside()
        if len(path) == 2 and path[0] == "tenants":
            return
        name, key = ".".join(str(part) for part in path), str(path[-1])
        cure = "Write one, or remove the line."
        if ":" in key:
            cure = "Put a space after the colon."
        place = self.places.get(path) or _place_of(event)
        raise _Wrong("C06", f"`{name}` has no value.", cure, place=place)

    def _wants_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].data, dict) and self._stack[-1].key is None

    def _key(self, event: yaml.ScalarEvent) -> None:
        """Keys are text whatever they look like, so that `42` and `"42"` are one name."""
        top, key = self._stack[-1], event.value
        if key == "<<" and not event.style:
            cure = "Write the values out, or put what all tenants share in `defaults`."
            raise _Wrong("C01", "Merge keys (<<) are not read.", cure, place=_place_of(event))
        path = (*top.path, key)
        if key in top.data:
            first = self.places[path][0]
            raise _Wrong(
                "C02",
                f"The key {key!r} stands twice, first in line {first}.",
                "Keep one of them.",
                place=_place_of(event),
            )
        self._note(path, event)
        top.key = key

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        self._count(1, event)
        _refuse_tag(event)
        if self._wants_key():
            raise _Wrong(
                "C01", "A key is a list or a mapping.", "Write the key as one word.", place=_place_of(event)
            )
        if len(self._stack) >= _DEEPEST:
            raise _Wrong(
                "C01",
                f"Values are nested more than {_DEEPEST} levels deep.",
                "Compare the line with the example file.",
                place=_place_of(event),
            )
        data: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._stack[-1].inside() if self._stack else ()
        if event.anchor:
            self._anchors[event.anchor] = None
        self._place(data, event)
        self._stack.append(_Open(data, path, event.anchor, self._nodes - 1))

    def _end(self) -> None:
        done = self._stack.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.data, self._nodes - done.before)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor
        if self._wants_key():
            raise _Wrong("C01", "An alias stands for a key.", "Write the key out.", place=_place_of(event))
        if name not in self._anchors:
            raise _Wrong(
                "C01",
                "This alias names nothing above it.",
                "Put its name with & before the value it means, or quote a text that begins with *.",
                place=_place_of(event),
            )
        meant = self._anchors[name]
        if meant is None:
            cure = "Write the value out."
            raise _Wrong("C01", "This alias stands inside what it means.", cure, place=_place_of(event))
        self._count(meant[1], event)
        self._place(meant[0], event)

    def _place(self, value: Any, event: yaml.Event) -> None:
        """Put a value where it belongs; a value stands where its key stands."""
        if not self._stack:
            self._root = value
            return
        top = self._stack[-1]
        if isinstance(top.data, list):
            self._note(top.inside(), event)
            top.data.append(value)
        else:
            assert top.key is not None  # a value never comes before its key  # noqa: S101
            top.data[top.key] = value
            top.key = None

    def _note(self, path: Path, event: yaml.Event) -> None:
        place = _place_of(event)
        if place is not None:
            self.places[path] = place

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise _Wrong(
                "C01",
                f"The file holds more than {_MOST_NODES} values once aliases are followed.",
                "Use fewer aliases.",
                place=_place_of(event),
            )


def _place_of(event: yaml.Event) -> Place | None:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else None


def _refuse_tag(event: yaml.NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise _Wrong(
            "C01",
            "Tags (a word after !) are not read.",
            "Remove it; quote a text that begins with !.",
            place=_place_of(event),
        )


def _kept(text: str) -> bool:
    """Is a decimal number read as it is written? A price with more digits than a float keeps would change."""
    number = float(text)
    return math.isfinite(number) and Decimal(text) == Decimal(repr(number))


def _plain(event: yaml.ScalarEvent) -> Any:
    """The value of an unquoted word by YAML 1.2's core schema. Raises _Wrong for numbers nobody means."""
    text: str = event.value
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _MOST_DIGITS:
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text) and _kept(text):
        return float(text)
    if _FLOAT.fullmatch(text) or _INTEGER.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise _Wrong(
            "C01",
            "A number here is not finite, or has too many digits.",  # unquoted: it may be a secret
            f"Write a finite number of at most {_MOST_DIGITS} digits (15 in a decimal), or quote it if it is a text.",
            place=_place_of(event),
        )
    return text
