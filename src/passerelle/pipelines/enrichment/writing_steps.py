"""How a piece is written: at once, or part by part with notes, and then what is written of the whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from passerelle.domain.content import Operation, Piece, Recipe
from passerelle.pipelines.enrichment.recipes import frame
from passerelle.pipelines.enrichment.splitting import Part, split
from passerelle.text.words import language_of

_ROOM = 1_024  # tokens of an answer beside its text
_LEAST_NOTES, _MOST_NOTES, _ALL_NOTES = (
    200,
    1_200,
    24_000,
)  # characters: of a part's notes, and of all together
_SAMPLE = 2_000  # characters that tell a language
_OF_TEXT = (Operation.REWRITE, Operation.TRANSLATE)


@dataclass(frozen=True, slots=True)
class Step:
    """One call: which fields it writes from which text. `notes`: most characters of notes it takes beside, or nought.

    `number` of `count` parts; number 0 of some: it is given the notes of all. `language` of the whole text, where told.
    """

    fields: tuple[str, ...]
    source: str
    language: str
    notes: int = 0
    number: int = 0
    count: int = 0
    headings: tuple[str, ...] = ()
    before: str = ""

    @property
    def most_tokens(self) -> int:
        """The longest answer that is waited for: a token for two characters of text, and room for all else."""
        return _ROOM + (len(self.source) // 2 if "text" in self.fields else 0) + self.notes // 2


@dataclass(frozen=True, slots=True)
class Course:
    """All of a piece's steps: `parts` with their steps, and the fields that are written of their notes in the end."""

    parts: tuple[tuple[Part, Step], ...]
    pieces: tuple[Part, ...]  # all parts, those with nothing to work on too
    rest: tuple[str, ...] = ()
    language: str = ""

    def last(self, recipe: Recipe, notes: Sequence[str]) -> Step:
        """The step that writes of the whole, from notes on each part."""
        word = frame(recipe.language)["summary_of_notes"]
        told = [
            word.replace("$number", str(number)).replace("$value", said)
            for number, said in enumerate(notes, 1)
        ]
        return Step(self.rest, "\n\n".join(told), self.language, count=len(self.parts))


def course_of(piece: Piece, recipe: Recipe) -> Course:
    """How a piece is written by a recipe."""
    language = language_told(piece)
    pieces = split(piece.text, piece.form)
    worked = [part for part in pieces if part.core]
    if len(worked) <= 1:
        whole = worked[0] if worked else Part("", piece.text, "")
        step = Step(recipe.fields, whole.core, language)
        return Course(((whole, step),), pieces if worked else (whole,), language=language)
    fields = tuple(name for name in recipe.fields if name == "text")
    rest = tuple(name for name in recipe.fields if name != "text")
    notes = max(_LEAST_NOTES, min(_MOST_NOTES, _ALL_NOTES // len(worked))) if rest else 0
    steps = [
        Step(
            fields,
            part.core,
            language,
            notes=notes,
            number=number,
            count=len(worked),
            headings=part.headings,
            before=part.before,
        )
        for number, part in enumerate(worked, 1)
    ]
    return Course(tuple(zip(worked, steps, strict=True)), pieces, rest, language)


def language_told(piece: Piece) -> str:
    """What language a piece is in, as far as it says or shows: French or English by its words; empty: not told."""
    if piece.language:
        return piece.language.lower()[:2]
    sample = piece.text[:_SAMPLE]
    if language_of(sample, "en") == "fr":
        return "fr"
    return "en" if language_of(sample, "fr") == "en" else ""


def of_text(recipe: Recipe) -> Recipe:
    """The recipe as a part of a long text is checked by."""
    return _only(recipe, [each for each in recipe.operations if each in _OF_TEXT])


def of_rest(recipe: Recipe) -> Recipe:
    """The recipe as what is written of the whole is checked by."""
    return _only(recipe, [each for each in recipe.operations if each not in _OF_TEXT])


def _only(recipe: Recipe, operations: Sequence[Operation]) -> Recipe:
    return replace(recipe, operations=tuple(operations))


def part_of(piece: Piece, part: Part) -> Piece:
    """A part of a piece as a piece."""
    return replace(piece, text=part.core)
