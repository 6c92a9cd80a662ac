"""Fills a JSON schema from the given text without a language model: labels, quotes, numbers, no inventions.

What comes out is valid against the part of JSON Schema read here; anything else raises CannotFill, by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from passerelle.backends.builtin import labels, polarity
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import CannotFill
from passerelle.backends.builtin.extract import Source, asked, extract, summary
from passerelle.backends.builtin.labels import readable
from passerelle.backends.builtin.numerals import numerals
from passerelle.backends.builtin.polarity import Pole
from passerelle.backends.builtin.ranking import RELEVANT, Ranker, sentences
from passerelle.backends.builtin.reading import Reading
from passerelle.backends.builtin.schema_rules import (
    DEEPEST,
    NOTES,
    Schema,
    allows,
    checked,
    options,
    referred,
)
from passerelle.backends.builtin.summary import Size, asked_size
from passerelle.text.words import folded

MOST_VALUES = 256  # filled for one request
MOST_LABELS = 512  # of one enum
FEW_ITEMS = 3  # of an array of sentences when nothing says how many
YES = frozenset({"yes", "true", "oui", "vrai"})
NO = frozenset({"no", "false", "non", "faux"})
# What a property's name asks for; any other string is looked for in the text under its name and description.
ANSWERS = frozenset(
    {"answer", "reponse", "response", "reply", "output", "result", "resultat", "text", "texte"}
)
SUMMARIES = frozenset({"summary", "resume", "synthese", "abstract", "tldr"})
SUPPORTS = frozenset(
    {"quote", "citation", "extrait", "excerpt", "evidence", "preuve", "reason", "raison", "justification"}
    | {"explanation", "explication", "rationale", "verbatim"}
)
PERCENTAGES = re.compile(r"%|\b(?:percent\w*|pour ?cent\w*|taux|rate)\b")


def fill(schema: Schema, reading: Reading, embedder: Embedder) -> Any:
    """A value for the schema, from the chat's text. Raises CannotFill for what cannot be filled honestly."""
    return _Form(schema, reading, embedder).value(schema, "", 0)


class _Form:
    """One schema being filled; what several properties need is computed once."""

    def __init__(self, root: Schema, reading: Reading, embedder: Embedder) -> None:
        self.root = root
        self.reading = reading
        self.embedder = embedder
        self.subject = "\n".join(reading.text(passage) for passage in reading.subject).strip()
        self._source: Source | None = None
        self._pieces: Ranker | None = None
        self._filled = 0

    def value(self, schema: Any, path: str, depth: int) -> Any:
        """A value for the part of the schema at `path`."""
        self._filled += 1
        if depth > DEEPEST or self._filled > MOST_VALUES:
            raise CannotFill(path, "the schema is too deep or too large for this engine")
        rules = referred(self.root, checked(schema, path), path)
        if "const" in rules or "enum" in rules:
            return self._choice(rules, path)
        if not rules.keys() - NOTES:
            return self.string(rules, path, depth)
        choices = options(rules, path)
        if len(choices) == 1 and "type" in choices[0]:
            return FILLERS[choices[0]["type"]](self, choices[0], path, depth)
        failure = CannotFill(path, "its schema allows only null")
        for choice in choices:
            if choice.get("type") != "null":
                try:
                    return self.value(choice, path, depth + 1)
                except CannotFill as error:
                    failure = error
        if any(choice.get("type") == "null" for choice in choices):
            return None
        raise failure

    def object(self, schema: Schema, path: str, depth: int) -> dict[str, Any]:
        """Every property that can be filled; one that cannot is left out unless it is required."""
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        others = schema.get("additionalProperties", True)
        filled: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            try:
                filled[name] = self.value(
                    properties.get(name, others), f"{path}.{name}".strip("."), depth + 1
                )
            except CannotFill:
                if name in required:
                    raise
        return filled

    def array(self, schema: Schema, path: str, depth: int) -> list[Any]:
        """The labels that fit the text, the sentences that answer, or the numbers they state."""
        items = referred(self.root, checked(schema.get("items", True), path), path)
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", MOST_VALUES), MOST_VALUES)
        found: list[Any]
        if "enum" in items:
            found = self._fitting(
                [label for label in items["enum"] if allows(items, label)], path, least, most
            )
        elif items.get("type", "string") == "string" and not items.keys() - NOTES - {"type"}:
            found = self._sentences(schema, path, least)
        elif items.get("type") in ("number", "integer"):
            found = [number for number in self._numbers(schema, path) if allows(items, number)]
        else:
            raise CannotFill(path, "an array of such items needs a language model")
        found = list(dict.fromkeys(found))[:most]
        if len(found) < least:
            raise CannotFill(path, f"the text holds {len(found)} of its at least {least} items")
        return found

    def string(self, schema: Schema, path: str, _depth: int) -> str:
        """An answer, a summary or a quoted sentence, whichever the property's name asks for."""
        names = _names(path)
        if names & SUMMARIES:
            text = summary(self.reading, self.embedder, asked_size(self.reading)).text
        elif names & ANSWERS or not path:
            text = extract(self.reading, self.embedder).text
        else:
            text = self._sentence(self._query(schema, path), support=bool(names & SUPPORTS))
        if not text:
            raise CannotFill(path, "no sentence of the text states it")
        longest = schema.get("maxLength", math.inf)
        if len(text) > longest:
            cut = text[:longest]
            text = cut.rsplit(None, 1)[0] if len(cut.split()) > 1 else cut
        if not allows(schema, text):
            raise CannotFill(path, "what the text states is shorter than its minLength")
        return text

    def number(self, schema: Schema, path: str, _depth: int) -> int | float:
        """A number that the text states; never a made-up one."""
        stated = next((number for number in self._numbers(schema, path) if allows(schema, number)), None)
        if stated is None:
            raise CannotFill(path, "the text states no such number")
        return stated

    def boolean(self, schema: Schema, path: str, _depth: int) -> bool:
        """True when the text is about what the property names, or leans the way it names."""
        names = _names(path)
        if names & ANSWERS:
            raise CannotFill(path, "a yes or no to a question needs a language model")
        if not self.subject:
            raise CannotFill(path, "there is no text to judge")
        pole = next((found for name in sorted(names) if (found := polarity.pole(name))), None)
        if pole:
            poles = [other.value for other in Pole]
            return poles[_highest(self._ranked(poles, path))] == pole.value
        return self._is_about(schema, path)

    def null(self, _schema: Schema, _path: str, _depth: int) -> None:
        """Nothing else is allowed."""

    def _choice(self, schema: Schema, path: str) -> Any:
        """The allowed value that is nearest to the text."""
        listed = schema.get("enum", [schema.get("const")])
        allowed = [value for value in listed if allows(schema, value) and value == schema.get("const", value)]
        if not allowed or len(allowed) > MOST_LABELS:
            raise CannotFill(path, f"its schema allows no value, or more than {MOST_LABELS}")
        if len(allowed) == 1:
            return allowed[0]
        if all(isinstance(value, bool) for value in allowed):
            return self.boolean(schema, path, 0)
        words = [value for value in allowed if isinstance(value, str)]
        if words and self.subject:
            if all(folded(word) in YES | NO for word in words):
                wanted = YES if self._is_about(schema, path) else NO
                return next((word for word in words if folded(word) in wanted), words[0])
            return words[_highest(self._ranked(words, path))]
        stated = next((number for number in self._numbers(schema, path) if number in allowed), None)
        if stated is not None:
            return allowed[allowed.index(stated)]
        if None in allowed:
            return None
        raise CannotFill(
            path, "the text states none of its values" if self.subject else "there is no text to label"
        )

    def _fitting(self, words: Sequence[Any], path: str, least: int, most: int) -> list[str]:
        """The labels that the text is about, in the schema's order; the nearest ones when too few are."""
        if (
            not self.subject
            or not words
            or len(words) > MOST_LABELS
            or not all(isinstance(w, str) for w in words)
        ):
            raise CannotFill(
                path, f"there is no text to label, or not 1 to {MOST_LABELS} labels that are strings"
            )
        fit = [max(self._subject_scores(readable(word)), default=0.0) for word in words]
        order = sorted(range(len(words)), key=lambda i: (-fit[i], i))
        kept = [i for place, i in enumerate(order) if fit[i] >= RELEVANT or place < least][:most]
        return [words[i] for i in sorted(kept)]

    def _sentences(self, schema: Schema, path: str, least: int) -> list[str]:
        """The sentences that a property asks for; without any, the ones that stand for the whole text."""
        best = self._answers().best(self._query(schema, path))
        if best and len(best) >= least:
            return [sentence.text for sentence in best]
        wanted = Size(sentences=max(least, FEW_ITEMS))
        return [quote.text for quote in summary(self.reading, self.embedder, wanted, apart=True).quotes]

    def _sentence(self, query: str, *, support: bool) -> str:
        """The one sentence that a query asks for; what supports an answer may be the most central one."""
        best = self._answers().best(asked(self.reading) if support else query)
        if best or not support:
            return best[0].text if best else ""
        central = summary(self.reading, self.embedder, Size(sentences=1)).quotes
        return central[0].text if central else ""

    def _numbers(self, schema: Schema, path: str) -> list[int | float]:
        """The numbers in the sentences that a property asks for, the best sentence's first."""
        query = asked(self.reading) if _names(path) & ANSWERS else self._query(schema, path)
        percent = PERCENTAGES.search(folded(query)) is not None
        best = self._answers().best(query, among=lambda text: bool(numerals(text, percent=percent)))
        stated = [number for sentence in best for number in numerals(sentence.text, percent=percent)]
        return [int(number) if number.is_integer() else number for number in stated]

    def _query(self, schema: Schema, path: str) -> str:
        """What a property asks for in words: its readable name and its description."""
        described = schema.get("description")
        return f"{_name(path)} {described}" if isinstance(described, str) else _name(path)

    def _is_about(self, schema: Schema, path: str) -> bool:
        described = schema.get("description")
        query = described if isinstance(described, str) and described else _name(path)
        return max(self._subject_scores(query), default=0.0) >= RELEVANT

    def _ranked(self, words: Sequence[str], path: str) -> list[float]:
        return labels.scores(self.subject, words, self.embedder, about=_name(path))

    def _subject_scores(self, query: str) -> list[float]:
        if self._pieces is None:
            found = [sentence.text for sentence in sentences(self.reading, self.reading.subject)]
            self._pieces = Ranker(found or [self.subject], self.embedder, self.reading.language)
        return self._pieces.scores(query)

    def _answers(self) -> Source:
        if self._source is None:
            passages = self.reading.context or self.reading.subject
            self._source = Source(self.reading, self.embedder, passages=passages)
        return self._source


FILLERS: Mapping[str, Callable[[_Form, Schema, str, int], Any]] = {
    "object": _Form.object,
    "array": _Form.array,
    "string": _Form.string,
    "number": _Form.number,
    "integer": _Form.number,
    "boolean": _Form.boolean,
    "null": _Form.null,
}


def _name(path: str) -> str:
    return readable(path.rsplit(".", 1)[-1])


def _names(path: str) -> frozenset[str]:
    return frozenset(folded(_name(path)).split())


def _highest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
