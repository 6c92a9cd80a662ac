"""The rows that PostgreSQL makes of plain lines are those of the careful way, and what it refuses goes that way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Began, Ended, Exchange
from passerelle.ledger import drain as room
from passerelle.ledger.book import verify
from passerelle.ledger.drain import Drain, Drained
from passerelle.ledger.drain_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, rows
from passerelle.ledger.spool_lines import HEADER, encode, look
from passerelle.ledger.spool_reader import Segment, Settled
from passerelle.stores.database import Database
from tests.unit.ledger.events import began, ended, line
from tests.unit.ledger.test_drain import select
from tests.unit.ledger.test_spool_lines import BEGINNINGS, ENDS, USUAL_BEGINNINGS, USUAL_ENDS
from tests.unit.ledger.test_spool_reader import pairs, segment, write

_NUMBERS = count()
_ACCOUNTS = st.sampled_from(("tenant:a", "operator:retry", "operator:capacity", "provider:hub:payable", ""))
_USUAL = st.tuples(USUAL_BEGINNINGS, USUAL_ENDS)
_BILLED = st.builds(
    lambda pair, payer, payee: (pair[0], replace(pair[1], payer=payer, payee=payee)),
    _USUAL, _ACCOUNTS, st.none() | _ACCOUNTS,
)  # fmt: skip
_PAIRS = _USUAL | _BILLED | st.tuples(BEGINNINGS, ENDS)
_SAME = {
    "attempts": ", ".join(f"{name}::text" for name in ATTEMPT_COLUMNS if name != "attempt_id"),
    "entries": ", ".join(
        f"{name}::text" for name in (*ENTRY_COLUMNS, "period", "reason") if name != "attempt_id"
    ),
}


def settled(name: str, pair: tuple[Began, Ended]) -> Settled:
    first, last = (encode(replace(event, attempt_id=name))[:-1] for event in pair)
    plain = all((look(each) or (0, 0, False))[2] for each in (first, last))
    return Settled(name.encode(), first, last, plain, (Segment(1, Path()),))


async def tables(database: Database, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every column of the tries of one way, as text."""
    return {
        table: await select(
            database,
            f"SELECT substr(attempt_id, 2), {columns} FROM ledger_{table} WHERE attempt_id LIKE '{prefix}%'"
            f" ORDER BY 1, {'account, line, ' if table == 'entries' else ''} 2",
        )
        for table, columns in _SAME.items()
    }


async def post_both_ways(database: Database, batch: Sequence[tuple[Began, Ended]]) -> int:
    """How many of them were plain."""
    drain = Drain(database, Path())
    mark = f"{next(_NUMBERS)}-"
    ways = {
        way: [settled(f"{way}{mark}{index}", pair) for index, pair in enumerate(batch)] for way in ("p", "c")
    }
    for way, each in ways.items():
        prepared = room._prepare(each, room._no_rate, careful=way == "c")
        assert await drain._post(prepared, adopted=False) == (
            Drained(len(batch), await entries_of(database, f"{way}{mark}"))
        )
    fast, careful = await tables(database, f"p{mark}"), await tables(database, f"c{mark}")
    assert fast == careful
    assert len(fast["attempts"]) == len(batch)
    return sum(each.plain for each in ways["p"])


async def entries_of(database: Database, prefix: str) -> int:
    query = f"SELECT count(*) FROM ledger_entries WHERE attempt_id LIKE '{prefix}%'"
    return int((await select(database, query))[0][0])


def test_both_ways_give_the_same_rows(database_url: str) -> None:
    plain = 0
    with asyncio.Runner() as runner:
        database = Database(database_url)

        @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
        @given(st.lists(_PAIRS, min_size=1, max_size=6))
        def same(batch: list[tuple[Began, Ended]]) -> None:
            nonlocal plain
            plain += runner.run(post_both_ways(database, batch))

        same()
        sums = "SELECT currency FROM ledger_entries GROUP BY attempt_id, line, currency HAVING sum(amount_pico) <> 0"
        assert runner.run(select(database, sums)) == []
        runner.run(database.aclose())
    assert plain > 50


async def test_texts_too_long_for_an_index_are_cut_alike_both_ways(database: Database) -> None:
    chance = random.Random(1)
    long = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    first = began(
        request_id=long, tenant=long, key_id=long, route=long, model=long, backend=long, target=long
    )
    last = ended(outcome=long, upstream_id=long, payer=long, revision=long)
    batch = [
        (first, replace(last, provider=provider, payee=payee))
        for provider in (None, long)
        for payee in (None, long)
    ]

    assert await post_both_ways(database, batch) == len(batch)


async def test_a_line_bills_the_tenant_owes_the_provider_and_keeps_a_margin(
    database: Database, tmp_path: Path
) -> None:
    rate = Exchange("EUR", "0.5", "2025-11-20")
    lines = (
        line("input", 100, cost=3_500_000, billed=4_200_000, saved=9),
        line("output", 1, cost=35_000, billed=35_000),
    )
    paid = ended(1, lines=lines, exchange=rate, first_ms=120, revision="4f2e")
    kept = began(1, use="rag", held=10**9, held_currency="USD")
    for number, event in enumerate((kept, replace(kept, key_id='"'))):  # the second one takes the careful way
        name = f"att_{number}"
        write(
            tmp_path / f"{number}-a", segment(replace(event, attempt_id=name), replace(paid, attempt_id=name))
        )
        await Drain(database, tmp_path).drain_once()
        query = f"""SELECT line, account, amount_pico, billed_pico, billed_currency, fx_rate::text, fx_date::text, saved_pico,
            period, backend, reason FROM ledger_entries WHERE attempt_id = '{name}' ORDER BY line, amount_pico DESC"""
        told = ("EUR", "0.5", "2025-11-20")
        assert await select(database, query) == [
            (1, "tenant:client-a", 7_000_000, 4_200_000, *told, 9, "2025-11", "hub", None),
            (1, "operator:margin", 0, -700_000, *told, None, "2025-11", "hub", None),
            (1, "provider:scaleway:payable", -7_000_000, -3_500_000, *told, None, "2025-11", "hub", None),
            (2, "tenant:client-a", 70_000, 35_000, *told, None, "2025-11", "hub", None),
            (2, "provider:scaleway:payable", -70_000, -35_000, *told, None, "2025-11", "hub", None),
        ]
        query = f"""SELECT "use", held_pico, held_currency, first_ms, revision FROM ledger_attempts
            WHERE attempt_id = '{name}'"""
        assert await select(database, query) == [("rag", 10**9, "USD", 120, "4f2e")]
    assert [each for each in await verify(database) if "served" not in each] == []


@pytest.mark.parametrize("key", ["key_1", 'the "key"'])
async def test_an_entry_is_in_the_month_of_the_operators_clock_or_the_first_that_is_open(
    database: Database, tmp_path: Path, key: str
) -> None:
    eve = 1_764_545_400_000  # 30 November 2025, 23:30 UTC: half past midnight in Paris
    october = eve - 35 * 86_400_000
    calendar = "UPDATE ledger_calendar SET time_zone = 'Europe/Paris', first_open = '2025-11'"
    async with database.begin() as connection:
        await connection.execute(text(calendar))
    for number, at in enumerate((eve, eve - 3_600_000, october), 1):
        write(tmp_path / f"{number}-a", segment(began(number, key_id=key), ended(number, at=at)))
    await Drain(database, tmp_path).drain_once()

    query = "SELECT DISTINCT attempt_id, period FROM ledger_entries ORDER BY 1"
    assert [row[1] for row in await select(database, query)] == ["2025-12", "2025-11", "2025-11"]


@pytest.mark.parametrize("key", ["key_1", 'the "key"'])
async def test_nothing_is_written_beside_a_closing(database: Database, tmp_path: Path, key: str) -> None:
    write(tmp_path / "1-a", segment(began(1, key_id=key), ended(1)))
    async with database.begin() as closing:
        await closing.execute(text("SELECT 1 FROM ledger_calendar FOR UPDATE"))
        draining = asyncio.create_task(Drain(database, tmp_path).drain_once())
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(20):
            while not (await select(database, waiting))[0][0]:
                await asyncio.sleep(0.01)
        await closing.execute(text("UPDATE ledger_calendar SET first_open = '2026-01'"))

    assert await draining == Drained(1, 4)
    assert await select(database, "SELECT DISTINCT period FROM ledger_entries") == [("2026-01",)]


async def test_without_a_calendar_nothing_is_written_and_nothing_lost(
    database: Database, tmp_path: Path
) -> None:
    write(tmp_path / "1-a", segment(*pairs(1)))
    for wrong, right in (
        ("DELETE FROM ledger_calendar", "INSERT INTO ledger_calendar DEFAULT VALUES"),
        ("UPDATE ledger_calendar SET time_zone = 'Atlantis'", "UPDATE ledger_calendar SET time_zone = 'UTC'"),
    ):
        async with database.begin() as connection:
            await connection.execute(text(wrong))
        with pytest.raises(Unavailable):
            await Drain(database, tmp_path).drain_once()
        async with database.begin() as connection:
            await connection.execute(text(right))
    assert await Drain(database, tmp_path).drain_once() == Drained(1, 4)


def sound(mark: bytes, said: bytes) -> bytes:
    return b"%08x %b\n" % (crc32(mark + said), mark + said)


@pytest.mark.parametrize(
    ("sane", "poison"),
    [(b'"usage":{"a":1}', b'"usage":{"a":,}'), (b'"usage":{"a":1}', b'"usage":{"\xff":1}'),
     (b'"usage":{"a":1}', b'"usage":{"a":1e999999}'), (b'"2025-11-20"', b'"2025-02-31"')],
)  # fmt: skip
async def test_a_line_that_the_database_refuses_is_set_aside_and_stops_no_other(
    database: Database, tmp_path: Path, sane: bytes, poison: bytes
) -> None:
    event = ended(2, usage={"a": 1}, exchange=Exchange("EUR", "1", "2025-11-20"))
    line = sound(b"e ", encode(event)[11:-1].replace(sane, poison))
    assert look(line[:-1]) == (False, b"att_00000002", True)
    content = HEADER + b"".join(encode(each) for each in (*pairs(1), began(2))) + line
    write(tmp_path / "1-a", content + b"".join(encode(each) for each in pairs(3)))
    with capture_logs() as logs:
        assert (await Drain(database, tmp_path).drain_once()).attempts == 3

    outcomes = await select(database, "SELECT outcome FROM ledger_attempts ORDER BY attempt_id")
    assert outcomes == [("answered",), ("unknown",), ("answered",)]
    assert (tmp_path / "1-a-00000001.damaged").read_bytes() == line
    assert [each["event"] for each in logs] == ["spool_damaged"]


async def test_a_try_that_is_refused_in_any_form_is_set_aside_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rows

    def spoiled(*events: Any, **named: Any) -> Any:
        attempt, entries = made(*events, **named)
        return ("\0" if attempt[0] == "att_00000004" else attempt[0], *attempt[1:]), entries

    monkeypatch.setattr(room, "rows", spoiled)
    odd = began(4, key_id='"')
    write(tmp_path / "1-a", segment(*pairs(1, 2, 3), odd, ended(4), *pairs(5, 6)))
    with capture_logs() as logs:
        assert await Drain(database, tmp_path).drain_once() == Drained(5, 20)

    assert (tmp_path / "1-a-00000001.damaged").read_bytes() == encode(odd) + encode(ended(4))
    assert [each["event"] for each in logs] == ["ledger_refuses_a_try", "spool_damaged"]
    assert list(tmp_path.glob("1-a")) == []


async def test_a_lost_try_is_exchanged_where_its_rate_is_known(database: Database, tmp_path: Path) -> None:
    held = began(1, held=7, held_currency="USD")
    write(tmp_path / "1-a", segment(held, began(2)))
    rates = {"USD": Exchange("EUR", "0.5", "2025-11-20")}
    await Drain(database, tmp_path, rate=rates.get).drain_once()

    query = """SELECT account, meter, quantity, currency, amount_pico, billed_pico, certainty FROM ledger_entries
        ORDER BY attempt_id, amount_pico DESC, account"""
    assert await select(database, query) == [
        ("operator:lost", "request", 1, "USD", 7, 4, "estimated"),
        ("provider:hub:payable", "request", 1, "USD", -7, -4, "estimated"),
        ("operator:lost", "request", 1, "XXX", 0, None, "unpriced"),
        ("provider:hub:payable", "request", 1, "XXX", 0, None, "unpriced"),
    ]
    assert await verify(database) == []
