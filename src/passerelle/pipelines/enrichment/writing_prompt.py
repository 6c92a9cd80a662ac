"""The messages that a piece is written by: a recipe's words, the brand's, examples, and the text set apart as data. Pure.

What is the same for every piece stands first, so that engines which keep the beginnings of prompts can use them again.
The mark around a text is a hash of all that stands between: no text can hold its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from string import Template

from passerelle.domain.content import Address, Brand, Example, Flaw, Piece, Recipe, Term, Value
from passerelle.pipelines.enrichment.recipes import frame
from passerelle.pipelines.enrichment.writing_schema import NOTES, described
from passerelle.pipelines.enrichment.writing_steps import Step
from passerelle.pipelines.rag.fencing import visible
from passerelle.text.words import folded

Message = tuple[str, str]  # `system`, `user` or `assistant`, and what it says

_MARK = 16  # hexadecimal digits
_LONGEST_BESIDE = 500  # characters of another column
_MOST_TERMS, _MOST_BANNED = 60, 200
_MOST_FLAWS, _LONGEST_FLAW = 12, 400
# By which chat templates part their turns; some engines read them inside of a text too.
_SPECIAL = re.compile(r"<[|｜][\w▁.-]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>")
_STAND_INS = str.maketrans("<>[]", "‹›⟦⟧")
_BACK = re.compile(r"‹[|｜][\w▁.-]{1,40}[|｜]›|⟦/?INST⟧|‹‹/?SYS››|‹/?(?:start|end)_of_turn›")
_BACK_AGAIN = str.maketrans("‹›⟦⟧", "<>[]")


def messages(step: Step, piece: Piece, recipe: Recipe, brand: Brand) -> list[Message]:
    """What is asked for a step of a piece."""
    return [
        ("system", _system(step, piece, recipe, brand)),
        *_shots(step, recipe),
        ("user", _asked(step, piece, recipe, brand)),
    ]


def repairing(
    asked: Sequence[Message], said: Mapping[str, Value], flaws: Sequence[Flaw], recipe: Recipe
) -> list[Message]:
    """What is asked for a second answer: the first one, and what is wrong with it."""
    told = "\n".join(f"- {flaw.field}: {_line(flaw.said, _LONGEST_FLAW)}" for flaw in flaws[:_MOST_FLAWS])
    return [*asked, ("assistant", _json(said)), ("user", _say(recipe, "repair", flaws=told).strip())]


def restored(text: str, source: str) -> str:
    """A written text with its source's own marks in place of what stood in for them."""
    return _BACK.sub(
        lambda found: back if (back := found[0].translate(_BACK_AGAIN)) in source else found[0], text
    )


def _system(step: Step, piece: Piece, recipe: Recipe, brand: Brand) -> str:
    words = frame(recipe.language)
    fields = described(recipe, step.fields, notes=step.notes)
    blocks = [
        recipe.role.strip(),
        recipe.context.strip(),
        recipe.task.strip(),
        words["facts"].strip(),
        "\n".join([_language(step, recipe), *_form(step, piece, recipe), *_brand(recipe, brand)]),
        "\n".join([words["tags"], *_taxonomy(recipe)]) if "tags" in step.fields else "",
        "\n".join([words["reply"], *(f"- {name}: {said}" for name, said in fields.items())]),
        words["data"].strip(),
    ]
    return "\n\n".join(block for block in blocks if block)


def _language(step: Step, recipe: Recipe) -> str:
    words = frame(recipe.language)
    known: Mapping[str, str] = words["languages"]
    if recipe.into is not None:
        return _say(recipe, "into_language", language=known.get(recipe.into, recipe.into))
    if step.language in known:
        return _say(recipe, "own_language", language=known[step.language])
    return str(words["unknown_language"])


def _form(step: Step, piece: Piece, recipe: Recipe) -> list[str]:
    return [frame(recipe.language)["form"][piece.form.value]] if "text" in step.fields else []


def _brand(recipe: Recipe, brand: Brand) -> list[str]:
    lines = []
    if brand.tone.strip():
        lines.append(_say(recipe, "tone", value=brand.tone.strip()))
    if brand.address is not None:
        lines.append(_say(recipe, "tu" if brand.address is Address.TU else "vous"))
    if brand.banned:
        lines.append(_say(recipe, "banned", value=", ".join(brand.banned[:_MOST_BANNED])))
    return lines


def _taxonomy(recipe: Recipe) -> list[str]:
    return [
        f"- {tag.name} ({tag.definition})" if tag.definition else f"- {tag.name}" for tag in recipe.taxonomy
    ]


def _shots(step: Step, recipe: Recipe) -> list[Message]:
    """Examples as turns, cut down to what this step writes."""
    turns: list[Message] = []
    for example in recipe.examples:
        written = {name: example.written[name] for name in step.fields}
        if step.notes:
            written[NOTES] = _noted(example, step.notes)
        turns += [("user", _fenced(recipe, example.source)), ("assistant", _json(written))]
    return turns


def _noted(example: Example, most: int) -> str:
    summary = example.written.get("summary")
    said = summary if isinstance(summary, str) else " ".join(example.source.split())
    return said if len(said) <= most else said[:most].rsplit(" ", 1)[0]


def _asked(step: Step, piece: Piece, recipe: Recipe, brand: Brand) -> str:
    lines = _relevant(f"{piece.title}\n{step.source}", step, recipe, brand)
    if step.count and not step.number:
        lines.append(_say(recipe, "reduce", count=str(step.count)))
    elif step.count:
        lines.append(_say(recipe, "part", number=str(step.number), count=str(step.count)))
    about = []
    if piece.title.strip():
        about.append(_say(recipe, "title", value=_line(piece.title)))
    if step.headings:
        about.append(_say(recipe, "place", value=_line(" > ".join(step.headings))))
    about += [
        _say(recipe, "beside", name=_line(name, 60), value=_line(said))
        for name, said in piece.beside.items()
        if said.strip()
    ]
    if step.before:
        about.append(_say(recipe, "before", value=_line(step.before)))
    fenced = _fenced(recipe, step.source, about)
    return "\n".join([*lines, "", fenced] if lines else [fenced])


def _relevant(text: str, step: Step, recipe: Recipe, brand: Brand) -> list[str]:
    """What the brand says of this text: terms of its glossary that are in it, and names."""
    plain = f" {folded(text)} "
    language = recipe.into or step.language
    terms = [
        _term(recipe, term)
        for term in brand.glossary
        if (not term.language or not language or term.language == language)
        and any(_within(form, plain) for form in (term.source, term.use, *term.never))
    ]
    lines = [frame(recipe.language)["glossary"], *terms[:_MOST_TERMS]] if terms else []
    if names := [name for name in brand.names if _within(name, plain)]:
        lines.append(_say(recipe, "names", value=", ".join(names[:_MOST_TERMS])))
    return lines


def _term(recipe: Recipe, term: Term) -> str:
    name = "term" + ("_source" if term.source else "") + ("_never" if term.never else "")
    if name == "term":
        name = "term_use"
    said = _say(recipe, name, use=term.use, source=term.source, never=" / ".join(term.never))
    return f"{said} ({_line(term.note, 200)})" if term.note.strip() else said


def _within(form: str, plain: str) -> bool:
    """Does a text hold a term, in whatever spelling, as words of its own (or with a plural's ending)?"""
    wanted = folded(form).strip()
    return bool(wanted) and wanted in plain and _word(wanted).search(plain) is not None


@cache
def _word(wanted: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(wanted)}(?:s|x|es)?(?!\w)")


def _fenced(recipe: Recipe, source: str, about: Sequence[str] = ()) -> str:
    """A text as data: what is known of it, then the text, between two lines with the mark of all of it."""
    inside = "\n\n".join(part for part in ("\n".join(about), source) if part)
    inside = _SPECIAL.sub(lambda found: found[0].translate(_STAND_INS), visible(inside))
    mark = hashlib.sha256(inside.encode("utf-8", "replace")).hexdigest()[:_MARK]
    line = f"=== {mark} ==="
    return "\n".join(
        [_say(recipe, "text_here", mark=mark), line, inside, line, frame(recipe.language)["text_ends"]]
    )


def _say(recipe: Recipe, key: str, **values: str) -> str:
    return Template(frame(recipe.language)[key]).safe_substitute(values)


def _json(values: Mapping[str, Value]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _line(text: str, most: int = _LONGEST_BESIDE) -> str:
    return " ".join(visible(text).split())[:most]
