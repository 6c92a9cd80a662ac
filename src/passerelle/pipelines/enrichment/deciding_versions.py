"""What a field of a piece was, version by version: added to in its caller's transaction, and never changed.

`text` begins with its source as it came; what has no source begins with the first value that is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.content import LISTS, Value, Version
from passerelle.domain.errors import NotFound
from passerelle.pipelines.enrichment.tables import value_in, value_json
from passerelle.sealing.values import Opener, Seal

_GATE = 0x76657273  # advisory: one decision of a tenant's at a time

_ENTER = text("SELECT pg_advisory_xact_lock(:gate, hashtext(:tenant))")
_ALL = text("""
SELECT key, field, number, value, job, back_to, by, at FROM content_version
WHERE tenant = :tenant AND key = :key ORDER BY at, field, number
""")
_FIELD = text("""
SELECT key, field, number, value, job, back_to, by, at FROM content_version
WHERE tenant = :tenant AND key = :key AND field = :field ORDER BY number
""")
_ADD = text("""
INSERT INTO content_version (tenant, key, field, number, value, job, back_to, by)
VALUES (:tenant, :key, :field, :number, CAST(:value AS jsonb), :job, :back_to, :by) RETURNING at
""")


@dataclass(frozen=True, slots=True)
class Standpoint:
    """A field of a tenant's piece, and who decides on it by which job."""

    tenant: str
    key: str
    field: str
    job: str
    by: str
    seal: Seal

    def values(self) -> dict[str, Any]:
        """For a statement."""
        return {"tenant": self.tenant, "key": self.key, "field": self.field}


async def enter(connection: AsyncConnection, tenant: str) -> None:
    """Wait until nobody else decides for this tenant; until the transaction ends, nobody else does."""
    await connection.execute(_ENTER, {"gate": _GATE, "tenant": tenant})


async def versions_of(
    connection: AsyncConnection, tenant: str, key: str, opener: Opener
) -> Sequence[Version]:
    """Of all fields, the oldest first."""
    rows = await connection.execute(_ALL, {"tenant": tenant, "key": key})
    return [_version(row, opener) for row in rows]


async def written_down(
    connection: AsyncConnection, at: Standpoint, value: Value, *, source: str | None
) -> None:
    """A value that stands from now on. A `source` that no version is yet comes in before it."""
    known = await _of_field(connection, at)
    if source is not None and all(version.value != source for version in known):
        known.append(await _add(connection, at, len(known) + 1, source, by="", job=None))
    if not known or known[-1].value != value:
        await _add(connection, at, len(known) + 1, value, by=at.by, job=at.job)


async def taken_back(connection: AsyncConnection, at: Standpoint, value: Value) -> None:
    """A value that was accepted and is not any more: what stood before it stands again, where it still stood."""
    known = await _of_field(connection, at)
    if not known or known[-1].value != value or known[-1].job != at.job:
        return  # something newer stands
    if len(known) == 1:
        nothing: Value = () if at.field in LISTS else ""
        await _add(connection, at, 2, nothing, by=at.by, job=at.job)
        return
    before = known[-2]
    await _add(connection, at, len(known) + 1, before.value, by=at.by, job=at.job, back_to=before.number)


async def rolled_back(connection: AsyncConnection, at: Standpoint, number: int) -> Version:
    """A field as it was, as its newest version. Raises NotFound `version_not_found`."""
    known = await _of_field(connection, at)
    wanted = next((version for version in known if version.number == number), None)
    if wanted is None:
        message = f"{at.field[:100]!r} of {at.key[:100]!r} has no version {number}."
        raise NotFound(message, code="version_not_found", param="number")
    if known[-1].value == wanted.value:
        return known[-1]
    return await _add(connection, at, len(known) + 1, wanted.value, by=at.by, job=None, back_to=number)


async def _of_field(connection: AsyncConnection, at: Standpoint) -> list[Version]:
    return [_version(row, at.seal) for row in await connection.execute(_FIELD, at.values())]


async def _add(
    connection: AsyncConnection,
    at: Standpoint,
    number: int,
    value: Value,
    *,
    by: str,
    job: str | None,
    back_to: int | None = None,
) -> Version:
    values = {
        **at.values(),
        "number": number,
        "value": value_json(value, at.seal),
        "job": job,
        "back_to": back_to,
        "by": by,
    }
    moment = (await connection.execute(_ADD, values)).scalar_one()
    return Version(at.key, at.field, number, value, job, by, moment, back_to)


def _version(row: Row[Any], opener: Opener) -> Version:
    value = value_in(row.field, row.value, opener)
    return Version(row.key, row.field, row.number, value, row.job, row.by, row.at, row.back_to)
