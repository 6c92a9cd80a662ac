"""Load: callers who wait for each other, callers who do not, and a mix of everything that callers do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

import aiohttp

from tools.soak.client import End, Seen, Tally, Wish, ask

FORBIDDEN = "project nightfall"  # a guardrail of one tenant forbids these words


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of as many callers as there are; closed with the block."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        yield session
    await asyncio.sleep(0.05)  # what is aborted is closed one turn of the loop later


async def closed(
    session: aiohttp.ClientSession, wish: Callable[[], Wish], *, clients: int, seconds: float
) -> Tally:
    """So many callers, each of whom asks again as soon as it is answered."""
    tally = Tally()
    until = perf_counter() + seconds

    async def one() -> None:
        while perf_counter() < until:
            tally.seen.append(await ask(session, wish()))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())
    return tally


async def opened(
    session: aiohttp.ClientSession,
    wish: Callable[[], Wish],
    *,
    rate: float,
    seconds: float,
    draw: random.Random,
    tally: Tally | None = None,
) -> Tally:
    """So many calls a second, at random moments, whatever becomes of the others; waits for the last of them."""
    tally = tally or Tally()
    began = due = perf_counter()

    async def one(wanted: Wish) -> None:
        tally.seen.append(await ask(session, wanted))

    async with asyncio.TaskGroup() as group:
        while True:
            due += draw.expovariate(rate)
            if due > began + seconds:
                break
            await asyncio.sleep(max(0.0, due - perf_counter()))
            group.create_task(one(wish()))
    return tally


@dataclass(slots=True)
class Mix:
    """Everything that callers do, at so many calls a second: see `_wish`. `keys` by tenant."""

    session: aiohttp.ClientSession
    keys: Mapping[str, str]
    draw: random.Random
    rate: float
    tally: Tally = field(default_factory=Tally)
    by_tenant: dict[str, Tally] = field(default_factory=dict)
    fleeting: str | None = None  # a key that will be revoked while it is used
    revoked: list[str] = field(default_factory=list)
    alive_after_revocation: int = 0
    replays: int = 0
    replays_that_differ: int = 0
    _number: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; then the last calls are waited for."""
        due = perf_counter()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                due += self.draw.expovariate(self.rate)
                with suppress(TimeoutError):
                    if (wait := due - perf_counter()) > 0:
                        await asyncio.wait_for(stop.wait(), wait)
                group.create_task(self._one())

    async def _one(self) -> None:
        if self.revoked and self.draw.random() < 0.02:
            seen = await self._ask(Wish(self.draw.choice(self.revoked)), "revoked")
            self.alive_after_revocation += seen.end is not End.DENIED
            return
        tenant, wish = self._wish()
        seen = await self._ask(wish, tenant)
        if wish.once is not None and self.draw.random() < 0.5:
            await self._again(wish, seen, tenant)

    async def _again(self, wish: Wish, first: Seen, tenant: str) -> None:
        again = await self._ask(Wish(wish.key, wish.stream, wish.text, once=wish.once), tenant)
        if first.end is End.WHOLE and again.end is End.WHOLE:
            self.replays += 1
            self.replays_that_differ += again.original != (first.original or first.request_id)

    async def _ask(self, wish: Wish, tenant: str) -> Seen:
        seen = await ask(self.session, wish)
        self.tally.seen.append(seen)
        self.by_tenant.setdefault(tenant, Tally()).seen.append(seen)
        return seen

    def _wish(self) -> tuple[str, Wish]:
        """30 % hang up at a random moment, half are streams, one in five has an Idempotency-Key."""
        draw = self.draw
        names, weights = list(self.keys), (35, 10, 25, 15, 15)
        tenant = draw.choices(names, weights)[0]
        key = self.keys[tenant]
        if tenant == names[1] and self.fleeting is not None:
            key = self.fleeting
        self._number += 1
        says_it = tenant == "guarded" and draw.random() < 0.2
        return tenant, Wish(
            key,
            stream=draw.random() < 0.5,
            text=f"Tell me of {FORBIDDEN}." if says_it else f"Bonjour {self._number}",
            leaves=draw.uniform(0.0, 0.12) if draw.random() < 0.3 else None,
            once=f"soak-{draw.getrandbits(64):x}" if draw.random() < 0.2 else None,
        )


async def idle(url: str, closings: list[float]) -> None:
    """A connection that asks once and is then silent until the service closes it; again and again."""
    host, _, port = url.removeprefix("http://").partition(":")
    while True:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await reader.readuntil(b"}")
            began = perf_counter()
            await reader.read(-1)
            closings.append(perf_counter() - began)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
