"""A survey's comments in a collection, so that they are asked as documents are, and answers cite them.

It is filled when somebody first asks, and again when a newer run or a correction says more of the comments; whoever asks
waits until all of it can be found, for a little, and is told to come again after that. What is filled while its survey
is deleted is deleted again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Conflict, NotFound, Unavailable
from passerelle.domain.rag import Citation, DocumentState, Given
from passerelle.domain.survey_data import Answer
from passerelle.domain.surveys import Analysed
from passerelle.pipelines.rag.desk import Library
from passerelle.pipelines.surveys.archive_rows import unknown
from passerelle.pipelines.surveys.findings_passages import KEY, documents, how_many
from passerelle.pipelines.surveys.sealed import opened
from passerelle.sealing.values import Sealing, Unsealed
from passerelle.stores.database import Database

_AT_ONCE = 10  # documents that are handed in together
_LONGEST_TITLE = 200
_DESCRIPTIONS = {
    "fr": "Commentaires de l'enquête « {title} », données personnelles masquées.",
    "en": "Comments of the survey “{title}”, personal data masked.",
}

_BEGIN = text("""
UPDATE survey SET collection = :collection, collecting_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND state = 'ready' RETURNING id
""")
_END = text("""
UPDATE survey SET collected = :mark, collecting_at = NULL
WHERE tenant = :tenant AND id = :id AND state = 'ready' RETURNING id
""")
_STANDS = text("""
SELECT title, language, collection, collected, CAST(tally ->> 'comments' AS int) AS comments FROM survey
WHERE tenant = :tenant AND id = :id AND state = 'ready'
""")
_CORRECTED = text("""
SELECT count(*), coalesce(max(revision), 0), coalesce(max(revoked_revision), 0) FROM survey_correction
WHERE tenant = :tenant AND survey = :id
""")
_COMMENTS = text("""
SELECT number, id, text FROM survey_comment
WHERE tenant = :tenant AND survey = :id AND number = ANY(CAST(:numbers AS int[]))
""")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long somebody who asks waits for it to be filled, and how often it is looked, in seconds."""

    seconds: float = 15.0
    pause: float = 0.2
    again: float = 5.0  # after which it is worth to come again


class Collections:
    """Collections of surveys."""

    def __init__(
        self,
        database: Database,
        library: Callable[[], Awaitable[Library]],
        *,
        patience: Patience | None = None,
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._library = library
        self._patience = patience or Patience()

    async def current(self, tenant: str, survey: str, run: str | None) -> tuple[str | None, str]:
        """The collection, if it shows that run and all corrections; and the mark by which that is known."""
        values = {"tenant": tenant, "id": survey}
        async with self._database.begin() as connection:
            row = (await connection.execute(_STANDS, values)).one_or_none()
            if row is None:
                raise unknown(survey)
            corrected = (await connection.execute(_CORRECTED, values)).one()
        mark = "/".join(map(str, (run or "", *corrected)))
        if row.collection is None or row.collected != mark:
            return None, mark
        try:
            shelf = await (await self._library()).shelf(tenant, row.collection)
        except NotFound:  # somebody deleted it
            return None, mark
        if shelf.documents < how_many(row.comments):  # or some of it
            return None, mark
        return str(row.collection), mark

    async def fill(
        self,
        tenant: Tenant,
        survey: str,
        answers: AsyncIterator[Answer],
        analysed: Mapping[str, Analysed],
        mark: str,
    ) -> str:
        """The collection's name, once every comment is handed in. The same again changes nothing.

        Raises Conflict `survey_without_comments`, Forbidden where the tenant has no documents or no room for them.
        """
        name = name_of(survey)
        library = await self._library()
        values = {"tenant": tenant.name, "id": survey, "collection": name, "mark": mark}
        async with self._database.begin() as connection:
            row = (await connection.execute(_STANDS, values)).one_or_none()
            if row is None or (await connection.execute(_BEGIN, values)).scalar() is None:
                raise unknown(survey)
        title = str(row.title)[:_LONGEST_TITLE]
        said = [answer async for answer in answers]
        given = await asyncio.to_thread(_given, said, analysed)
        if not given:
            raise Conflict("The survey has no comments to be asked.", code="survey_without_comments")
        await self._make(library, tenant, name, _DESCRIPTIONS[row.language].format(title=title))
        for start in range(0, len(given), _AT_ONCE):
            await library.take(tenant, name, given[start : start + _AT_ONCE])
        async with self._database.begin() as connection:
            ended = (await connection.execute(_END, values)).scalar()
        if ended is None:  # it was deleted meanwhile
            await self._drop(library, tenant.name, name)
            raise unknown(survey)
        return name

    async def filled(self, tenant: Tenant, name: str) -> None:
        """All of it can be found. Raises Unavailable with the time after which it is worth to come again."""
        library = await self._library()
        until = time.monotonic() + self._patience.seconds
        tried = False
        while True:
            failed = await library.documents(tenant.name, name, state=DocumentState.FAILED, most=100)
            if failed and tried:
                raise Unavailable(
                    "Some of the survey's comments could not be indexed; the documents of its collection say why.",
                    code="survey_collection_failed",
                    retry_after=self._patience.again,
                )
            if failed:
                tried = True
                await library.retry(tenant, name, [each.id for each in failed])
            elif not await self._waiting(library, tenant.name, name):
                return
            if time.monotonic() >= until:
                raise Unavailable(
                    "The survey's comments are being indexed. Ask again in a moment.",
                    code="survey_collection_filling",
                    retry_after=self._patience.again,
                )
            await asyncio.sleep(self._patience.pause)

    async def sources(self, tenant: str, survey: str, citations: Sequence[Citation]) -> dict[int, str]:
        """Ids of the comments that are cited, by the citations' numbers.

        A citation counts where its document is one of ours and its words stand in the comment.
        """
        paged = [each for each in citations if each.page is not None]
        if not paged:
            return {}
        ours = await self._ours(tenant, name_of(survey), {each.document for each in paged})
        values = {"tenant": tenant, "id": survey, "numbers": list({each.page for each in paged})}
        async with self._database.begin() as connection:
            if (await connection.execute(_STANDS, values)).one_or_none() is None:
                raise unknown(survey)
            found = (await connection.execute(_COMMENTS, values)).all()
        rows = {row.number: row for row in opened(await self._seals.opener(tenant), found)}
        return {
            each.number: rows[each.page].id
            for each in paged
            if each.document in ours and each.page in rows and each.quote in rows[each.page].text
        }

    async def _ours(self, tenant: str, name: str, ids: set[str]) -> set[str]:
        library = await self._library()
        found = set()
        for document in ids:
            try:
                if (await library.document(tenant, name, document)).key.startswith(KEY):
                    found.add(document)
            except NotFound:
                continue
        return found

    async def _make(self, library: Library, tenant: Tenant, name: str, description: str) -> None:
        try:
            await library.make(tenant, name, description=description)
        except Conflict as conflict:
            if conflict.code != "collection_exists":
                raise Unavailable(conflict.message, code=conflict.code) from None
            await library.describe(tenant.name, name, description)

    async def _waiting(self, library: Library, tenant: str, name: str) -> bool:
        for state in (DocumentState.QUEUED, DocumentState.READING):
            if await library.documents(tenant, name, state=state, most=1):
                return True
        return False

    async def _drop(self, library: Library, tenant: str, name: str) -> None:
        try:
            await library.drop(tenant, name)
        except NotFound:
            return


def name_of(survey: str) -> str:
    """Of a survey's collection."""
    return f"survey-{survey.removeprefix('survey_')}"


def _given(answers: Sequence[Answer], analysed: Mapping[str, Analysed]) -> list[Given]:
    return list(documents(answers, analysed))
