"""One lane to Redis: what is to be told and what is asked goes out in batches, one after another, in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from passerelle.stores.redis import Call, Outage, Redis, Script

_BATCH = 64  # runs of the script
_GATHER = 0.003  # seconds for which what nobody waits for waits for company


@dataclass(slots=True)
class Job:
    """One run of the script, and who hears its answer."""

    call: Call
    heard: Callable[[str], None]
    answer: asyncio.Future[None] | None = None  # None: nobody waits


class Lane:
    """`news` gives what is to be told now, at most so many runs; `lost` hears that a batch failed.

    Which runs of a batch that failed have happened nobody knows: `news` gives them again.
    """

    def __init__(
        self,
        redis: Redis,
        script: Script,
        *,
        patience: float,
        news: Callable[[int], Sequence[Job]],
        lost: Callable[[], None],
    ) -> None:
        self.closed = False  # nothing goes out but what is pushed
        self._redis = redis
        self._script = script
        self._patience = patience
        self._news = news
        self._lost = lost
        self._asked: deque[Job] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._soon: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """There is news."""
        if self._soon is None and not self.closed:
            self._soon = asyncio.get_running_loop().call_later(_GATHER, self.push)

    def add(self, jobs: Iterable[Job]) -> None:
        """Ask these with the next batch."""
        self._asked.extend(jobs)

    def ask(self, job: Job) -> asyncio.Future[None]:
        """Ask it now. The future raises one of `Outage` where the batch failed."""
        job.answer = asyncio.get_running_loop().create_future()
        self._asked.append(job)
        self.push()
        return job.answer

    def push(self) -> None:
        """Send what waits now."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        while self._sending is not None:
            await asyncio.wait({self._sending})

    def _batch(self) -> list[Job]:
        """News come first, so that holds find the room that it makes."""
        batch = list(self._news(_BATCH))
        batch += [self._asked.popleft() for _ in range(min(_BATCH, len(self._asked)))]
        return batch

    async def _send(self) -> None:
        batch: list[Job] = []
        try:
            while batch := self._batch():
                async with asyncio.timeout(self._patience):
                    answers = await self._redis.run(self._script, [job.call for job in batch])
                for job, answer in zip(batch, answers, strict=True):
                    job.heard(answer.decode())
                    if job.answer is not None and not job.answer.done():
                        job.answer.set_result(None)
        except (*Outage, ValueError) as error:  # or it answers what no script of ours says
            failed = [*batch, *self._asked]
            self._asked.clear()
            for job in failed:
                if job.answer is not None and not job.answer.done():
                    job.answer.set_exception(
                        error if isinstance(error, Outage) else OSError("no answer of ours")
                    )
            self._lost()
        finally:
            self._sending = None
