"""A job's pieces as one document of JSON, written piece by piece: the job first, then its pieces in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from passerelle.domain.content import ContentJob, Worked, lined
from passerelle.domain.money import exact
from passerelle.reports.content.diffing import diff, document
from passerelle.reports.content.standing import EVERY, Only, fields_of, source_of, stands, written_of

SCHEMA = "passerelle.content/1"


def to_json(
    job: ContentJob, pieces: Iterable[Worked], *, only: Only = "all", fields: Sequence[str] = EVERY
) -> Iterator[bytes]:
    """The document in parts. Amounts are exact decimals in strings; what is not known is null."""
    yield head(job, only=only)
    for place, worked in enumerate(pieces):
        yield (b",\n" if place else b"\n") + orjson.dumps(piece(worked, only=only, fields=fields))
    yield FOOT


FOOT = b"\n]}\n"


def head(job: ContentJob, *, only: Only = "all") -> bytes:
    """The document up to its first piece; `piece` values with commas between them, and `FOOT`, make it whole."""
    said = {
        "id": job.id,
        "recipe": job.recipe,
        "version": job.version,
        "brand": job.brand,
        "model": job.model,
        "preview": job.preview,
        "state": job.state,
        "budget": None if job.budget is None else exact(job.budget),
        "spent": exact(job.spent),
        "currency": job.currency,
        "unpriced": job.unpriced,
        "counts": {str(standing): count for standing, count in job.counts.items()},
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }
    return b'{"schema":%b,"only":%b,"job":%b,"pieces":[' % tuple(
        orjson.dumps(each) for each in (SCHEMA, only, said)
    )


def piece(
    worked: Worked, *, only: Only = "all", fields: Sequence[str] = EVERY, ops: bool = False
) -> dict[str, Any]:
    """A piece as plain values; with `ops`, each field of text has its difference from the source."""
    given = worked.piece
    named = {
        "number": worked.number,
        "key": given.key,
        "title": given.title,
        "language": given.language,
        "form": str(given.form),
        "standing": str(worked.standing),
    }
    if only == "accepted":
        shown = [field for field in fields if field == "text" or field in fields_of(worked, fields)]
        return {**named, "values": {field: stands(worked, field) for field in shown}}
    written, trouble = worked.written, worked.trouble
    return {
        **named,
        "source": given.text,
        "values": {field: _field(worked, field, ops=ops) for field in fields_of(worked, fields)},
        "flaws": [
            {
                "check": str(flaw.check),
                "field": flaw.field,
                "said": flaw.said,
                "found": flaw.found,
                "serious": flaw.serious,
            }
            for flaw in (written.flaws if written else ())
        ],
        "repaired": written.repaired if written else False,
        "calls": written.calls if written else 0,
        "cost": exact(written.cost) if written and written.cost is not None else None,
        "engine": written.engine if written else "",
        "offline": written.offline if written else False,
        "trouble": {"code": trouble.code, "message": trouble.message} if trouble else None,
    }


def _field(worked: Worked, field: str, *, ops: bool) -> dict[str, Any]:
    choice = worked.choices.get(field)
    said: dict[str, Any] = {
        "written": written_of(worked, field),
        "decision": str(choice.decision) if choice else None,
        "by": choice.by if choice else None,
        "at": choice.at if choice else None,
        "stands": stands(worked, field),
    }
    if ops and source_of(worked, field) is not None:
        said["diff"] = document(diff(lined(source_of(worked, field)), lined(written_of(worked, field))))
    return said
