"""The process that owns the shards of a data folder, for as long as anybody asks it.

Qdrant's engine holds Python's lock in every call and admits one process to a folder, so it has a process of its own:
started by the first who needs it, found by all through a unix socket that only the folder's user may open, elected
by a lock on a file that the kernel lets go of however a process ends. Started as a module with the folder, how many
shards may be open, and a pipe to say through how it went, as arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from passerelle.domain.retrieval import named
from passerelle.retrieval import payload, protocol
from passerelle.retrieval.names import HELD, LOCK, MOST_OPEN, POINTS, READY, SOCKET
from passerelle.retrieval.shards import Shards
from passerelle.retrieval.store import Unfit, Unreachable
from passerelle.stores.folder import short_path
from passerelle.stores.locks import take

IDLE_SECONDS = 2.0  # after its last client it stays this long
MOST_CLIENTS = 128
_LOCK_SECONDS = 10.0  # its predecessor may be closing its shards
_DEAF_SECONDS = 2.0  # how long one may hold the lock without an answer at its socket
_LONGEST_WORD = 300  # bytes said of a failure
_SLICE = 64  # chunks written before others get their turn
_QUIET_SECONDS = 5.0  # between looks for what is to be brought to the disk
_PEER = struct.Struct("3i")  # struct ucred: process, user, group

Json = dict[str, Any]


class Owner:
    """Answers requests from shards. Requests of different clients take turns; nothing is done twice at once."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._writing = asyncio.Lock()
        self._does: Mapping[str, Callable[[Json], Awaitable[Any]]] = {
            "ensure": self._ensure,
            "upsert": self._upsert,
            "delete": self._delete,
            "drop": self._drop,
            "erase": self._erase,
            "search": self._search,
            "count": self._count,
            "get": self._get,
            "page": self._page,
            "vectors": self._vectors,
            "settle": self._settle,
            "hello": self._hello,
        }

    async def answer(self, request: Json) -> Json:
        """The reply to a request; nothing that is asked ends the process."""
        number = request.get("n")
        try:
            return {"n": number, "ok": await self._does[request["do"]](request)}
        except (Unfit, Unreachable, ValueError, KeyError, TypeError) as error:
            return protocol.refusal(number, error)
        except Exception as error:  # noqa: BLE001 - one client's request must not end the others' owner
            return protocol.refusal(
                number, Unreachable(f"The owner of the passages failed ({type(error).__name__}).")
            )

    async def _hello(self, request: Json) -> Any:
        return {"version": protocol.VERSION, "process": os.getpid(), "open": self._shards.open}

    async def _ensure(self, request: Json) -> Any:
        self._shards.ensure(protocol.read_collection(request["in"]))

    async def _upsert(self, request: Json) -> Any:
        collection = protocol.read_collection(request["in"])
        given = request["entries"]
        async with self._writing:
            for start in range(0, len(given), _SLICE):
                some = [protocol.read_entry(collection, one) for one in given[start : start + _SLICE]]
                self._shards.upsert(collection, some)
                await asyncio.sleep(0)

    async def _delete(self, request: Json) -> Any:
        collection = protocol.read_collection(request["in"])
        async with self._writing:
            self._shards.delete(
                collection, ids=request["ids"], document=request["document"], keep=request["keep"]
            )

    async def _drop(self, request: Json) -> Any:
        named(request["tenant"], "tenant")
        named(request["name"], "collection")
        async with self._writing:
            self._shards.drop(request["tenant"], request["name"])

    async def _erase(self, request: Json) -> Any:
        named(request["tenant"], "tenant")
        async with self._writing:
            self._shards.erase(request["tenant"])

    async def _search(self, request: Json) -> Any:
        collection = protocol.read_collection(request["in"])
        hits = self._shards.search(collection, protocol.read_query(request["query"]))
        return [protocol.written_hit(collection, hit) for hit in hits]

    async def _count(self, request: Json) -> Any:
        return self._shards.count(protocol.read_collection(request["in"]), document=request["document"])

    async def _get(self, request: Json) -> Any:
        collection = protocol.read_collection(request["in"])
        groups = None if request["groups"] is None else frozenset(request["groups"])
        chunks = self._shards.get(collection, request["ids"], groups=groups)
        return [payload.payload(collection, chunk) for chunk in chunks]

    async def _page(self, request: Json) -> Any:
        collection = protocol.read_collection(request["in"])
        groups = None if request["groups"] is None else frozenset(request["groups"])
        chunks, after = self._shards.page(
            collection, request["document"], groups=groups, after=request["after"]
        )
        return [[payload.payload(collection, chunk) for chunk in chunks], after]

    async def _vectors(self, request: Json) -> Any:
        found = self._shards.vectors(protocol.read_collection(request["in"]), request["ids"])
        return {name: protocol.written_vector(vector) for name, vector in found.items()}

    async def _settle(self, request: Json) -> Any:
        self._shards.settle(protocol.read_collection(request["in"]))


class Service:
    """Clients of an owner, on one socket, until the last has gone for a while or the process is asked to stop."""

    def __init__(self, owner: Owner, shards: Shards, *, idle: float = IDLE_SECONDS) -> None:
        self._owner, self._shards, self._idle = owner, shards, idle
        self._clients: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Leave, whoever is still there: they find the next owner."""
        self._stop.set()

    async def run(self, listening: socket.socket) -> None:
        """Serve until nobody is left."""
        server = await asyncio.start_unix_server(self._serve, sock=listening, limit=1 << 20)
        tidying = asyncio.create_task(self._tidy())
        try:
            await self._until_unused()
        finally:
            tidying.cancel()
            server.close()
            for client in [*self._clients]:
                client.cancel()
            await asyncio.gather(tidying, *self._clients, return_exceptions=True)

    async def _until_unused(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        while loop.time() - since < self._idle:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._idle / 10)
                return
            if self._clients:
                since = loop.time()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_QUIET_SECONDS)
            with contextlib.suppress(Unreachable):  # whoever asks for that collection next is told
                self._shards.tidy()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not _is_ours(writer) or len(self._clients) >= MOST_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            async for request in _requests(reader):
                writer.write(_written(await self._owner.answer(request)))
                await writer.drain()
                await asyncio.sleep(0)  # the next client's turn
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.close()


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[Json]:
    """A client's requests, until it leaves or says something that is none."""
    with contextlib.suppress(asyncio.IncompleteReadError, protocol.Malformed):
        while True:
            yield await protocol.read(reader, most=protocol.LONGEST_REQUEST)


def _written(reply: Json) -> bytes:
    told = protocol.frame(reply)
    if len(told) <= protocol.LONGEST_REPLY:
        return told
    return protocol.frame(
        protocol.refusal(reply["n"], Unfit("The answer is too long; ask for fewer passages."))
    )


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """The socket's mode keeps others out; where that is not so, this does."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(peer)[1] in {os.geteuid(), 0}


def _listening(path: Path) -> socket.socket:
    """The socket, in place of a dead owner's, mode 0600."""
    path.unlink(missing_ok=True)
    address, handle = short_path(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(address)
    finally:
        os.umask(before)
        if handle is not None:
            os.close(handle)
    listening.listen(MOST_CLIENTS)
    return listening


async def _own(folder: Path, most_open: int, tell: Callable[[str], None]) -> None:
    shards = Shards(folder / POINTS, most_open=most_open)
    try:
        service = Service(Owner(shards), shards)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.stop)
        listening = _listening(folder / SOCKET)
        try:
            tell(READY)
            await service.run(listening)
        finally:
            listening.close()
            (folder / SOCKET).unlink(missing_ok=True)
    finally:
        shards.close()


def main(arguments: list[str]) -> int:
    """Leave the process that started this one, become the owner if there is none, and serve."""
    folder = Path(arguments[0])
    most_open = int(arguments[1]) if len(arguments) > 1 else MOST_OPEN
    tell = _teller(int(arguments[2]) if len(arguments) > 2 else None)
    if os.fork():
        os._exit(0)  # nobody's child: whoever started it has no dead child to collect
    os.setsid()  # a key pressed in a terminal is not for it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # passages are not for a dump of its memory
    try:
        lock = _elected(folder)
        if lock is None:
            tell(HELD)
            return 0
        asyncio.run(_own(folder, most_open, tell))  # the lock goes with the process
    except (OSError, Unreachable) as error:
        tell(
            str(error.strerror or type(error).__name__).lower()
            if isinstance(error, OSError)
            else error.message
        )
        raise
    return 0


def _elected(folder: Path) -> int | None:
    """The lock of the folder's owner; None where another one keeps it.

    One that is closing its shards has taken its socket away, and is waited for; one whose socket is there, though nobody
    answers at it, is on another machine.
    """
    patience = time.monotonic() + _LOCK_SECONDS
    deaf = time.monotonic() + _DEAF_SECONDS
    while True:
        with contextlib.suppress(TimeoutError):
            return take(folder / LOCK, exclusive=True, seconds=0.1)
        now = time.monotonic()
        if not (folder / SOCKET).exists():
            deaf = now + _DEAF_SECONDS
        if now > min(patience, deaf):
            return None


def _teller(pipe: int | None) -> Callable[[str], None]:
    """Says one word to whoever started this process, if anybody wants to know."""
    left = [] if pipe is None else [pipe]

    def tell(word: str) -> None:
        while left:
            with contextlib.suppress(OSError):  # nobody listens any more
                os.write(left[0], word.encode()[:_LONGEST_WORD])
            os.close(left.pop())

    return tell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
