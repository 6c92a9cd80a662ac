"""Whoever follows a job sees every event once, in order, from the number he names; in any process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from passerelle.domain.errors import Conflict, NotFound, Unavailable
from passerelle.domain.jobs import Event, Happening, JobState, NewItem
from passerelle.jobs.bell import Bell
from passerelle.jobs.desk import Desk
from passerelle.jobs.events import Events
from passerelle.stores.database import Database
from tests.unit.jobs.scene import Doing, counts_agree, made, over, until, working


@pytest.fixture
async def bell(database: Database) -> AsyncIterator[Bell]:
    made = Bell(database)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _all(events: Events, job: str, after: int = 0) -> list[Event]:
    return [event async for event in events.follow("acme", job, after=after)]


async def test_readers_from_any_number_on_see_every_event_once(database: Database, bell: Bell) -> None:
    events = Events(database, bell)
    job = await made(database, 30)
    reading = [asyncio.create_task(_all(events, job, after)) for after in (0, 0, 1)]
    async with working(database, Doing()):
        await over(database, job)
        first, second, late = await asyncio.gather(*reading)

    assert [event.number for event in first] == list(range(1, len(first) + 1))
    assert first == second
    assert late == first[1:]
    assert first[0].what is Happening.CREATED
    assert first[-1].what is Happening.FINISHED
    assert first[-1].data["state"] == "done"
    assert sum(event.what is Happening.ITEM_DONE for event in first) == 30
    assert await _all(events, job, after=len(first)) == []
    await counts_agree(database)


async def test_without_the_bell_readers_look_for_themselves(database: Database) -> None:
    events = Events(database, Bell(database), look=0.05)  # a bell that nobody runs
    job = await made(database, 3)
    reading = asyncio.create_task(_all(events, job))
    async with working(database, Doing()):
        await over(database, job)

    assert (await reading)[-1].what is Happening.FINISHED


async def test_with_the_bell_nobody_has_to_look(database: Database, bell: Bell) -> None:
    events = Events(database, bell, look=600.0)
    job = await made(database, 3)
    reading = asyncio.create_task(_all(events, job))
    async with working(database, Doing()):
        async with asyncio.timeout(20):
            assert (await reading)[-1].what is Happening.FINISHED


async def test_a_job_of_another_tenant_is_not_found(database: Database, bell: Bell) -> None:
    desk, events = Desk(database), Events(database, bell)
    job = await made(database, 1)
    for asked in (desk.look, desk.cancel, desk.pause, desk.resume, desk.retry, desk.items, events.read):
        with pytest.raises(NotFound):
            await asked("other", job)
    assert await desk.delete("other", job) == 0
    assert await desk.list("other") == []
    assert (await desk.look("acme", job)).progress.queued == 1


async def test_a_job_without_items_is_done_at_once(database: Database, bell: Bell) -> None:
    job = await made(database, [])

    assert (await Desk(database).look("acme", job)).state is JobState.DONE
    assert [event.what for event in await _all(Events(database, bell), job)] == [
        Happening.CREATED,
        Happening.FINISHED,
    ]


async def test_a_key_names_one_unfinished_job_and_items_are_unique_in_it(database: Database) -> None:
    desk = Desk(database)
    twice = [NewItem("a"), NewItem("b"), NewItem("a", {"later": True})]
    first = await made(database, twice, key="handbook")

    assert await made(database, twice, key="handbook") == first
    assert await made(database, twice, key="handbook", tenant="other") != first
    assert [item.payload for item in await desk.items("acme", first)] == [{}, {}]
    async with database.begin() as connection:
        assert await desk.add(connection, first, [NewItem("b"), NewItem("c")]) == 1
    await desk.cancel("acme", first)
    assert await made(database, twice, key="handbook") != first
    with pytest.raises(Conflict):
        async with database.begin() as connection:
            await desk.add(connection, first, [NewItem("d")])
    await counts_agree(database)


async def test_jobs_are_listed_newest_first_page_by_page_and_forgotten_when_old(database: Database) -> None:
    desk = Desk(database)
    jobs = [await made(database, []) for _ in range(5)]
    page = await desk.list("acme", most=2)

    assert [job.id for job in page] == jobs[:2:-1]
    assert [job.id for job in await desk.list("acme", before=page[-1].id)] == jobs[2::-1]
    assert await desk.forget(seconds=3600) == 0
    await until(lambda: desk.forget(seconds=0, most=5), "they are forgotten")
    assert await desk.list("acme") == []


async def test_who_follows_a_job_that_goes_on_is_told_when_the_process_stops(
    database: Database, bell: Bell
) -> None:
    events = Events(database, bell, look=60.0)
    job = await made(database, 1)
    reading = asyncio.create_task(_all(events, job))
    await until(lambda: _is(bool(events._following)), "somebody follows")
    events.leave()
    with pytest.raises(Unavailable, match="stops"):
        await reading
    assert not events._following


async def _is(what: bool) -> bool:
    return what
