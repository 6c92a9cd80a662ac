"""What happens too often for an event each: counted by the hour, and noted once when the hour is over.

Counting costs an addition. Every few seconds what was counted goes to a table that all processes share; a process that
is killed loses those few seconds. Whoever comes first after an hour's end turns its counts into events, in the
transaction that deletes them: each is noted once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text

from passerelle.audit.actions import CALLERS, POLICY_REFUSED, check, worded
from passerelle.audit.log import Audit
from passerelle.domain.errors import Unavailable
from passerelle.stores.database import Database, Outage

GRACE = timedelta(minutes=2)  # after an hour's end, for processes that have not told yet

_SECONDS = 15.0
_MOST = 10_000  # different things that are counted between two tellings; more are not told apart
_AT_ONCE = 200  # events of one transaction: others who note something wait for its end

_log = structlog.get_logger(__name__)

_ADD = text("""
INSERT INTO audit_tally (chain, hour, actor, action, object, calls)
VALUES (:chain, :hour, :actor, :action, :object, :calls)
ON CONFLICT (chain, hour, actor, action, object) DO UPDATE SET calls = audit_tally.calls + excluded.calls
""")
_TAKE = text("""
DELETE FROM audit_tally WHERE (chain, hour, actor, action, object) IN (
  SELECT chain, hour, actor, action, object FROM audit_tally WHERE hour < :before
  ORDER BY chain, hour, action, actor, object LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING chain, hour, actor, action, object, calls
""")


@dataclass(frozen=True, slots=True)
class Counted:
    """One thing that is counted, in its hour."""

    chain: str
    hour: datetime
    actor: str
    action: str
    object: str


class Tally:
    """Counts for ever. `run` tells the database."""

    def __init__(
        self, database: Database, audit: Audit, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._audit = audit
        self._now = now
        self._counts: Counter[Counted] = Counter()

    def refused(self, tenant: str, rule: str) -> None:
        """A call of a tenant was refused by a rule of its policy."""
        self.count(tenant, CALLERS, POLICY_REFUSED, rule)

    def count(self, chain: str, actor: str, action: str, thing: str) -> None:
        """One more of these in this hour. Raises ValueError for what does not belong in the log."""
        check(actor, action, thing, {})
        hour = self._now().replace(minute=0, second=0, microsecond=0)
        counted = Counted(chain, hour, actor, action, thing)
        if counted not in self._counts and len(self._counts) >= _MOST:
            counted = Counted(chain, hour, actor, action, "")
        self._counts[counted] += 1

    async def tell(self) -> None:
        """Add what was counted to the shared table. Raises Unavailable, and then it is counted still."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        rows = [
            {"chain": each.chain, "hour": each.hour, "actor": each.actor, "action": each.action,
             "object": each.object, "calls": calls}
            for each, calls in sorted(counts.items(), key=lambda item: repr(item[0]))  # one order: no deadlock
        ]  # fmt: skip
        try:
            async with self._database.begin() as connection:
                await connection.execute(_ADD, rows)
        except BaseException as error:
            self._counts += counts
            if isinstance(error, Outage):
                raise Unavailable(
                    "The audit log's database does not answer.", code="audit_unavailable"
                ) from error
            raise

    async def note(self) -> int:
        """Turn the counts of hours that are over into events; how many. Raises Unavailable."""
        before = self._now() - GRACE
        before = before.replace(minute=0, second=0, microsecond=0)
        noted = 0
        try:
            while True:
                async with self._database.begin() as connection:
                    rows = (await connection.execute(_TAKE, {"before": before, "most": _AT_ONCE})).all()
                    # Chains in one order, so that two who note several do not wait for each other.
                    for row in sorted(rows, key=lambda row: tuple(row[:5])):
                        detail = {"hour": row.hour.strftime("%Y-%m-%dT%HZ"), "count": row.calls}
                        await self._audit.note_in(
                            connection, row.chain, row.actor, row.action, worded(row.object), detail
                        )
                noted += len(rows)
                if len(rows) < _AT_ONCE:
                    return noted
        except Outage as error:
            raise Unavailable(
                "The audit log's database does not answer.", code="audit_unavailable"
            ) from error

    async def run(self) -> None:
        """Tell and note for ever; what is left is told at the end."""
        try:
            while True:
                await asyncio.sleep(_SECONDS)
                await self._try()
        finally:
            await self._try()

    async def _try(self) -> None:
        try:
            await self.tell()
            await self.note()
        except Unavailable as error:
            _log.warning("audit_tally_waits", reason=str(error))
