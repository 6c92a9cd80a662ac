"""How much is asked for a piece, call by call, before anything is asked. Pure, and without LangChain."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.domain.content import Brand, Piece, Recipe
from passerelle.pipelines.enrichment.writing_prompt import messages
from passerelle.pipelines.enrichment.writing_steps import Step, course_of

_FULL = 0.7  # of the room for notes that is taken, by the models this was tried with


@dataclass(frozen=True, slots=True)
class Size:
    """One call: the characters of its messages, those of the text it works on, and the most tokens it may answer.

    `text_characters` is what is written anew at about its own length; nought where the call writes only short fields.
    """

    prompt_characters: int
    text_characters: int
    most_tokens: int = 0


def sizes(piece: Piece, recipe: Recipe, brand: Brand) -> tuple[Size, ...]:
    """The calls that writing a piece makes where nothing has to be repaired."""
    course = course_of(piece, recipe)
    steps = [step for _, step in course.parts]
    if course.rest:
        steps.append(course.last(recipe, ["n" * int(step.notes * _FULL) for step in steps]))
    return tuple(_size(step, piece, recipe, brand) for step in steps)


def _size(step: Step, piece: Piece, recipe: Recipe, brand: Brand) -> Size:
    prompt = sum(len(said) for _, said in messages(step, piece, recipe, brand))
    return Size(prompt, len(step.source) if "text" in step.fields else 0, step.most_tokens)
