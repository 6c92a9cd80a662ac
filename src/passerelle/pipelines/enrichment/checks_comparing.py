"""What was written beside its source: figures, addresses, names and shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from passerelle.domain.content import Brand, Check, Flaw, Form, Piece, Recipe
from passerelle.pipelines.enrichment import checks_structure as structure
from passerelle.pipelines.enrichment.checks_facts import Fact, Facts, facts, has_day, has_value, spare
from passerelle.pipelines.enrichment.checks_language import language_of
from passerelle.pipelines.enrichment.checks_names import Kind, Name, Vocabulary, missing, names, vocabulary
from passerelle.pipelines.enrichment.checks_reading import Reading, flat, read
from passerelle.pipelines.enrichment.checks_said import sentence


@dataclass(frozen=True)
class Compared:
    """A piece's source, read once for all fields. `wanted` is the language to write in, empty where it is not known."""

    piece: Piece
    recipe: Recipe
    brand: Brand
    reading: Reading
    said: str  # the text with what stands beside it, in which a model may look too
    wanted: str
    across: bool

    @cached_property
    def facts(self) -> Facts:
        """The figures of the text alone: they are demanded."""
        return _facts(self.reading)

    @cached_property
    def known(self) -> Facts:
        """The figures that may be written."""
        return self.facts if self.said == self.reading.plain else _facts(self.reading, self.said)

    @cached_property
    def names(self) -> dict[tuple[str, ...], Name]:
        """The names of the text alone."""
        return names(self.reading.plain, self.reading.flat)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that may be names without being invented."""
        recipe, brand = self.recipe, self.brand
        terms = [text for term in brand.glossary for text in (term.use, term.source, *term.never)]
        tags = [tag.name for tag in recipe.taxonomy]
        # Their own addresses name hosts; code names what it calls.
        return vocabulary([self.said, self.piece.text, *brand.names, *terms, *tags, recipe.context])


def compared(piece: Piece, recipe: Recipe, brand: Brand) -> Compared:
    """The source as the checks want it."""
    reading = read(piece.text, piece.form)
    beside = [piece.title, *piece.beside.values()]
    said = "\n".join([reading.plain, *(read(each, Form.PLAIN).plain for each in beside if each)])
    own = language_of(reading.flat) or piece.language[:2].lower()
    wanted = (recipe.into or own)[:2].lower()
    return Compared(piece, recipe, brand, reading, said, wanted, across=bool(recipe.into) and own != wanted)


def _facts(reading: Reading, text: str | None = None) -> Facts:
    found = facts(reading.plain, reading.flat) if text is None else facts(text, flat(text))
    found.take(reading.numbered)
    return found


def faithful(name: str, reading: Reading, source: Compared) -> Iterator[Flaw]:
    """Figures, addresses and names."""
    both = name == "text"
    if reading is source.reading and both:
        return  # it is the source
    written = _facts(reading)
    language = source.recipe.language
    yield from _numbers(name, written, source, both=both)
    yield from _days(name, written, source, both=both)
    yield from _units(name, written, source)
    urls = source.reading.urls | source.reading.mails | set(source.reading.links)
    mine = reading.urls | reading.mails | set(reading.links)
    beside = " ".join(source.piece.beside.values())
    if both and (lost := sorted(urls - mine)):
        yield Flaw(Check.URLS, name, sentence(language, "urls.lost", lost), tuple(lost))
    if invented := sorted(each for each in mine - urls if each not in beside):
        yield Flaw(Check.URLS, name, sentence(language, "urls.invented", invented), tuple(invented))
    yield from _names(name, reading, source, both=both)


def _numbers(name: str, written: Facts, source: Compared, *, both: bool) -> Iterator[Flaw]:
    if both:
        yield from _figures(name, "numbers.lost", _without(source.facts, written), source)
    yield from _figures(name, "numbers.invented", _without(written, source.known), source)


def _without(one: Facts, other: Facts) -> list[Fact]:
    more = spare(other, one)
    return [figure for figure in one.figures if figure.asks and not has_value(other, figure, more)]


def _figures(name: str, key: str, figures: list[Fact], source: Compared) -> Iterator[Flaw]:
    for serious in (True, False):
        shown = tuple(dict.fromkeys(figure.shown for figure in figures if figure.sure is serious))
        if shown:
            said = sentence(source.recipe.language, key, shown)
            yield Flaw(Check.NUMBERS, name, said, shown, serious=serious)


def _days(name: str, written: Facts, source: Compared, *, both: bool) -> Iterator[Flaw]:
    language = source.recipe.language
    if both:
        lost = [shown for shown, days in source.facts.days if not has_day(written, days)]
        lost += [shown for day, shown in source.facts.weekdays.items() if day not in written.weekdays]
        if lost := list(dict.fromkeys(lost)):
            yield Flaw(Check.DATES, name, sentence(language, "dates.lost", lost), tuple(lost))
    invented = [shown for shown, days in written.days if not has_day(source.known, days)]
    invented += [shown for day, shown in written.weekdays.items() if day not in source.known.weekdays]
    if invented := list(dict.fromkeys(invented)):
        yield Flaw(Check.DATES, name, sentence(language, "dates.invented", invented), tuple(invented))


def _units(name: str, written: Facts, source: Compared) -> Iterator[Flaw]:
    """A value of the source with another unit than any it has there. Without a unit in one of the two: worth a look."""
    by_value: dict[str, set[str]] = {}
    for figure in source.known.figures:
        for value in figure.values if figure.unit != "minute" or len(figure.values) == 1 else ():
            by_value.setdefault(value, set()).add(figure.unit)
    changed: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for figure in written.figures:
        if not figure.asks or any((figure.unit, amount) in source.known.amounts for amount in figure.amounts):
            continue
        units = {unit for value in figure.values for unit in by_value.get(value, ())}
        if not units or (not figure.unit and "" in units):
            continue
        if figure.unit and "" not in units and (figure.unit != "minute" or len(figure.values) == 1):
            changed[True][figure.shown] = None
        elif not figure.unit and units <= {"percent", "EUR", "USD", "GBP", "CHF"} and figure.sure:
            changed[False][figure.shown] = None
    for serious, shown in changed.items():
        if shown:
            said = sentence(source.recipe.language, "units.changed", shown)
            yield Flaw(Check.UNITS, name, said, tuple(shown), serious=serious)


def _names(name: str, reading: Reading, source: Compared, *, both: bool) -> Iterator[Flaw]:
    language = source.recipe.language
    brand_names = [each for each in source.brand.names if each.strip()]
    if both and (
        lost := [each for each in brand_names if _has(source.reading, each) and not _has(reading, each)]
    ):
        yield Flaw(Check.NAMES, name, sentence(language, "names.lost_brand", lost), tuple(lost))
    else:
        lost = []
    if both:
        there = vocabulary([reading.plain])
        wanted = {key: each for key, each in source.names.items() if each.shown not in brand_names}
        # English writes more than names with capitals, and those are put into the other language.
        loose = source.across and source.wanted != "en"
        sure, unsure = missing(wanted, there, across=source.across, loose=loose)
        yield from _named(name, "names.lost", sure, unsure, language)
    titled = name.startswith("seo")  # titles have capitals, whatever their language
    mine = {
        key: each
        for key, each in names(reading.plain, reading.flat).items()
        if not titled or each.kind >= Kind.ACRONYM
    }
    sure, unsure = missing(mine, source.vocabulary, across=source.across)
    yield from _named(name, "names.invented", sure, unsure, language)


def _named(name: str, key: str, sure: list[str], unsure: list[str], language: str) -> Iterator[Flaw]:
    for found, serious in ((sure, True), (unsure, False)):
        if found:
            yield Flaw(Check.NAMES, name, sentence(language, key, found), tuple(found), serious=serious)


def _has(reading: Reading, name: str) -> bool:
    at = reading.plain.find(name)
    while at >= 0:
        end = at + len(name)
        before, after = reading.plain[at - 1 : at], reading.plain[end : end + 1]
        if not (before.isalnum() and name[0].isalnum()) and not (after.isalnum() and name[-1].isalnum()):
            return True
        at = reading.plain.find(name, at + 1)
    return False


def shaped(name: str, text: str, source: Compared, reading: Reading) -> Iterator[Flaw]:
    """Headings, images, placeholders, code, tables and lists; tags in balance, and none that runs."""
    language, piece = source.recipe.language, source.piece
    if name == "text":
        yield from _outline(text, source)
        yield from _kept(name, reading, source)
    new = structure.more(
        reading.placeholders, source.reading.placeholders + Counter(source.piece.beside.values())
    )
    if new:
        yield _structure(name, language, "structure.placeholders_invented", new)
    new = structure.more(reading.images, source.reading.images)
    if new:
        yield _structure(name, language, "structure.images_invented", new)
    if new := structure.more(structure.unsafe(text), structure.unsafe(piece.text)):
        yield _structure(name, language, "structure.unsafe", new)
    open_now = structure.unbalanced(text) if name == "text" and piece.form is Form.HTML else []
    if wrong := structure.more(Counter(open_now), Counter(structure.unbalanced(piece.text))):
        yield _structure(name, language, "structure.tags", wrong)
    plain = name == "text" and piece.form is Form.PLAIN and not structure.markup(piece.text)
    if plain and (marks := structure.markup(text)):
        yield _structure(name, language, "structure.markup", marks)


def _kept(name: str, reading: Reading, source: Compared) -> Iterator[Flaw]:
    language, mine = source.recipe.language, source.reading
    if lost := structure.more(mine.placeholders, reading.placeholders):
        yield _structure(name, language, "structure.placeholders_lost", lost)
    if lost := structure.more(mine.images, reading.images):
        yield _structure(name, language, "structure.images_lost", lost)
    if mine.code != reading.code:
        yield _structure(name, language, "structure.code", ())
    if lost := sorted(set(mine.spans) - set(reading.spans)):
        yield _structure(name, language, "structure.spans", lost)


def _outline(text: str, source: Compared) -> Iterator[Flaw]:
    language, piece = source.recipe.language, source.piece
    wanted, found = structure.headings(piece.text, piece.form), structure.headings(text, piece.form)
    if wanted != found:
        said = {"wanted": structure.shown(wanted), "found": structure.shown(found)}
        yield Flaw(Check.STRUCTURE, "text", sentence(language, "structure.headings", **said))
    grids, mine = structure.tables(piece.text, piece.form), structure.tables(text, piece.form)
    if grids != mine:
        said = {"wanted": structure.shown(grids), "found": structure.shown(mine)}
        yield Flaw(Check.STRUCTURE, "text", sentence(language, "structure.tables", **said))
    items, written = structure.items(piece.text, piece.form), structure.items(text, piece.form)
    if piece.form is not Form.PLAIN and abs(items - written) > max(0, items // 10):
        said = {"wanted": str(items), "found": str(written)}
        serious = abs(items - written) * 2 > max(items, 2)
        yield Flaw(Check.STRUCTURE, "text", sentence(language, "structure.items", **said), serious=serious)


def _structure(name: str, language: str, key: str, found: list[str] | tuple[str, ...]) -> Flaw:
    return Flaw(Check.STRUCTURE, name, sentence(language, key, found), tuple(found))
