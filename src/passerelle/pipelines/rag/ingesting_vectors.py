"""Vectors of documents' passages, in small calls that are each paid once.

That the model is away, or that the tenant has no tokens left for now, is no fault of a document's: it is read again
later, by whoever then takes it, so that nobody waits behind it; what was embedded of it by then is kept in memory.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Protocol

from passerelle.domain.errors import Fault, OverLimit, PasserelleError, Unavailable, UpstreamFailed
from passerelle.domain.retrieval import Chunk
from passerelle.jobs.kinds import Later
from passerelle.stores.database import Outage

_TEXTS, _BYTES = 32, 64_000  # of one call
_AT_ONCE = 4  # calls of one document
_TELL = 256  # passages between two words of progress
_MOST_NUMBERS = 8_000_000  # kept in memory; four bytes each
_PROBE = "ok"

# The file, or the document, must be changed: another try may not help, and is counted.
_COUNTS = frozenset({Fault.REQUEST, Fault.MODEL, Fault.UNSUPPORTED, Fault.PLACE})
# A document may be the reason that an engine breaks; whether it is, another text shows.
_DOUBTFUL = frozenset({Fault.SERVER, Fault.BROKEN})

Tell = Callable[[int, int], Awaitable[None]]  # how many passages are embedded, of how many
Found = MutableMapping[str, list[float]]  # by the passages' ids


class Embedder(Protocol):
    """An embedding model, asked as the tenant."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""


class Paid:
    """Vectors of documents whose reading was broken off, until they are read again; the oldest are forgotten."""

    def __init__(self, *, most: int = _MOST_NUMBERS) -> None:
        self._most, self._numbers = most, 0
        self._kept: OrderedDict[tuple[str | None, str], array[float]] = OrderedDict()

    def take(self, chunks: Sequence[Chunk], *, by: str | None) -> dict[str, list[float]]:
        """What is known of these passages by these models, which is forgotten here."""
        found = {}
        for chunk in chunks:
            if (kept := self._kept.pop((by, chunk.id), None)) is not None:
                self._numbers -= len(kept)
                found[chunk.id] = list(kept)
        return found

    def keep(self, found: Found, *, by: str | None) -> None:
        """Remember vectors."""
        for name, vector in found.items():
            self._numbers += len(vector) - len(self._kept.pop((by, name), ()))
            self._kept[by, name] = array("f", vector)
        while self._numbers > self._most:
            _, forgotten = self._kept.popitem(last=False)
            self._numbers -= len(forgotten)


async def embed(model: Embedder, chunks: Sequence[Chunk], found: Found, tell: Tell) -> None:
    """Add the vectors of those passages that are not among what is found.

    What is on its way when a call fails is still awaited, as it is paid for. Raises Later and the gateway's errors.
    """
    calls = deque(_calls([chunk for chunk in chunks if chunk.id not in found]))
    failures: list[Exception] = []

    async def ask() -> None:
        while calls and not failures:
            some = calls.popleft()
            try:
                vectors = await _asked(model, [chunk.indexed for chunk in some])
                before = len(found) // _TELL
                found.update(zip((chunk.id for chunk in some), vectors, strict=True))
                if before < len(found) // _TELL and len(found) < len(chunks):
                    await tell(len(found), len(chunks))
            except (PasserelleError, Later, *Outage) as error:
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, len(calls))):
            group.create_task(ask())
    if failures:
        raise failures[0]


async def _asked(model: Embedder, texts: list[str]) -> list[list[float]]:
    """One call, or several where one asks for more tokens than the tenant ever has in a minute."""
    try:
        return await model.aembed_documents(texts)
    except OverLimit as limit:
        if limit.retry_after is not None or len(texts) == 1:
            raise
    except Unavailable as error:
        raise _away(error) from error
    except UpstreamFailed as error:
        if error.fault in _COUNTS or (error.fault in _DOUBTFUL and await _works(model)):
            raise
        raise _away(error) from error
    middle = len(texts) // 2
    return [*await _asked(model, texts[:middle]), *await _asked(model, texts[middle:])]


async def _works(model: Embedder) -> bool:
    """Does it embed a text that nobody can object to?"""
    try:
        await model.aembed_documents([_PROBE])
    except PasserelleError:
        return False
    return True


def _away(error: PasserelleError) -> Later:
    return Later(f"The embedding model cannot be asked now: {error.message}", code="embedder_unavailable")


def _calls(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    call: list[Chunk] = []
    size = 0
    for chunk in chunks:
        length = len(chunk.indexed.encode("utf-8", "surrogatepass"))
        if call and (len(call) == _TEXTS or size + length > _BYTES):
            yield call
            call, size = [], 0
        call.append(chunk)
        size += length
    if call:
        yield call
