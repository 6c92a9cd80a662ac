"""Reads a document in a process of its own, which can take no more than its limits and is always ended.

Nothing of a document is looked into here: a parser that a document breaks, fills or stops takes only that child.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import asdict

import orjson
import structlog

from passerelle.domain.jobs import Values
from passerelle.pipelines.documents.confined import confined
from passerelle.pipelines.documents.parsed import Limits, Parsed, from_answer
from passerelle.pipelines.documents.refusals import COSTLY, DAMAGED, refusal

_log = structlog.get_logger(__name__)

_CHILD = "passerelle.pipelines.documents.child"
_AT_ONCE = 256 * 1024  # bytes
_TRIES = 2  # of a document whose reader is killed: the document may be why
_DEFAULT = Limits()
# How it ends for want of time, and of memory: the system's own, or that of libraries which give up without it.
_SPENT = tuple(
    -sent
    for sent in (
        signal.SIGXCPU,
        signal.SIGKILL,
        signal.SIGALRM,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGILL,
    )
)


async def parse(
    content: bytes, *, name: str = "", declared_type: str = "", limits: Limits = _DEFAULT
) -> Parsed:
    """The document's text in blocks. `declared_type` is the content type it was sent with, if any.

    Its kind is found by its content; `name` gives a title where there is none, and tells kinds of plain text apart.
    Raises Refused with a `code` that begins with `document_`.
    """
    if not content:
        raise refusal("document_empty")
    if len(content) > limits.size:
        raise refusal("document_too_large")
    head = {"name": name[:1000], "declared": declared_type[:200], "limits": asdict(limits)}
    for _ in range(_TRIES):
        answer, status = await _read(head, content, limits)
        # Its own limits end it otherwise: this was the system, short of memory, or somebody's hand.
        if answer is None or status != -signal.SIGKILL:
            break
    return _judged(answer, status)


async def _read(head: Values, content: bytes, limits: Limits) -> tuple[bytes | None, int]:
    """What a child says of it, None when that is too much, and its exit status."""
    try:
        async with asyncio.timeout(limits.seconds), confined(_CHILD, head, content) as child:
            answer = await _hear(child, limits.output)
            status = await child.wait()
    except TimeoutError:
        raise refusal(COSTLY) from None
    return answer, status


async def _hear(child: asyncio.subprocess.Process, most: int) -> bytes | None:
    """All it says; None when it says more than it may."""
    heard = bytearray()
    while child.stdout is not None and (block := await child.stdout.read(_AT_ONCE)):
        heard += block
        if len(heard) > most:
            child.kill()
            return None
    return bytes(heard)


def _judged(answer: bytes | None, status: int) -> Parsed:
    if answer is None:
        raise refusal("document_too_long")
    if status in _SPENT:
        raise refusal(COSTLY)
    try:
        said = orjson.loads(answer) if status == 0 else {}
        if "refused" in said:
            raise refusal(str(said["refused"]))
        return from_answer(said)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        _log.warning("document_reader_failed", status=status, error=type(error).__name__)
        raise refusal(DAMAGED) from None
