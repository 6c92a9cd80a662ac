"""Every hour of capacity is booked once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from passerelle.domain.billing import Sharing
from passerelle.domain.errors import Unavailable
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.stores.database import Database
from tests.unit.ledger.hours import EURO, HOUR, MINUTE, TEN, booked, job, own, ran, select


async def test_the_job_may_be_repeated_and_books_once(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "1", TEN, 60, tokens={"input": 1})
    once = job(database)
    assert len(await once.allocate(TEN + 5 * HOUR)) == 4
    before = await select(database, "SELECT * FROM ledger_entries ORDER BY id")
    for again in (once, once, job(database)):
        assert await again.allocate(TEN + 5 * HOUR) == []
    assert await select(database, "SELECT * FROM ledger_entries ORDER BY id") == before
    assert [each.hour for each in await once.allocate(TEN + 6 * HOUR)] == [TEN + 4 * HOUR]


async def test_jobs_that_run_together_book_every_hour_once(database: Database) -> None:
    await own(database, TEN)
    await own(database, TEN, backend="other", per_hour=7)
    for number in range(20):
        await ran(database, str(number), TEN + number * 20 * MINUTE, 15, tokens={"input": 1 + number})
    jobs = [job(database) for _ in range(4)]
    found = await asyncio.gather(*(each.allocate(TEN + 30 * HOUR) for each in jobs))

    hours = [(each.backend, each.hour) for done in found for each in done]
    assert len(hours) == len(set(hours))
    await jobs[0].allocate(TEN + 30 * HOUR)  # whoever came second may have left some for the next time
    once = "SELECT backend, count(DISTINCT attempt_id), sum(abs(amount_pico)) FROM ledger_entries GROUP BY 1 ORDER BY 1"
    assert await select(
        database, f"{once.replace('FROM ledger_entries', 'FROM ledger_entries WHERE backend IS NOT NULL')}"
    ) == [
        ("gpu", 29, 2 * 29 * EURO),
        ("other", 29, 2 * 29 * 7),
    ]


async def test_an_hour_waits_until_it_is_over_for_a_while(database: Database) -> None:
    await own(database, TEN)
    assert await job(database).allocate(TEN + HOUR + 9 * MINUTE) == []
    assert await job(database).due(TEN + HOUR + 9 * MINUTE) == {}
    assert await job(database).due(TEN + HOUR + 10 * MINUTE) == {"gpu": TEN}
    assert len(await job(database).allocate(TEN + HOUR + 10 * MINUTE)) == 1


async def test_nothing_is_booked_while_tries_are_still_to_be_written(database: Database) -> None:
    await own(database, TEN)
    drained = False
    waits = job(database, ready=lambda: drained)
    assert await waits.allocate(TEN + 2 * HOUR) == []
    drained = True
    assert len(await waits.allocate(TEN + 2 * HOUR)) == 1


async def test_a_clock_that_jumps_ahead_books_no_hour_that_is_not_over(database: Database) -> None:
    now = datetime.now(UTC)
    await own(database, now - 3 * HOUR)
    done = await job(database).allocate(now + timedelta(days=365))
    assert len(done) in (2, 3)
    assert all(each.hour + HOUR + 10 * MINUTE <= datetime.now(UTC) for each in done)
    assert await job(database).allocate(now - timedelta(days=365)) == []


async def test_while_the_databases_clock_is_behind_what_was_booked_nothing_is(database: Database) -> None:
    await own(database, TEN)
    jumped = job(database)
    await jumped.allocate(TEN + 2 * HOUR)
    hour, written = jumped._last["gpu"]
    jumped._last["gpu"] = hour, written + HOUR
    assert await jumped.allocate(TEN + 3 * HOUR) == []
    jumped._last["gpu"] = hour, written
    assert len(await jumped.allocate(TEN + 3 * HOUR)) == 1


async def test_a_try_that_is_written_late_weighs_once_in_the_next_hour(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "1", TEN, 30, tenant="a", tokens={"input": 1})
    later = job(database, lag=timedelta(0))
    await later.allocate(TEN + HOUR + 10 * MINUTE)

    # The row comes once its hour has been shared out.
    late = (await select(database, "SELECT clock_timestamp()"))[0][0]
    await ran(database, "late", TEN, 60, tenant="b", tokens={"input": 3}, written=late)
    await ran(database, "2", TEN + HOUR, 30, tenant="a", tokens={"input": 1})
    await ran(database, "3", TEN + 2 * HOUR, 30, tenant="a", tokens={"input": 1})
    await later.allocate(TEN + 4 * HOUR)

    shares = await booked(database)
    assert shares["10:00"].get("tenant:b") is None
    assert shares["11:00"] == {
        "tenant:a": EURO // 8,
        "tenant:b": EURO * 3 // 8,
        "operator:idle": EURO // 2,
        "provider:us:payable": -EURO,
    }
    assert shares["12:00"].get("tenant:b") is None


async def test_a_try_that_is_being_written_counts_in_one_hour_alone(database: Database) -> None:
    """Its transaction began before the hour was shared out, and ends after that."""
    await own(database, TEN)
    patient = job(database)
    await patient.allocate(TEN + HOUR + 10 * MINUTE)
    # The hour before counted what was written until a minute before it was booked, which this is not.
    began = (await select(database, "SELECT now() - interval '30 seconds'"))[0][0]
    await ran(database, "slow", TEN, 60, tenant="b", tokens={"input": 3}, written=began)
    await ran(database, "2", TEN + HOUR, 30, tenant="a", tokens={"input": 1})
    await patient.allocate(TEN + 2 * HOUR + 10 * MINUTE)
    assert (
        "tenant:b" not in (await booked(database))["11:00"]
    )  # not yet: that hour was booked within the minute

    soon = job(database, lag=timedelta(0))
    soon._last["gpu"] = TEN + HOUR, began - MINUTE
    await ran(database, "3", TEN + 2 * HOUR, 30, tenant="a", tokens={"input": 1})
    await soon.allocate(TEN + 3 * HOUR + 10 * MINUTE)
    assert (await booked(database))["12:00"]["tenant:b"] == EURO * 3 // 8


@pytest.mark.parametrize("seed", range(3))
async def test_every_try_weighs_once_whenever_it_is_written(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    await own(database, TEN)
    expected = 0
    for number in range(60):
        began = TEN + timedelta(seconds=chance.randrange(5 * 3600))
        written = began + timedelta(seconds=60 + chance.choice((1, 600, 4000, 20_000)) * chance.random())
        await ran(database, str(number), began, chance.random(), tokens={"input": 2**number}, written=written)
        expected += 2**number

    works, counted, now, found = job(database), None, TEN + HOUR, 0
    for number in range(14):
        begin = TEN + number * HOUR
        now = max(now, begin + HOUR) + timedelta(seconds=chance.choice((0, 5, 600, 9000)))
        async with database.begin() as connection:
            hour = await works._read(connection, "gpu", begin, counted=counted, now=now)
        tokens = hour.weights.get("tenant:a", 0) // 10**12
        assert found & tokens == 0
        found += tokens
        counted = now
    assert found == expected


async def test_tries_elsewhere_or_before_count_for_nothing(database: Database) -> None:
    await own(database, TEN)
    await ran(database, "1", TEN, 30, backend="other", tokens={"input": 1})
    await ran(database, "2", TEN - 2 * HOUR, 30, tokens={"input": 1})
    await job(database).allocate(TEN + 2 * HOUR)
    assert (await booked(database))["10:00"] == {"operator:idle": EURO, "provider:us:payable": -EURO}


async def test_hours_after_a_backend_is_gone_are_nobodys_until_it_is_back(database: Database) -> None:
    await own(database, TEN)
    await CapacityLog(database).gone("gpu", TEN + 90 * MINUTE)
    await own(database, TEN + 100 * HOUR + 45 * MINUTE)
    done = await job(database).allocate(TEN + 103 * HOUR)
    assert [(each.hour - TEN) // HOUR for each in done] == [0, 1, 100, 101]
    assert [each.cost["EUR"] for each in done] == [EURO, EURO // 2, EURO // 4, EURO]


async def test_one_backends_absurd_row_keeps_no_others_hours_from_being_booked(database: Database) -> None:
    await own(database, TEN, backend="a", sharing=Sharing({"input": Decimal(-1)}))
    await own(database, TEN, backend="b")
    await ran(database, "1", TEN, 20, backend="a", tokens={"input": 1})
    assert [each.backend for each in await job(database).allocate(TEN + 2 * HOUR)] == ["b"]


async def test_it_goes_on_when_the_database_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await own(database, datetime.now(UTC) - 3 * HOUR)
    begin, asked = Database.begin, asyncio.Event()

    def away(self: Database) -> Any:
        asked.set()
        raise OSError("not there")

    monkeypatch.setattr(Database, "begin", away)
    works = job(database)
    with pytest.raises(Unavailable):
        await works.allocate(TEN)
    asked.clear()
    task = asyncio.create_task(works.run(0.01))
    try:
        await asyncio.wait_for(asked.wait(), 10)
        monkeypatch.setattr(Database, "begin", begin)
        async with asyncio.timeout(10):
            while not await booked(database):
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
