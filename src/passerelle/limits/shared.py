"""Limits that many processes share, in Redis. Each verb is one run of a script, by the server's own clock.

What is asked in the same moment is sent together, one batch after another, and what is settled goes first. A call
whose settling overtakes its own acquire, because its caller left, is known as settled: the acquire takes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from passerelle.domain.limits import Meter
from passerelle.limits.store import LEASE, REMEMBERED, SECOND, Claim, Clock, Grant, Reading
from passerelle.stores.redis import Call, Outage, Redis, Script

PATIENCE = 0.2  # seconds for one batch, connection and all

_TEXT = Path(__file__).with_name("verbs.lua")
_BATCH = 64
_GATHER = 0.003  # seconds for which settlements wait for company
_QUEUE = (
    20_000  # settlements that wait for Redis to come back; the oldest go, and their places end by themselves
)
_LINE = (
    2.0  # of its patience: for so long a call waits in line; a server whose batches take longer is too slow
)
_STALE = REMEMBERED / 2  # seconds; a settlement that is older might count twice, and hardly matters any more
_LEASE, _REMEMBERED = int(LEASE * SECOND), int(REMEMBERED * SECOND)


@dataclass(slots=True)
class _Job:
    call: Call
    answer: asyncio.Future[Any] | None  # None: nobody waits
    since: float  # on the loop's clock


class SharedStore:
    """A limit store in Redis. A verb that fails raises one of `stores.redis.Outage`."""

    def __init__(self, redis: Redis, *, clock: Clock | None = None, patience: float = PATIENCE) -> None:
        """`clock` is for tests; without it the server's own counts."""
        self._patience = patience
        self._redis = redis
        self._script = Script(_TEXT.read_text(encoding="utf-8"))
        self._clock = clock
        self._open: dict[str, dict[str, Claim]] = {}
        self._asked: deque[_Job] = deque()
        self._settled: deque[_Job] = deque()
        self._lane: asyncio.Task[bool] | None = None
        self._paused = False
        self._soon: asyncio.TimerHandle | None = None

    async def acquire(self, call_id: str, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`."""
        # From here on the server may have taken it, whether or not its answer is seen.
        before = self._open.get(call_id)
        self._open[call_id] = {**(before or {}), **{claim.name: claim for claim in claims}}
        grant = _grant(await self._ask(self._call("acquire", call_id, claims, _LEASE)), claims)
        if not grant.admitted and call_id in self._open:
            if before is None:
                del self._open[call_id]
            else:
                self._open[call_id] = before
        return grant

    def settle(self, call_id: str, used: Mapping[str, int]) -> None:
        """See `LimitStore`; sent within milliseconds, or when Redis is back."""
        claims = self._open.pop(call_id, None)
        if claims is None:
            return
        numbers = [str(used[name]) if name in used else "" for name in claims]
        call = self._call("settle", call_id, tuple(claims.values()), _REMEMBERED, numbers=numbers)
        loop = asyncio.get_running_loop()
        self._settled.append(_Job(call, None, loop.time()))
        if len(self._settled) > _QUEUE:
            self._settled.popleft()
        if self._soon is None and not self._paused:
            self._soon = loop.call_later(_GATHER, self.flush)

    async def renew(self, call_ids: Iterable[str]) -> None:
        """See `LimitStore`."""
        jobs = []
        for call_id in call_ids:
            held = self._open.get(call_id, {}).values()
            if held:
                places = [claim for claim in held if claim.meter is Meter.CALLS]
                # Its first key carries the tenant, also where no place is held.
                tenant = next(iter(held)).tenant
                jobs.append(self._ask(self._call("renew", call_id, places, _LEASE, tenant=tenant)))
        await asyncio.gather(*jobs)

    async def look(self, claims: Sequence[Claim]) -> Grant:
        """See `LimitStore`."""
        call = self._call("acquire", "", claims, _LEASE, numbers=["0"] * len(claims))
        return _grant(await self._ask(call), claims)

    def flush(self) -> None:
        """Send what waits now."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._lane is None and (self._asked or self._settled):
            self._lane = asyncio.get_running_loop().create_task(self._send())
            self._lane.add_done_callback(self._sent)

    def pause(self) -> None:
        """Redis is away: settlements wait until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Redis is back: send what has waited."""
        self._paused = False
        self.flush()

    async def probe(self) -> None:
        """Can Redis be read and written? Raises one of `Outage` when it cannot."""
        async with asyncio.timeout(self._patience):
            await self._redis.run(self._script, [self._call("renew", "probe", (), _LEASE, tenant="probe")])

    async def aclose(self) -> None:
        """Send what is settled, as far as Redis takes it."""
        self._paused = True
        self.flush()
        while self._lane is not None:
            lane = self._lane
            await asyncio.wait({lane})
            await asyncio.sleep(0)  # its callback comes first, and may have started another

    def _ask(self, call: Call) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append(_Job(call, answer, loop.time()))
        self.flush()
        return answer

    def _sent(self, lane: asyncio.Task[bool]) -> None:
        self._lane = None
        # After a failure only callers are worth another try: settlements wait for the next of them.
        if not lane.cancelled() and (lane.result() or self._asked):
            self.flush()

    async def _send(self) -> bool:
        """Send batches until nothing waits, or one fails: its settlements stay for the next time."""
        while batch := self._batch():
            try:
                async with asyncio.timeout(self._patience):
                    answers = await self._redis.run(self._script, [job.call for job in batch])
            except Outage as error:
                self._settled.extendleft(job for job in reversed(batch) if job.answer is None)
                for job in (*batch, *self._asked):
                    if job.answer is not None and not job.answer.done():
                        job.answer.set_exception(error)
                self._asked.clear()
                return False
            for job, answer in zip(batch, answers, strict=True):
                if job.answer is not None and not job.answer.done():
                    job.answer.set_result(answer)
            if self._asked and self._is_late(self._asked[0]):
                self._give_up()
        return True

    def _is_late(self, job: _Job) -> bool:
        return asyncio.get_running_loop().time() - job.since > _LINE * self._patience

    def _give_up(self) -> None:
        """Each batch is answered in time, and the line grows: whoever waits in it hears what a time-out says."""
        for job in self._asked:
            if job.answer is not None and not job.answer.done():
                job.answer.set_exception(TimeoutError())
        self._asked.clear()

    def _batch(self) -> list[_Job]:
        """Settlements first: who was answered finds the place free that the call had, however soon the next one comes.

        One whose own acquire comes after it, since its caller has left, is known as settled by then.
        """
        batch: list[_Job] = []
        oldest = asyncio.get_running_loop().time() - _STALE
        while self._settled and len(batch) < _BATCH:
            job = self._settled.popleft()
            if job.since >= oldest:
                batch.append(job)
        return batch + [self._asked.popleft() for _ in range(min(_BATCH, len(self._asked)))]

    def _call(
        self,
        verb: str,
        call_id: str,
        claims: Sequence[Claim],
        lease: int,
        *,
        numbers: Sequence[str] | None = None,
        tenant: str = "",
    ) -> Call:
        # One hash tag for all keys: a cluster keeps them on one server. A brace would end the tag.
        home = f"passerelle:{{{(tenant or claims[0].tenant).replace('}', ']')}}}"
        moment = "" if self._clock is None else str(self._clock())
        keys = [f"{home}:call:{call_id}"]
        arguments = [verb, call_id, moment, str(lease)]
        for index, claim in enumerate(claims):
            keys.append(f"{home}:{claim.name}")
            kind = "p" if claim.meter is Meter.CALLS else "r"
            arguments += (kind, str(claim.limit), str(claim.cost) if numbers is None else numbers[index])
        return Call(keys, arguments)


def _grant(answer: Any, claims: Sequence[Claim]) -> Grant:
    """What the script said. Raises OSError, one of `Outage`, where no script of ours can have said it."""
    try:
        admitted, *numbers = answer.split()
        each = zip(claims, numbers[::2], numbers[1::2], strict=True)
        readings = [Reading(claim, float(used), int(wanted)) for claim, used, wanted in each]
    except (AttributeError, TypeError, ValueError) as error:
        raise OSError("no answer of ours") from error
    if not all(isfinite(reading.used) for reading in readings):
        raise OSError("no answer of ours")
    return Grant(admitted == b"1", tuple(readings))
