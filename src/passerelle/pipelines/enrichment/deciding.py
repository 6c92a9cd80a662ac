"""`Decisions`: what people decide about what was written, and what each text was by it; the seam `Deciding`.

One decision of a tenant's is written after another, so that versions are numbered without a gap. Nothing that a history
holds is ever changed: what is taken back makes a version of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.domain.content import LISTS, Decision, Value, Version, Worked
from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.jobs.desk import Desk
from passerelle.pipelines.enrichment import works_rows
from passerelle.pipelines.enrichment.deciding_versions import (
    Standpoint,
    enter,
    rolled_back,
    taken_back,
    versions_of,
    written_down,
)
from passerelle.pipelines.enrichment.tables import storable, value_json
from passerelle.sealing.values import Seal, Sealing, Unsealed
from passerelle.stores.database import Database

_PAGE = 200
_LONGEST = 400_000  # characters of an edited text
_LONGEST_ENTRY, _MOST_ENTRIES = 2_000, 200  # of an edited list

_CHOOSE = text("""
INSERT INTO content_choice (job, number, field, tenant, decision, value, by)
VALUES (:job, :number, :field, :tenant, :decision, CAST(:value AS jsonb), :by)
ON CONFLICT (job, number, field) DO UPDATE SET decision = excluded.decision, value = excluded.value,
    by = excluded.by, at = clock_timestamp()
""")
_JOBS = text("SELECT id FROM content_job WHERE tenant = :tenant")
_ERASE = [
    text(f"DELETE FROM {table} WHERE tenant = :tenant")  # noqa: S608 - constants
    for table in ("content_version", "content_output", "content_job", "content_recipe", "content_brand")
]
_COUNT = text("SELECT count(*) FROM content_piece WHERE tenant = :tenant")
_KNOWN = text("SELECT EXISTS (SELECT FROM content_piece WHERE tenant = :tenant AND key = :key)")


class Decisions:
    """The seam `Deciding`. Holds nothing open."""

    def __init__(self, database: Database, desk: Desk, seals: Sealing | None = None) -> None:
        self._seals: Sealing = seals or Unsealed()
        self._database = database
        self._desk = desk

    async def decide(
        self,
        tenant: str,
        job: str,
        number: int,
        choices: Mapping[str, tuple[Decision, Value | None]],
        *,
        by: str,
    ) -> Worked:
        """Decide on fields of a piece; a later decision takes an earlier one's place.

        Raises BadRequest `unknown_field` and `value_wrong`, Conflict `piece_not_written`.
        """
        if not choices:
            raise BadRequest("Decide on one field at least.", code="no_choices", param="choices")
        seal = await self._seals.of(tenant)
        async with self._database.begin() as connection:
            await enter(connection, tenant)
            await works_rows.look(connection, tenant, job)
            worked = await works_rows.one(connection, tenant, job, number, opener=seal)
            checked = {field: _checked(worked, field, choice) for field, choice in choices.items()}
            await _decide(connection, tenant, worked, checked, by=by, seal=seal)
            return await works_rows.one(connection, tenant, job, number, opener=seal)

    async def decide_all(
        self,
        tenant: str,
        job: str,
        decision: Decision,
        *,
        fields: Sequence[str] = (),
        flawed: bool = False,
        by: str,
    ) -> int:
        """Decide on every field that nobody has decided on; with flaws only where that is said. How many fields."""
        if decision is Decision.EDITED:
            message = "An edited text is one piece's. Accept or reject all of them."
            raise BadRequest(message, code="value_wrong", param="decision")
        count = after = 0
        while True:
            seal = await self._seals.of(tenant)
            async with self._database.begin() as connection:
                await enter(connection, tenant)
                await works_rows.look(connection, tenant, job)
                page = await works_rows.worked(connection, tenant, job, after=after, most=_PAGE, opener=seal)
                for worked in page:
                    open_ = _open(worked, fields, flawed=flawed)
                    chosen = {field: _checked(worked, field, (decision, None)) for field in open_}
                    await _decide(connection, tenant, worked, chosen, by=by, seal=seal)
                    count += len(chosen)
            if len(page) < _PAGE:
                return count
            after = page[-1].number

    async def history(self, tenant: str, piece: str) -> Sequence[Version]:
        """What each field of a piece was, the oldest first. Raises NotFound `piece_not_found`.

        Nothing, for a piece that nobody has decided on.
        """
        opener = await self._seals.opener(tenant)
        async with self._database.begin() as connection:
            found = await versions_of(connection, tenant, piece, opener)
            if (
                not found
                and not (await connection.execute(_KNOWN, {"tenant": tenant, "key": piece})).scalar()
            ):
                raise NotFound(f"There is no piece {piece[:100]!r}.", code="piece_not_found")
        return found

    async def roll_back(self, tenant: str, piece: str, field: str, number: int, *, by: str) -> Version:
        """A field as it was in an earlier version, as its newest one. Raises NotFound `version_not_found`."""
        at = Standpoint(tenant, piece, field, "", by, await self._seals.of(tenant))
        async with self._database.begin() as connection:
            await enter(connection, tenant)
            return await rolled_back(connection, at, number)

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant: recipes, brand, jobs, texts, history; how many pieces.

        Jobs under way are stopped; what they still write finds no place.
        """
        names = {"tenant": tenant}
        async with self._database.begin() as connection:
            await enter(connection, tenant)
            count = int((await connection.execute(_COUNT, names)).scalar_one())
            jobs = list((await connection.execute(_JOBS, names)).scalars())
        for job in jobs:  # first, so that an interrupted erasure is found again
            await self._desk.delete(tenant, job)
        async with self._database.begin() as connection:
            await enter(connection, tenant)
            for statement in _ERASE:
                await connection.execute(statement, names)
        return count


def _open(worked: Worked, fields: Sequence[str], *, flawed: bool) -> list[str]:
    """Fields that nobody has decided on."""
    if worked.written is None:
        return []
    values = worked.written.values
    wrong = {flaw.field for flaw in worked.written.flaws if flaw.serious}
    everything = bool(wrong - set(values))  # a flaw of none of them is one of all
    return [
        field
        for field in values
        if field not in worked.choices
        and (not fields or field in fields)
        and (flawed or not (everything or field in wrong))
    ]


def _checked(
    worked: Worked, field: str, choice: tuple[Decision, Value | None]
) -> tuple[Decision, Value | None]:
    """The decision with the value that stands by it. Raises BadRequest, Conflict."""
    if worked.written is None:
        raise Conflict("Nothing is written of the piece yet.", code="piece_not_written")
    values = worked.written.values
    if field not in values:
        message = f"Nothing was written as {field[:100]!r}: the fields are {', '.join(values)}."
        raise BadRequest(message, code="unknown_field", param=f"choices.{field[:100]}")
    decision, value = choice
    if decision is Decision.REJECTED:
        return decision, None
    if decision is Decision.ACCEPTED:
        return decision, values[field]
    return decision, _edited(field, value)


def _edited(field: str, value: Value | None) -> Value:
    where = f"choices.{field}"
    if field in LISTS:
        if value is None or isinstance(value, str):
            raise BadRequest(f"An edited {field!r} is a list of texts.", code="value_wrong", param=where)
        entries = tuple(" ".join(storable(each).split()) for each in value)
        if len(entries) > _MOST_ENTRIES or any(not 0 < len(each) <= _LONGEST_ENTRY for each in entries):
            message = f"An edited {field!r} has at most {_MOST_ENTRIES} entries, none empty or too long."
            raise BadRequest(message, code="value_wrong", param=where)
        return entries
    if not isinstance(value, str):
        raise BadRequest(f"An edited {field!r} is a text.", code="value_wrong", param=where)
    if len(value) > _LONGEST:
        message = f"An edited {field!r} has at most {_LONGEST} characters."
        raise BadRequest(message, code="value_wrong", param=where)
    return storable(value)


async def _decide(
    connection: AsyncConnection,
    tenant: str,
    worked: Worked,
    choices: Mapping[str, tuple[Decision, Value | None]],
    *,
    by: str,
    seal: Seal,
) -> None:
    """Write decisions down, and what becomes of the text by them."""
    for field, (decision, value) in choices.items():
        values = {
            "job": worked.job,
            "number": worked.number,
            "field": field,
            "tenant": tenant,
            "decision": decision.value,
            "value": None if value is None else value_json(value, seal),
            "by": by,
        }
        await connection.execute(_CHOOSE, values)
        at = Standpoint(tenant, worked.piece.key, field, worked.job, by, seal)
        if value is not None:
            await written_down(connection, at, value, source=worked.piece.text if field == "text" else None)
        elif (earlier := worked.choices.get(field)) is not None and earlier.value is not None:
            await taken_back(connection, at, earlier.value)
