"""A job's pieces as a table, a row each: RFC 4180, UTF-8, row by row. No cell is a formula.

Lists have an entry a line within their cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from passerelle.domain.content import ContentJob, Worked, lined
from passerelle.reports.as_csv import guarded
from passerelle.reports.content.standing import EVERY, Only, choice_of, stands, written_of

_NAMED = ("number", "key", "title", "language", "standing")


def to_csv(
    job: ContentJob, pieces: Iterable[Worked], *, only: Only = "all", fields: Sequence[str] = EVERY
) -> Iterator[bytes]:
    """The table with a line of headings.

    `accepted`: what stands of each field. `all`: what was written, what was decided, and what is wrong, beside the source.
    """
    yield head(only=only, fields=fields)
    for worked in pieces:
        yield row(job, worked, only=only, fields=fields)


def head(*, only: Only = "all", fields: Sequence[str] = EVERY) -> bytes:
    """The line of headings."""
    if only == "accepted":
        return _line([*_NAMED, *fields])
    decided = [f"{field}_{what}" for field in fields for what in ("decision", "stands")]
    return _line([*_NAMED, "recipe", "version", "source", *fields, *decided, "flaws", "trouble"])


def row(job: ContentJob, worked: Worked, *, only: Only = "all", fields: Sequence[str] = EVERY) -> bytes:
    """A piece's row, with the cells that `head` names."""
    piece = worked.piece
    named = [str(worked.number), piece.key, piece.title, piece.language, str(worked.standing)]
    stand = [lined(stands(worked, field)) for field in fields]
    if only == "accepted":
        return _line([*named, *stand])
    decided: list[str] = []
    for field, value in zip(fields, stand, strict=True):
        choice = choice_of(worked, field)
        decided += [str(choice.decision) if choice else "", value if choice else ""]
    flaws = worked.written.flaws if worked.written else ()
    return _line(
        [
            *named,
            job.recipe,
            str(job.version),
            piece.text,
            *(lined(written_of(worked, field)) for field in fields),
            *decided,
            "\n".join(f"{flaw.field}: {flaw.said}" for flaw in flaws),
            f"{worked.trouble.code}: {worked.trouble.message}" if worked.trouble else "",
        ]
    )


def _line(cells: Sequence[str]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow([guarded(cell) for cell in cells])
    return written.getvalue().encode("utf-8", "replace")
