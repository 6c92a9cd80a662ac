"""Claims and kept answers in PostgreSQL: one statement decides who runs a request, for all processes at once.

A claim is a lease. Who runs the request renews it, so a process that was killed holds nobody up for longer than that.
No connection is held while a request runs; a tenant has few at a time, whatever it sends.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.errors import Unavailable
from passerelle.idempotency.seal import Reply, Slot, Unreadable, seal, unseal
from passerelle.stores.database import Database, Outage, within

LEASE_SECONDS = 30.0
KEPT_SECONDS = 86_400.0
# What was refused cost nothing: a caller without end of it would fill the database if that were kept for a day.
REFUSED_SECONDS = 300.0
_ASK_SECONDS = 1.8  # for one statement, waiting for its turn included
# Statements: claims of one tenant, and ends of all. The pool has ten connections, and others want them too.
_AT_ONCE = 3
_BATCH = 500
_MOST_UNWRITTEN = 64 * 1_048_576  # bytes of answers that wait for the database

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)

# No row back: somebody made or changed the row a moment ago, and this statement is too old to see it.
_CLAIM = text("""
WITH taken AS (
    INSERT INTO idempotency_answers AS row
        (digest, tenant, fingerprint, subjects, state, holder, leased_until, expires_at)
    VALUES (:digest, :tenant, :fingerprint, CAST(:subjects AS text[]), 'running', :holder,
        clock_timestamp() + make_interval(secs => :lease), clock_timestamp() + make_interval(secs => :keep))
    ON CONFLICT (digest) DO UPDATE SET tenant = excluded.tenant, fingerprint = excluded.fingerprint,
        subjects = excluded.subjects, state = 'running', holder = excluded.holder, leased_until = excluded.leased_until,
        expires_at = excluded.expires_at, sealed = NULL
    WHERE row.expires_at <= clock_timestamp() OR (row.state = 'running'
        AND row.leased_until <= clock_timestamp() AND row.fingerprint = excluded.fingerprint)
    RETURNING row.holder
)
SELECT 'taken' AS state, :fingerprint AS fingerprint, CAST(NULL AS bytea) AS sealed FROM taken
UNION ALL
SELECT state, fingerprint, CASE WHEN fingerprint = :fingerprint THEN sealed END FROM idempotency_answers
WHERE digest = :digest AND expires_at > clock_timestamp() AND NOT EXISTS (SELECT FROM taken)
""")
_FINISH = text("""
UPDATE idempotency_answers SET state = :state, sealed = :sealed,
    expires_at = clock_timestamp() + make_interval(secs => :keep)
WHERE digest = :digest AND holder = :holder AND state = 'running'
""")
_GIVE_UP = text("""
DELETE FROM idempotency_answers WHERE digest = :digest AND holder = :holder AND state = 'running'
""")
_RENEW = text("""
UPDATE idempotency_answers AS row SET leased_until = clock_timestamp() + make_interval(secs => :lease)
FROM unnest(CAST(:digests AS bytea[]), CAST(:holders AS bytea[])) AS mine(digest, holder)
WHERE row.digest = mine.digest AND row.holder = mine.holder AND row.state = 'running'
""")
_SWEEP = text("""
DELETE FROM idempotency_answers WHERE digest IN (
    SELECT digest FROM idempotency_answers WHERE expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)
""")
_ERASE = text("DELETE FROM idempotency_answers WHERE tenant IS NOT DISTINCT FROM CAST(:tenant AS text)")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a request, for as long as it is renewed."""

    slot: Slot
    holder: bytes


@dataclass(frozen=True, slots=True)
class Running:
    """The request is being run."""


@dataclass(frozen=True, slots=True)
class NotKept:
    """The request was run, and its answer was too long to keep."""


@dataclass(frozen=True, slots=True)
class Different:
    """The key belongs to another request."""


Found = Claim | Reply | Running | NotKept | Different


class AnswerStore:
    """Claims, answers, leases. Whoever makes it, runs `run` and closes it."""

    def __init__(
        self, database: Database, *, lease: float = LEASE_SECONDS, keep: float = KEPT_SECONDS
    ) -> None:
        self._database = database
        self._lease = lease
        self._keep = keep
        self._held: dict[bytes, Claim] = {}  # by holder: what is renewed
        self._unwritten: dict[
            bytes, tuple[Claim, Reply | None]
        ] = {}  # by digest: ends not yet told the database
        self._turns: dict[str | None, list[Any]] = {}  # by tenant: a semaphore, and how many use it
        self._ends = asyncio.Semaphore(_AT_ONCE)
        self._leaving: set[asyncio.Task[None]] = set()

    async def claim(self, slot: Slot) -> Found:
        """The right to run a request, or what became of it. Raises Unavailable within two seconds."""
        unwritten = self._unwritten.get(slot.digest)
        if unwritten is not None:
            return _told(slot, *unwritten)
        claim = Claim(slot, os.urandom(16))
        values = {
            "digest": slot.digest,
            "tenant": slot.tenant,
            "fingerprint": slot.fingerprint,
            "subjects": list(slot.subjects),
            "holder": claim.holder,
            "lease": self._lease,
            "keep": self._keep,
        }
        asking = asyncio.ensure_future(self._ask(slot.tenant, _CLAIM, values))
        try:
            rows = await _reached(asking, seconds=_ASK_SECONDS)
        except BaseException:
            # It may be granted all the same; nobody is there to use it.
            self.give_up(claim, after=asking)
            raise
        if not rows:
            return Running()
        state, fingerprint, sealed = rows[0]
        if state == "taken":
            self._held[claim.holder] = claim
            return claim
        if bytes(fingerprint) != slot.fingerprint:
            return Different()
        if state == "running":
            return Running()
        return NotKept() if sealed is None else _opened(slot, bytes(sealed))

    async def finish(self, claim: Claim, reply: Reply | None) -> None:
        """Keep the answer of a request that was run; None: it was too long to keep. Never raises for the database.

        While that is away, the answer waits here, and a repeat in this process is given it from here.
        """
        try:
            await self._write(claim, reply)
        except Unavailable:
            self._put_off(claim, reply)
            _log.warning("idempotency_answer_waits", waiting=len(self._unwritten))
        except asyncio.CancelledError:
            self._put_off(claim, reply)
            raise

    def give_up(self, claim: Claim, after: asyncio.Task[Any] | None = None) -> asyncio.Task[None]:
        """Let a repeat run the request again; takes effect soon, or when the lease ends.

        `after`: what may still be about to take the claim.
        """
        self._held.pop(claim.holder, None)
        task = asyncio.ensure_future(self._give_up(claim, after))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def run(self, every: float | None = None) -> None:
        """Renew leases and write what waits, for ever; sweep now and then. Goes on through outages."""
        every = self._lease / 3 if every is None else every
        pause, away, until_sweep = every, False, 0.0
        while True:
            try:
                await self.renew()
                await self.write_waiting()
                if until_sweep <= 0:
                    await self.sweep()
                    until_sweep = random.uniform(60, 120)  # noqa: S311 - so that processes do not all sweep at once
            except Unavailable:
                if not away:
                    _log.warning("idempotency_unavailable")
                away, pause = True, min(every, 2.0)
            else:
                if away:
                    _log.info("idempotency_goes_on")
                away, pause = False, every
            until_sweep -= pause
            await asyncio.sleep(pause)

    async def renew(self) -> None:
        """Put off the end of every lease held here. Raises Unavailable."""
        held = list(self._held.values())
        if held:
            digests, holders = [claim.slot.digest for claim in held], [claim.holder for claim in held]
            values = {"digests": digests, "holders": holders, "lease": self._lease}
            await self._do(_RENEW, values)

    async def write_waiting(self) -> None:
        """Write the answers that the database has not been told of. Raises Unavailable."""
        for digest, (claim, reply) in list(self._unwritten.items()):
            await self._write(claim, reply)
            self._unwritten.pop(digest, None)

    async def sweep(self) -> int:
        """Delete what has been kept for long enough, some at a time; how many that were. Raises Unavailable."""
        total = 0
        while swept := await self._do(_SWEEP, {"most": _BATCH}):
            total += swept
            if swept < _BATCH:
                break
        return total

    async def erase(self, tenant: str | None) -> int:
        """Delete everything of a tenant; how many rows that were. Raises Unavailable."""
        for digest, (claim, _) in list(self._unwritten.items()):
            if claim.slot.tenant == tenant:
                del self._unwritten[digest]
        return await self._do(_ERASE, {"tenant": tenant}, seconds=5.0)

    async def aclose(self) -> None:
        """Wait, a moment, for what is being given up or waits to be written."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=_ASK_SECONDS)
        with suppress(Unavailable):
            await self.write_waiting()

    async def _write(self, claim: Claim, reply: Reply | None) -> None:
        values = {
            "digest": claim.slot.digest,
            "holder": claim.holder,
            "state": "not_kept" if reply is None else "kept",
            "sealed": None if reply is None else seal(claim.slot, reply),
            "keep": self._keep if reply is None or reply.status < 400 else min(self._keep, REFUSED_SECONDS),
        }
        if not await self._do(_FINISH, values):
            # Nobody renewed the lease for its whole length, and another process has run the request again.
            _log.warning("idempotency_lease_lost", tenant=claim.slot.tenant)
        self._held.pop(claim.holder, None)

    def _put_off(self, claim: Claim, reply: Reply | None) -> None:
        """Keep the end of a run here until the database can be told; the lease is renewed until then."""
        size = sum(len(kept.body) for _, kept in self._unwritten.values() if kept is not None)
        if reply is not None and size + len(reply.body) > _MOST_UNWRITTEN:
            reply = None
        self._unwritten[claim.slot.digest] = (claim, reply)

    async def _give_up(self, claim: Claim, after: asyncio.Task[Any] | None) -> None:
        if after is not None:
            # A statement that is cancelled may be carried out all the same, and after the one that follows here.
            await asyncio.wait({after})
        with suppress(Unavailable):
            await self._do(_GIVE_UP, {"digest": claim.slot.digest, "holder": claim.holder})

    async def _ask(
        self, tenant: str | None, statement: TextClause, values: Mapping[str, object]
    ) -> list[Any]:
        turn = self._turns.setdefault(tenant, [asyncio.Semaphore(_AT_ONCE), 0])
        turn[1] += 1
        try:
            async with turn[0], self._database.begin() as connection:
                return list(await connection.execute(statement, values))
        finally:
            turn[1] -= 1
            if not turn[1]:
                del self._turns[tenant]

    async def _do(
        self, statement: TextClause, values: Mapping[str, object], *, seconds: float = _ASK_SECONDS
    ) -> int:
        async def done() -> int:
            async with self._ends, self._database.begin() as connection:
                return (await connection.execute(statement, values)).rowcount

        return await _reached(done(), seconds=seconds)


async def _reached(work: Coroutine[Any, Any, _T] | asyncio.Task[_T], *, seconds: float) -> _T:
    """What the database gives. Raises Unavailable."""
    try:
        return await within(seconds, work)
    except (psycopg.Error, SQLAlchemyError, *Outage) as error:
        raise Unavailable(
            "It cannot be made sure now that this request runs only once; without Idempotency-Key it would run.",
            code="idempotency_unavailable",
            retry_after=2.0,
        ) from error


def _told(slot: Slot, claim: Claim, reply: Reply | None) -> Found:
    """What a repeat hears of an answer that the database has not been told of."""
    if claim.slot.fingerprint != slot.fingerprint:
        return Different()
    return NotKept() if reply is None else reply


def _opened(slot: Slot, sealed: bytes) -> Found:
    try:
        return unseal(slot, sealed)
    except Unreadable:
        # It was answered, so it is not run again. Only a damaged row, or one from another installation, comes here.
        _log.error("idempotency_answer_unreadable", tenant=slot.tenant)
        return NotKept()
