"""A survey that is deleted is seen no more at once, and is gone soon: also where an outage came between.

First its row says so, in one transaction, with which corrections forget where they came from; then go its jobs,
its rows, and its collection. Whatever was left on the way is finished by the sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.errors import NotFound, PasserelleError
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Later
from passerelle.pipelines.rag.desk import Library
from passerelle.pipelines.surveys.archive_reading import PATIENT
from passerelle.pipelines.surveys.archive_rows import unknown
from passerelle.stores.database import Database, Outage

_MOST_SWEPT = 200
_LONGEST_FILLING = 900.0  # seconds after which nobody fills a collection any more

_log = structlog.get_logger(__name__)

_HIDE = text("""
UPDATE survey SET state = 'deleting', digest = '', title = '', name = '', codebook = NULL, code = NULL,
    message = NULL, updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND state <> 'deleting' RETURNING id
""")
_EMPTY = text("""
DELETE FROM survey_content USING survey WHERE id = survey_content.survey AND tenant = :tenant AND id = :id
""")
_UNTIE = text("""
UPDATE survey_correction SET survey = NULL, comment = NULL, run = NULL
WHERE tenant = :tenant AND survey = :id
""")
_LEFT_OF = text("""
SELECT collection, collecting_at > clock_timestamp() - make_interval(secs => :seconds) AS filling, ARRAY(
    SELECT id FROM job WHERE job.tenant = :tenant AND (id = survey.job OR key = :id OR params ->> 'survey' = :id
        OR id IN (SELECT survey_run.job FROM survey_run WHERE survey_run.tenant = :tenant AND survey_run.survey = :id))
) AS jobs
FROM survey WHERE tenant = :tenant AND id = :id AND state = 'deleting'
""")
_ROWS = tuple(
    text(f"DELETE FROM survey_{table} WHERE tenant = :tenant AND survey = :id")  # noqa: S608 - constants
    for table in ("run", "theme", "trouble", "comment", "answer")
)
_GONE = text("DELETE FROM survey WHERE tenant = :tenant AND id = :id AND state = 'deleting'")
_ALL = text("SELECT id FROM survey WHERE tenant = :tenant AND state <> 'deleting' ORDER BY id")
_COUNT = text("""
SELECT count(*) FROM survey_answer JOIN survey ON survey.id = survey_answer.survey
WHERE survey_answer.tenant = :tenant AND survey.tenant = :tenant AND state = 'ready'
""")
_OLD = text("""
SELECT id FROM survey WHERE tenant = :tenant AND state <> 'deleting' AND created_at < :before
ORDER BY created_at LIMIT :most
""")
# The sweep's own: over all tenants, to find whose turn it is.
_LEFT = text("SELECT tenant, id FROM survey WHERE state = 'deleting' ORDER BY updated_at LIMIT :most")
# A run that was cancelled, lost or timed out for good, or whose job was deleted, says nothing on its survey's row.
_STRANDED = text("""
SELECT waits.tenant, waits.id, waits.job,
    coalesce(item.code, 'import_cancelled') AS code,
    coalesce(item.message, 'Reading the file was cancelled. Send it again.') AS message
FROM survey AS waits
    LEFT JOIN job ON job.id = waits.job AND job.tenant = waits.tenant
    LEFT JOIN job_item AS item ON item.job_id = job.id AND item.key = waits.id
WHERE waits.state = 'reading' AND coalesce(item.state, 'cancelled') NOT IN ('queued', 'running')
LIMIT :most
""")
_FAIL = text("""
UPDATE survey SET state = 'failed', code = :code, message = :message, claim = NULL, updated_at = clock_timestamp()
WHERE tenant = :tenant AND id = :id AND job IS NOT DISTINCT FROM :job AND state = 'reading' RETURNING id
""")
_CLEAR = tuple(
    text(f"DELETE FROM survey_{table} WHERE tenant = :tenant AND survey = :id")  # noqa: S608 - constants
    for table in ("answer", "comment", "trouble")
)


class Removing:
    """Deletes. `library` opens the collections, `forget` deletes a tenant's codebooks and corrections.

    `keep_of` says how many seconds each tenant's surveys are kept.
    """

    def __init__(
        self,
        database: Database,
        desk: Desk,
        library: Callable[[], Awaitable[Library]],
        *,
        forget: Callable[[str], Awaitable[object]],
        keep_of: Callable[[], Mapping[str, float | None]],
    ) -> None:
        self._database = database
        self._desk = desk
        self._library = library
        self._forget = forget
        self._keep_of = keep_of

    async def drop(self, tenant: str, survey: str) -> None:
        """Nobody sees it any more. Raises NotFound."""
        async with self._database.begin() as connection:
            if not await self._hide(connection, tenant, survey):
                raise unknown(survey)
        await self._tried(self._finish(tenant, survey))

    async def erase(self, tenant: str) -> int:
        """Nothing of a tenant's surveys is seen any more, codebooks and corrections with them; how many answers.

        Raises Unavailable where corrections cannot be deleted now: then it has to be asked for again.
        """
        named = {"tenant": tenant}
        async with self._database.begin() as connection:
            await connection.execute(PATIENT)
            count = int((await connection.execute(_COUNT, named)).scalar_one())
            surveys = list((await connection.execute(_ALL, named)).scalars())
            for survey in surveys:
                await self._hide(connection, tenant, survey)
        for survey in surveys:
            await self._tried(self._finish(tenant, survey))
        await self._forget(tenant)
        return count

    async def sweep(self, at: datetime) -> None:
        """Delete what was kept long enough, finish what was begun and not ended, say why files are not read."""
        await self._rescue()
        now = at if at.tzinfo else at.replace(tzinfo=UTC)
        for tenant, seconds in self._keep_of().items():
            if seconds is not None:
                await self._outlived(tenant, now.timestamp() - seconds)
        async with self._database.begin() as connection:
            left = (await connection.execute(_LEFT, {"most": _MOST_SWEPT})).all()
        for row in left:
            await self._tried(self._finish(row.tenant, row.id))

    async def _outlived(self, tenant: str, before: float) -> None:
        values = {"tenant": tenant, "before": datetime.fromtimestamp(before, UTC), "most": _MOST_SWEPT}
        async with self._database.begin() as connection:
            old = list((await connection.execute(_OLD, values)).scalars())
        for survey in old:
            try:
                await self.drop(tenant, survey)
            except NotFound:  # somebody was faster
                continue

    async def _rescue(self) -> None:
        async with self._database.begin() as connection:
            stranded = (await connection.execute(_STRANDED, {"most": _MOST_SWEPT})).all()
        for row in stranded:
            values = row._asdict()
            async with self._database.begin() as connection:
                await connection.execute(PATIENT)
                if (await connection.execute(_FAIL, values)).scalar() is not None:
                    for statement in (*_CLEAR, _EMPTY):
                        await connection.execute(statement, values)

    async def _hide(self, connection: AsyncConnection, tenant: str, survey: str) -> bool:
        values = {"tenant": tenant, "id": survey}
        if (await connection.execute(_HIDE, values)).scalar() is None:
            return False
        await connection.execute(_EMPTY, values)
        await connection.execute(_UNTIE, values)
        return True

    async def _finish(self, tenant: str, survey: str) -> None:
        """Whatever is left of a survey that is being deleted."""
        values: dict[str, Any] = {"tenant": tenant, "id": survey, "seconds": _LONGEST_FILLING}
        async with self._database.begin() as connection:
            left = (await connection.execute(_LEFT_OF, values)).one_or_none()
        if left is None:
            return
        for job in left.jobs:
            await self._desk.delete(tenant, job)
        async with self._database.begin() as connection:
            await connection.execute(PATIENT)
            for statement in _ROWS:
                await connection.execute(statement, values)
        if left.collection is not None:
            await self._drop_collection(tenant, left.collection)
        # Who fills its collection at this moment may write once more: its row waits for the next sweep.
        if not left.filling:
            async with self._database.begin() as connection:
                await connection.execute(_GONE, values)

    async def _drop_collection(self, tenant: str, collection: str) -> None:
        try:
            await (await self._library()).drop(tenant, collection)
        except NotFound:
            return

    async def _tried(self, work: Awaitable[None]) -> None:
        """What could not be done now is done by the sweep: nobody sees anything of it already."""
        try:
            await work
        except (PasserelleError, Later, SQLAlchemyError, *Outage) as error:
            _log.warning("survey_deletion_put_off", error=type(error).__name__)
