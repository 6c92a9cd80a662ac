"""The log of prompts, of tenants that said why and until when: no call waits for it, and none fails for it.

What was asked and answered is kept as the model had it, without what was redacted before. It waits in memory, bounded,
until it is sealed and written; what finds no room there, or cannot be written, is counted and lost, and is nowhere in plain.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from passerelle.domain.ask import Ask, Route
from passerelle.domain.caller import INTERNAL, Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import PasserelleError
from passerelle.domain.privacy import PromptLog
from passerelle.stores.database import within
from passerelle.stores.erased import since
from passerelle.subjects.prompts_store import Entry, PromptStore, last_moment
from passerelle.subjects.prompts_text import LOGGED, words

_log = structlog.get_logger(__name__)

_MOST_WAITING = 1_000  # calls
_MOST_BYTES = 64 * 1024 * 1024  # of them all
_MOST_OF_ANSWER = 2 * 1024 * 1024  # bytes of a stream, of which its text is a small part
_AT_ONCE = 20
_WRITE_SECONDS = 5.0
_PAUSES = (0.5, 2.0, 8.0)  # seconds before each repetition
_LEAVE_SECONDS = 3.0  # for what waits when the process ends

WRITTEN, LOST = "written", "lost"


@dataclass(slots=True)
class Listener:
    """Hears one call. `ends` is told once the answer is over."""

    log: Prompts
    ask: Ask
    tenant: str
    rule: PromptLog
    blocks: list[bytes] = field(default_factory=list)
    cut: bool = False
    _room: int = _MOST_OF_ANSWER
    _over: bool = False

    def take(self, block: bytes) -> None:
        """A piece of the answer, as the engine gave it; what is too long is cut."""
        if self._room <= 0 or self._over:
            self.cut = self.cut or bool(block)
            return
        self._room -= len(block)
        self.blocks.append(block)

    def ends(self, backend: str, *, whole: bool) -> None:
        """The answer is over; the first call counts."""
        if self._over:
            return
        self._over = True
        self.cut = self.cut or not whole
        self.log.heard(self, backend)


@dataclass(frozen=True, slots=True)
class _Waiting:
    id: str
    heard: Listener
    backend: str
    at: datetime
    since: datetime
    size: int


class Prompts:
    """Whoever makes it, runs it, and closes it after that. `told` hears what became of how many of a tenant's."""

    def __init__(
        self,
        store: PromptStore,
        *,
        rules: Callable[[], Mapping[str, PromptLog | None]] = dict,
        now: Callable[[], float] = time.time,
        told: Callable[[str, str, int], None] = lambda *_: None,
    ) -> None:
        """`rules` are what tenants say now; `now` gives Unix seconds."""
        self.store = store
        self._rules = rules
        self._now = now
        self._told = told
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._more = asyncio.Event()

    def listener(self, caller: Caller, tenant: Tenant, ask: Ask) -> Listener | None:
        """Who is to hear this call; None where nothing of it is kept: of calls that Passerelle makes itself, too."""
        rule = tenant.privacy.prompt_log
        if rule is None or ask.use or ask.route not in LOGGED or caller.key_id.startswith(INTERNAL):
            return None
        return Listener(self, ask, tenant.name, rule) if self._moment() < last_moment(rule) else None

    def heard(self, call: Listener, backend: str) -> None:
        """A call is over; it will be written, where there is room for it to wait."""
        if call.ask.route is Route.EMBEDDINGS:
            call.blocks.clear()  # vectors are no words
        size = call.ask.size + sum(map(len, call.blocks))
        if len(self._waiting) >= _MOST_WAITING or self._bytes + size > _MOST_BYTES:
            self._told(call.tenant, LOST, 1)
            return
        name = "prm_" + os.urandom(12).hex()
        at = self._moment()
        began = since(time.monotonic() - call.ask.arrived, now=at)
        self._waiting.append(_Waiting(name, call, backend, at, began, size))
        self._bytes += size
        self._more.set()

    async def run(self) -> None:
        """Write what comes, for ever."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                await self._next(_PAUSES)

    async def aclose(self) -> None:
        """Write what still waits, for a short while; the rest is lost."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                while self._waiting:
                    await self._next(())
        except TimeoutError:
            self._done(len(self._waiting), frozenset())

    async def forget(self, at: datetime) -> int:
        """Delete those whose end has come: how many."""
        return await self.store.forget(at, self._rules())

    async def _next(self, pauses: Sequence[float]) -> None:
        """Write the first that wait; they wait until that is done, or given up."""
        batch = list(islice(self._waiting, _AT_ONCE))
        entries = await asyncio.to_thread(_entries, batch)
        for pause in (*pauses, None):
            try:
                unsealed = await within(_WRITE_SECONDS, self.store.keep(entries))
            except (PasserelleError, SQLAlchemyError, OSError) as error:
                if pause is None:
                    _log.warning("prompts_not_kept", count=len(batch), error=type(error).__name__)
                    self._done(len(batch), frozenset())
                    return
                await asyncio.sleep(pause)
            else:
                self._done(len(batch), {each.id for each in entries} - unsealed)
                return

    def _done(self, count: int, written: Collection[str]) -> None:
        """The first so many wait no more."""
        for _ in range(count):
            gone = self._waiting.popleft()
            self._bytes -= gone.size
            self._told(gone.heard.tenant, WRITTEN if gone.id in written else LOST, 1)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def _entries(batch: Sequence[_Waiting]) -> list[Entry]:
    """Of those that can be read."""
    found: list[Entry] = []
    for each in batch:
        try:
            found.append(_entry(each))
        except Exception as error:  # noqa: BLE001 - callers and engines write anything; the others are kept
            _log.warning("prompt_not_read", error=type(error).__name__)
    return found


def _entry(waiting: _Waiting) -> Entry:
    call = waiting.heard
    ask, rule = call.ask, call.rule
    said: dict[str, Any] = words(ask.route, ask.body, call.blocks, streamed=ask.stream)
    said["cut"] = said["cut"] or call.cut
    return Entry(
        id=waiting.id,
        tenant=call.tenant,
        request_id=ask.request_id,
        subject=ask.subject,
        model=ask.model,
        backend=waiting.backend,
        at=waiting.at,
        ends_at=min(waiting.at + timedelta(seconds=rule.keep), last_moment(rule)),
        content=orjson.dumps(said),
        since=waiting.since,
    )
