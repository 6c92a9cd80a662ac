"""A file of a hundred thousand rows is read whole, in memory that does not grow with it."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from passerelle.domain.survey_data import Trouble
from passerelle.domain.survey_work import SurveyState
from passerelle.stores.database import Database
from tests.database import database, database_url, postgres
from tests.unit.pipelines.surveys.archive_scene import scene

__all__ = ["database", "database_url", "postgres"]

_ROWS = 100_000
_MEBIBYTE = 1024 * 1024
_MOST_MEMORY = 160 * _MEBIBYTE  # beyond what the process has and the file itself
_PATIENCE = 600.0


def _file() -> bytes:
    """One row in fifty is wrong in some way, one in a thousand is empty."""
    lines = ["Date;Formateur;NPS;Note /10;Commentaire"]
    for index in range(_ROWS):
        if index % 1_000 == 999:
            lines.append(";;;;")
            continue
        nps = "douze" if index % 50 == 1 else index % 11
        text = (
            "=1+1"
            if index % 50 == 2
            else f"Le cours numéro {index} était bien fait, mais la salle {index % 97} trop petite."
        )
        lines.append(f"0{index % 9 + 1}/03/2026;F{index % 30};{nps};{index % 10};{text}")
    return "\n".join(lines).encode()


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@asynccontextmanager
async def _watched(seen: list[int]) -> AsyncIterator[None]:
    async def watch() -> None:
        while True:
            seen.append(_resident())
            await asyncio.sleep(0.1)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


async def test_a_hundred_thousand_rows_are_read_and_none_is_lost(
    database: Database, record_property: Callable[[str, object], None]
) -> None:
    here = scene(database)
    content = _file()
    columns = {
        "Date": {"role": "date"},
        "Formateur": {"role": "segment"},
        "NPS": {"role": "nps"},
        "Note /10": {"role": "rating", "low": 0, "high": 10},
        "Commentaire": {"role": "comment"},
    }
    made = await here.make(content, columns=columns)
    before, seen = _resident(), [_resident()]
    begun = time.monotonic()
    async with here.workers(), _watched(seen):
        while (survey := await here.filing.survey("acme", made.id)).state is SurveyState.READING:
            assert time.monotonic() - begun < _PATIENCE
            await asyncio.sleep(0.2)
    took = time.monotonic() - begun

    assert survey.state is SurveyState.READY, survey.trouble
    assert survey.tally.rows == _ROWS == survey.tally.answers + survey.tally.left_out
    assert survey.tally.left_out == survey.tally.troubles[Trouble.ROW_EMPTY] == _ROWS // 1_000
    assert (
        survey.tally.troubles[Trouble.NUMBER_WRONG] == survey.tally.troubles[Trouble.FORMULA] == _ROWS // 50
    )
    begun = time.monotonic()
    rows = comments = 0
    last = 1
    async for answer in here.filing.answers("acme", survey.id):
        rows += 1
        comments += len(answer.comments)
        assert answer.row > last
        last = answer.row
    reading = time.monotonic() - begun
    begun = time.monotonic()
    await here.filing.drop("acme", survey.id)
    figures = {
        "seconds": round(took, 1),
        "seconds_to_read_back": round(reading, 1),
        "seconds_to_drop": round(time.monotonic() - begun, 1),
        "file_mebibytes": round(len(content) / _MEBIBYTE, 1),
        "memory_of_the_reader_mebibytes": round(
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1
        ),
        "memory_mebibytes": round((max(seen) - before) / _MEBIBYTE, 1),
    }
    for name, value in figures.items():
        record_property(name, value)
    print(figures)

    assert (rows, comments) == (survey.tally.answers, survey.tally.comments)
    assert await here.left(survey.id) == {}
    assert max(seen) - before < _MOST_MEMORY + 2 * len(content)
