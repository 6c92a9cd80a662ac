"""The pieces that a file holds: a text, a page of Markdown or HTML, or the rows of a table. Pure, for a confined child.

Nothing of a file is worked out: a formula is what its cell shows. A row that is no piece is told with its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from passerelle.domain.content import Form, Piece
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.documents.charsets import text_of
from passerelle.pipelines.documents.kinds import find
from passerelle.pipelines.documents.parsed import Kind, Limits
from passerelle.pipelines.enrichment.desk import Mapped, RowSkipped
from passerelle.pipelines.enrichment.tables import storable
from passerelle.pipelines.surveys.importing_columns import unique
from passerelle.pipelines.surveys.importing_sheet import Row, is_workbook
from passerelle.pipelines.surveys.importing_table import rows
from passerelle.text.words import folded

LONGEST_KEY = 200  # characters
_LONGEST_CELL = 20_000  # characters of a column beside
_FORMS = {
    ".md": Form.MARKDOWN, ".markdown": Form.MARKDOWN, ".mdown": Form.MARKDOWN, ".mkd": Form.MARKDOWN,
    ".html": Form.HTML, ".htm": Form.HTML, ".xhtml": Form.HTML, ".txt": Form.PLAIN, ".text": Form.PLAIN,
}  # fmt: skip
_TABLES = frozenset({".csv", ".tsv", ".tab", ".xlsx", ".xlsm"})
_KINDS = {Kind.MARKDOWN: Form.MARKDOWN, Kind.HTML: Form.HTML, Kind.TEXT: Form.PLAIN}
# Headings, folded, by what their column is; the first that fits wins, in this order.
_HEADINGS: dict[str, re.Pattern[str]] = {
    "text": re.compile(
        r"^(?:(?:le |the )?(?:texte?s?|contenus?|contents?|descriptions?|body|corps|markdown|html|paragraphes?)"
        r"|(?:course |cours |source |long )(?:text|texte|description|content)|(?:text|texte|description|content|contenu)"
        r" (?:source|original|du cours|longue?|complete?|fr|en|html|md|markdown))$"
    ),
    "key": re.compile(
        r"^(?:ids?|uuid|guid|keys?|cles?|codes?|refs?|references?|slugs?|sku|identifiants?|identifiers?|numeros?|no|n°|#"
        r"|(?:id|code|ref) (?:cours|course|formation|module|produit|product)|(?:cours|course|formation|module|produit"
        r"|product) (?:id|code|ref))$"
    ),
    "title": re.compile(
        r"^(?:titres?|titles?|noms?|names?|intitules?|headings?|sujets?|subjects?|headlines?)"
        r"(?: (?:du cours|de la formation|du module|of the course))?$|^(?:course|cours|formation|module) (?:title|name|titre)$"
    ),
    "language": re.compile(r"^(?:langues?|languages?|lang|locale|iso)$"),
}  # fmt: skip
_LANGUAGES = {
    "francais": "fr", "french": "fr", "anglais": "en", "english": "en", "allemand": "de", "german": "de",
    "deutsch": "de", "espagnol": "es", "spanish": "es", "espanol": "es", "italien": "it", "italian": "it",
    "italiano": "it", "portugais": "pt", "portuguese": "pt", "neerlandais": "nl", "dutch": "nl", "fra": "fr",
    "fre": "fr", "eng": "en", "deu": "de", "ger": "de", "spa": "es", "ita": "it",
}  # fmt: skip
_MARKS = str.maketrans("_-.:*", "     ")  # of headings
_ISO = re.compile(r"^([a-z]{2})(?:[-_][a-z0-9]{2,8})*$")


@dataclass(frozen=True, slots=True)
class Rules:
    """How much of a file is taken: characters of a piece, pieces of a file."""

    characters: int = 200_000
    pieces: int = 10_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which columns of a table are what, by their place; None: there is none."""

    text: int
    key: int | None
    title: int | None
    language: int | None
    beside: tuple[int, ...]
    names: tuple[str, ...]  # of all columns

    def told(self) -> dict[str, str]:
        """What each was read as, by its heading."""
        found = {self.names[self.text]: "text"}
        for word, at in (("key", self.key), ("title", self.title), ("language", self.language)):
            if at is not None:
                found.setdefault(self.names[at], word)
        return {**found, **{self.names[at]: "beside" for at in self.beside if self.names[at] not in found}}


def read(
    name: str, content: bytes, mapped: Mapped, rules: Rules, limits: Limits
) -> Iterator[Piece | RowSkipped | dict[str, str]]:
    """The columns first where there are any, then pieces and skipped rows in their order.

    Raises Unreadable, and BadRequest `columns_wrong` where nobody can tell which column is the text.
    """
    ending = PurePosixPath(name.lower()).suffix
    form = _FORMS.get(ending)
    if form is None and (ending in _TABLES or is_workbook(content)):
        yield from _table(name, rows(content, limits), mapped, rules)
        return
    if form is None or not content.strip():
        found = find(content, name=name, declared="", limits=limits)
        if found.kind is Kind.CSV:
            yield from _table(name, rows(content, limits), mapped, rules)
            return
        form = _KINDS.get(found.kind)
    if form is None:
        message = (
            "Texts are read from text, Markdown, HTML, CSV and XLSX. Take other documents into a collection, and name "
            "them in `documents`."
        )
        raise BadRequest(message, code="file_unsupported", param="file")
    words = storable(text_of(content)).removeprefix("\ufeff")
    if len(words) > rules.characters:
        yield RowSkipped(1, "text_too_long", _too_long(len(words), rules))
        return
    yield Piece(key_of(name or "text"), words, form)


def key_of(name: str) -> str:
    """A name as a key."""
    return " ".join(storable(name).split())[:LONGEST_KEY]


def language_of_cell(said: str) -> str | None:
    """ISO 639-1; empty where nothing is said, None where it is no language that anybody knows."""
    word = folded(said.strip())
    if not word:
        return ""
    if word in _LANGUAGES:
        return _LANGUAGES[word]
    match = _ISO.match(word)
    return match.group(1) if match else None


def choose(header: Sequence[str], mapped: Mapped) -> Chosen:
    """Which column is what: as it is said, else by its heading. Raises BadRequest `columns_wrong`."""
    names = unique(header)
    if not names:
        raise _wrong("The table has no headings. Put one into the first row of each column.")
    places = {_plain(name): at for at, name in reversed(list(enumerate(names)))}
    taken: set[int] = set()

    def said(heading: str, what: str) -> int:
        at = places.get(_plain(heading))
        if at is None:
            raise _wrong(
                f"The file has no column {heading[:100]!r} for `{what}`: its columns are {_listed(names)}."
            )
        return at

    found: dict[str, int | None] = {}
    asked = {"text": mapped.text, "key": mapped.key, "title": mapped.title, "language": mapped.language}
    for what, heading in asked.items():
        if heading:
            found[what] = said(heading, what)
            taken.add(found[what] or 0)
    beside = tuple(dict.fromkeys(said(heading, "beside") for heading in mapped.beside))
    for what, pattern in _HEADINGS.items():
        if what not in found:
            fits = (
                at
                for at, name in enumerate(names)
                if at not in taken and at not in beside and pattern.search(_plain(name))
            )
            found[what] = next(fits, None)
            taken |= {found[what]} - {None}  # type: ignore[arg-type]
    column = found["text"]
    if column is None:
        left = [at for at in range(len(names)) if at not in taken and at not in beside]
        if len(left) != 1:
            raise _wrong(
                f"No heading says which column holds the texts: name it as `text`. The columns are {_listed(names)}."
            )
        column = left[0]
    return Chosen(column, found["key"], found["title"], found["language"], beside, tuple(names))


def _table(
    name: str, source: Iterator[Row], mapped: Mapped, rules: Rules
) -> Iterator[Piece | RowSkipped | dict[str, str]]:
    header = next((row for row in source if any(cell.strip() for cell in row.cells)), None)
    chosen = choose(header.cells if header else (), mapped)
    yield chosen.told()
    seen: dict[str, int] = {}
    count = 0
    empty: list[int] = []  # those at the end are no rows to anybody
    for row in source:
        if not any(cell.strip() for cell in row.cells):
            empty.append(row.number)
            continue
        for number in empty:
            yield RowSkipped(number, "row_empty", "The row is empty.")
        empty.clear()
        read_as = _piece(name, row, chosen, rules, seen)
        if isinstance(read_as, Piece):
            count += 1
            if count > rules.pieces:
                message = f"One job has at most {rules.pieces} pieces. Send the rest as another one."
                yield RowSkipped(row.number, "too_many_rows", message)
                continue
            seen[read_as.key] = row.number
        yield read_as


def _piece(name: str, row: Row, chosen: Chosen, rules: Rules, seen: dict[str, int]) -> Piece | RowSkipped:
    def cell(at: int | None) -> str:
        return storable(row.cells[at]).strip() if at is not None and at < len(row.cells) else ""

    words = cell(chosen.text)
    if not words:
        return RowSkipped(row.number, "text_empty", f"Its column {chosen.names[chosen.text]!r} is empty.")
    if len(words) > rules.characters:
        return RowSkipped(row.number, "text_too_long", _too_long(len(words), rules))
    key = key_of(cell(chosen.key)) or key_of(f"{name[:150] or 'row'}#{row.number}")
    if key in seen:
        message = f"Row {seen[key]} has the same key. Keys are unique: give one of them another."
        return RowSkipped(row.number, "key_repeated", message)
    language = language_of_cell(cell(chosen.language))
    if language is None:
        message = "Its language is none that is known. Write two letters, such as `fr`, or leave it empty."
        return RowSkipped(row.number, "language_unknown", message)
    beside = {chosen.names[at]: cell(at)[:_LONGEST_CELL] for at in chosen.beside if cell(at)}
    return Piece(key, words, _form_of(words), cell(chosen.title)[:2_000], language, beside)


_TAG = re.compile(
    r"</(?:p|div|h[1-6]|ul|ol|li|table|strong|em|a|span|section|article)>|<br ?/?>", re.IGNORECASE
)
_MARKED = re.compile(
    r"^#{1,6} +\S|^[-*] +\S.*\n[-*] +\S|\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)|\*\*\S[^*\n]*\*\*", re.MULTILINE
)  # fmt: skip


def _form_of(words: str) -> Form:
    """How a cell is written: exports of course catalogues hold HTML as often as text."""
    if _TAG.search(words):
        return Form.HTML
    return Form.MARKDOWN if _MARKED.search(words) else Form.PLAIN


def _too_long(length: int, rules: Rules) -> str:
    return f"The text has {length} characters; one piece has at most {rules.characters}. Divide it."


def _plain(heading: str) -> str:
    return " ".join(folded(heading).translate(_MARKS).split())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return ", ".join(repr(name[:60]) for name in names[:30]) + more


def _wrong(message: str) -> BadRequest:
    return BadRequest(message, code="columns_wrong", param="columns")
