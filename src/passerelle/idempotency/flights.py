"""One of many equal requests runs; the others wait for it, here and in every other process.

In this process they queue behind a lock, so that one of them at most asks the database what another process is doing.
How many wait is bounded by tenant: each holds the body it came with.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from passerelle.domain.errors import Conflict
from passerelle.idempotency.seal import Reply, Slot
from passerelle.idempotency.store import AnswerStore, Claim, Different, NotKept, Running

LONGEST_WAIT = 600.0
_MOST_WAITING, _MOST_BYTES = 200, 32 * 1_048_576  # of one tenant, in this process
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0  # between two questions about another process
_IN_PROGRESS = "The same request is still being answered; send it again later to get its answer."

_Name = tuple[bytes, bytes]


class InProgress(Conflict):
    """The same request runs, and this one cannot wait any longer. `retry_after` is in seconds."""

    code = "idempotency_in_progress"
    retry_after = 1.0


@dataclass(slots=True)
class _Turn:
    """One slot's requests in this process, one at a time."""

    lock: asyncio.Lock
    users: int = 0


@dataclass(slots=True)
class _Crowd:
    """What of one tenant is waiting."""

    number: int = 0
    size: int = 0


class Flight:
    """The right to run a request. Ends once: by `land` with its answer, or by `leave` without."""

    def __init__(self, flights: Flights, claim: Claim) -> None:
        self._flights = flights
        self._claim: Claim | None = claim

    async def land(self, reply: Reply | None) -> None:
        """Keep the answer, and let the others have it; None: it was too long to keep."""
        claim, self._claim = self._claim, None
        if claim is not None:
            try:
                await self._flights.store.finish(claim, reply)
            finally:
                self._flights.release(claim.slot)

    def leave(self) -> None:
        """There is no answer to keep: whoever asks next runs the request. Idempotent, never waits."""
        claim, self._claim = self._claim, None
        if claim is not None:
            given_up = self._flights.store.give_up(claim)
            given_up.add_done_callback(lambda _: self._flights.release(claim.slot))


class Flights:
    """Gives out flights, or the answers of those that have landed."""

    def __init__(self, store: AnswerStore) -> None:
        self.store = store
        self._turns: dict[_Name, _Turn] = {}
        self._crowds: dict[str | None, _Crowd] = {}

    async def board(self, slot: Slot, *, patience: float | None = None) -> Flight | Reply:
        """The right to run a request, or the answer it was given before, waited for if it is being run.

        Raises Conflict when the key is another request's or the answer was too long to keep, InProgress when the wait
        is over or too many wait, and Unavailable while nobody can tell.
        """
        name = (slot.digest, slot.fingerprint)
        turn = self._turns.setdefault(name, _Turn(asyncio.Lock()))
        turn.users += 1
        boarded = locked = False
        try:
            async with asyncio.timeout(min(patience or LONGEST_WAIT, LONGEST_WAIT)):
                await self._enter(slot, turn)
                locked = True
                found = await self._claim(slot)
            boarded = isinstance(found, Claim)
        except TimeoutError:
            raise InProgress(_IN_PROGRESS) from None
        finally:
            if not boarded:
                self._leave(name, locked=locked)
        return Flight(self, found) if isinstance(found, Claim) else _reply_of(found)

    def release(self, slot: Slot) -> None:
        """Let the next in: the flight of this slot has ended."""
        self._leave((slot.digest, slot.fingerprint), locked=True)

    def _leave(self, name: _Name, *, locked: bool) -> None:
        turn = self._turns[name]
        if locked:
            turn.lock.release()
        turn.users -= 1
        if not turn.users:
            del self._turns[name]

    async def _enter(self, slot: Slot, turn: _Turn) -> None:
        if turn.lock.locked():
            with self._waiting(slot):
                await turn.lock.acquire()
        else:
            await turn.lock.acquire()

    async def _claim(self, slot: Slot) -> Claim | Reply | NotKept | Different:
        found = await self.store.claim(slot)
        if not isinstance(found, Running):
            return found
        pause = _FIRST_PAUSE
        with self._waiting(slot):
            while isinstance(found, Running):
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads questions, no secret
                pause = min(1.5 * pause, _LONGEST_PAUSE)
                found = await self.store.claim(slot)
        return found

    @contextmanager
    def _waiting(self, slot: Slot) -> Iterator[None]:
        """Count who waits, and turn away who would be one too many."""
        crowd = self._crowds.setdefault(slot.tenant, _Crowd())
        if crowd.number >= _MOST_WAITING or crowd.size + slot.size > _MOST_BYTES:
            if not crowd.number:
                del self._crowds[slot.tenant]
            raise InProgress(_IN_PROGRESS)
        crowd.number += 1
        crowd.size += slot.size
        try:
            yield
        finally:
            crowd.number -= 1
            crowd.size -= slot.size
            if not crowd.number:
                del self._crowds[slot.tenant]


def _reply_of(found: Reply | NotKept | Different) -> Reply:
    """The answer to give again. Raises Conflict when there is none to give."""
    if isinstance(found, Reply):
        return found
    if isinstance(found, Different):
        raise Conflict(
            "This Idempotency-Key was sent with another request; every request needs a key of its own.",
            code="idempotency_conflict",
        )
    raise Conflict(
        "This request was answered before, and its answer was too long to be kept; with a new Idempotency-Key it"
        " runs again.",
        code="idempotency_not_replayable",
    )
