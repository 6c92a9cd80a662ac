"""A month that is closed stays as it was, whoever writes at that moment or later."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.ledger import closing
from passerelle.ledger.closing import ENTRIES_OF_A_MONTH, Closed, check_closed, close, set_time_zone
from passerelle.ledger.drain import Drain
from passerelle.ledger.posting import Posting, post
from passerelle.stores.database import Database
from tests.database import driver_address
from tests.unit.ledger.test_spool_reader import pairs, segment, write

_PARIS, _UTC = ZoneInfo("Europe/Paris"), ZoneInfo("UTC")
_OCTOBER, _NOVEMBER = Month(2026, 10), Month(2026, 11)
_NOW = datetime(2026, 11, 2, tzinfo=UTC)


def booked(reference: str, at: datetime, amount: int = 70, **other: Any) -> list[Posting]:
    """A cost of client-a's, in balance."""
    return [
        Posting(
            reference=reference, line=1, at=at, tenant="client-a", account=account, kind=EntryKind.ADJUST,
            meter="input", quantity=1, unit=Unit.TOKENS, currency="USD", amount=sign * amount,
            certainty=Certainty.EXACT, billed_currency="EUR", billed=sign * amount, **other,
        )
        for account, sign in (("tenant:client-a", 1), ("provider:hub:payable", -1))
    ]  # fmt: skip


async def book(database: Database, *references: str, at: datetime, **other: Any) -> None:
    async with database.begin() as connection:
        for reference in references:
            await post(connection, booked(reference, at, **other))


async def periods(database: Database) -> dict[str, str]:
    async with database.begin() as connection:
        rows = await connection.execute(text("SELECT DISTINCT attempt_id, period FROM ledger_entries"))
        return {row[0]: row[1] for row in rows}


async def shut(database: Database, month: Month = _OCTOBER, **other: Any) -> Closed:
    values: dict[str, Any] = {"now": _NOW, "zone": _UTC, "pending": lambda: None, **other}
    return await close(database, month, **values)


_MIDDLE = datetime(2026, 10, 15, 12, tzinfo=UTC)


async def test_a_month_is_closed_with_its_totals_and_a_digest_that_psql_can_work_out_again(
    database: Database, database_url: str
) -> None:
    await book(database, "a", "b\t\\é\n", at=_MIDDLE, amount=10**13 + 1)
    await book(database, "later", at=_NOW)

    closed = await shut(database)

    assert closed.fresh
    assert closed.month == _OCTOBER
    assert closed.totals["tenant:client-a"] == {
        "amount": {"USD": "20.000000000002"},
        "billed": {"EUR": "20.000000000002"},
    }
    assert Decimal(closed.totals["provider:hub:payable"]["amount"]["USD"]) == Decimal("-20.000000000002")
    with psycopg.connect(driver_address(database_url)) as connection:
        copied = f"COPY ({ENTRIES_OF_A_MONTH.format(month=_OCTOBER)}) TO STDOUT".encode()
        with connection.cursor() as cursor, cursor.copy(copied) as copy:
            printed = b"".join(bytes(block) for block in copy)
    assert printed.count(b"\n") == 4
    assert hashlib.sha256(printed).hexdigest() == closed.digest
    assert await check_closed(database) == []


async def test_closing_twice_says_the_same_and_changes_nothing(database: Database) -> None:
    await book(database, "a", at=_MIDDLE)
    first = await shut(database)
    await book(database, "late", at=_MIDDLE)

    again = await shut(database)

    assert not again.fresh
    assert (again.digest, again.totals, again.closed_at) == (first.digest, first.totals, first.closed_at)


async def test_what_is_written_down_after_a_closing_falls_in_the_next_month(database: Database) -> None:
    await book(database, "in-time", at=_MIDDLE)
    await shut(database)

    await book(database, "late", at=_MIDDLE)
    await book(database, "correction", at=_MIDDLE, reason="too much")
    await book(database, "december", at=datetime(2026, 12, 1, tzinfo=UTC))

    assert await periods(database) == {
        "in-time": "2026-10", "late": "2026-11", "correction": "2026-11", "december": "2026-12",
    }  # fmt: skip
    assert await check_closed(database) == []


@pytest.mark.parametrize(
    "now", ["2026-10-31T22:59:59+00:00", "2026-10-05T00:00:00+00:00", "2026-01-01T00:00:00+00:00"]
)
async def test_a_month_that_has_not_ended_stays_open(database: Database, now: str) -> None:
    await set_time_zone(database, _PARIS)
    with pytest.raises(CannotRun, match="2026-10 has not ended in Europe/Paris"):
        await shut(database, zone=_PARIS, now=datetime.fromisoformat(now))
    with pytest.raises(CannotRun, match="has not ended"):
        await shut(database, zone=_PARIS, now=datetime.fromisoformat(now), force=True)


async def test_tries_that_are_drained_after_a_closing_fall_in_the_next_month(
    database: Database, tmp_path: Path
) -> None:
    november, now = Month(2025, 11), datetime(2025, 12, 1, tzinfo=UTC)
    write(tmp_path / "1-a", segment(*pairs(1, 2)))
    await Drain(database, tmp_path).drain_once()
    await shut(database, november, now=now)

    write(tmp_path / "2-a", segment(*pairs(3)))
    await Drain(database, tmp_path).drain_once()

    assert await periods(database) == {
        "att_00000001": "2025-11", "att_00000002": "2025-11", "att_00000003": "2025-12",
    }  # fmt: skip
    assert await check_closed(database) == []


async def test_a_month_ends_where_the_operator_is(database: Database) -> None:
    await set_time_zone(database, _PARIS)
    closed = await shut(database, zone=_PARIS, now=datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert closed.fresh


async def test_months_are_closed_in_order(database: Database) -> None:
    await book(database, "september", at=datetime(2026, 9, 30, tzinfo=UTC))
    await book(database, "october", at=_MIDDLE)

    with pytest.raises(CannotRun, match="2026-09 is still open and has entries"):
        await shut(database, force=True)
    await shut(database, Month(2026, 9))
    assert (await shut(database)).fresh


async def test_months_without_entries_need_not_be_closed_and_may_be(database: Database) -> None:
    await book(database, "october", at=_MIDDLE)
    await shut(database)

    empty = await shut(database, Month(2026, 3))

    assert empty.totals == {}
    assert empty.digest == hashlib.sha256().hexdigest()
    await book(database, "late", at=_MIDDLE)
    assert (await periods(database))["late"] == "2026-11"  # an older closing opens nothing again
    assert await check_closed(database) == []


async def test_work_that_waits_keeps_a_month_open_unless_forced(database: Database) -> None:
    with pytest.raises(CannotRun, match="2026-10 cannot be closed: 3 tries wait in the spool"):
        await shut(database, pending=lambda: "3 tries wait in the spool.")

    forced = await shut(database, pending=lambda: "3 tries wait in the spool.", force=True)
    assert forced.passed_over == ("3 tries wait in the spool.",)


async def test_a_ledger_that_does_not_add_up_is_not_closed(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text("""INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity, unit,
                    currency, amount_pico, certainty, period)
                    VALUES ('x', 1, now(), 't', 'tenant:t', 'credit', '', 0, 'requests', 'EUR', 5, 'exact', '2026-10')""")
        )
    with pytest.raises(CannotRun, match="cannot be closed: The entries in EUR add up to 5 pico-units"):
        await shut(database)


async def test_a_month_whose_billed_amounts_do_not_add_up_is_not_closed(database: Database) -> None:
    await book(database, "a", at=_MIDDLE)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE ledger_entries DISABLE TRIGGER ALL"))
        await connection.execute(
            text("UPDATE ledger_entries SET billed_pico = 71 WHERE account = 'tenant:client-a'")
        )
    with pytest.raises(
        CannotRun, match=r"billed amounts of 2026-10 in EUR add up to 0\.000000000001, not to 0"
    ):
        await shut(database)


async def test_another_time_zone_than_the_ledgers_is_refused(database: Database) -> None:
    with pytest.raises(CannotRun, match="months are those of UTC, and Europe/Paris is configured"):
        await shut(database, zone=_PARIS)


async def test_two_closings_at_once_close_once(database: Database) -> None:
    await book(database, *(f"r{number}" for number in range(20)), at=_MIDDLE)

    closings = await asyncio.gather(*(shut(database) for _ in range(4)))

    assert sorted(closed.fresh for closed in closings) == [False, False, False, True]
    assert len({closed.digest for closed in closings}) == 1
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM ledger_closings"))).scalar() == 1


async def test_a_drain_in_flight_is_waited_for_and_is_in_the_month(database: Database) -> None:
    async with database.begin() as connection:
        await post(connection, booked("in-flight", _MIDDLE))
        closing_ = asyncio.create_task(shut(database))
        await _until_somebody_waits(database)
        assert not closing_.done()
    closed = await closing_
    assert closed.totals["tenant:client-a"]["amount"] == {"USD": "0.000000000070"}
    assert await check_closed(database) == []


async def test_a_drain_that_waited_for_a_closing_falls_in_the_next_month(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book(database, "in-time", at=_MIDDLE)
    waiting: list[asyncio.Task[None]] = []
    digest = closing._digest

    async def slow(connection: Any, month: Month) -> str:
        if not waiting:
            waiting.append(asyncio.create_task(book(database, "meanwhile", at=_MIDDLE)))
            await _until_somebody_waits(database)
        return await digest(connection, month)

    monkeypatch.setattr(closing, "_digest", slow)
    await shut(database)
    await waiting[0]

    assert await periods(database) == {"in-time": "2026-10", "meanwhile": "2026-11"}
    assert await check_closed(database) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ledger_entries SET amount_pico = amount_pico * 2", ["entries", "totals"]),
        ("UPDATE ledger_entries SET price_id = 'cheaper'", ["entries"]),
        ("UPDATE ledger_entries SET tenant = 'client-b'", ["entries"]),
        ("DELETE FROM ledger_entries", ["entries", "totals"]),
        ("UPDATE ledger_closings SET digest = 'x'", ["entries"]),
        ("UPDATE ledger_closings SET totals = '{}'", ["totals"]),
    ],
)
async def test_a_change_behind_the_triggers_back_is_found(
    database: Database, change: str, said: list[str]
) -> None:
    await book(database, "a", at=_MIDDLE)
    await shut(database)
    async with database.begin() as connection:
        for table in ("ledger_entries", "ledger_closings"):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        await connection.execute(text(change))

    assert await check_closed(database) == [
        f"The {what} of 2026-10, which is closed, are not those it was closed with." for what in said
    ]


async def test_months_passed_over_with_entries_are_found(database: Database) -> None:
    await book(database, "a", at=_MIDDLE)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET first_open = '2026-12'"))
    assert await check_closed(database) == [
        "2026-10 has entries, was never closed, and lies before the first open month."
    ]


async def test_a_time_zone_counts_for_what_is_posted_from_then_on(database: Database) -> None:
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    await book(database, "utc", at=late)
    assert await set_time_zone(database, _PARIS)
    assert not await set_time_zone(database, _PARIS)
    await book(database, "paris", at=late)

    assert await periods(database) == {"utc": "2026-10", "paris": "2026-11"}


async def test_a_database_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle@/nothing?host={tmp_path}")
    try:
        for work in (shut(database), check_closed(database), set_time_zone(database, _PARIS)):
            with pytest.raises(Unavailable, match="does not answer"):
                await work
    finally:
        await database.aclose()


async def _until_somebody_waits(database: Database) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while True:
            async with database.begin() as connection:
                if (await connection.execute(query)).scalar():
                    return
            await asyncio.sleep(0.01)
