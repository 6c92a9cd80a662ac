"""What surveys hold of people: the holdings `surveys` and `corrections`.

An answer is a person's where the tenant knows it by that answer's id, or by what stands in a column that says who
answered. Columns that name people are read by nobody when a file is taken, so that nothing of them is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from passerelle.domain.errors import NotFound
from passerelle.domain.naming import Naming, names_of
from passerelle.domain.privacy import Held, Subject, Values
from passerelle.domain.survey_data import Answer
from passerelle.pipelines.rag.desk import Library
from passerelle.pipelines.surveys.sealed import BOUND, opened
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database

_PAGE = 5_000
_WHO = re.compile(
    r"(?:^|[^a-z])(?:id|uuid|identifiant|matricule|user|client|customer|respondent|repondant|participant|stagiaire"
    r"|apprenant|learner|student)(?:[^a-z]|$)"
)
_NOTE = (
    "Answers are found by their id, or by a segment that says who answered; a file that is just being read is not "
    "looked into. Reports are made anew of what is left."
)
_TAUGHT = (
    "Corrections are found by the comment that they correct. One of a survey that was deleted since does not say whose "
    "comment it was; it is deleted with its codebook."
)

_ANSWERS = text("""
SELECT survey, "row", id FROM survey_answer WHERE tenant = :tenant AND (survey, "row") > (:survey, :row)
ORDER BY survey, "row" LIMIT :most
""")
_SURVEYS = text("""
SELECT id, columns, collection FROM survey WHERE tenant = :tenant AND state = 'ready' ORDER BY id
""")
_COMMENTS = text("""
SELECT id, number FROM survey_comment
WHERE tenant = :tenant AND survey = :survey AND "row" = ANY(CAST(:rows AS int[]))
""")
_READINGS = text("""
SELECT count(*) FROM survey_reading AS read JOIN survey_run AS run ON run.id = read.run
WHERE run.tenant = :tenant AND read.tenant = :tenant AND run.survey = :survey AND read.comment = ANY(CAST(:comments AS text[]))
""")
_FORGET = (
    text("""
DELETE FROM survey_reading USING survey_run AS run WHERE run.id = survey_reading.run AND run.tenant = :tenant
    AND survey_reading.tenant = :tenant AND run.survey = :survey AND comment = ANY(CAST(:comments AS text[]))
"""),
    text(
        'DELETE FROM survey_trouble WHERE tenant = :tenant AND survey = :survey AND "row" = ANY(CAST(:rows AS int[]))'
    ),
    text(
        'DELETE FROM survey_comment WHERE tenant = :tenant AND survey = :survey AND "row" = ANY(CAST(:rows AS int[]))'
    ),
    text(
        'DELETE FROM survey_answer WHERE tenant = :tenant AND survey = :survey AND "row" = ANY(CAST(:rows AS int[]))'
    ),
)
_UNCOLLECT = text("""
UPDATE survey SET collected = NULL, updated_at = clock_timestamp() WHERE tenant = :tenant AND id = :survey
""")
_THEMES = text("SELECT id, theme FROM survey_theme WHERE tenant = :tenant AND survey = :survey FOR UPDATE")
_RETHEME = text("""
UPDATE survey_theme SET theme = CAST(:theme AS jsonb), size = :size WHERE tenant = :tenant AND id = :id
""")
_DROP_THEME = text("DELETE FROM survey_theme WHERE tenant = :tenant AND id = :id")
_HELD = text("""
SELECT (SELECT count(*) FROM survey WHERE tenant = :tenant) AS surveys,
    (SELECT count(*) FROM survey_answer WHERE tenant = :tenant) AS answers,
    (SELECT count(*) FROM survey_comment WHERE tenant = :tenant) AS comments
""")
_OLDEST = text("SELECT min(created_at) FROM survey WHERE tenant = :tenant AND state <> 'deleting'")

_CORRECTED = text("""
SELECT id, codebook, text, language, created_at FROM survey_correction
WHERE tenant = :tenant AND survey = :survey AND comment = ANY(CAST(:comments AS text[])) ORDER BY id
""")
# Its place in the count of revisions stays, and teaches nothing at any of them.
_EMPTY = text("""
UPDATE survey_correction SET text = '', "right" = NULL, wrong = '{}', right_polarity = NULL, wrong_polarity = NULL,
    survey = NULL, comment = NULL, run = NULL, revoked_at = coalesce(revoked_at, clock_timestamp()),
    revoked_revision = revision
WHERE tenant = :tenant AND survey = :survey AND comment = ANY(CAST(:comments AS text[])) RETURNING codebook
""")
_REINDEX = text("""
UPDATE survey_correction SET indexed = false, indexed_by = NULL WHERE tenant = :tenant AND codebook = :codebook
""")
_CORRECTIONS = text("""
SELECT (SELECT count(*) FROM survey_correction WHERE tenant = :tenant) AS corrections,
    (SELECT count(*) FROM survey_codebook WHERE tenant = :tenant) AS codebooks
""")


@dataclass(frozen=True, slots=True)
class Means:
    """What the two work with.

    `of` gives pseudonyms; `answers` reads a survey's; `erase` deletes all surveys, codebooks and corrections of a tenant;
    `drop_index` deletes the index of a codebook's corrections, which is made anew when it is asked next.
    """

    database: Database
    of: Naming
    answers: Callable[[str, str], AsyncIterator[Answer]]
    library: Callable[[], Awaitable[Library]]
    erase: Callable[[str], Awaitable[int]]
    drop_index: Callable[[str, str], Awaitable[None]]
    seals: Sealing = field(default_factory=Unsealed)


@dataclass(frozen=True, slots=True)
class _Mine:
    """A person's rows in a survey, and the comments in them."""

    survey: str
    collection: str | None
    rows: tuple[int, ...]
    comments: tuple[str, ...]

    def values(self, tenant: str) -> dict[str, Any]:
        """For a statement."""
        return {
            "tenant": tenant,
            "survey": self.survey,
            "rows": list(self.rows),
            "comments": list(self.comments),
        }


class Surveys:
    """Answers, comments, what was read in them, and themes that quote them."""

    name = "surveys"

    def __init__(self, means: Means) -> None:
        self._means = means

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        mine = await _found(self._means, subject)
        readings = 0
        async with self._means.database.begin() as connection:
            for each in mine:
                found = await connection.execute(_READINGS, each.values(subject.tenant))
                readings += int(found.scalar_one())
        counts = {
            "answers": sum(len(each.rows) for each in mine),
            "comments": sum(len(each.comments) for each in mine),
            "readings": readings,
        }
        return Held(counts, _NOTE)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`: a row for each answer, with its comments."""
        for each in await _found(self._means, subject):
            rows = set(each.rows)
            async for answer in self._means.answers(subject.tenant, each.survey):
                if answer.row in rows:
                    yield _told(each.survey, answer)

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`. The collection in which a survey's comments are asked goes, and is made anew of what is left."""
        count = comments = 0
        for each in await _found(self._means, subject):
            if each.collection is not None:
                await _drop(await self._means.library(), subject.tenant, each.collection)
            values = each.values(subject.tenant)
            seal = await self._means.seals.of(subject.tenant)
            async with self._means.database.begin() as connection:
                await connection.execute(_UNCOLLECT, values)
                for row in (await connection.execute(_THEMES, values)).all():
                    theme = seal.open_json(row.theme, BOUND)
                    kept = _without(theme, each.comments)
                    if kept is theme:
                        continue
                    change = {"tenant": subject.tenant, "id": row.id}
                    if kept is None:
                        await connection.execute(_DROP_THEME, change)
                    else:
                        size = len(kept["comments"])
                        await connection.execute(
                            _RETHEME,
                            {**change, "theme": json.dumps(seal.seal_json(kept, BOUND)), "size": size},
                        )
                for statement in _FORGET:
                    await connection.execute(statement, values)
            count, comments = count + len(each.rows), comments + len(each.comments)
        return Held({"answers": count, "comments": comments}, _NOTE)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        async with self._means.database.begin() as connection:
            return Held(dict((await connection.execute(_HELD, {"tenant": tenant})).one()._mapping))

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`: with codebooks and corrections."""
        found = await self.held(tenant)
        await self._means.erase(tenant)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """As `Holding`."""
        async with self._means.database.begin() as connection:
            found: datetime | None = (await connection.execute(_OLDEST, {"tenant": tenant})).scalar()
        return found


class Corrections:
    """What people made of a person's comments, which teaches the runs after."""

    name = "corrections"

    def __init__(self, means: Means) -> None:
        self._means = means

    async def find(self, subject: Subject) -> Held:
        """As `Holding`."""
        return Held({"corrections": len([row async for row in self._mine(subject)])}, _TAUGHT)

    async def export(self, subject: Subject) -> AsyncIterator[Values]:
        """As `Holding`."""
        async for row in self._mine(subject):
            yield row

    async def erase(self, subject: Subject) -> Held:
        """As `Holding`: they are emptied, and teach nothing any more. To be done before answers are erased."""
        count = 0
        for each in await _found(self._means, subject):
            values = each.values(subject.tenant)
            async with self._means.database.begin() as connection:
                rows = (await connection.execute(_CORRECTED, values)).all()
            books = sorted({row.codebook for row in rows})
            for codebook in books:  # first: what is left on the way is found again
                await self._means.drop_index(subject.tenant, codebook)
            async with self._means.database.begin() as connection:
                await connection.execute(_EMPTY, values)
                for codebook in books:
                    await connection.execute(_REINDEX, {"tenant": subject.tenant, "codebook": codebook})
            count += len(rows)
        return Held({"corrections": count}, _TAUGHT)

    async def held(self, tenant: str) -> Held:
        """How much there is of a tenant."""
        async with self._means.database.begin() as connection:
            return Held(dict((await connection.execute(_CORRECTIONS, {"tenant": tenant})).one()._mapping))

    async def wipe(self, tenant: str) -> Held:
        """As `Holding`: with surveys, which nothing could be read by any more."""
        found = await self.held(tenant)
        await self._means.erase(tenant)
        return found

    async def oldest(self, tenant: str) -> datetime | None:
        """Nothing here is kept for a limited time."""
        return None

    async def _mine(self, subject: Subject) -> AsyncIterator[Values]:
        for each in await _found(self._means, subject):
            async with self._means.database.begin() as connection:
                rows = (await connection.execute(_CORRECTED, each.values(subject.tenant))).all()
            for row in opened(await self._means.seals.opener(subject.tenant), rows):
                yield {
                    "correction": row.id,
                    "codebook": row.codebook,
                    "survey": each.survey,
                    "text": row.text,
                    "created_at": row.created_at.isoformat(),
                }


async def _found(means: Means, subject: Subject) -> list[_Mine]:
    """A person's rows by survey, in the order of surveys."""
    rows: dict[str, set[int]] = {}
    async for survey, row, answer in _answers(means.database, subject.tenant):
        if names_of(subject, [answer], means.of):
            rows.setdefault(survey, set()).add(row)
    async with means.database.begin() as connection:
        surveys = (await connection.execute(_SURVEYS, {"tenant": subject.tenant})).all()
    for one in surveys:
        if who := _who(one.columns):
            async for said in means.answers(subject.tenant, one.id):
                if names_of(subject, (said.segments.get(name) for name in who), means.of):
                    rows.setdefault(one.id, set()).add(said.row)
    collections = {one.id: one.collection for one in surveys}
    found = []
    for survey in sorted(rows):
        values = {"tenant": subject.tenant, "survey": survey, "rows": sorted(rows[survey])}
        async with means.database.begin() as connection:
            comments = tuple(each.id for each in await connection.execute(_COMMENTS, values))
        found.append(_Mine(survey, collections.get(survey), tuple(sorted(rows[survey])), comments))
    return found


async def _answers(database: Database, tenant: str) -> AsyncIterator[tuple[str, int, str]]:
    values = {"tenant": tenant, "survey": "", "row": -1, "most": _PAGE}
    while True:
        async with database.begin() as connection:
            rows = (await connection.execute(_ANSWERS, values)).all()
        for row in rows:
            yield row.survey, row.row, row.id
        if len(rows) < _PAGE:
            return
        values |= {"survey": rows[-1].survey, "row": rows[-1].row}


def _who(columns: Any) -> list[str]:
    """The names of segments that say who answered."""
    said = columns.get("columns", []) if isinstance(columns, Mapping) else []
    named = [each for each in said if isinstance(each, Mapping) and each.get("role") == "segment"]
    return [str(each["name"]) for each in named if _WHO.search(str(each.get("name", "")).lower())]


def _without(theme: Any, comments: Sequence[str]) -> dict[str, Any] | None:
    """A theme without these comments: itself where it has none of them, None where nothing is left."""
    gone = set(comments)
    if not isinstance(theme, Mapping):  # as nobody here can read it, it goes
        return None
    if gone.isdisjoint(theme["comments"]) and gone.isdisjoint(_ids(theme["quotes"])):
        return theme  # type: ignore[return-value]
    kept = [each for each in theme["comments"] if each not in gone]
    quotes = [quote for quote in theme["quotes"] if quote[0] not in gone]
    return {**theme, "comments": kept, "quotes": quotes} if kept else None


def _ids(quotes: Iterable[Sequence[str]]) -> list[str]:
    return [quote[0] for quote in quotes]


async def _drop(library: Library, tenant: str, collection: str) -> None:
    try:
        await library.drop(tenant, collection)
    except NotFound:
        return


def _told(survey: str, answer: Answer) -> Values:
    return {
        "survey": survey,
        "answer": answer.id,
        "row": answer.row,
        "day": None if answer.day is None else answer.day.isoformat(),
        "nps": answer.nps,
        "csat": answer.csat,
        "ces": answer.ces,
        "ratings": {name: score.value for name, score in answer.ratings.items()},
        "segments": dict(answer.segments),
        "comments": [
            {"comment": each.id, "column": each.column, "text": each.text, "language": each.language}
            for each in answer.comments
        ],
    }
