"""Whatever owners, workers and sweepers do, in whatever order: counts are true, and nothing is done twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from passerelle.domain.errors import Conflict, NotFound
from passerelle.domain.jobs import ItemState, Trouble, Wish
from passerelle.jobs.claims import Claim, Claims, Lost
from passerelle.jobs.desk import Desk
from passerelle.jobs.kinds import Verdict
from passerelle.stores.database import Database
from tests.unit.jobs.scene import count, counts_agree, items, made

_TROUBLE = Trouble("broken", "It is broken.")
_DEEDS = (
    "make", "add", "claim", "claim", "claim", "done", "done", "fail", "retry-item", "postpone", "give-back", "stop",
    "cancel", "pause", "resume", "retry", "lapse", "delete",
)  # fmt: skip


class _World:
    """A database of jobs, and the runs that think an item is theirs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.desk = Desk(database)
        self.claims = Claims(database, kinds=["essay"], lease=600.0)
        self.jobs: list[tuple[str, str]] = []
        self.held: list[Claim] = []
        self.lapsed: set[str] = set()  # claims that must not be able to write
        self.done: set[tuple[str, int]] = set()

    async def do(self, deed: str, which: int) -> None:
        if deed == "make":
            tenant = "acme" if which % 2 else "globex"
            job = await made(self.database, which % 4, tenant)
            self.jobs.append((tenant, job))
        elif deed == "claim":
            await self._claim()
        elif deed == "lapse":
            async with self.database.begin() as connection:
                await connection.execute(
                    text("UPDATE job_item SET leased_until = '2000-01-01' WHERE claim IS NOT NULL")
                )
            await self.claims.sweep(free=1)
            self.lapsed |= {claim.name for claim in self.held}
        elif deed in _OWNERS and self.jobs:
            await self._own(deed, *self.jobs[which % len(self.jobs)])
        elif deed in _SETTLING and self.held:
            await self._settle(deed, self.held.pop(which % len(self.held)))

    async def _claim(self) -> None:
        claim = await self.claims.next()
        if claim is None:
            return
        assert claim.job.wish is Wish.RUN
        assert (claim.job.id, claim.item.number) not in self.done
        self.held.append(claim)

    async def _own(self, deed: str, tenant: str, job: str) -> None:
        try:
            if deed == "add":
                async with self.database.begin() as connection:
                    await self.desk.add(connection, job, items(5))
            elif deed == "delete":
                await self.desk.delete(tenant, job)
                self.jobs.remove((tenant, job))
                self.lapsed |= {claim.name for claim in self.held if claim.job.id == job}
            else:
                await getattr(self.desk, deed)(tenant, job)
        except (Conflict, NotFound):
            assert deed != "delete"

    async def _settle(self, deed: str, claim: Claim) -> None:
        try:
            await _SETTLING[deed](self.claims, claim)
        except Lost:
            assert claim.name in self.lapsed
            return
        assert claim.name not in self.lapsed
        if deed == "done":
            self.done.add((claim.job.id, claim.item.number))

    async def finish(self) -> None:
        """Everybody goes on until nothing waits: then all is over, and every result is there."""
        for tenant, job in self.jobs:
            await self._own("resume", tenant, job)
        while self.held:
            await self._settle("done", self.held.pop())
        while (claim := await self.claims.next()) is not None:
            await self._settle("done", claim)
        for tenant, job in self.jobs:
            stands = await self.desk.look(tenant, job)
            assert stands.state.over
            kept = await self.desk.items(tenant, job, state=ItemState.DONE)
            assert {(job, item.number) for item in kept} == {each for each in self.done if each[0] == job}


_OWNERS = {"add", "cancel", "pause", "resume", "retry", "delete"}
_SETTLING: dict[str, Callable[[Claims, Claim], Coroutine[Any, Any, None]]] = {
    "done": lambda claims, claim: claims.done(claim, {"number": claim.item.number}),
    "fail": lambda claims, claim: claims.failed(claim, Verdict(_TROUBLE)),
    "retry-item": lambda claims, claim: claims.failed(claim, Verdict(_TROUBLE, 0.0)),
    "postpone": lambda claims, claim: claims.failed(claim, Verdict(_TROUBLE, 0.0, counts=False)),
    "give-back": lambda claims, claim: claims.give_back(claim),
    "stop": lambda claims, claim: claims.stopped(claim),
}


async def _play(database_url: str, deeds: list[tuple[str, int]]) -> None:
    database = Database(database_url)
    try:
        async with database.begin() as connection:
            await connection.execute(
                text("TRUNCATE job, job_item, job_event, job_turn, procrastinate_jobs CASCADE")
            )
        world = _World(database)
        await world.do("make", 3)
        for deed, which in deeds:
            await world.do(deed, which)
            await counts_agree(database)
        await world.finish()
        await counts_agree(database)
        assert (
            await count(
                database, "SELECT count(*) FROM job WHERE (finished_at IS NULL) = (queued + running = 0)"
            )
            == 0
        )
    finally:
        await database.aclose()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(_DEEDS), st.integers(0, 7)), min_size=5, max_size=30))
def test_counts_are_true_and_every_item_is_done_once_or_told_why_not(
    database_url: str, deeds: list[tuple[str, int]]
) -> None:
    asyncio.run(_play(database_url, deeds))
