"""Prompts that are kept, in the database: sealed, each until its own end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, text

from passerelle.domain.errors import PasserelleError, Unavailable
from passerelle.domain.privacy import PromptLog
from passerelle.sealing.values import Unreadable
from passerelle.stores.database import Database, carried
from passerelle.stores.erased import ERASED
from passerelle.subjects.seams import Seal

MOST_LISTED = 200
_AT_ONCE = 1_000
_LONGEST = 3e9  # seconds: PostgreSQL's calendar ends somewhere

_COLUMNS = "id, request_id, subject, model, backend, at, ends_at, content"
_KEEP = text(f"""
INSERT INTO prompt_log (id, tenant, request_id, subject, model, backend, at, ends_at, content)
SELECT :id, :tenant, :request_id, :subject, :model, :backend, :at, :ends_at, :content
WHERE CAST(:ends_at AS timestamptz) > clock_timestamp() AND NOT {ERASED}
ON CONFLICT (id) DO NOTHING
""")
_LIST = text(f"""
SELECT {_COLUMNS} FROM prompt_log
WHERE tenant = :tenant AND ends_at > clock_timestamp()
    AND (CAST(:subject AS text) IS NULL OR subject = :subject)
    AND (CAST(:before AS text) IS NULL OR (at, id) <
        (SELECT at, id FROM prompt_log WHERE id = :before AND tenant = :tenant))
ORDER BY at DESC, id DESC LIMIT :most
""")  # noqa: S608 - constants
_COUNT = text("SELECT count(*) FROM prompt_log WHERE tenant = :tenant AND subject = :subject")
_ERASE = text("DELETE FROM prompt_log WHERE tenant = :tenant AND subject = :subject")
_HELD = text("SELECT count(*) FROM prompt_log WHERE tenant = :tenant")
_WIPE = text("DELETE FROM prompt_log WHERE tenant = :tenant")
_OLDEST = text("SELECT min(at) FROM prompt_log WHERE tenant = :tenant")
# What was to be kept longer than its tenant says now goes by what is said now.
_FORGET = text("""
DELETE FROM prompt_log WHERE id IN (
    SELECT id FROM prompt_log WHERE ends_at <= :at OR EXISTS (
        SELECT FROM unnest(CAST(:tenants AS text[]), CAST(:seconds AS float8[]), CAST(:last AS timestamptz[]))
            AS rule(tenant, seconds, last)
        WHERE rule.tenant = prompt_log.tenant
            AND least(prompt_log.at + make_interval(secs => rule.seconds), rule.last) <= :at)
    LIMIT :most)
""")


@dataclass(frozen=True, slots=True)
class Entry:
    """A call to be kept. `content` is what was asked and answered, as JSON."""

    id: str
    tenant: str
    request_id: str
    subject: str
    model: str
    backend: str
    at: datetime
    ends_at: datetime
    content: bytes
    since: datetime  # when the call began, and no later


@dataclass(frozen=True, slots=True)
class Prompt:
    """A call that is kept. `content` is None where nothing opens it any more."""

    id: str
    request_id: str
    subject: str
    model: str
    backend: str
    at: datetime
    ends_at: datetime
    content: Mapping[str, Any] | None


class PromptStore:
    """Reads, writes and deletes them. `subject` is a pseudonym."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def keep(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Write them, all or none; not one whose end has come, or whose person was erased since. The ids of those that nothing can seal.

        Raises Unavailable, and what the database raises.
        """
        rows: list[dict[str, Any]] = []
        unsealed: list[str] = []
        for each in entries:
            try:
                content = await self._seal.seal(each.tenant, each.content, _bound(each.id))
            except Unavailable:
                raise
            except PasserelleError:
                unsealed.append(each.id)
            else:
                rows.append(_row(each, content))
        if rows:
            async with self._database.begin() as connection:
                carried(connection, max([len(row["content"]) for row in rows]))
                await connection.execute(_KEEP, rows)
        return frozenset(unsealed)

    async def listed(
        self, tenant: str, *, subject: str | None = None, before: str | None = None, most: int = 50
    ) -> Sequence[Prompt]:
        """A tenant's, or a person's, the newest first; those before that one."""
        values = {
            "tenant": tenant,
            "subject": subject,
            "before": before,
            "most": max(1, min(most, MOST_LISTED + 1)),
        }
        async with self._database.begin() as connection:
            rows = list(await connection.execute(_LIST, values))
        return [await self._opened(tenant, row) for row in rows]

    async def all_of(self, tenant: str, subject: str) -> AsyncIterator[Prompt]:
        """All of a person's, the newest first."""
        before: str | None = None
        while found := await self.listed(tenant, subject=subject, before=before):
            for each in found:
                yield each
            before = found[-1].id

    async def count(self, tenant: str, subject: str) -> int:
        """How many there are of a person."""
        return int(await self._told(_COUNT, {"tenant": tenant, "subject": subject}) or 0)

    async def held(self, tenant: str) -> int:
        """How many there are of a tenant."""
        return int(await self._told(_HELD, {"tenant": tenant}) or 0)

    async def erase(self, tenant: str, subject: str) -> int:
        """Delete a person's: how many."""
        return await self._deleted(_ERASE, {"tenant": tenant, "subject": subject})

    async def wipe(self, tenant: str) -> int:
        """Delete a tenant's: how many."""
        return await self._deleted(_WIPE, {"tenant": tenant})

    async def oldest(self, tenant: str) -> datetime | None:
        """When the first of them was asked."""
        found: datetime | None = await self._told(_OLDEST, {"tenant": tenant})
        return found

    async def forget(self, at: datetime, rules: Mapping[str, PromptLog | None]) -> int:
        """Delete those whose end has come, by their own time or by what their tenants say now: how many."""
        values = {
            "at": at,
            "tenants": list(rules),
            "seconds": [min(rule.keep, _LONGEST) if rule else 0.0 for rule in rules.values()],
            "last": [last_moment(rule) if rule else at for rule in rules.values()],
            "most": _AT_ONCE,
        }
        total = 0
        while gone := await self._deleted(_FORGET, values):
            total += gone
        return total

    async def _opened(self, tenant: str, row: Row[Any]) -> Prompt:
        content: Mapping[str, Any] | None
        try:
            content = orjson.loads(await self._seal.open(tenant, row.content, _bound(row.id)))
        except Unreadable:  # this one, whatever becomes of the others
            content = None
        except Unavailable:
            raise
        except PasserelleError:
            content = None
        return Prompt(
            row.id, row.request_id, row.subject, row.model, row.backend, row.at, row.ends_at, content
        )

    async def _told(self, statement: Any, values: Mapping[str, Any]) -> Any:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).scalar()

    async def _deleted(self, statement: Any, values: Mapping[str, Any]) -> int:
        async with self._database.begin() as connection:
            return (await connection.execute(statement, values)).rowcount


def _row(entry: Entry, content: bytes) -> dict[str, Any]:
    return {
        "id": entry.id,
        "tenant": entry.tenant,
        "request_id": entry.request_id,
        "subject": entry.subject,
        "model": entry.model,
        "backend": entry.backend,
        "at": entry.at,
        "ends_at": entry.ends_at,
        "content": content,
        "since": entry.since,
    }


def last_moment(rule: PromptLog) -> datetime:
    """When nothing is kept any more, in UTC: the end of the last day."""
    until = rule.until
    return datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)


def _bound(name: str) -> bytes:
    return b"prompt_log\0" + name.encode()
