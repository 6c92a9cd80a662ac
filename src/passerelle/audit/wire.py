"""An audit log as lines of JSON: what is exported, and what is checked without the service that wrote it.

One line an event, in the order of their numbers; the last line is the head that was signed when they were read. Digests
are hexadecimal, signatures base64, keys PEM. A file that begins later than with number 1 shows what follows on what came
before it, and not what that was.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from passerelle.audit.chain import (
    DIGEST_BYTES,
    GENESIS,
    Break,
    Checking,
    Event,
    Head,
    Link,
    Verdict,
    Wrong,
    empty,
    moment,
)
from passerelle.audit.log import SignedHead
from passerelle.sealing.signing import pem_of, read_public, verify

LONGEST = 100_000  # bytes of a line


class Unreadable(ValueError):
    """A line that is none of an exported log's; the message names its number."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file. `signed`: None where it has no head, else whether the head's signature holds."""

    verdict: Verdict
    first: int
    head: SignedHead | None
    signed: bool | None

    @property
    def whole(self) -> bool:
        """Is nothing wrong with it?"""
        return self.verdict.whole and self.signed is not False


def event_of(link: Link) -> dict[str, Any]:
    """An event as JSON says it."""
    event = link.event
    return {
        "chain": event.chain,
        "number": event.number,
        "at": moment(event.at),
        "actor": event.actor,
        "action": event.action,
        "object": event.object,
        "detail": event.detail,
        "previous": link.previous.hex(),
        "digest": link.digest.hex(),
    }


def head_of(signed: SignedHead) -> dict[str, Any]:
    """A signed head as JSON says it."""
    return {
        "chain": signed.head.chain,
        "number": signed.head.number,
        "digest": signed.head.digest.hex(),
        "at": moment(signed.at),
        "signature": base64.b64encode(signed.signature).decode("ascii"),
        "public_key": pem_of(signed.public),
    }


def lines(links: Iterable[Link]) -> bytes:
    """Events, a line each."""
    return b"".join(orjson.dumps({"event": event_of(link)}) + b"\n" for link in links)


def last_line(signed: SignedHead) -> bytes:
    """The line that ends a file."""
    return orjson.dumps({"head": head_of(signed)}) + b"\n"


def read_link(said: dict[str, Any]) -> Link:
    """An event from JSON. Raises ValueError and KeyError."""
    event = Event(
        str(said["chain"]),
        int(said["number"]),
        datetime.fromisoformat(said["at"]),
        str(said["actor"]),
        str(said["action"]),
        str(said["object"]),
        dict(said["detail"]),
    )
    return Link(event, _digest(said["previous"]), _digest(said["digest"]))


def read_head(said: dict[str, Any]) -> SignedHead:
    """A signed head from JSON. Raises ValueError and KeyError. Its signature is not looked at."""
    return SignedHead(
        Head(str(said["chain"]), int(said["number"]), _digest(said["digest"])),
        datetime.fromisoformat(said["at"]),
        base64.b64decode(said["signature"], validate=True),
        read_public(str(said["public_key"])),
    )


def holds(signed: SignedHead, public: bytes | None = None) -> bool:
    """Was the head signed with this key, or, without one, with the key that it names itself?"""
    if public is not None and public != signed.public:
        return False
    return verify(signed.public, signed.signature, signed.head.message(signed.at))


def check_lines(
    given: Iterable[bytes], *, public: bytes | None = None, known: Iterable[Head] = ()
) -> Checked:
    """Look at an exported file a line at a time. Raises Unreadable.

    `public`: the installation's key, from somewhere else than the file: else who changed the file may have signed it
    anew.
    """
    checking: Checking | None = None
    signed: SignedHead | None = None
    first = 0
    for number, line in enumerate(given, start=1):
        if not line.strip():
            continue
        kind, said = _read(number, line)
        if signed is not None:
            raise Unreadable(f"line {number} comes after the head")
        if kind == "head":
            signed = said
            continue
        if checking is None:
            first = said.event.number
            checking = Checking(_before(said), known=known)
        checking.take(said)
    if checking is None:
        checking = Checking(empty(signed.head.chain if signed is not None else ""), known=known)
    verdict = checking.verdict()
    if signed is not None and verdict.whole:
        verdict = _against(verdict, signed.head)
    return Checked(verdict, first, signed, holds(signed, public) if signed is not None else None)


def _against(verdict: Verdict, head: Head) -> Verdict:
    """Is the signed head the end of what was read?"""
    if verdict.head == head or (verdict.count == 0 and head.chain == verdict.head.chain and head.number == 0):
        return verdict
    if head.number > verdict.head.number:
        return Verdict(verdict.head, verdict.count, Break(verdict.head.number + 1, Wrong.CUT))
    return Verdict(verdict.head, verdict.count, Break(head.number, Wrong.HEAD))


def _before(link: Link) -> Head:
    """What the first event of a file follows on."""
    number = link.event.number - 1
    return Head(link.event.chain, number, link.previous if number else GENESIS)


def _read(number: int, line: bytes) -> tuple[str, Any]:
    if len(line) > LONGEST:
        raise Unreadable(f"line {number} is too long")
    try:
        said = orjson.loads(line)
        if isinstance(said, dict) and isinstance(said.get("event"), dict):
            return "event", read_link(said["event"])
        if isinstance(said, dict) and isinstance(said.get("head"), dict):
            return "head", read_head(said["head"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Unreadable(f"line {number} is no event and no head of an audit log")


def _digest(said: Any) -> bytes:
    digest = bytes.fromhex(said)
    if len(digest) != DIGEST_BYTES:
        raise ValueError("a digest has 32 bytes")
    return digest
