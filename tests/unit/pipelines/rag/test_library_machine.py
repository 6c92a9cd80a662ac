"""Whatever is taken, deleted, retried and refreshed, in whatever order, while workers are lost and stores are away:
what the table says is found is found, and nothing else is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle.domain.errors import BadRequest, Conflict, Fault, NotFound, UpstreamFailed
from passerelle.domain.rag import DocumentState, Given
from passerelle.jobs.claims import Claims
from passerelle.jobs.desk import Desk
from passerelle.jobs.runs import Runs
from passerelle.retrieval.embedded import Embedded
from passerelle.stores.database import Database
from tests.fakes.site import Site, reply, running
from tests.unit.jobs.scene import counts_agree
from tests.unit.pipelines.rag.library_scene import SHELF, Scene, cut, scene, tenant

_KEYS = ("a", "b", "c")
_TEXTS = ("mot1", "mot2", "mot3")
_DEEDS = (
    "take", "take", "take", "take-two", "page", "delete", "retry", "refresh", "reindex", "drop", "work", "work",
    "hold", "release", "lapse", "away", "refuse", "break", "sweep", "cancel",
)  # fmt: skip


class _World:
    """What was handed in, and workers that can be held, lost and misled."""

    def __init__(self, world: Scene, site: Site) -> None:
        self.scene = world
        self.site = site
        self.claims = Claims(world.database, kinds=["rag.ingest"], lease=600.0)
        kind = world.library.ingesting()
        self.runs = Runs(self.claims, {kind.name: kind})
        self.turns: list[asyncio.Task[None]] = []
        self.last: dict[str, tuple[str, ...]] = {}  # what came last under each key that was not deleted
        self.ever: dict[str, set[str]] = {}  # all that came under it since
        self.open = asyncio.Event()
        self.open.set()
        world.meaning.gate = self.open

    async def do(self, deed: str, which: int) -> None:
        key, texts = _KEYS[which % 3], (_TEXTS[which // 3 % 3],)
        if deed == "take":
            await self._take(cut(key, *texts), texts)
        elif deed == "take-two":
            await self._take(cut(key, *texts, f"encore {which}"), (*texts, f"encore {which}"))
        elif deed == "page":
            said = f"page{which % 4}"
            self.site.answers["/p"] = reply(said.encode(), kind="text/plain")
            await self._take(Given(url=f"http://127.0.0.1:{self.site.port}/p", refresh=60.0), (said,))
        elif deed in ("work", "hold"):
            self._hold() if deed == "hold" else self.open.set()
            self.turns.append(asyncio.create_task(self.runs.turn()))
            await asyncio.sleep(0.02)
        elif deed == "release":
            await self.release()
        elif deed == "away":
            self.scene.store.away = {("upsert", "delete", "settle", "vectors", "*")[which % 5]: 1 + which % 2}
        elif deed == "break":
            self.scene.meaning.errors.append(UpstreamFailed(Fault.SERVER, "It broke."))
        elif deed == "refuse":
            self.scene.meaning.errors.append(BadRequest("It is unknown.", code="model_not_found"))
        elif deed == "lapse":
            await self.scene.sql("UPDATE job_item SET leased_until = '2000-01-01' WHERE claim IS NOT NULL")
            await self.claims.sweep(free=1)
        else:
            await self._own(deed, which)

    def _hold(self) -> None:
        self.open.clear()

    async def release(self) -> None:
        self.open.set()
        await asyncio.gather(*self.turns)
        self.turns.clear()

    async def _take(self, given: Given, texts: tuple[str, ...]) -> None:
        key = given.key or str(given.url)
        try:
            await self.scene.take(given)
        except Conflict:
            return  # it is being dropped
        self.last[key] = texts
        self.ever.setdefault(key, set()).update(texts)

    async def _own(self, deed: str, which: int) -> None:
        library, acme = self.scene.library, self.scene.acme
        try:
            if deed == "delete":
                documents = await library.documents("acme", SHELF)
                there = [each for each in documents if each.state is not DocumentState.DELETING]
                if there:
                    one = there[which % len(there)]
                    await library.delete("acme", SHELF, one.id)
                    del self.last[one.key], self.ever[one.key]
            elif deed == "retry":
                await library.retry(acme, SHELF)
            elif deed == "refresh":
                await library.refresh_due(datetime.now(UTC) + timedelta(seconds=61 + 100 * which))
            elif deed == "reindex":
                self.scene.tenants["acme"] = tenant(embedder=("embedder", "other")[which % 2])
                self.scene.meaning.width = (8, 12)[which % 2]
                await library.reindex(self.scene.acme, SHELF)
            elif deed == "drop" and which % 4 == 0:
                await library.drop("acme", SHELF)
                self.last.clear()
                self.ever.clear()
            elif deed == "cancel":
                jobs = await Desk(self.scene.database).list("acme")
                if jobs:
                    await Desk(self.scene.database).cancel("acme", jobs[which % len(jobs)].id)
            elif deed == "sweep":
                await library.sweep(datetime.now(UTC))
        except (Conflict, NotFound):
            assert deed != "sweep"

    async def nothing_else_is_found(self) -> None:
        """Of what was deleted nothing, of the rest only what once came."""
        try:
            found = set(await self.scene.found(" ".join((*_TEXTS, "encore", "page0 page1 page2 page3"))))
        except NotFound:
            return
        assert found <= set().union(*self.ever.values())

    async def finish(self) -> None:
        """Everything works again, and goes on until nothing waits."""
        self.scene.store.away = {}
        self.scene.meaning.errors.clear()
        library = self.scene.library
        for _ in range(12):
            await self.scene.sql("UPDATE job_item SET ready_at = clock_timestamp() WHERE state = 'queued'")
            self.turns.append(asyncio.create_task(self.runs.turn()))
            await self.release()
            await library.sweep(datetime.now(UTC))
            await self._own("retry", 0)
            rows = await self.scene.sql("SELECT FROM rag_document WHERE state NOT IN ('ready', 'duplicate')")
            left = await self.scene.sql("SELECT FROM job_item WHERE state IN ('queued', 'running')")
            if not rows and not left:
                break
        else:
            raise AssertionError("it does not come to rest")

    async def check(self) -> None:
        """Each content is found once, as it came last; the store holds nothing that is not found."""
        await counts_agree(self.scene.database)
        shelves = await self.scene.library.shelves("acme")
        if not self.last:
            assert sum(each.documents for each in shelves) == 0
            return
        documents = await self.scene.library.documents("acme", SHELF)
        assert {each.key for each in documents} == set(self.last)
        ready = [each for each in documents if each.state is DocumentState.READY]
        assert {self.last[each.key] for each in ready} == set(self.last.values())
        assert len(ready) == len(set(self.last.values()))
        wanted = sorted(text for each in ready for text in self.last[each.key])
        words = " ".join((*_TEXTS, "encore", "page0 page1 page2 page3"))
        assert await self.scene.found(words) == wanted
        assert await self.scene.indexed() == len(wanted)
        for each in ready:
            passages = await self.scene.library.passages("acme", SHELF, each.id)
            assert sorted(passage.text for passage in passages) == sorted(self.last[each.key])


async def _play(database_url: str, chunks: Embedded, deeds: list[tuple[str, int]]) -> None:
    database = Database(database_url)
    try:
        async with running() as site:
            await chunks.erase("acme")
            world = scene(database, chunks, port=site.port)
            await world.sql(
                "TRUNCATE job, job_item, job_event, job_turn, procrastinate_jobs, rag_collection CASCADE"
            )
            play = _World(world, site)
            try:
                for deed, which in deeds:
                    await play.do(deed, which)
                    await play.nothing_else_is_found()
                await play.finish()
                await play.check()
            finally:
                play.open.set()
                await asyncio.gather(*play.turns, return_exceptions=True)
                await play.runs.close(5.0)
    finally:
        await database.aclose()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples: the owner of its shards stays."""
    return tmp_path_factory.mktemp("data")


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(deeds=st.lists(st.tuples(st.sampled_from(_DEEDS), st.integers(0, 35)), min_size=4, max_size=16))
def test_what_the_table_says_is_found_is_found_and_nothing_else(
    database_url: str, folder: Path, deeds: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        chunks = Embedded(folder)
        try:
            await _play(database_url, chunks, deeds)
        finally:
            await chunks.aclose()

    asyncio.run(play())
