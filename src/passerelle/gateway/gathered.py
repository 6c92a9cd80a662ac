"""A journal in which the embeddings of a cache are few records: one a minute for each tenant, model and target.

The promise of the journal holds for them too: what begins is on disk before the engine hears of it. A record is
opened for more than one call needs, and takes calls in until that is used up; if its process dies before the end,
what is booked is at least what they cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

import structlog

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Ended, Line
from passerelle.gateway.books import Journal
from passerelle.gateway.embedding import USE

_log = structlog.get_logger(__name__)

_MINUTE = 60_000  # milliseconds; months and rates of exchange change with a minute
_ROOM = 64  # times the most that its first call can cost is what a record is opened for
_MOST_PARTS = 10_000  # of one record
_EVERY = 5.0  # seconds

_Key = tuple[object, ...]


@dataclass(slots=True)
class _Record:
    """One record under way. `began` is on disk."""

    began: Began
    minute: int
    left: int | None  # of what it was opened for, in pico-units; None: no price is known
    parts: int = 0
    going: int = 0
    first: Ended | None = None  # what the others must agree with
    ran: int = 0  # milliseconds that its calls took together
    until: int = 0
    lines: dict[_Key, Line] = field(default_factory=dict)
    usage: dict[str, object] = field(default_factory=dict)
    first_ms: int | None = None
    served: bool = False

    def takes(self, began: Began) -> bool:
        """Has it room for this call?"""
        if began.at // _MINUTE != self.minute or self.parts >= _MOST_PARTS:
            return False
        return self.left is None or (began.held or 0) <= self.left

    def take(self, began: Began) -> None:
        self.parts += 1
        self.going += 1
        if self.left is not None:
            self.left -= began.held or 0

    def agrees(self, ended: Ended) -> bool:
        """Can this call be a part of it? One that cost nothing always can, and the first that did sets the rule."""
        first = self.first
        if not ended.lines or first is None or not first.lines:
            return True
        return ended.at // _MINUTE == first.at // _MINUTE and _alike(first) == _alike(ended)

    def add(self, began: Began, ended: Ended) -> None:
        """A call that is over."""
        if self.first is None or (ended.lines and not self.first.lines):
            self.first = ended
        self.served = self.served or ended.served
        self.ran += max(0, ended.at - began.at)
        self.until = max(self.until, ended.at)
        for line in ended.lines:
            key = (line.meter, line.unit, line.currency, line.certainty, line.price_id)
            known = self.lines.get(key)
            self.lines[key] = line if known is None else _sum(known, line)
        _count(self.usage, ended.usage)
        if ended.first_ms is not None and self.first_ms is None:
            self.first_ms = ended.first_ms

    def ended(self) -> Ended | None:
        """All of it as one; it has taken as long as its calls did one after the other, and ends in their minute."""
        if self.first is None:
            return None
        at = max(self.first.at // _MINUTE * _MINUTE, min(self.began.at + self.ran, self.until))
        return replace(
            self.first,
            attempt_id=self.began.attempt_id,
            at=max(self.began.at, at),
            served=self.served,
            upstream_id=None,
            usage=self.usage or None,
            lines=tuple(self.lines.values()),
            first_ms=self.first_ms,
        )


class Gathered:
    """Stands before another journal. Whoever makes it, closes it before that one."""

    def __init__(self, journal: Journal, *, now: Callable[[], float] = time.time) -> None:
        """`now` gives Unix seconds, of the same clock as the calls' own moments."""
        self._journal = journal
        self._now = now
        self._records: dict[_Key, _Record] = {}  # that take calls in
        self._parts: dict[str, tuple[_Record, Began]] = {}  # calls under way, by their own ids
        self._leaving: list[_Record] = []  # that take none, and wait for those they have
        self._late: list[tuple[Began, Ended]] = []  # calls of their own that the disk did not take yet

    @property
    def owner(self) -> str:
        """See `Journal`."""
        return self._journal.owner

    def room(self) -> bool:
        """See `Journal`."""
        return self._journal.room()

    def begin(self, began: Began) -> None:
        """See `Journal`. An embedding of the cache is written down with others."""
        if began.use != USE:
            self._journal.begin(began)
            return
        key = _key(began)
        record = self._records.get(key)
        if record is None or not record.takes(began):
            opened = _opened(began)
            self._journal.begin(opened.began)  # where that fails, all stays as it was
            if record is not None:
                self._leave(key, record)
            record = self._records[key] = opened
        record.take(began)
        self._parts[began.attempt_id] = (record, began)

    def both(self, began: Began, ended: Ended) -> None:
        """See `Journal`. Nothing that is gathered is over as it begins."""
        self._journal.both(began, ended)

    def end(self, ended: Ended) -> None:
        """See `Journal`."""
        part = self._parts.pop(ended.attempt_id, None)
        if part is None:
            self._journal.end(ended)
            return
        record, began = part
        record.going -= 1
        if record.agrees(ended):
            record.add(began, ended)
        else:
            # The record may bear its name already.
            own = f"{began.attempt_id}.own"
            self._late.append((replace(began, attempt_id=own), replace(ended, attempt_id=own)))
        self.flush()

    def flush(self, *, everything: bool = False) -> None:
        """Write what has come to its end: records of a minute that is over, and `everything` that can be written."""
        minute = int(self._now() * 1000) // _MINUTE
        for key, record in list(self._records.items()):
            if everything or record.minute != minute:
                self._leave(key, record)
        for record in [each for each in self._leaving if not each.going]:
            self._leaving.remove(record)
            if (ended := record.ended()) is not None:
                self._end(ended)
        late, self._late = self._late, []
        for began, ended in late:
            try:
                self._journal.begin(began)
            except Unavailable:
                self._late.append((began, ended))
            else:
                self._end(ended)

    async def run(self) -> None:
        """Write what has come to its end, every few seconds."""
        while True:
            await asyncio.sleep(_EVERY)
            self.flush()

    def close(self) -> None:
        """Write all that has come to its end. Calls still under way are booked as their records were opened."""
        self.flush(everything=True)

    def _leave(self, key: _Key, record: _Record) -> None:
        if self._records.get(key) is record:
            del self._records[key]
        self._leaving.append(record)

    def _end(self, ended: Ended) -> None:
        try:
            self._journal.end(ended)
        except Unavailable:
            # The journal keeps it, and writes it as soon as the disk takes it.
            _log.error("settlement_waits", attempt=ended.attempt_id)


def _key(began: Began) -> _Key:
    """What all calls of a record have in common."""
    tags = tuple(sorted(began.tags.items())) if began.tags else ()
    priced = began.held is not None
    return (began.tenant, began.key_id, began.model, began.backend, began.target, began.country, began.catalog,
            began.route, tags, priced, began.held_currency, began.subject)  # fmt: skip


def _opened(began: Began) -> _Record:
    held = None if began.held is None else began.held * _ROOM
    return _Record(replace(began, held=held, sequence=1), began.at // _MINUTE, held)


def _alike(ended: Ended) -> _Key:
    return (ended.payer, ended.payee, ended.provider, ended.exchange, ended.usage_source, ended.revision,
            ended.outcome)  # fmt: skip


def _sum(one: Line, other: Line) -> Line:
    return replace(
        one,
        quantity=one.quantity + other.quantity,
        amount=one.amount + other.amount,
        cost=one.cost + other.cost,
        billed=one.billed + other.billed,
        saved=one.saved + other.saved,
    )


def _count(total: dict[str, object], usage: Mapping[str, object] | None) -> None:
    """Add what an engine counted to what it has counted before; groups of figures are left out."""
    for name, value in islice((usage or {}).items(), 16):
        if type(value) is int:
            known = total.get(name, 0)
            total[name] = value + (known if isinstance(known, int) else 0)
