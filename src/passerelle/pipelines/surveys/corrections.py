"""What people corrected. It teaches every run that starts after it, and none any more once it is revoked.

Corrections and revocations of a codebook are counted without gaps, one after another: what taught at a revision can be
told for ever. PostgreSQL is the truth; that the index of examples has it too is tried at once, and repaired later.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, NotFound, PasserelleError
from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction, Polarity
from passerelle.pipelines.surveys import codebooks_rows
from passerelle.pipelines.surveys.asking_seams import Embed
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.pipelines.surveys.corrections_rows import (
    CORRECTION,
    different,
    enter,
    kept_of,
    lineage,
    newest_revision,
    polarity_of,
    storable,
)
from passerelle.pipelines.surveys.desk import Corrections
from passerelle.pipelines.surveys.memory import Memory
from passerelle.pipelines.surveys.sealed import BOUND, opened
from passerelle.sealing.values import Seal, Sealing, Unsealed
from passerelle.stores.database import Database, Outage, within

MOST_LISTED = 500
_INDEXED_WITHIN = 3.0  # seconds; who corrects does not wait longer for the index

_log = structlog.get_logger(__name__)

_COMMENT = text("""
SELECT comment.text, comment.language, comment.number, survey.codebook FROM survey_comment AS comment
JOIN survey ON survey.id = comment.survey AND survey.tenant = :tenant
WHERE comment.tenant = :tenant AND comment.survey = :survey AND comment.id = :comment AND survey.state <> 'deleting'
FOR SHARE OF survey
""")
_RUN = text("""
SELECT id AS run, codebook, version FROM survey_run WHERE tenant = :tenant AND survey = :survey AND id = :run
""")
_READ = text("""
SELECT run.id AS run, run.codebook, run.version, reading.categories, reading.polarity
FROM survey_run AS run JOIN survey_reading AS reading ON reading.run = run.id AND reading.tenant = :tenant
WHERE run.tenant = :tenant AND run.survey = :survey AND (CAST(:run AS text) IS NULL OR run.id = :run)
    AND reading.number = :number AND reading.comment = :comment AND reading.analysed IS NOT NULL
ORDER BY run.number DESC LIMIT 1
""")
_STANDING = text(f"""
SELECT {CORRECTION} FROM survey_correction
WHERE tenant = :tenant AND codebook = :codebook AND survey = :survey AND comment = :comment AND revoked_at IS NULL
""")  # noqa: S608 - constants
_KEEP = text(f"""
INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language, "right", wrong,
    right_polarity, wrong_polarity, confirmed, survey, comment, run, created_by)
VALUES (:id, :tenant, :codebook, :version, :revision, :text, :language, CAST(:right AS text[]),
    CAST(:wrong AS text[]), :right_polarity, :wrong_polarity, :confirmed, :survey, :comment, :run, :by)
RETURNING {CORRECTION}
""")  # noqa: S608 - constants
_WHERE_FROM = text("SELECT codebook FROM survey_correction WHERE tenant = :tenant AND id = :id")
_REVOKE = text(f"""
UPDATE survey_correction SET revoked_at = clock_timestamp(), revoked_revision = :revision, revoked_by = :by,
    indexed = false
WHERE tenant = :tenant AND id = :id AND revoked_at IS NULL RETURNING {CORRECTION}
""")  # noqa: S608 - constants
_ONE = text(f"SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND id = :id")  # noqa: S608
_LIST = text(f"""
SELECT {CORRECTION} FROM survey_correction
WHERE tenant = :tenant AND codebook = :codebook AND (:revoked OR revoked_at IS NULL)
    AND (CAST(:after AS text) IS NULL
        OR revision < (SELECT revision FROM survey_correction
            WHERE id = :after AND tenant = :tenant AND codebook = :codebook))
ORDER BY revision DESC LIMIT :most
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class _Read:
    """What a run made of a comment; `run` None: none has read it."""

    codebook: str
    version: int
    run: str | None = None
    said: tuple[str, ...] | None = None  # None: it was not read
    polarity: Polarity | None = None


class KeptCorrections(Corrections):
    """Corrections of tenants. `embed` gives a tenant's embedding model; None: words only."""

    def __init__(
        self,
        *,
        database: Database,
        memory: Memory,
        embed: Callable[[Tenant], Embed | None],
        seals: Sealing | None = None,
    ) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database, self._memory, self._embed = database, memory, embed

    @override
    async def correct(
        self,
        tenant: Tenant,
        survey: str,
        comment: str,
        *,
        run: str | None = None,
        right: Sequence[str] | None = None,
        polarity: Polarity | None = None,
        by: str = "",
    ) -> Kept:
        """What is right of a comment. Raises BadRequest `nothing_to_confirm` too, where no run has read it."""
        seal = await self._seals.of(tenant.name)
        async with self._database.begin() as connection:
            values = {"tenant": tenant.name, "survey": survey, "comment": comment}
            found = await connection.execute(_COMMENT, values) if storable(survey, comment) else None
            row = next(iter(opened(seal, found)), None) if found is not None else None
            if row is None:
                message = "There is no such comment in this survey."
                raise NotFound(message, code="comment_not_found", param="comment")
            read = await _read(connection, values, row, run)
            await enter(connection, tenant.name, read.codebook)
            traced = await lineage(connection, tenant.name, read.codebook)
            if read.version not in traced.ids:
                raise _gone(read.codebook)
            correction = _correction(row, read, traced, right, polarity)
            kept = await self._keep(connection, values, read, correction, by, seal)
        await self._index(tenant, kept.codebook)
        return kept

    @override
    async def corrections(
        self, tenant: str, codebook: str, *, after: str | None = None, most: int = 100, revoked: bool = False
    ) -> Sequence[Kept]:
        """A codebook's, the newest first; with `revoked` those too that teach no more."""
        if not storable(codebook, after or ""):
            return []
        values = {
            "tenant": tenant,
            "codebook": codebook,
            "after": after,
            "most": min(max(most, 1), MOST_LISTED),
            "revoked": revoked,
        }
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            return [kept_of(row, opener) for row in await connection.execute(_LIST, values)]

    @override
    async def revoke(self, tenant: Tenant, correction: str, *, by: str = "") -> Kept:
        """It teaches no run that starts from now on; a second time changes nothing."""
        values = {"tenant": tenant.name, "id": correction}
        opener = await self._seals.opener(tenant.name)
        async with self._database.begin() as connection:
            found = await connection.execute(_WHERE_FROM, values) if storable(correction) else None
            codebook = found.scalar_one_or_none() if found is not None else None
            if codebook is None:
                raise NotFound(
                    "There is no such correction.", code="correction_not_found", param="correction"
                )
            await enter(connection, tenant.name, codebook)
            await _revoke(connection, tenant.name, codebook, correction, by)
            kept = kept_of((await connection.execute(_ONE, values)).one(), opener)
        await self._index(tenant, kept.codebook)
        return kept

    async def revision(self, tenant: str, codebook: str) -> int:
        """Up to which a run that starts now learns."""
        async with self._database.begin() as connection:
            return await newest_revision(connection, tenant, codebook)

    async def _keep(
        self,
        connection: AsyncConnection,
        where: dict[str, Any],
        read: _Read,
        correction: Correction,
        by: str,
        seal: Seal,
    ) -> Kept:
        """In the place of an earlier one; the same once more is that one."""
        tenant = where["tenant"]
        standing = [
            kept_of(row, seal)
            for row in await connection.execute(_STANDING, {**where, "codebook": read.codebook})
        ]
        for kept in standing:
            if kept.correction == correction and kept.run == read.run:
                return kept
        for kept in standing:
            await _revoke(connection, tenant, read.codebook, kept.id, by)
        values = {
            **where,
            "id": f"correction_{secrets.token_hex(12)}",
            "codebook": read.codebook,
            "version": correction.codebook,
            "revision": await newest_revision(connection, tenant, read.codebook) + 1,
            "text": seal.seal_text(correction.text, BOUND),
            "language": correction.language,
            "right": None if correction.right is None else list(correction.right),
            "wrong": list(correction.wrong),
            "right_polarity": correction.right_polarity,
            "wrong_polarity": correction.wrong_polarity,
            "confirmed": correction.confirmed,
            "run": read.run,
            "by": by,
        }
        return kept_of((await connection.execute(_KEEP, values)).one(), seal)

    async def _index(self, tenant: Tenant, codebook: str) -> None:
        """What cannot be done now is done before the next examples are chosen."""
        try:
            work = self._memory.index(tenant.name, codebook, self._embed(tenant))
            await within(_INDEXED_WITHIN, work)
        except (PasserelleError, TimeoutError, *Outage) as error:
            _log.warning("correction_not_indexed_yet", tenant=tenant.name, error=type(error).__name__)


async def _read(
    connection: AsyncConnection, where: dict[str, Any], comment: Row[Any], run: str | None
) -> _Read:
    """What was said of it: by that run, or by the newest that read it."""
    if not storable(run or ""):
        raise _no_run()
    found = await connection.execute(_READ, {**where, "run": run, "number": comment.number})
    row = found.one_or_none()
    if row is not None:
        return _Read(row.codebook, row.version, row.run, tuple(row.categories), polarity_of(row.polarity))
    if run is not None:
        row = (await connection.execute(_RUN, {**where, "run": run})).one_or_none()
        if row is None:
            raise _no_run()
        return _Read(row.codebook, row.version, row.run)
    if comment.codebook is None:
        message = "No run has read this comment, and its survey has no codebook. Give it one first."
        raise BadRequest(message, code="no_codebook", param="codebook")
    first = await connection.execute(
        codebooks_rows.FIRST, {"tenant": where["tenant"], "name": comment.codebook}
    )
    row = first.one_or_none()
    if row is None:
        raise _gone(comment.codebook)
    return _Read(row.name, row.version)


def _correction(
    comment: Row[Any], read: _Read, traced: Lineage, right: Sequence[str] | None, polarity: Polarity | None
) -> Correction:
    """Of what was said and what is right. Raises BadRequest."""
    if right is None and polarity is None:
        if read.said is None:
            message = "No run has read this comment, so there is nothing to confirm. Say what is right of it."
            raise BadRequest(message, code="nothing_to_confirm", param="right")
        return Correction(
            comment.text,
            comment.language or "",
            right=read.said,
            right_polarity=read.polarity,
            codebook=read.version,
            confirmed=True,
        )
    said, version = read.said or (), read.version
    if right is not None:
        right = different(right)
        version = _version(right, read, traced)
        said = traced.traced(said, read.version, version)
    kept_right = None if right is None else tuple(right)
    confirmed = (
        read.said is not None
        and (right is None or set(right) == set(said))
        and (polarity is None or polarity == read.polarity)
    )
    known = traced.ids.get(version, frozenset())
    return Correction(
        comment.text,
        comment.language or "",
        right=kept_right,
        wrong=() if right is None else tuple(one for one in said if one in known and one not in right),
        right_polarity=polarity,
        wrong_polarity=None if polarity in (None, read.polarity) else read.polarity,
        codebook=version,
        confirmed=confirmed,
    )


def _version(right: Collection[str], read: _Read, traced: Lineage) -> int:
    """The run's version, or the first after it that has all these categories. Raises BadRequest."""
    for version in sorted(traced.ids):
        if version >= read.version and traced.ids[version].issuperset(right):
            return version
    known = traced.ids.get(read.version, frozenset())
    unknown = [one for one in right if one not in known][:5] or list(right)[:5]
    message = (
        f"The codebook {read.codebook} has no category {', '.join(repr(one[:80]) for one in unknown)} in version "
        f"{read.version}. It has: {', '.join(sorted(known)[:30])}{', …' if len(known) > 30 else '.'}"
    )
    raise BadRequest(message, code="unknown_category", param="right")


async def _revoke(connection: AsyncConnection, tenant: str, codebook: str, correction: str, by: str) -> None:
    revision = await newest_revision(connection, tenant, codebook) + 1
    await connection.execute(_REVOKE, {"tenant": tenant, "id": correction, "revision": revision, "by": by})


def _gone(codebook: str) -> NotFound:
    return NotFound(
        f"There is no codebook {codebook!r} any more.", code="codebook_not_found", param="codebook"
    )


def _no_run() -> NotFound:
    return NotFound("There is no such run of this survey.", code="run_not_found", param="run")
