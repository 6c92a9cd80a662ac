"""Finds placeholders in what a model wrote, whole or in pieces: as they were given, or as models write them down.

Models change the case, put spaces inside the brackets, and escape brackets and underscores as Markdown does. Brackets
that are escaped on one side only are left alone: a backslash before one was in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import orjson

from passerelle.redaction.vault import LONGEST


class Mender:
    """Puts back what the placeholders of one request stand for."""

    def __init__(self, values: Mapping[str, str], labels: Iterable[str], form: str) -> None:
        """`values` by the inside of the placeholder."""
        self._values = values
        self._form = form
        words = sorted(labels)
        inside = rf"(?P<label>{'|'.join(words)})(?:\\{{0,2}}_|[ -]){form}(?P<number>[1-9]\d{{0,5}})"
        self._whole = re.compile(
            rf"(?P<escape>\\{{1,2}})?\[ {{0,2}}{inside} {{0,2}}(?(escape)\\{{1,2}})\]", re.IGNORECASE
        )
        self._begun = re.compile(_prefixes(words, form), re.IGNORECASE)

    def mended(self, text: str, *, escaped: bool = False) -> str:
        """The text with what its placeholders stand for; `escaped`: it is JSON, in which that is escaped."""
        if "[" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            word = f"{match['label'].upper()}_{self._form}{match['number']}"
            found = self._values.get(word)
            if found is None:
                return match.group()
            return orjson.dumps(found).decode()[1:-1] if escaped else found

        return self._whole.sub(value, text)

    def begun(self, text: str) -> int:
        """Where a placeholder may have begun that the end of the text cuts off; its length where none has."""
        match = self._begun.search(text, max(0, len(text) - LONGEST))
        return match.start() if match is not None else len(text)


def _prefixes(labels: Iterable[str], form: str) -> str:
    """A pattern for the beginnings of placeholders at the end of a text: each part may be the last, and cut off."""

    def chain(parts: Iterable[str], rest: str) -> str:
        for part in reversed(list(parts)):
            rest = f"{part}(?:{rest})?" if rest else part
        return rest

    def inside(close: str) -> str:
        number = chain([*form, r"[1-9]\d{0,5} {0,2}"], close)
        after = rf"(?:\\{{1,2}}(?:_(?:{number})?)?|[_ -](?:{number})?)"
        return "|".join(chain(label, after) for label in labels)

    plain = rf"\[ {{0,2}}(?:{inside('')})?"
    escaped = rf"\\{{1,2}}(?:\[ {{0,2}}(?:{inside(chr(92) * 2 + '{1,2}')})?)?"
    return rf"(?:{escaped}|{plain})\Z"
