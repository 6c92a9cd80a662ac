"""How much is asked for a piece, call by call, before anything is asked. Pure, and without LangChain."""

from __future__ import annotations

import json
from dataclasses import dataclass

from passerelle.domain.content import Brand, Piece, Recipe
from passerelle.pipelines.enrichment.writing_prompt import messages
from passerelle.pipelines.enrichment.writing_schema import schema_of
from passerelle.pipelines.enrichment.writing_steps import Step, course_of

_FULL = 0.7  # of the room for notes that is taken, by the models this was tried with
_TURN = 16  # characters' worth of tokens that a chat template puts around a message
_ORDERED = 450  # of the words that a schema is said with, where it stands in the prompt


@dataclass(frozen=True, slots=True)
class Size:
    """One call: the characters of its messages, those of the text it works on, and the most tokens it may answer.

    `text_characters` is what is written anew at about its own length; nought where the call writes only short fields.
    `language` is the text's, where it shows. `form_characters` is what stands around messages: the marks of their turns, and the schema of the answer.
    """

    prompt_characters: int
    text_characters: int
    most_tokens: int = 0
    form_characters: int = 0
    language: str = ""


def sizes(piece: Piece, recipe: Recipe, brand: Brand, *, formed: bool = True) -> tuple[Size, ...]:
    """The calls that writing a piece makes where nothing has to be repaired.

    `formed`: the schema goes beside the messages, where some engines count it as prompt and others hold the answer to
    it for nothing: a third of it counts. Else it stands in the prompt.
    """
    course = course_of(piece, recipe)
    steps = [step for _, step in course.parts]
    if course.rest:
        steps.append(course.last(recipe, ["n" * int(step.notes * _FULL) for step in steps]))
    return tuple(_size(step, piece, recipe, brand, formed=formed) for step in steps)


def _size(step: Step, piece: Piece, recipe: Recipe, brand: Brand, *, formed: bool) -> Size:
    said = messages(step, piece, recipe, brand)
    schema = len(json.dumps(schema_of(recipe, step.fields, notes=step.notes), ensure_ascii=False))
    return Size(
        sum(len(each) for _, each in said),
        len(step.source) if "text" in step.fields else 0,
        step.most_tokens,
        _TURN * len(said) + (schema // 3 if formed else schema + _ORDERED),
        step.language,
    )
