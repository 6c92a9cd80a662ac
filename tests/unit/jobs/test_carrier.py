"""What procrastinate does otherwise than we need, and that it does as we need here."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from datetime import datetime

import pytest
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from sqlalchemy import text

from passerelle.domain.jobs import JobState
from passerelle.jobs.desk import Desk
from passerelle.jobs.periodic import Periodic
from passerelle.jobs.tables import CLOCK, QUEUE
from passerelle.jobs.worker import Carrier, Pace, _connector, told_apart
from passerelle.stores.database import Database
from tests.unit.jobs.scene import Doing, Gate, count, counts_agree, made, over, until, working

_SLOW = Pace(concurrency=4, lease=600.0, grace=5.0)


async def test_turns_do_not_pile_up_with_the_items(database: Database) -> None:
    """procrastinate slows down with its backlog; ours stays short however many items wait."""
    await made(database, 3000)
    await made(database, 500)

    assert await count(database, "SELECT count(*) FROM procrastinate_jobs") == 65


async def test_plans_are_made_for_the_tables_as_they_are(database: Database) -> None:
    analysed = (
        "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'job_item' AND last_analyze IS NOT NULL"
    )
    await made(database, 3000)
    async with working(database, Doing()):
        await until(lambda: count(database, analysed), "it is analysed")
        await Desk(database).delete("acme")


async def test_a_turn_whose_end_cannot_be_told_is_no_defect(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(connector=_connector(database))
    ended: list[int] = []
    defects: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))

    async def run() -> None:
        """There is nothing to do."""

    async def away(*_: object, **__: object) -> None:
        ended.append(1)
        raise ConnectorException

    task = app.task(name="told", queue="told")(run)
    async with app.open_async():
        carrier = Carrier(app, queues=["told"], install_signal_handlers=False, wait=False)
        monkeypatch.setattr(carrier, "_persist_job_status", away)
        await task.defer_async()
        await carrier.run()
    gc.collect()
    await asyncio.sleep(0)
    assert (ended, defects) == ([1], [])


async def test_the_next_of_a_lock_and_one_tried_again_start_at_once(database: Database) -> None:
    app = App(connector=_connector(database))
    ran: list[int] = []

    async def run(number: int) -> None:
        ran.append(number)
        if ran == [1]:
            raise ValueError

    task = app.task(name="chained", queue="chain", retry=3)(run)
    async with app.open_async():
        working = asyncio.create_task(
            Carrier(
                app,
                queues=["chain"],
                concurrency=3,
                install_signal_handlers=False,
                fetch_job_polling_interval=600.0,
            ).run()
        )
        for number in (1, 2, 3):
            await task.configure(lock="one").defer_async(number=number)
        await until(lambda: len(ran) == 4, "all of the chain ran")
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    assert ran == [1, 1, 2, 3]


async def test_what_its_owner_aborts_is_aborted_and_what_a_shutdown_aborts_waits(database: Database) -> None:
    app = App(connector=_connector(database))
    started = asyncio.Event()

    async def run() -> None:
        started.set()
        await asyncio.sleep(600)

    task = app.task(name="long", queue="long", retry=True)(run)
    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=["long"],
                install_signal_handlers=False,
                shutdown_graceful_timeout=0.05,
                worker_middleware=[told_apart],
            )
        )
        first = await task.defer_async()
        await started.wait()
        await app.job_manager.cancel_job_by_id_async(first, abort=True)
        status = app.job_manager.get_job_status_async

        async def aborted() -> bool:
            return (await status(first)).value == "aborted"

        await until(aborted, "it is aborted")
        started.clear()
        second = await task.defer_async()
        await started.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

        assert (await status(second)).value == "todo"


async def test_aborting_a_turn_stops_no_item(database: Database) -> None:
    gate = Gate()
    kind = Doing(gate)
    job = await made(database, 6)
    async with working(database, kind, pace=_SLOW):
        await until(lambda: len(kind.under_way) == 4, "four run")
        async with database.begin() as connection:
            doing = f"UPDATE procrastinate_jobs SET abort_requested = true WHERE status = 'doing' AND queue_name = '{QUEUE}'"
            assert (await connection.execute(text(doing))).rowcount == 4
        await until(lambda: len(kind.ran) == 6, "other turns go on")
        gate.opened.set()
        assert (await over(database, job)).state is JobState.DONE

    assert sorted(kind.ran) == sorted(set(kind.ran))
    await counts_agree(database)


async def test_items_whose_turns_were_lost_are_done_all_the_same(database: Database) -> None:
    job = await made(database, 3)
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM procrastinate_jobs"))
    async with working(database, Doing()):
        assert (await over(database, job)).state is JobState.DONE


async def test_a_worker_outlives_the_loss_of_all_its_connections(database: Database) -> None:
    kind = Doing()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    async with working(database, kind):
        await over(database, await made(database, 3))
        async with database.begin() as connection:
            await connection.execute(text(cut))
        assert (await over(database, await made(database, 3))).state is JobState.DONE


async def test_a_periodic_task_runs_once_for_each_time_whoever_runs_it(database: Database) -> None:
    ran: list[datetime] = []

    async def run(at: datetime) -> None:
        ran.append(at)
        raise ValueError("the next time is another try")

    tasks = [Periodic("every-second", "* * * * * *", run)]
    async with working(database, Doing(), periodic=tasks), working(database, Doing(), periodic=tasks):
        await until(lambda: len(ran) >= 3, "it ran three times")

    assert len(ran) == len(set(ran))
    left = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = :queue AND status = 'doing'"
    assert await count(database, left, queue=CLOCK) == 0


async def test_the_schema_is_the_one_of_the_library(database: Database) -> None:
    """A newer library brings changes of its own, which a step of ours must apply."""
    async with database.begin() as connection:
        noted = "SELECT value FROM installation WHERE name = 'procrastinate'"
        version = str((await connection.execute(text(noted))).scalar_one())

    assert version.split(".")[:2] == ["3", "10"]


def test_the_desk_does_without_the_library() -> None:
    program = "import sys; import passerelle.jobs.desk, passerelle.jobs.events; sys.exit('procrastinate' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
