"""Rows of codebooks and corrections: a tenant's own, and the lock under which revisions and versions are counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.survey_work import Kept
from passerelle.domain.surveys import Correction, Polarity
from passerelle.pipelines.surveys.corrections_lineage import Lineage
from passerelle.pipelines.surveys.sealed import BOUND
from passerelle.sealing.values import Opener

# A codebook's corrections as `kept_of` reads them.
CORRECTION = """id, codebook, version, revision, text, language, "right", wrong, right_polarity, wrong_polarity,
    confirmed, survey, comment, run, created_by, created_at, revoked_at, revoked_revision"""
HOLDS = "revision <= :revision AND (revoked_revision IS NULL OR revoked_revision > :revision)"

_ENTER = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 9))")
_REVISION = text("""
SELECT greatest(coalesce(max(revision), 0), coalesce(max(revoked_revision), 0)) FROM survey_correction
WHERE tenant = :tenant AND codebook = :codebook
""")
_HOLDING = text(f"""
SELECT {CORRECTION} FROM survey_correction WHERE tenant = :tenant AND codebook = :codebook AND {HOLDS}
ORDER BY revision
""")  # noqa: S608 - constants
_LINEAGE = text("""
SELECT version, merged, base, jsonb_path_query_array(categories, '$[*].id') AS ids FROM survey_codebook
WHERE tenant = :tenant AND name = :name
""")


async def enter(connection: AsyncConnection, tenant: str, codebook: str) -> None:
    """Until the transaction ends, nobody else counts this codebook's versions and revisions."""
    await connection.execute(_ENTER, {"key": json.dumps(["survey codebook", tenant, codebook])})


async def newest_revision(connection: AsyncConnection, tenant: str, codebook: str) -> int:
    """How many corrections and revocations there were."""
    found = await connection.execute(_REVISION, {"tenant": tenant, "codebook": codebook})
    return int(found.scalar_one())


async def holding(
    connection: AsyncConnection, tenant: str, codebook: str, revision: int, opener: Opener
) -> list[Kept]:
    """The corrections that taught at a revision, in their order, in the ids of their own versions."""
    values = {"tenant": tenant, "codebook": codebook, "revision": revision}
    return [kept_of(row, opener) for row in await connection.execute(_HOLDING, values)]


async def lineage(connection: AsyncConnection, tenant: str, codebook: str) -> Lineage:
    """What became of the categories of all versions."""
    rows = (await connection.execute(_LINEAGE, {"tenant": tenant, "name": codebook})).all()
    return Lineage(
        {row.version: frozenset(row.ids) for row in rows},
        {row.version: row.merged for row in rows},
        {row.version: row.base for row in rows if row.base is not None},
    )


def kept_of(row: Row[Any], opener: Opener) -> Kept:
    """A row of `CORRECTION`."""
    correction = Correction(
        opener.open_text(row.text, BOUND),
        row.language,
        right=None if row.right is None else tuple(row.right),
        wrong=tuple(row.wrong),
        right_polarity=polarity_of(row.right_polarity),
        wrong_polarity=polarity_of(row.wrong_polarity),
        codebook=row.version,
        revoked=row.revoked_at is not None,
        confirmed=row.confirmed,
    )
    return Kept(
        row.id,
        row.codebook,
        correction,
        row.revision,
        row.survey,
        row.comment,
        row.run,
        row.created_by,
        row.created_at,
        row.revoked_at,
        row.revoked_revision,
    )


def polarity_of(word: str | None) -> Polarity | None:
    """As it is kept in a row."""
    return None if word is None else Polarity(word)


def different(ids: Sequence[str]) -> tuple[str, ...]:
    """Each once, in their order."""
    return tuple(dict.fromkeys(ids))


def storable(*names: str) -> bool:
    """Whether a database can be asked for them at all; nothing there is called by other names."""
    return not any("\0" in name or name.encode("utf-8", "ignore").decode() != name for name in names)
