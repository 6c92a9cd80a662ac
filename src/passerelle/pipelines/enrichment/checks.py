"""What is wrong with what was written of a piece, found without a model: pure, French and English, in milliseconds.

What is demanded depends on the field. A text that was rewritten or translated keeps all that the source says of figures,
addresses and names, and invents nothing; a summary, SEO fields and metadata may leave out, and invent nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from passerelle.domain.content import Brand, Check, Flaw, Form, Piece, Recipe, Value, lined
from passerelle.pipelines.enrichment import checks_bounds as bounds
from passerelle.pipelines.enrichment import checks_words as words
from passerelle.pipelines.enrichment.checks_comparing import Compared, compared, faithful, shaped
from passerelle.pipelines.enrichment.checks_language import language_of
from passerelle.pipelines.enrichment.checks_reading import Reading, flat, read
from passerelle.pipelines.enrichment.checks_said import quote, sentence, tongue

_SEO = frozenset({"seo_title", "seo_description", "slug"})
_CLOSED = frozenset({"tags", "level"})  # chosen from a list, and not written


def check(piece: Piece, values: Mapping[str, Value], recipe: Recipe, brand: Brand) -> tuple[Flaw, ...]:
    """The flaws of `values`, by field in the recipe's order; none: nothing to repair, nothing to look at."""
    source = compared(piece, recipe, brand)
    found: list[Flaw] = []
    for name in recipe.fields:
        value = values.get(name)
        found += bounds.empty(name, value, piece, recipe)
        if value is None or not lined(value).strip():
            continue
        found += _field(name, value, values, source)
    return tuple(found)


def _field(name: str, value: Value, values: Mapping[str, Value], source: Compared) -> Iterator[Flaw]:
    piece, recipe, brand = source.piece, source.recipe, source.brand
    text = lined(value)
    if name in _CLOSED:
        yield from bounds.taxonomy(name, value, recipe)
        return
    if name in _SEO:
        other = lined(values.get("seo_title")) if name != "seo_title" else ""
        yield from bounds.seo(name, text, other or piece.title, recipe)
    if name == "slug":
        text = text.replace("-", " ")
        reading = read(text, Form.PLAIN)
        yield from _banned(name, reading, recipe, brand)
        return
    yield from bounds.length(name, text, piece, recipe)
    form = bounds.form_of(name, piece)
    reading = source.reading if text == piece.text and form is piece.form else read(text, form)
    yield from _language(name, text, reading, source)
    yield from faithful(name, reading, source)
    yield from shaped(name, text, source, reading)
    yield from _banned(name, reading, recipe, brand)
    yield from _glossary(name, reading, source)
    yield from _address(name, reading, source)


def _banned(name: str, reading: Reading, recipe: Recipe, brand: Brand) -> Iterator[Flaw]:
    if brand.banned and (found := words.banned(brand, reading)):
        yield Flaw(Check.BANNED, name, sentence(recipe.language, "banned.found", found), tuple(found))


def _glossary(name: str, reading: Reading, source: Compared) -> Iterator[Flaw]:
    brand, recipe = source.brand, source.recipe
    if not brand.glossary:
        return
    found = list(words.forbidden(brand, reading, source.wanted))
    if found:
        uses = ", ".join(dict.fromkeys(quote(recipe.language, use) for _, use in found))
        shown = [form for form, _ in found]
        yield Flaw(
            Check.GLOSSARY,
            name,
            sentence(recipe.language, "glossary.forbidden", shown, use=uses),
            tuple(shown),
        )
    if name == "text":
        lost = words.required(brand, source.reading, reading, source.wanted, across=source.across)
        lost = [use for use in lost if all(use != other for _, other in found)]
        if lost:
            yield Flaw(Check.GLOSSARY, name, sentence(recipe.language, "glossary.missing", lost), tuple(lost))


def _address(name: str, reading: Reading, source: Compared) -> Iterator[Flaw]:
    language = language_of(reading.flat) or source.wanted
    if language != "fr":
        return
    key, found = words.wrong_address(source.brand, reading)
    if key:
        said = sentence(source.recipe.language, key, found)
        yield Flaw(Check.ADDRESS, name, said, tuple(found), serious=key != "address.mixed")


def _language(name: str, text: str, reading: Reading, source: Compared) -> Iterator[Flaw]:
    recipe, wanted = source.recipe, source.wanted
    if not wanted or (text == source.piece.text and not source.across):
        return
    spoken = language_of(reading.flat)
    if spoken and spoken != wanted:
        said = sentence(
            recipe.language,
            "language.wrong",
            wanted=tongue(recipe.language, wanted),
            found=tongue(recipe.language, spoken),
        )
        yield Flaw(Check.LANGUAGE, name, said, (spoken,))
        return
    if name == "text" and source.across:
        left = [part for part in _paragraphs(reading) if language_of(flat(part)) not in (None, wanted)]
        if left:
            found = language_of(flat(left[0])) or ""
            said = sentence(
                recipe.language,
                "language.left",
                left[:3],
                wanted=tongue(recipe.language, wanted),
                found=tongue(recipe.language, found),
            )
            yield Flaw(Check.LANGUAGE, name, said, tuple(left))


def _paragraphs(reading: Reading) -> Iterable[str]:
    return (line.strip() for line in reading.plain.split("\n") if line.strip())
