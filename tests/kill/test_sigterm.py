"""SIGTERM under load: what runs is settled, and what is settled is in the database or waits for the next start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.kill.audit import audit, read
from tests.kill.scene import end_under_load, go_on_without_database, open_scene, some
from tests.kill.victim import until


async def test_streams_that_do_not_end_in_time_are_cut_and_paid_as_far_as_they_went(tmp_path: Path) -> None:
    async with open_scene(tmp_path, 1, PASSERELLE_DRAIN_SECONDS="1") as scene:
        victim, traffic = scene.victim, scene.traffic
        for engine in scene.engines:
            engine.pace = (0.05, 0.1)
        running = asyncio.create_task(traffic.run())
        traffic.at(await victim.start())
        await some(traffic, 5)
        await until(lambda: sum(engine.working for engine in scene.engines) >= 4, "streams run")
        assert await end_under_load(traffic, victim) == 0
        traffic.end()
        await running
        left = list((victim.data / "spool").iterdir())
        books = await read(victim.data)

    assert audit(books, scene.witness.heard, traffic.told) == []
    assert any(told.outcome == "broken" for told in traffic.told), "nothing was cut"
    assert books.unknown == 0
    assert left == []
    assert "Traceback" not in victim.output


async def test_sigterm_without_a_database_leaves_the_spool_to_the_next_start(tmp_path: Path) -> None:
    async with open_scene(tmp_path, 2) as scene:
        victim, traffic = scene.victim, scene.traffic
        running = asyncio.create_task(traffic.run())
        traffic.at(await victim.start())
        await go_on_without_database(scene)
        ending = asyncio.create_task(end_under_load(traffic, victim))
        service = victim.service
        assert service is not None
        await until(lambda: "spool_left" in service.output.read_text(), "it says that the spool is left")
        victim.let_go()
        assert await ending == 0
        traffic.end()
        await running
        left = victim.spooled()
        await victim.start()
        assert await victim.end() == 0
        books = await read(victim.data)

    assert left
    assert victim.spooled() == 0
    assert audit(books, scene.witness.heard, traffic.told) == []
    assert books.unknown == 0
