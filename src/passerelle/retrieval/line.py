"""A connection to the owner of the shards: many requests at once, answered by number, and asked again if it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from passerelle.retrieval import protocol
from passerelle.retrieval.names import GATE, LOG, SOCKET
from passerelle.retrieval.store import Unfit, Unreachable
from passerelle.stores.folder import connect_to
from passerelle.stores.locks import take

_START_SECONDS = 15.0
_CONNECT_SECONDS = 1.0
_POLL_SECONDS = 0.01
_TRIES = 3  # of a request whose owner dies: it may be the request that kills it
_UNDER_WAY = 64  # requests of one connection
_LONGEST_LOG = 1_048_576


class Line:
    """One connection, opened when it is needed. Whoever makes it, closes it."""

    def __init__(self, folder: Path, *, most_open: int) -> None:
        self._folder, self._most_open = folder, most_open
        self._dialling: asyncio.Task[None] | None = None
        self._places = asyncio.Semaphore(_UNDER_WAY)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, request: protocol.Json, *, seconds: float) -> Any:
        """What the owner answers. Raises Unreachable, Unfit."""
        try:
            async with asyncio.timeout(seconds), self._places:
                for _ in range(_TRIES):
                    with contextlib.suppress(ConnectionError):
                        return protocol.outcome(await self._exchange(request))
        except TimeoutError:
            raise Unreachable("The owner of the passages does not answer in time.") from None
        raise Unreachable("The owner of the passages ends again and again; its log says why.")

    async def aclose(self) -> None:
        """Hang up. Who still waits is told that the store is away."""
        self._closed = True
        if self._dialling is not None:
            await asyncio.wait({self._dialling})
        await self._hang_up()

    async def _exchange(self, request: protocol.Json) -> Any:
        """Raises ConnectionError when the owner is gone before it has answered."""
        writer = await self._opened()
        number = next(self._numbers)
        told = protocol.frame({**request, "n": number})
        if len(told) > protocol.LONGEST_REQUEST:
            raise Unfit("The request is too long.")
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(told)
            await writer.drain()
            return await answer
        finally:
            self._waiting.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody may be there to be told

    async def _opened(self) -> asyncio.StreamWriter:
        if self._closed:
            raise Unreachable("The store of passages is closed.")
        if self._writer is None or self._reading is None or self._reading.done():
            if self._dialling is None or self._dialling.done():
                self._dialling = asyncio.create_task(self._dial())
                self._dialling.add_done_callback(_heard)
            await asyncio.shield(self._dialling)  # others wait for it too
        if self._writer is None:
            raise ConnectionResetError("hung up meanwhile")
        return self._writer

    async def _dial(self) -> None:
        await self._hang_up()
        # A thread of its own: an owner that is not there is started, and waited for.
        connected = await asyncio.to_thread(summon, self._folder, self._most_open)
        reader, self._writer = await asyncio.open_unix_connection(sock=connected, limit=1 << 20)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Give every reply to whoever waits for it, until the owner is gone."""
        try:
            while True:
                reply = await protocol.read(reader, most=protocol.LONGEST_REPLY)
                answer = self._waiting.get(reply.get("n", 0))
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except (OSError, asyncio.IncompleteReadError, protocol.Malformed):
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the owner is gone"))

    async def _hang_up(self) -> None:
        writer, reading = self._writer, self._reading
        self._writer = self._reading = None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


def _heard(task: asyncio.Task[None]) -> None:
    """Its failure has been told to whoever waited, if anybody still did."""
    if not task.cancelled():
        task.exception()


def summon(folder: Path, most_open: int) -> Any:
    """A connected socket; an owner is started if there is none. Blocks. Raises Unreachable."""
    with contextlib.suppress(OSError):
        return connect_to(folder / SOCKET, timeout=_CONNECT_SECONDS)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        gate = take(folder / GATE, exclusive=True, seconds=_START_SECONDS)
    except (OSError, TimeoutError) as error:
        said = (error.strerror or "error").lower()
        raise Unreachable(f"The folder of the passages cannot be used: {said}.") from None
    try:
        return _started(folder, most_open)
    except OSError as error:
        said = (error.strerror or "error").lower()
        raise Unreachable(f"The owner of the passages cannot be started: {said}.") from None
    finally:
        os.close(gate)


def _started(folder: Path, most_open: int) -> Any:
    """Behind the gate: somebody else may have started one meanwhile."""
    deadline = time.monotonic() + _START_SECONDS
    launched = 0.0
    while True:
        with contextlib.suppress(OSError):
            return connect_to(folder / SOCKET, timeout=_CONNECT_SECONDS)
        if time.monotonic() > deadline:
            raise Unreachable(f"The owner of the passages does not start; {folder / LOG} says why.")
        if time.monotonic() - launched > _START_SECONDS / 2:
            launched = time.monotonic()
            _launch(folder, most_open)
        time.sleep(_POLL_SECONDS)


def _launch(folder: Path, most_open: int) -> None:
    """Start an owner; it leaves its parent at once. It is given nothing of our environment: that holds secrets."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(log).st_size > _LONGEST_LOG:
            os.ftruncate(log, 0)
        subprocess.run(
            [sys.executable, "-m", "passerelle.retrieval.owner", str(folder), str(most_open)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={
                "PATH": os.defpath,
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            check=False,
            timeout=_START_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable("The owner of the passages does not start.") from None
    finally:
        os.close(log)
