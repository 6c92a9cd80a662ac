"""Events on their way to webhooks, each at least once: what is not known to have arrived is sent again.

A row is claimed by moving its time on and sent with no transaction open. A process that dies in between leaves it to
whoever comes next, and the receiver knows the event by its id. Events arrive in any order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import orjson
import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from passerelle.domain.billing import Webhook
from passerelle.domain.errors import Unavailable
from passerelle.ledger.alerts import wants
from passerelle.stores.database import Database, Outage, within
from passerelle.wire.webhooks import Sent

FIRST, LONGEST = 30.0, 6 * 3600.0  # seconds between two tries
PATIENCE = timedelta(days=3)  # from an event to its last try
CLAIM = timedelta(seconds=60)  # that a process has for sending; longer than any try takes
# A configuration that is newer elsewhere may know what this process does not.
_UNKNOWN_FOR = timedelta(hours=1)
_EACH = 8  # rows of one webhook that are sent at once: one that is slow holds up no other
_WRITE_SECONDS = 15.0
_LONGEST_PAUSE = 60.0

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)

_CLAIM = text("""
WITH due AS MATERIALIZED (
    SELECT waiting.event_id, waiting.webhook
    FROM (SELECT DISTINCT webhook FROM ledger_outbox
          WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_at <= :now) AS names,
        LATERAL (SELECT event_id, webhook FROM ledger_outbox
            WHERE webhook = names.webhook AND delivered_at IS NULL AND given_up_at IS NULL AND next_at <= :now
            ORDER BY next_at LIMIT :each FOR UPDATE SKIP LOCKED) AS waiting
)
UPDATE ledger_outbox AS row SET next_at = :until, tries = row.tries + 1
FROM due WHERE row.event_id = due.event_id AND row.webhook = due.webhook
RETURNING row.event_id, row.webhook, row.event, row.tenant, row.payload, row.created_at, row.tries
""")
# What has arrived stays so, whatever another process made of it meanwhile.
_MARK = text("""
UPDATE ledger_outbox SET delivered_at = :delivered_at, problem = :problem,
    given_up_at = CASE WHEN CAST(:delivered_at AS timestamptz) IS NULL THEN coalesce(:given_up_at, given_up_at) END,
    next_at = coalesce(:next_at, next_at)
WHERE event_id = :event_id AND webhook = :webhook AND delivered_at IS NULL
""")
# Those given up come after the others, the newest of them first.
_UNDELIVERED = text("""
SELECT event_id, webhook, event, tenant, created_at, tries, next_at, given_up_at, problem FROM ledger_outbox
WHERE delivered_at IS NULL ORDER BY given_up_at DESC NULLS FIRST, next_at, event_id, webhook LIMIT :most
""")


class Sends(Protocol):
    """Posts one event: `wire.webhooks.Sender`."""

    async def send(self, url: str, secret: str, *, event_id: str, body: bytes, now: datetime) -> Sent:
        """How it went; never raises for what the receiver does."""
        ...


@dataclass(frozen=True, slots=True)
class _Row:
    """One event for one webhook."""

    event_id: str
    webhook: str
    event: str
    tenant: str
    payload: Any
    created_at: datetime
    tries: int  # this one included


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that has not arrived: on its way, or given up."""

    event_id: str
    webhook: str
    event: str
    tenant: str
    created_at: datetime
    tries: int
    next_at: datetime
    given_up_at: datetime | None
    problem: str | None  # of the last try: a status or a word


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is written of a try."""

    event_id: str
    webhook: str
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    next_at: datetime | None = None
    problem: str | None = None


def pause(tries: int, chance: float) -> float:
    """Seconds to wait after so many tries: 30, doubling up to six hours, and a quarter more or less by `chance` (0..1)."""
    return min(LONGEST, FIRST * 2.0 ** min(tries - 1, 30)) * (0.75 + chance / 2)


class Outbox:
    """Delivers what alerts wrote. `told` hears of each try: the webhook, and `delivered`, `failed` or `given_up`."""

    def __init__(
        self,
        database: Database,
        sender: Sends,
        *,
        webhooks: Callable[[], Sequence[Webhook]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        told: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._sender = sender
        self._webhooks = webhooks
        self._clock = clock
        self._chance = chance
        self._told = told
        self._unwritten: list[_Mark] = []  # how tries ended that the database has not been told of
        self._one = asyncio.Lock()

    async def run(self, seconds: float = 5.0) -> None:
        """Deliver every `seconds` until cancelled; more seldom while the database is away."""
        wait, away = seconds, False
        while True:
            try:
                while await self.deliver_once():
                    pass
            except Unavailable as error:
                if not away:
                    _log.warning("outbox_waits", reason=str(error.__cause__ or error).splitlines()[0][:300])
                away, wait = True, min(2 * wait, _LONGEST_PAUSE)
            else:
                if away:
                    _log.info("outbox_goes_on")
                away, wait = False, seconds
            await asyncio.sleep(wait)

    async def deliver_once(self) -> int:
        """Try some of what is due; how many that were. Raises Unavailable while the database is away."""
        async with self._one:
            await self._flush()
            now = self._clock()
            rows = await self._claim({"now": now, "until": now + CLAIM, "each": _EACH})
            if rows:
                await self._send(rows)
            return len(rows)

    async def _send(self, rows: Sequence[_Row]) -> None:
        known = {webhook.name: webhook for webhook in self._webhooks()}
        tries = [asyncio.ensure_future(self._try(row, known.get(row.webhook))) for row in rows]
        away: Unavailable | None = None
        try:
            for done in asyncio.as_completed(tries):
                self._unwritten.append(await done)
                if away is None:
                    try:
                        await self._flush()
                    except Unavailable as error:
                        away = error  # what is being sent is sent, and written when the database is back
        finally:
            for each in tries:
                each.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
        if away is not None:
            raise away

    async def _try(self, row: _Row, webhook: Webhook | None) -> _Mark:
        now = self._clock()
        if webhook is None or not wants(webhook, event=row.event, tenant=row.tenant):
            why = "not configured" if webhook is None else "not wanted"
            return self._failed(row, why, patience=_UNKNOWN_FOR)
        body = orjson.dumps(row.payload)
        try:
            sent = await self._sender.send(
                webhook.url, webhook.secret, event_id=row.event_id, body=body, now=now
            )
        except Exception as error:  # noqa: BLE001 - one row that nobody can send must not stop the others
            _log.error(
                "webhook_broken", webhook=row.webhook, event_id=row.event_id, error=type(error).__name__
            )
            return self._failed(row, "internal")
        if sent.delivered:
            self._told(row.webhook, "delivered")
            return _Mark(row.event_id, row.webhook, delivered_at=self._clock(), problem=None)
        return self._failed(row, sent.said, at_least=sent.retry_after or 0.0, gone=sent.gone)

    def _failed(
        self,
        row: _Row,
        problem: str,
        *,
        at_least: float = 0.0,
        gone: bool = False,
        patience: timedelta = PATIENCE,
    ) -> _Mark:
        """When it is tried again; never, where the receiver is gone or has been waited for long enough."""
        now, last = self._clock(), row.created_at + patience
        said = {
            "webhook": row.webhook,
            "event_id": row.event_id,
            "event_name": row.event,
            "tenant": row.tenant,
            "problem": problem,
            "tries": row.tries,
        }
        if gone or now >= last:
            _log.error("webhook_given_up", **said)
            self._told(row.webhook, "given_up")
            return _Mark(row.event_id, row.webhook, given_up_at=now, problem=problem)
        _log.warning("webhook_failed", **said)
        self._told(row.webhook, "failed")
        wait = max(pause(row.tries, self._chance()), min(at_least, LONGEST))
        return _Mark(
            row.event_id, row.webhook, next_at=min(last, now + timedelta(seconds=wait)), problem=problem
        )

    async def _claim(self, values: Mapping[str, object]) -> list[_Row]:
        async def claimed() -> list[_Row]:
            async with self._database.begin() as connection:
                return [_Row(*row) for row in await connection.execute(_CLAIM, values)]

        return await _reached(claimed())

    async def _flush(self) -> None:
        """Write how tries ended."""
        marks = list(self._unwritten)
        if not marks:
            return

        async def written() -> None:
            async with self._database.begin() as connection:
                await connection.execute(_MARK, [asdict(mark) for mark in marks])

        await _reached(written())
        self._unwritten = self._unwritten[len(marks) :]


async def undelivered(database: Database, *, most: int = 100) -> list[Undelivered]:
    """What is on its way, and after it what was given up, the newest first. Raises Unavailable."""

    async def found() -> list[Undelivered]:
        async with database.begin() as connection:
            return [Undelivered(*row) for row in await connection.execute(_UNDELIVERED, {"most": most})]

    return await _reached(found())


async def _reached(work: Coroutine[Any, Any, _T]) -> _T:
    """What the database gives. Raises Unavailable."""
    try:
        return await within(_WRITE_SECONDS, work)
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The outbox cannot be read or written.", code="ledger_unavailable") from error
