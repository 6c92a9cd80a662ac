"""What a field by itself has to be: not empty, within its bounds, from its list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from passerelle.domain.content import LEVELS, Check, Flaw, Form, Piece, Recipe, Value, lined
from passerelle.pipelines.enrichment.checks_reading import flat
from passerelle.pipelines.enrichment.checks_said import sentence
from passerelle.pipelines.enrichment.checks_structure import markup

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
SLUG_LENGTH = 80
_OPTIONAL = frozenset({"duration", "prerequisites", "objectives"})  # a source may say nothing of them
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
SHORT = 200  # characters, under which a text's length says little


def slugged(text: str) -> str:
    """A text as a slug."""
    return "-".join(re.findall(r"[a-z0-9]+", flat(text)))[:SLUG_LENGTH].strip("-")


def empty(name: str, value: Value | None, piece: Piece, recipe: Recipe) -> Iterator[Flaw]:
    """A field that says nothing and has to."""
    blank = not lined(value).strip()
    allowed = value is not None and (name in _OPTIONAL or (name == "tags" and not recipe.bounds.tags[0]))
    if blank and not allowed and (piece.text.strip() or name not in {"text", "summary"}):
        yield Flaw(Check.EMPTY, name, sentence(recipe.language, "empty.missing"))


def length(name: str, text: str, piece: Piece, recipe: Recipe) -> Iterator[Flaw]:
    """The length of a text beside its source's, and of a summary."""
    if name == "text":
        low, high = recipe.bounds.ratio
        source = len(piece.text.strip())
        slack = 1.0 if source >= SHORT else 1.5
        least, most = int(source * low / slack), int(source * high * slack) + (20 if source < SHORT else 0)
        count = len(text.strip())
        if count < least and source > 20:
            yield _length(name, recipe, "length.short", count, least)
        elif count > most:
            yield _length(name, recipe, "length.long", count, most)
    elif name == "summary":
        words, there = len(_WORD.findall(text)), len(_WORD.findall(piece.text))
        least, most = recipe.bounds.summary_words
        if words < min(least, there):
            yield _length(name, recipe, "length.words_few", words, min(least, there))
        elif words > most:
            yield _length(name, recipe, "length.words_many", words, most)
        elif there > 2 * least and words >= there:
            yield _length(name, recipe, "length.copied", words, there)


def _length(name: str, recipe: Recipe, key: str, found: int, wanted: int) -> Flaw:
    return Flaw(Check.LENGTH, name, sentence(recipe.language, key, found=found, wanted=wanted), (str(found),))


def seo(name: str, text: str, other: str, recipe: Recipe) -> Iterator[Flaw]:
    """Title, description and slug; `other` is the title beside its description."""
    limits = {"seo_title": recipe.bounds.seo_title, "seo_description": recipe.bounds.seo_description}
    if name in limits:
        if len(text) > limits[name]:
            yield _seo(name, recipe, "seo.long", found=len(text), wanted=limits[name])
        if "\n" in text.strip() or markup(text):
            yield _seo(name, recipe, "seo.lines")
        if name == "seo_description" and text.strip() and flat(text).strip(" .!") == flat(other).strip(" .!"):
            yield _seo(name, recipe, "seo.same")
    elif name == "slug":
        if not SLUG.fullmatch(text):
            yield _seo(name, recipe, "seo.slug", wanted=slugged(text) or slugged(other) or "formation-excel")
        elif len(text) > SLUG_LENGTH:
            yield _seo(name, recipe, "seo.slug_long", found=len(text), wanted=SLUG_LENGTH)


def _seo(name: str, recipe: Recipe, key: str, **values: object) -> Flaw:
    return Flaw(Check.SEO, name, sentence(recipe.language, key, (), **values))


def taxonomy(name: str, value: Value, recipe: Recipe) -> Iterator[Flaw]:
    """Tags only from the taxonomy, as many as are wanted and each once; a level that is one."""
    if name == "level":
        if lined(value).strip() and value not in LEVELS:
            yield _unknown(name, [lined(value)], LEVELS, recipe)
        return
    tags = (value,) if isinstance(value, str) else value
    known = {tag.name for tag in recipe.taxonomy}
    if known and (strange := [tag for tag in dict.fromkeys(tags) if tag not in known]):
        yield _unknown(name, strange, sorted(known), recipe)
    folded = [flat(tag).strip() for tag in tags]
    twice = list(dict.fromkeys(tag for tag, each in zip(tags, folded, strict=True) if folded.count(each) > 1))
    if twice:
        yield Flaw(Check.TAXONOMY, name, sentence(recipe.language, "taxonomy.twice", twice), tuple(twice))
    least, most = recipe.bounds.tags
    if 0 < len(tags) < least:
        said = sentence(recipe.language, "taxonomy.few", found=len(tags), wanted=least)
        yield Flaw(Check.TAXONOMY, name, said, tags)
    elif len(tags) > most:
        said = sentence(recipe.language, "taxonomy.many", found=len(tags), wanted=most)
        yield Flaw(Check.TAXONOMY, name, said, tags)


def _unknown(name: str, strange: list[str], known: tuple[str, ...] | list[str], recipe: Recipe) -> Flaw:
    wanted = ", ".join(known[:30]) + (" …" if len(known) > 30 else "")
    said = sentence(recipe.language, "taxonomy.unknown", strange, wanted=wanted)
    return Flaw(Check.TAXONOMY, name, said, tuple(strange))


def form_of(name: str, piece: Piece) -> Form:
    """How a field is written."""
    return piece.form if name == "text" else Form.PLAIN
