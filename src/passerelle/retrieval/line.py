"""A connection to the owner of the shards: many requests at once, answered by number, and asked again if it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

from passerelle.retrieval import protocol
from passerelle.retrieval.store import Unfit, Unreachable
from passerelle.retrieval.summoning import Summons

# Seconds before each try of a request whose owner dies: another one may be starting, or it is the request that kills it.
_PAUSES = (0.0, 0.0, 0.1, 0.5)
_UNDER_WAY = 64  # requests of one connection


class Line:
    """One connection, opened when it is needed. Whoever makes it, closes it."""

    def __init__(self, summons: Summons) -> None:
        self._summons = summons
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
                for pause in _PAUSES:
                    await asyncio.sleep(pause)
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
            try:
                writer.write(told)
            except RuntimeError as error:  # uvloop's word for a connection that is closed
                raise ConnectionResetError("the owner is gone") from error
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
        connected = await asyncio.to_thread(self._summons.connect)
        reader, writer = await asyncio.open_unix_connection(sock=connected, limit=1 << 20)
        try:
            await _greet(reader, writer)
        except BaseException:
            writer.close()
            raise
        self._writer = writer
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


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Raises Unreachable where the owner is of another version, ConnectionError where it is gone."""
    writer.write(protocol.frame({"do": "hello", "n": 0}))
    try:
        hello = protocol.outcome(await protocol.read(reader, most=protocol.LONGEST_REPLY))
    except (asyncio.IncompleteReadError, protocol.Malformed):
        raise ConnectionResetError("the owner is gone") from None
    if hello.get("version") != protocol.VERSION:
        raise Unreachable(
            "The folder of the passages is in use by another version of Passerelle; stop that first."
        )


def _heard(task: asyncio.Task[None]) -> None:
    """Its failure has been told to whoever waited, if anybody still did."""
    if not task.cancelled():
        task.exception()
