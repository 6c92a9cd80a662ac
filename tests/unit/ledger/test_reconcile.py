"""What we owe a provider becomes what it charges, by one correction for each invoice, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.domain.ledger import Certainty, EntryKind, Exchange, Unit
from passerelle.domain.money import PICO
from passerelle.ledger.book import verify
from passerelle.ledger.closing import check_closed, close
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.reconcile import Gap, Invoicer, Reconciliation, Tolerance, reconcile
from passerelle.ledger.reconcile_files import read_invoice
from passerelle.ledger.reconcile_lines import Invoice
from passerelle.stores.database import Database

_UTC = ZoneInfo("UTC")
_OCTOBER = Month(2026, 10)
_MIDDLE = datetime(2026, 10, 15, 12, tzinfo=UTC)
_RATE = Exchange("EUR", "0.92", "2026-10-30")
_HUB = Invoicer("huggingface", backends=frozenset({"router", "endpoint"}))


def spent(
    reference: str, amount: int, *, provider: str = "together", backend: str = "router", at: datetime = _MIDDLE,
    currency: str = "USD", certainty: Certainty = Certainty.EXACT,
) -> list[Posting]:  # fmt: skip
    """Pico-units owed to a provider by client-a."""
    return [
        Posting(
            reference=reference, line=1, at=at, tenant="client-a", account=account, kind=EntryKind.ALLOCATE,
            meter="input", quantity=1, unit=Unit.TOKENS, currency=currency, amount=sign * amount,
            certainty=certainty, backend=backend,
        )
        for account, sign in (("tenant:client-a", 1), (f"provider:{provider}:payable", -1))
    ]  # fmt: skip


async def book(database: Database, *postings: list[Posting]) -> None:
    async with database.begin() as connection:
        for each in postings:
            await post(connection, each)


def invoice(*amounts: str, currency: str = "USD", product: str = "Inference Providers") -> Invoice:
    lines = [
        f"2026-10,{product},line {number},{amount},{currency}\n" for number, amount in enumerate(amounts)
    ]
    content = "month,product,description,amount,currency\n" + "".join(lines)
    return read_invoice(content.encode(), month=_OCTOBER, source="invoice.csv")


async def run(database: Database, of: Invoice, invoicer: Invoicer = _HUB, **other: Any) -> Reconciliation:
    return await reconcile(database, of, invoicer, **{"zone": _UTC, "exchange": _RATE, **other})


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.begin() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


_CORRECTIONS = """SELECT account, kind, certainty, amount_pico, billed_pico, fx_rate, period, at FROM ledger_entries
    WHERE attempt_id LIKE 'reconcile:%' ORDER BY id"""
_LAST = datetime(2026, 10, 31, 23, 59, 59, 999000, tzinfo=UTC)


async def test_one_line_makes_what_we_owe_what_is_invoiced(database: Database) -> None:
    await book(database, spent("a", 10 * PICO), spent("b", 2 * PICO, provider="scaleway"))

    done = await run(database, invoice("12.03"))

    assert (done.ours, done.theirs, done.gap, done.booked) == (
        12 * PICO,
        1203 * PICO // 100,
        3 * PICO // 100,
        3 * PICO // 100,
    )
    assert not done.alert
    assert not done.again
    billed = Decimal(276) * PICO // 10_000
    assert await rows(database, _CORRECTIONS) == [
        (
            "operator:reconciliation",
            "adjust",
            "reconciled",
            3 * PICO // 100,
            billed,
            Decimal("0.92"),
            "2026-10",
            _LAST,
        ),
        (
            "provider:huggingface:payable",
            "adjust",
            "reconciled",
            -3 * PICO // 100,
            -billed,
            Decimal("0.92"),
            "2026-10",
            _LAST,
        ),
    ]
    assert (await run(database, invoice("12.03"), book=False)).ours == 1203 * PICO // 100
    assert await verify(database) == []


async def test_the_same_file_is_booked_once(database: Database) -> None:
    await book(database, spent("a", 10 * PICO))
    first = await run(database, invoice("12"))
    again = await run(database, invoice("12"))

    assert first.booked == 2 * PICO
    assert (again.booked, again.gap, again.again) == (0, 0, True)
    assert len(await rows(database, _CORRECTIONS)) == 2
    assert await rows(database, "SELECT id, provider, month, currency, ours_pico, theirs_pico FROM ledger_reconciliations") == [
        (first.reference, "huggingface", "2026-10", "USD", 10 * PICO, 12 * PICO)
    ]  # fmt: skip


async def test_a_newer_invoice_books_the_difference_alone(database: Database) -> None:
    await book(database, spent("a", 10 * PICO))
    await run(database, invoice("12"))
    newer = await run(database, invoice("11", "0.5"))

    assert (newer.ours, newer.booked) == (12 * PICO, -PICO // 2)
    assert (await run(database, invoice("1"), book=False)).ours == 115 * PICO // 10
    older = await run(database, invoice("12"))
    assert older.again
    assert older.booked == 0
    assert older.alert is False


async def test_the_same_file_at_once_is_booked_once(database: Database) -> None:
    await book(database, spent("a", 10 * PICO))
    done = await asyncio.gather(*(run(database, invoice("12")) for _ in range(4)))
    assert sorted(each.booked for each in done) == [0, 0, 0, 2 * PICO]
    assert len(await rows(database, _CORRECTIONS)) == 2


async def test_only_what_this_invoicer_charges_and_only_the_month_is_compared(database: Database) -> None:
    await book(
        database,
        spent("router", PICO),
        spent("endpoint", 2 * PICO, provider="endpoint", backend="endpoint"),
        spent("own-key", 4 * PICO, backend="direct"),  # the same provider, asked with a key of its own
        spent("before", 8 * PICO, at=datetime(2026, 9, 30, 23, 59, 59, 999999, tzinfo=UTC)),
        spent("after", 16 * PICO, at=datetime(2026, 11, 1, tzinfo=UTC)),
        spent("capacity", 32 * PICO, provider="huggingface", backend="other"),
    )
    assert (await run(database, invoice("1"), book=False)).ours == 35 * PICO
    named = Invoicer("together", providers=frozenset({"together"}))
    assert (await run(database, invoice("1"), named, book=False)).ours == 5 * PICO


async def test_months_of_an_invoice_are_those_of_its_zone(database: Database) -> None:
    await book(database, spent("a", PICO, at=datetime(2026, 9, 30, 22, 30, tzinfo=UTC)))
    assert (await run(database, invoice("1"), book=False)).ours == 0
    assert (await run(database, invoice("1"), book=False, zone=ZoneInfo("Europe/Paris"))).ours == PICO


async def test_the_correction_of_a_closed_month_is_reported_in_the_next(database: Database) -> None:
    await book(database, spent("a", 10 * PICO))
    now = datetime(2026, 11, 3, tzinfo=UTC)
    await close(database, _OCTOBER, now=now, zone=_UTC, pending=lambda: None)
    await run(database, invoice("12"))

    assert {row[6] for row in await rows(database, _CORRECTIONS)} == {"2026-11"}
    assert (await run(database, invoice("12.1"), book=False)).ours == 12 * PICO
    assert await check_closed(database) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance", "alert"),
    [
        (10, "11", None, False),  # one unit
        (10, "11.000000000001", None, True),
        (1000, "1005.02", None, False),  # half a percent of what is invoiced
        (1000, "1005.03", None, True),
        (1000, "994", None, True),
        (10, "10.2", Tolerance(Decimal("0.01"), 0), True),
        (10, "10.1", Tolerance(Decimal("0.01"), 0), False),
        (0, "0.5", None, False),
    ],
)
async def test_a_gap_beyond_the_tolerance_is_flagged(
    database: Database, ours: int, theirs: str, tolerance: Tolerance | None, alert: bool
) -> None:
    await book(database, spent("a", ours * PICO))
    assert (await run(database, invoice(theirs), tolerance=tolerance)).alert is alert


async def test_credits_are_part_of_the_invoice_and_told_apart(database: Database) -> None:
    await book(database, spent("a", 10 * PICO))
    done = await run(database, invoice("10", "-2"))
    assert (done.theirs, done.credits, done.booked) == (8 * PICO, -2 * PICO, -2 * PICO)


async def test_what_nobody_priced_is_corrected_and_counted(database: Database) -> None:
    await book(database, spent("a", 0, certainty=Certainty.UNPRICED))
    done = await run(database, invoice("3"))
    assert (done.ours, done.booked, done.unpriced) == (0, 3 * PICO, 1)


async def test_an_invoice_that_agrees_books_nothing_and_is_remembered(database: Database) -> None:
    await book(database, spent("a", PICO))
    done = await run(database, invoice("1"))
    assert done.booked == 0
    assert await rows(database, _CORRECTIONS) == []
    assert (await run(database, invoice("1"))).again


async def test_looking_books_and_remembers_nothing(database: Database) -> None:
    await book(database, spent("a", PICO))
    await run(database, invoice("5"), book=False)
    assert await rows(database, _CORRECTIONS) == []
    assert not (await run(database, invoice("5"))).again


async def test_without_a_rate_the_correction_is_billed_to_nobody(database: Database) -> None:
    await book(database, spent("a", PICO))
    await run(database, invoice("5"), exchange=None)
    assert [(row[4], row[5]) for row in await rows(database, _CORRECTIONS)] == [(None, None)] * 2


async def test_a_currency_in_which_nothing_was_ever_owed_is_refused(database: Database) -> None:
    await book(database, spent("a", PICO))
    with pytest.raises(CannotRun, match="Nothing was ever owed to huggingface in USB"):
        await run(database, invoice("1", currency="USB"))
    with pytest.raises(CannotRun, match="Nothing was ever owed to nobody in USD"):
        await run(database, invoice("1"), Invoicer("nobody"))


async def test_what_is_owed_in_two_currencies_is_refused(database: Database) -> None:
    await book(database, spent("a", PICO), spent("b", PICO, currency="EUR"))
    with pytest.raises(CannotRun, match="has what is owed to it in EUR too"):
        await run(database, invoice("1"))


async def test_parts_are_set_beside_ours_the_largest_gap_first(database: Database) -> None:
    attempts = """INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence, backend,
        target, began_at, ended_at, catalog, outcome, served, usage_source, payer)
        VALUES ('{0}', '{0}', '{1}', 'k', 'chat', 'm', 1, 'router', '{2}', now(), now(), 'v', 'answered', true,
        'provider', 'tenant:{1}')"""
    entries = """INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity, unit, currency,
        amount_pico, certainty, period) VALUES ('{0}', 1, '2026-10-05', '{1}', '{2}', 'settle', 'input', 1, 'tokens',
        'USD', {3}, 'exact', '2026-10')"""
    async with database.begin() as connection:
        for name, tenant, target, amount in (
            ("x", "client-a", "Qwen/Qwen3-8B", 3),
            ("y", "client-b", "org/other", 1),
        ):
            await connection.execute(text(attempts.format(name, tenant, target)))
            for account, sign in ((f"tenant:{tenant}", 1), ("provider:together:payable", -1)):
                await connection.execute(text(entries.format(name, tenant, account, sign * amount * PICO)))
    content = b"""month,product,resource group,model,amount,currency
2026-10,Inference Providers,65f,qwen/qwen3-8b,5,USD
2026-10,Inference Providers,,new/model,0.5,USD
"""
    invoicer = Invoicer(
        "huggingface",
        frozenset({"router"}),
        products={"Inference Providers": "router"},
        groups={"65f": "client-a"},
    )
    done = await run(database, read_invoice(content, month=_OCTOBER, source="i"), invoicer)

    half = PICO // 2
    assert done.ours == 4 * PICO
    assert done.parts == (
        Gap("group", "65f", 3 * PICO, 5 * PICO),
        Gap("model", "qwen/qwen3-8b", 3 * PICO, 5 * PICO),
        Gap("product", "Inference Providers", 4 * PICO, 5 * PICO + half),
        Gap("group", "client-b", PICO, None),
        Gap("model", "org/other", PICO, None),
        Gap("model", "new/model", None, half),
    )


async def test_a_database_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle@/nothing?host={tmp_path}")
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await run(database, invoice("1"))
    finally:
        await database.aclose()
