"""What came in with a survey: which column is what, what each row answered, and what was wrong with which row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Role(StrEnum):
    """What a column of the file is used as."""

    COMMENT = "comment"
    RATING = "rating"  # any other score, on a scale of its own
    NPS = "nps"  # would you recommend us: 0 to 10
    CSAT = "csat"  # satisfaction: 1 to 5
    CES = "ces"  # was it easy: 1 to 7, where 7 is easy
    SEGMENT = "segment"
    DATE = "date"
    IGNORED = "ignored"
    PERSONAL = "personal"  # names a person, so it is read by nobody


SCALES: Mapping[Role, tuple[float, float]] = {Role.NPS: (0, 10), Role.CSAT: (1, 5), Role.CES: (1, 7)}
SCORES = (Role.RATING, Role.NPS, Role.CSAT, Role.CES)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file. `index` counts from 0; `low` and `high` are the ends of a score's scale.

    `name` is what answers and reports call it: its heading, unless somebody chose better. `month_first` is of dates.
    """

    index: int
    role: Role
    name: str
    low: float = 0.0
    high: float = 0.0
    month_first: bool = False

    def __post_init__(self) -> None:
        if self.role in SCORES and not self.low < self.high:
            raise ValueError("A scale goes from a lower number to a higher one.")


@dataclass(frozen=True, slots=True)
class Columns:
    """What every column of a file is. `header` are the headings as the file has them."""

    header: tuple[str, ...]
    columns: tuple[Column, ...]

    def of(self, *roles: Role) -> tuple[Column, ...]:
        """The columns of some roles, in the file's order."""
        return tuple(column for column in self.columns if column.role in roles)


@dataclass(frozen=True, slots=True)
class Score:
    """A number somebody gave, on its scale."""

    value: float
    low: float
    high: float

    @property
    def share(self) -> float:
        """Where on the scale it is, from 0 to 1."""
        return (self.value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote in one column, personal data masked. `language` is ISO 639-1, None where nobody can tell.

    `masked` counts what was masked by kind. `cut` says that the rest of a very long comment was left out.
    """

    id: str
    column: str
    text: str
    language: str | None
    masked: Mapping[str, int] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One row: what one person answered. `row` is the file's, as a spreadsheet numbers it (the headings are row 1).

    `id` is the same whenever the same file is read again. `ratings` and `segments` are by the name of their column.
    """

    id: str
    row: int
    comments: tuple[Comment, ...] = ()
    nps: int | None = None
    csat: float | None = None
    ces: float | None = None
    ratings: Mapping[str, Score] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    day: date | None = None


class Trouble(StrEnum):
    """What can be wrong with a row. The first four leave the row out; with the others it is an answer still."""

    ROW_EMPTY = "row_empty"
    NOTHING_USED = "nothing_used"  # cells, but neither a comment nor a score that can be used
    ROW_LIMIT = "row_limit"  # behind the last row that is read
    ROW_UNREADABLE = "row_unreadable"
    COMMENT_EMPTY = "comment_empty"
    COMMENT_CUT = "comment_cut"
    NUMBER_WRONG = "number_wrong"
    OUT_OF_SCALE = "out_of_scale"
    DATE_WRONG = "date_wrong"
    LANGUAGE_UNEXPECTED = "language_unexpected"
    LANGUAGE_UNKNOWN = "language_unknown"  # too short to tell, or in an alphabet nobody asked for
    FORMULA = "formula"
    CONTROLS_REMOVED = "controls_removed"
    ENCODING_OTHER = "encoding_other"  # than the rest of the file
    CHARACTERS_LOST = "characters_lost"
    CELLS_MISSING = "cells_missing"
    CELLS_EXTRA = "cells_extra"
    SEGMENT_CUT = "segment_cut"


LEFT_OUT = frozenset({Trouble.ROW_EMPTY, Trouble.NOTHING_USED, Trouble.ROW_LIMIT, Trouble.ROW_UNREADABLE})


@dataclass(frozen=True, slots=True)
class RowTrouble:
    """What was wrong with a row, or with all rows from `row` to `last`. `column` is the name of the column, if one.

    `detail` is a few characters that say more (a language, a kind of cell), never what the cell says.
    """

    row: int
    last: int
    trouble: Trouble
    column: str = ""
    detail: str = ""

    @property
    def leaves_out(self) -> bool:
        """Whether the row is no answer."""
        return self.trouble in LEFT_OUT

    @property
    def rows(self) -> int:
        """How many rows it is about."""
        return self.last - self.row + 1


@dataclass(frozen=True, slots=True)
class Tally:
    """How a file was read: `rows == answers + left_out`, always. Troubles are counted in rows and cells."""

    rows: int = 0
    answers: int = 0
    left_out: int = 0
    comments: int = 0
    languages: Mapping[str, int] = field(default_factory=dict)
    masked: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[Trouble, int] = field(default_factory=dict)
