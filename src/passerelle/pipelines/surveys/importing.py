"""A file of answers, read row by row: every row comes out as an answer or is told about, and the counts add up.

Pure: bytes in; answers, troubles and a tally out, in the file's order. Nothing is held but the row at hand, so what is
read from is all the memory that a file of 100,000 rows takes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice

from passerelle.domain.errors import BadRequest, Refused, TooLarge, UnsupportedMedia
from passerelle.domain.survey_data import (
    SCORES,
    Answer,
    Column,
    Columns,
    Comment,
    Role,
    RowTrouble,
    Score,
    Tally,
    Trouble,
)
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import Unreadable, refusal
from passerelle.pipelines.surveys.importing_cells import cleaned, day_of, is_formula, number_of
from passerelle.pipelines.surveys.importing_columns import SAMPLE, Proposal, check, propose
from passerelle.pipelines.surveys.importing_sheet import Row
from passerelle.pipelines.surveys.importing_table import rows
from passerelle.pipelines.surveys.languages import tell
from passerelle.pipelines.surveys.masking import Masks

_OF_SEVERAL = (Role.SEGMENT, Role.DATE)  # what one merged cell says of several rows; a comment is one row's
_LOOKED_AT = 6  # rows below the first, where headings may stand that have a title above them
_WIDE = 3  # cells of such headings, at least
_LONGEST_HEADING = 120
_DOCUMENT = Limits(seconds=240.0, cpu_seconds=180)  # 100,000 rows take half a minute


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers are read. `key` makes ids that nobody can guess from a row; one for each tenant.

    `languages` are those somebody asked for: comments in others are answers still, and are told about.
    """

    rows: int = 100_000
    comment: int = 10_000  # characters of a comment that are kept
    segment: int = 200  # characters
    languages: tuple[str, ...] = ("fr", "en")
    key: bytes = b""
    sheet: str = ""
    document: Limits = _DOCUMENT


_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Opened:
    """The beginning of a file: its headings, and what each column seems to be."""

    header: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    rows_seen: int


def open_survey(content: bytes, rules: Rules = _RULES) -> Opened:
    """The headings and a proposal for every column, from the first 500 rows. Raises Refused where it is no table."""
    try:
        read = rows(content, rules.document, rules.sheet)
        header, read = _header(read)
        sample = [row.cells for row in islice(read, SAMPLE)]
    except Unreadable as unreadable:
        raise _refused(unreadable.code) from None
    if header.cells_lost:
        raise TooLarge(
            f"The file has more than {len(header.cells)} columns. Leave out those that nobody needs, and send the rest.",
            code="document_too_large",
            param="file",
        )
    if not any(cell.strip() for cells in sample for cell in cells):
        raise BadRequest(
            "The file has headings and no answers below them. Send one with answers in it.",
            code="document_empty",
            param="file",
        )
    return Opened(tuple(header.cells), propose(header.cells, sample), len(sample))


def _refused(code: str) -> Refused:
    """What its sender is told: as of any document, but for the kinds of file that are read."""
    if code in ("document_unsupported", "document_archive", "document_ambiguous"):
        return UnsupportedMedia(
            "The file is no table that is read. Save it as XLSX (not XLS) or as CSV, and send that.",
            code=code,
            param="file",
        )
    return refusal(code)


def _header(read: Iterator[Row]) -> tuple[Row, Iterator[Row]]:
    """The row of the headings, and the rows below. A title above them, alone in its row, is not taken for them."""
    first = next((row for row in read if _filled(row)), None)
    if first is None:
        raise Unreadable("document_empty")
    below = list(islice(read, _LOOKED_AT))
    if _filled(first) == 1:
        filled = [at for at, row in enumerate(below) if _filled(row)]
        wide = [at for at in filled if _filled(below[at]) >= _WIDE]
        if (
            wide
            and len(wide) >= 2
            and set(filled) - set(wide) <= set(range(wide[0]))
            and _are_headings(below[wide[0]])
        ):
            first, below = below[wide[0]], below[wide[0] + 1 :]
    named = Row(first.number, [cleaned(cell)[0] for cell in first.cells], cells_lost=first.cells_lost)
    return named, chain(below, read)


def _filled(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)


def _are_headings(row: Row) -> bool:
    """Names, each another one, and no values."""
    cells = [cell.strip() for cell in row.cells if cell.strip()]
    values = any(number_of(cell) is not None or day_of(cell) is not None for cell in cells)
    return (
        not values and len(set(cells)) == len(cells) and all(len(cell) <= _LONGEST_HEADING for cell in cells)
    )


class Reading:
    """Answers and troubles of one file, in its order; `tally` is complete when all are read."""

    def __init__(self, content: bytes, columns: Columns, rules: Rules = _RULES) -> None:
        check(columns)
        self._content, self._columns, self._rules = content, columns, rules
        self._count = self._answers = self._left_out = self._comments = 0
        self._languages: Counter[str] = Counter()
        self._masked: Counter[str] = Counter()
        self._troubles: Counter[Trouble] = Counter()

    @property
    def tally(self) -> Tally:
        """How much of it was read so far: `rows == answers + left_out`."""
        return Tally(
            self._count,
            self._answers,
            self._left_out,
            self._comments,
            dict(self._languages),
            dict(self._masked),
            dict(self._troubles),
        )

    def __iter__(self) -> Iterator[Answer | RowTrouble]:
        """Troubles of a row stand before its answer. Raises Refused where the file turns out to be no table."""
        try:
            read = rows(self._content, self._rules.document, self._rules.sheet)
            header, read = _header(read)
            _same(header.cells, self._columns.header)
            yield from self._body(read, header.number)
        except Unreadable as unreadable:
            raise _refused(unreadable.code) from None

    def _body(self, read: Iterator[Row], before: int) -> Iterator[Answer | RowTrouble]:
        waiting: RowTrouble | None = None  # rows in a row that are left out for one reason
        for row in read:
            missing = row.number - before - 1
            before = row.number
            if missing:  # that a workbook does not even name
                gap = RowTrouble(row.number - missing, row.number - 1, Trouble.ROW_EMPTY)
                waiting, done = _joined(waiting, gap)
                yield from self._told(done)
            answer, troubles = self._answer(row)
            if answer is None and len(troubles) == 1:
                waiting, done = _joined(waiting, troubles[0])
                yield from self._told(done)
                continue
            yield from self._told(waiting)
            waiting = None
            for trouble in troubles:
                yield from self._told(trouble)
            if answer:
                self._accept(answer)
                yield answer
        yield from self._told(waiting)

    def _told(self, trouble: RowTrouble | None) -> Iterator[RowTrouble]:
        if trouble is None:
            return
        self._troubles[trouble.trouble] += trouble.rows
        if trouble.leaves_out:
            self._count += trouble.rows
            self._left_out += trouble.rows
        yield trouble

    def _accept(self, answer: Answer) -> None:
        self._count += 1
        self._answers += 1
        self._comments += len(answer.comments)
        for comment in answer.comments:
            self._languages[comment.language or ""] += 1
            self._masked.update(comment.masked)

    def _answer(self, row: Row) -> tuple[Answer | None, list[RowTrouble]]:
        """The row as an answer, and what is wrong with it; without an answer, one of the troubles leaves it out."""
        number = row.number
        if not any(cell and not cell.isspace() for cell in row.cells):
            return None, [RowTrouble(number, number, Trouble.ROW_EMPTY)]
        if self._answers >= self._rules.rows:
            return None, [RowTrouble(number, number, Trouble.ROW_LIMIT)]
        reading = _Row(row, self._rules)
        reading.shape(len(self._columns.header))
        made = reading.answer(self._columns)
        if made is None:
            reading.say(Trouble.NOTHING_USED)
        return made, reading.troubles


def _same(header: list[str], expected: tuple[str, ...]) -> None:
    if tuple(header) != expected:
        raise BadRequest(
            "The file's headings are not those that the columns were named for. Name them for this file.",
            code="survey_columns_wrong",
            param="columns",
        )


def _joined(waiting: RowTrouble | None, new: RowTrouble) -> tuple[RowTrouble, RowTrouble | None]:
    """Rows that follow each other and are left out for one reason are told about at once."""
    if waiting is None:
        return new, None
    if waiting.trouble is new.trouble and waiting.last + 1 == new.row:
        return RowTrouble(waiting.row, new.last, new.trouble), None
    return new, waiting


class _Row:
    """One row while it becomes an answer."""

    def __init__(self, row: Row, rules: Rules) -> None:
        self._row, self._rules = row, rules
        self.troubles: list[RowTrouble] = []
        self._masks = Masks()
        digest = hashlib.blake2b(key=rules.key[:64], digest_size=10)
        content = "\x1f".join([str(row.number), *row.cells])
        digest.update(content.encode("utf-8", "surrogatepass"))
        self._id = digest.hexdigest()

    def say(self, trouble: Trouble, column: str = "", detail: str = "") -> None:
        """One more thing that is wrong with it."""
        self.troubles.append(RowTrouble(self._row.number, self._row.number, trouble, column, detail))

    def shape(self, width: int) -> None:
        """Are there as many cells as headings, in the file's encoding? Empty ones too many are nobody's concern."""
        if self._row.recoded:
            self.say(Trouble.ENCODING_OTHER)
        if any(cell.strip() for cell in self._row.cells[width:]) or self._row.cells_lost:
            self.say(Trouble.CELLS_EXTRA)
        elif len(self._row.cells) < width and not self._row.sparse:
            self.say(Trouble.CELLS_MISSING)

    def answer(self, columns: Columns) -> Answer | None:
        """None where neither a comment nor a score can be used."""
        comments = self._comments(columns.of(Role.COMMENT))
        scores = {column.index: self._score(column) for column in columns.of(*SCORES)}
        day = next((self._day(column) for column in columns.of(Role.DATE)), None)
        found = {column.name: self._segment(column) for column in columns.of(Role.SEGMENT)}
        if not comments and all(score is None for score in scores.values()):
            return None

        def of(role: Role) -> float | None:
            return next((score.value for each in columns.of(role) if (score := scores[each.index])), None)

        nps = of(Role.NPS)
        ratings = {each.name: score for each in columns.of(Role.RATING) if (score := scores[each.index])}
        segments = {name: value for name, value in found.items() if value}
        return Answer(
            self._id,
            self._row.number,
            comments,
            None if nps is None else int(nps),
            of(Role.CSAT),
            of(Role.CES),
            ratings,
            segments,
            day,
        )

    def _cell(self, column: Column) -> str:
        cells = self._row.cells
        text = cells[column.index] if column.index < len(cells) else ""
        if not text and column.role in _OF_SEVERAL:
            text = self._row.merged.get(column.index, "")
        if column.index in self._row.formulas or is_formula(text):
            self.say(Trouble.FORMULA, column.name)
        text, steered, lost = cleaned(text)
        if steered:
            self.say(Trouble.CONTROLS_REMOVED, column.name)
        if lost:
            self.say(Trouble.CHARACTERS_LOST, column.name)
        return text

    def _comments(self, columns: tuple[Column, ...]) -> tuple[Comment, ...]:
        made: list[Comment] = []
        for column in columns:
            text = self._cell(column)
            if any(map(str.isalnum, text)) or _speaks(text):
                made.append(self._comment(column, text))
            elif len(columns) == 1:
                self.say(Trouble.COMMENT_EMPTY, column.name)
        return tuple(made)

    def _comment(self, column: Column, text: str) -> Comment:
        before = self._masks.counts
        # A number that is cut in two is found by nobody, so the mask comes first; what is far too long is not read.
        masked = self._masks.masked(text[: 2 * self._rules.comment])
        cut = len(text) > 2 * self._rules.comment or len(masked) > self._rules.comment
        if cut:
            self.say(Trouble.COMMENT_CUT, column.name, str(len(text)))
            masked = _shortened(masked, self._rules.comment)
        told = tell(masked)
        if told.language is None and told.should_be_known:
            self.say(Trouble.LANGUAGE_UNKNOWN, column.name, told.alphabet)
        elif told.language and told.language not in self._rules.languages:
            self.say(Trouble.LANGUAGE_UNEXPECTED, column.name, told.language)
        counts = {
            kind: more for kind, count in self._masks.counts.items() if (more := count - before.get(kind, 0))
        }
        return Comment(f"{self._id}-{column.index + 1}", column.name, masked, told.language, counts, cut)

    def _score(self, column: Column) -> Score | None:
        text = self._cell(column)
        if not text:
            return None
        number = number_of(text)
        if number is None or (column.role is Role.NPS and number != int(number)):
            self.say(Trouble.NUMBER_WRONG, column.name)
            return None
        if not column.low <= number <= column.high:
            self.say(Trouble.OUT_OF_SCALE, column.name)
            return None
        return Score(number, column.low, column.high)

    def _day(self, column: Column) -> date | None:
        text = self._cell(column)
        day = day_of(text, month_first=column.month_first) if text else None
        if text and day is None:
            self.say(Trouble.DATE_WRONG, column.name)
        return day

    def _segment(self, column: Column) -> str:
        text = " ".join(self._masks.masked(self._cell(column), names=False).split())
        if len(text) > self._rules.segment:
            self.say(Trouble.SEGMENT_CUT, column.name)
            text = text[: self._rules.segment]
        return text


def _speaks(text: str) -> bool:
    """Signs that say something without a letter: a picture, a face of brackets."""
    return any(character > "\u2190" and character.isprintable() for character in text)


def _shortened(text: str, length: int) -> str:
    """Cut after a sentence or a word, and never inside a placeholder."""
    piece = text[:length]
    for end in (". ", "! ", "? ", "\n", " "):
        at = piece.rfind(end, length * 4 // 5)
        if at > 0:
            return piece[: at + 1].rstrip()
    return piece[: piece.rfind("[")] if piece.rfind("[") > piece.rfind("]") else piece
