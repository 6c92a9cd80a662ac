"""A chain of events: each holds the digest of the one before, so that a missing, moved or edited one is noticed.

The digest of an event is SHA-256(digest of the one before || canonical bytes); before the first stand 32 zero bytes.
Canonical bytes are a JSON list, UTF-8, without spaces, characters unescaped where JSON lets them be, members of objects
in the order of their names: `["passerelle audit v1",chain,number,at,actor,action,object,detail]`, with `at` in UTC and
microseconds, such as `2026-11-22T08:30:00.000001Z`. Anybody can work it out again.

What a chain cannot show by itself is that its end was cut off. A signed head that somebody keeps elsewhere can.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

GENESIS = bytes(32)  # what stands before the first event
DIGEST_BYTES = 32

_VERSION = "passerelle audit v1"
_HEAD_VERSION = "passerelle audit head v1"


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, once. `chain`: a tenant's name, "" = the installation's. `number` counts from 1."""

    chain: str
    number: int
    at: datetime
    actor: str
    action: str
    object: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Link:
    """An event in its chain."""

    event: Event
    previous: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain reaches: its last number and digest. A chain without events: 0 and `GENESIS`."""

    chain: str
    number: int
    digest: bytes

    def message(self, at: datetime) -> bytes:
        """What is signed when the head is told at a moment."""
        return orjson.dumps([_HEAD_VERSION, self.chain, self.number, self.digest.hex(), moment(at)])


class Wrong(StrEnum):
    """What is found wrong with a chain."""

    GAP = "gap"  # numbers are missing
    ORDER = "order"  # a number comes again, or late
    CHAIN = "chain"  # an event of another chain
    LINK = "link"  # it does not hold the digest of the one before
    EDITED = "edited"  # its digest is not that of what it says
    CUT = "cut"  # it ends before a head that was signed
    HEAD = "head"  # it is not the one that a head was signed of


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong, and at which number."""

    number: int
    wrong: Wrong

    def __str__(self) -> str:
        """For people."""
        return _SAID[self.wrong].format(number=self.number)


_SAID = {
    Wrong.GAP: "Number {number} is missing.",
    Wrong.ORDER: "Number {number} is not in its place.",
    Wrong.CHAIN: "Number {number} is of another chain.",
    Wrong.LINK: "Number {number} does not follow on the one before it.",
    Wrong.EDITED: "Number {number} is not what was written.",
    Wrong.CUT: "Number {number} is missing: the chain ends before a head that was signed.",
    Wrong.HEAD: "Number {number} is not the one that a head was signed of.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of looking at a chain: how many were looked at, where it ends, what is wrong first."""

    head: Head
    count: int
    broken: Break | None = None

    @property
    def whole(self) -> bool:
        """Is nothing wrong?"""
        return self.broken is None


def moment(at: datetime) -> str:
    """A moment as it is hashed and signed. Raises ValueError for one without a time zone."""
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(event: Event) -> bytes:
    """The bytes of an event that its digest is of."""
    said = [
        _VERSION,
        event.chain,
        event.number,
        moment(event.at),
        event.actor,
        event.action,
        event.object,
        event.detail,
    ]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def digest(previous: bytes, event: Event) -> bytes:
    """32 bytes over an event and all that came before it."""
    return hashlib.sha256(previous + canonical(event)).digest()


def linked(head: Head, event: Event) -> Link:
    """An event at the end of a chain. Raises ValueError for one that does not belong there."""
    if (event.chain, event.number) != (head.chain, head.number + 1):
        raise ValueError(f"number {event.number} does not follow on {head.number}")
    return Link(event, head.digest, digest(head.digest, event))


def empty(chain: str) -> Head:
    """The head of a chain without events."""
    return Head(chain, 0, GENESIS)


class Checking:
    """Looks at a chain link by link, and remembers no more than the last one.

    `known`: heads that were told before, which the chain must have in it.
    """

    def __init__(self, start: Head, *, known: Iterable[Head] = ()) -> None:
        """`start` is what the first link is to follow on: `empty(chain)`, or the head of what was looked at before."""
        self._head = start
        self._known = {head.number: head.digest for head in known if head.number}
        self._count = 0
        self._broken: Break | None = None

    def take(self, link: Link) -> bool:
        """Look at the next link. False once something is wrong: what follows tells nothing new."""
        if self._broken is None:
            wrong = self._wrong(link)
            if wrong is None:
                self._count += 1
                self._head = Head(self._head.chain, link.event.number, link.digest)
            else:
                number = self._head.number + 1 if wrong is Wrong.GAP else link.event.number
                self._broken = Break(number, wrong)
        return self._broken is None

    def verdict(self) -> Verdict:
        """What came of it, now that there are no more links."""
        broken = self._broken
        if broken is None:
            later = [number for number in self._known if number > self._head.number]
            broken = Break(self._head.number + 1, Wrong.CUT) if later else None
        return Verdict(self._head, self._count, broken)

    def _wrong(self, link: Link) -> Wrong | None:
        event, head = link.event, self._head
        if event.chain != head.chain:
            return Wrong.CHAIN
        if event.number != head.number + 1:
            return Wrong.GAP if event.number > head.number + 1 else Wrong.ORDER
        if link.previous != head.digest:
            return Wrong.LINK
        if link.digest != digest(link.previous, event):
            return Wrong.EDITED
        if self._known.get(event.number, link.digest) != link.digest:
            return Wrong.HEAD
        return None


def verify(chain: str, links: Iterable[Link], *, known: Iterable[Head] = ()) -> Verdict:
    """What came of looking at a whole chain from its first event."""
    checking = Checking(empty(chain), known=known)
    for link in links:
        if not checking.take(link):
            break
    return checking.verdict()
