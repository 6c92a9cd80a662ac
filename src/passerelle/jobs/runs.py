"""The items under way in this process: each run to its end and settled, whatever becomes of the turn that took it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

import structlog
from sqlalchemy.exc import DataError

from passerelle.domain.jobs import Values, Wish
from passerelle.jobs.claims import Claim, Claims, Lost, NotWritten
from passerelle.jobs.kinds import Kinds, Verdict, Write, judge
from passerelle.stores.database import Outage

_SLICE = 1.0  # seconds after which a turn lets others on the same queue have a turn
_SETTLE_SECONDS = 600.0  # a result that the database does not take for so long is given up
_CLOSING_SECONDS = 5.0  # for telling the database at the end, beyond the grace
_LONGEST_PAUSE = 5.0

_log = structlog.get_logger(__name__)


class _Why(Enum):
    """Why a run was stopped."""

    CANCELLED = "cancelled"
    LOST = "lost"
    STOPPING = "stopping"


@dataclass(slots=True, eq=False)
class _Run:
    """An item under way; what its kind sees of its surroundings."""

    claim: Claim
    claims: Claims
    why: _Why | None = None
    work: asyncio.Task[Values] | None = None
    writes: list[Write] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return self.claim.job.tenant

    @property
    def params(self) -> Values:
        return self.claim.job.params

    async def note(self, data: Values) -> None:
        with suppress(Lost):  # it is about to be stopped
            await self.claims.note(self.claim, data)

    def along(self, write: Write) -> None:
        self.writes.append(write)

    def stop(self, why: _Why) -> None:
        """Stop it, for the first reason given."""
        if self.why is None and self.work is not None and not self.work.done():
            self.why = why
            self.work.cancel()


class Runs:
    """Runs items. Whoever makes it calls `beat` often enough for the lease, and closes it.

    `counted` is told of every item that was settled: kind and what became of it.
    """

    def __init__(
        self, claims: Claims, kinds: Kinds, *, counted: Callable[[str, str], None] = lambda _kind, _end: None
    ) -> None:
        self._claims = claims
        self._kinds = kinds
        self._counted = counted
        self._runs: dict[str, _Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._hurry = asyncio.Event()

    @property
    def under_way(self) -> int:
        """How many items."""
        return len(self._runs)

    async def turn(self) -> None:
        """Take items and run them, one after another, until none waits; after a while, in a turn of its own.

        Cancelling a turn stops none of its items: they are stopped by `close`, and by their jobs.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + _SLICE
        while not self._stopping:
            claim = await self._claims.next()
            if claim is None:
                return
            run = _Run(claim, self._claims)
            task = asyncio.create_task(self._live(run), name=f"item {claim.item.number} of {claim.job.id}")
            self._runs[claim.name] = run
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            await asyncio.shield(task)
            if loop.time() >= ends:
                break
        await self._claims.another_turn()

    def hear(self, job: str | None, stops: bool) -> None:  # noqa: FBT001 - as the bell tells it
        """Something happened to a job: what runs of it is stopped where it shall stop."""
        if stops:
            for run in self._runs.values():
                if run.claim.job.id == job:
                    run.stop(_Why.CANCELLED)

    async def beat(self) -> None:
        """Keep the claims of what is under way; stop what is no longer ours, or shall stop."""
        runs = dict(self._runs)
        if not runs:
            return
        held = await self._claims.renew([run.claim for run in runs.values()])
        for name, run in runs.items():
            if name not in held:
                run.stop(_Why.LOST)
            elif held[name] is Wish.CANCEL:
                run.stop(_Why.CANCELLED)

    def hurry(self) -> None:
        """What is not done is given back now, when it is closed."""
        self._hurry.set()

    async def close(self, grace: float) -> None:
        """Take no more items; what is not done after so many seconds is given back for another worker."""
        self._stopping = True
        hurry = asyncio.ensure_future(self._hurry.wait())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._tasks and not hurry.done():
                    await asyncio.wait({hurry, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for run in list(self._runs.values()):
            run.stop(_Why.STOPPING)
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_CLOSING_SECONDS)
            for task in left:  # the database, or an item that does not listen: its lease will lapse
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=1.0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job_item_not_settled", error=type(error).__name__)  # its lease will lapse

    async def _live(self, run: _Run) -> None:
        """Run an item, and settle it as long as that takes."""
        kind = run.claim.job.kind
        try:
            run.work = asyncio.create_task(self._work(run))
            if self._stopping:  # it was taken, perhaps again, while we stopped: it is not even begun
                run.stop(_Why.STOPPING)
            await asyncio.wait({run.work})
            end = await self._settle(run, run.work)
            self._counted(kind, end)
            _let_go(run.work)
        finally:
            if run.work is not None and not run.work.done():
                run.work.cancel()
            self._runs.pop(run.claim.name, None)
            run.work = None  # it keeps where it failed, and that keeps the run

    async def _work(self, run: _Run) -> Values:
        kind = self._kinds[run.claim.job.kind]
        async with asyncio.timeout(kind.seconds):
            return await kind.run(run.claim.item, run)

    async def _settle(self, run: _Run, work: asyncio.Task[Values]) -> str:
        """Tell the database, until it has heard or has given the item to somebody else; what became of the item."""
        loop = asyncio.get_running_loop()
        gives_up = loop.time() + _SETTLE_SECONDS
        pause = 0.1
        while True:
            try:
                return await self._write(run, work)
            except Lost:
                _log.warning("job_item_given_up", job=run.claim.job.id, item=run.claim.item.number)
                return "lost"
            except Outage as error:
                if loop.time() > gives_up:
                    _log.error("job_item_not_settled", job=run.claim.job.id, error=type(error).__name__)
                    return "lost"
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads tries, no secret
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _write(self, run: _Run, work: asyncio.Task[Values]) -> str:
        claim = run.claim
        if work.cancelled():
            return await self._write_stopped(run)
        error = work.exception()
        if error is None:
            try:
                await self._claims.done(claim, work.result(), run.writes)
            except NotWritten as refused:
                error = refused.__cause__ or refused
            except (TypeError, DataError) as refused:  # JSON, or its column, cannot hold what the kind gave
                error = refused
            else:
                return "done"
        verdict = self._judge(claim, error)
        await self._claims.failed(claim, verdict)
        return "failed" if verdict.again is None else "again"

    async def _write_stopped(self, run: _Run) -> str:
        if run.why is _Why.LOST:
            raise Lost
        if run.why is _Why.CANCELLED:
            await self._claims.stopped(run.claim)
            return "cancelled"
        await self._claims.give_back(run.claim)
        return "given-back"

    def _judge(self, claim: Claim, error: BaseException) -> Verdict:
        most = self._kinds[claim.job.kind].attempts
        verdict = judge(error, attempts=claim.item.attempts, most=most, delays=claim.delays)
        if verdict.trouble.code == "internal_error":
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
            # Without its words: they may quote the item.
            _log.error("job_item_defect", kind=claim.job.kind, error=type(error).__name__, where=place)
        return verdict


def names(kinds: Kinds) -> Sequence[str]:
    """The kinds a worker can run."""
    return sorted(kinds)


def _let_go(work: asyncio.Task[Values]) -> None:
    """Drop where a failed run stood, as nobody asks any more.

    Its frames and its error hold each other, and what was worked on, until cycles are collected, which is rarely.
    """
    error = None if work.cancelled() or not work.done() else work.exception()
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
