"""What other processes delete, change and add: heard in order, or known to be missed.

Redis keeps no message for whoever is away. What this process holds is trusted only while it is subscribed; once it was
not, everything is forgotten, and learned again from where it is kept. A server that says nothing for two seconds is
one that we are not subscribed to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from passerelle.stores.redis import Garbled, Redis

_BEAT = 1.0  # seconds of silence after which the server is asked to say something
_PAUSE = (0.05, 2.0)  # seconds before it is tried again, first and longest
_OPENING = 5.0  # seconds for learning how things stand

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One message. Which fields are set depends on its kind: gone, ids, bump, member, epoch."""

    kind: str
    epoch: str
    origin: str
    tenant: str
    seq: int = 0
    label: str = ""
    ids: tuple[str, ...] = ()
    life: float = 0.0  # seconds that the entry has left
    body: bytes = b""


class News:
    """Subscribed for as long as it runs, again and again.

    `opened` is awaited with the subscription in place, before the first message; `heard` gets each message; `quiet` is
    awaited each second without one; `lost` hears that messages may have been missed, once for each `opened`.
    What any of them raises ends the subscription, and another one begins.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        *,
        opened: Callable[[], Awaitable[None]],
        heard: Callable[[Item], None],
        quiet: Callable[[], Awaitable[None]],
        lost: Callable[[], None],
        beat: float = _BEAT,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`beat` in seconds; `draw` gives numbers from 0 to 1."""
        self._redis = redis
        self._channel = channel
        self._opened, self._heard, self._quiet, self._lost = opened, heard, quiet, lost
        self._beat = beat
        self._draw = draw
        self._task: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._first = asyncio.Event()

    async def start(self, *, within: float) -> None:
        """Subscribe; come back after so many seconds, whether or not that has succeeded."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            async with asyncio.timeout(within):
                await self._first.wait()
        except TimeoutError:
            _log.warning("cache_apart", cure="Nothing is answered from the cache until Redis answers.")

    def restart(self) -> None:
        """What is known of the server is no longer true: everything is learned anew."""
        self._again.set()

    async def aclose(self) -> None:
        """Hear no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        pause = _PAUSE[0]
        while True:
            opened = False
            self._again.clear()
            try:
                async with aclosing(await self._redis.subscribe(self._channel)) as subscription:
                    async with asyncio.timeout(_OPENING):
                        await self._opened()
                    opened, pause = True, _PAUSE[0]
                    self._first.set()
                    await self._until_again(subscription.next)
            except Exception as error:  # noqa: BLE001 - whatever a server says or we make of it, we subscribe again
                _log.debug("cache_news_lost", error=type(error).__name__)
            finally:
                if opened:
                    self._lost()
            await asyncio.sleep(pause * (0.5 + self._draw()))
            pause = min(2 * pause, _PAUSE[1])

    async def _until_again(self, following: Callable[[float], Awaitable[bytes | None]]) -> None:
        loop = asyncio.get_running_loop()
        again = loop.create_task(self._again.wait())
        hearing = loop.create_task(self._hear(following))
        try:
            await asyncio.wait({again, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
        finally:
            for task in (again, hearing):
                task.cancel()
            await asyncio.wait({again, hearing})

    async def _hear(self, following: Callable[[float], Awaitable[bytes | None]]) -> None:
        while True:
            message = await following(self._beat)
            if message is None:
                await self._quiet()
            else:
                self._heard(read(message))


def read(message: bytes) -> Item:
    """A message as the script publishes it: a line of JSON, then what was sealed. Raises Garbled, one of `Outage`."""
    head, _, body = message.partition(b"\n")
    try:
        found: dict[str, Any] = orjson.loads(head)
        ids = found.get("ids") or [found.get("id")]
        return Item(
            kind=str(found["kind"]),
            epoch=str(found["epoch"]),
            origin=str(found["origin"]),
            tenant=str(found["tenant"]),
            seq=int(found.get("seq", 0)),
            label=str(found.get("label", "")),
            ids=tuple(name for name in ids if isinstance(name, str)),
            life=float(found.get("life", 0)) / 1000,
            body=body,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Garbled("That is no message of ours.") from error
