"""The long phase: a mix of everything for minutes while the file changes, looked at from outside every few seconds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

import aiohttp

from tools.soak import books
from tools.soak.loads import Mix, callers, idle
from tools.soak.samples import Sample, look, tasks_in
from tools.soak.world import NOTICE, World

_REST = 45.0  # seconds within which a service that nobody asks has come to rest
_RELOADED = 20.0  # seconds within which a changed file is in force
_SPARE = 2  # descriptors or connections that may be more at rest: a pool opens them as it needs them


@dataclass(slots=True)
class Probe:
    """Looks at the service from outside, with an admin's key."""

    world: World
    admin: str
    began: float = field(default_factory=perf_counter)

    async def look(self, session: aiohttp.ClientSession) -> Sample:
        """One sample, with the connection that it takes itself."""
        world, tasks = self.world, None
        if world.workers == 1:
            async with session.get("/metrics", headers=self._headers) as reply:
                tasks = tasks_in(await reply.read())
        postgres = await asyncio.to_thread(books.connections, world.database)
        return look(
            world.pids,
            at=perf_counter() - self.began,
            port=world.port,
            engine=world.engine_port,
            tasks=tasks,
            postgres=postgres,
        )

    async def at_rest(self, before: Sample | None = None) -> Sample:
        """A sample with no caller there: the first that holds no more than `before`, or the last of some seconds."""
        async with callers(self.world.url) as session:
            until = perf_counter() + (_REST if before is not None else 0.0)
            if before is None:
                await asyncio.sleep(3.0)
            while True:
                await asyncio.sleep(0.5)
                sample = await self.look(session)
                if before is not None and not more(before, sample, self.world.slots):
                    return sample
                if perf_counter() > until:
                    return sample

    async def make_key(self, session: aiohttp.ClientSession, tenant: str) -> tuple[str, str]:
        """A new key and its id."""
        async with session.post("/admin/keys", json={"tenant": tenant}, headers=self._headers) as reply:
            made = await reply.json()
            return made["key"], made["card"]["id"]

    async def revoke(self, session: aiohttp.ClientSession, ident: str) -> None:
        """End a key."""
        async with session.delete(f"/admin/keys/{ident}", headers=self._headers):
            pass

    async def reload(self, session: aiohttp.ClientSession) -> float | None:
        """Change the file; seconds until the change is in force, None where it is not within many."""
        before = await self._version(session)
        self.world.reload()
        began = perf_counter()
        while await self._version(session) == before:
            if perf_counter() - began > _RELOADED:
                return None
            await asyncio.sleep(0.1)
        return perf_counter() - began

    async def _version(self, session: aiohttp.ClientSession) -> str:
        async with session.get("/health") as reply:
            return str((await reply.json())["configuration"])

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.admin}"}


def more(before: Sample, after: Sample, slots: int) -> list[str]:
    """What a service at rest holds that it did not hold before."""
    found = []
    # Connections to the engine and to PostgreSQL are pools: judged by their own bounds.
    fds = (before.fds - before.engine - before.postgres, after.fds - after.engine - after.postgres)
    for name, was, now, spare in (
        ("descriptors", *fds, _SPARE),
        ("tasks", before.tasks or 0, after.tasks or 0, 0),
        ("connections of callers", before.callers, after.callers, 0),
        ("threads", before.threads, after.threads, _SPARE),
        ("connections to PostgreSQL", before.postgres, after.postgres, _SPARE),
        # Kept for the next calls; no more than there were places.
        ("connections to the engine than places", slots, after.engine, _SPARE),
    ):
        if now > was + spare:
            found.append(f"{now - was} more {name} at rest ({was} and then {now})")
    return found


@dataclass(slots=True)
class Soaked:
    """What was seen in the long phase."""

    mix: Mix
    samples: list[Sample]
    reloads: list[float | None]  # seconds until a changed file was in force; None = it never was
    closings: list[float]  # seconds after which silent connections were closed


async def soak(
    probe: Probe, *, seconds: float, rate: float, draw: random.Random, every: float, reload_every: float
) -> Soaked:
    """Everything at once for so many seconds."""
    stop = asyncio.Event()
    samples: list[Sample] = []
    reloads: list[float | None] = []
    closings: list[float] = []
    async with callers(probe.world.url) as session, callers(probe.world.url) as aside:
        mix = Mix(session, probe.world.keys, draw, rate)

        async def look() -> None:
            while True:
                await asyncio.sleep(every)
                samples.append(await probe.look(aside))

        async def change() -> None:
            while True:
                await asyncio.sleep(reload_every)
                reloads.append(await probe.reload(aside))

        async with _running(
            look(),
            change(),
            _turn_over(probe, mix, aside, reload_every),
            *(idle(probe.world.url, closings) for _ in range(4)),
        ):
            load = asyncio.create_task(mix.run(stop))
            await asyncio.sleep(seconds)
            stop.set()
            await load
    return Soaked(mix, samples, reloads, closings)


async def _turn_over(probe: Probe, mix: Mix, session: aiohttp.ClientSession, every: float) -> None:
    """A key after the other is made, used, revoked and tried again."""
    while True:
        text, ident = await probe.make_key(session, "south")
        await asyncio.sleep(4.0 if probe.world.workers > 1 else 0.0)  # the others learn of it
        mix.fleeting = text
        await asyncio.sleep(every)
        mix.fleeting = None
        await asyncio.sleep(1.0)  # the last calls with it are over
        await probe.revoke(session, ident)
        await asyncio.sleep(4.0 if probe.world.workers > 1 else 0.0)
        mix.revoked.append(text)


@asynccontextmanager
async def _running(*works) -> AsyncIterator[None]:  # type: ignore[no-untyped-def]
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def leave_under_load(probe: Probe, *, rate: float, draw: random.Random) -> tuple[Mix, int, float]:
    """SIGTERM while callers ask, who go elsewhere before the notice is over; its exit status and how long it took."""
    stop = asyncio.Event()
    async with callers(probe.world.url) as session:
        mix = Mix(session, probe.world.keys, draw, rate)
        load = asyncio.create_task(mix.run(stop))
        await asyncio.sleep(2.0)
        began = perf_counter()
        probe.world.stop()
        await asyncio.sleep(NOTICE - 1.0)
        stop.set()
        await load
        status = await asyncio.to_thread(probe.world.service.wait, 90)
    return mix, status, perf_counter() - began
