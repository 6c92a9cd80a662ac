"""A ledger that does not add up is noticed, and said how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.ledger.book import verify
from passerelle.ledger.drain import Drain
from passerelle.ledger.exchange import Rate
from passerelle.stores.database import Database
from tests.unit.ledger.events import began, ended
from tests.unit.ledger.test_spool_reader import pairs, segment, write

_ENTRY = """INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity, unit, currency,
    amount_pico, certainty, price_id, fx_rate, billed_currency, billed_pico, period, written_at)
    VALUES (:attempt, :line, now(), :tenant, :account, :kind, 'input', 1, 'tokens', :currency, :amount, :certainty,
    :price, CAST(CAST(:rate AS text) AS numeric), :billed_currency, :billed, :period,
    now() + CAST(CAST(:later AS text) AS interval))"""
_PLAIN = {
    "attempt": "x", "line": 1, "tenant": "t", "account": "tenant:t", "kind": "adjust", "currency": "EUR", "amount": 0,
    "certainty": "exact", "price": None, "rate": None, "billed_currency": None, "billed": None, "period": "2025-11",
    "later": "0",
}  # fmt: skip
_MINE = {"attempt": "att_00000001", "tenant": "client-a", "kind": "settle", "currency": "USD", "line": 9}
_OURS = {**_MINE, "account": "tenant:client-a"}
_THEIRS = {**_MINE, "account": "provider:scaleway:payable"}


async def insert(database: Database, *entries: Mapping[str, object]) -> None:
    async with database.begin() as connection:
        for entry in entries:
            await connection.execute(text(_ENTRY), {**_PLAIN, **entry})


async def book(database: Database, folder: Path) -> None:
    write(folder, segment(*pairs(1, 2, 3), began(4)))
    await Drain(database, folder.parent).drain_once()


@pytest.mark.parametrize(
    ("entries", "findings"),
    [
        ([], []),
        ([{"amount": 5}, {"attempt": "y", "amount": -5}],
         ["The adjust entries of x in EUR add up to 5 pico-units, not to 0.",
          "The adjust entries of y in EUR add up to -5 pico-units, not to 0."]),
        ([{"amount": 5, "kind": "credit"}],
         ["The entries in EUR add up to 5 pico-units, not to 0.",
          "The credit entries of x in EUR add up to 5 pico-units, not to 0."]),
        ([{"billed": 5, "billed_currency": "EUR"}, {"attempt": "y", "billed": -5, "billed_currency": "EUR"}],
         ["What the adjust entries of x bill in EUR adds up to 5 pico-units, not to 0.",
          "What the adjust entries of y bill in EUR adds up to -5 pico-units, not to 0."]),
        ([{"billed": 5, "billed_currency": "CHF"}],
         ["What is billed in CHF adds up to 5 pico-units, not to 0.",
          "What the adjust entries of x bill in CHF adds up to 5 pico-units, not to 0."]),
        ([_OURS | {"account": "tenant:x", "line": 1}],
         ["Line 1 of the try att_00000001 has 3 entries beside its margin, not 2."]),
        ([_OURS | {"account": "operator:margin", "line": 1}], []),
        ([{"attempt": "nobody", "kind": "settle"}],
         ["Line 1 of the try nobody has 1 entries beside its margin, not 2.",
          "The try nobody has entries and no row of its own."]),
        ([_THEIRS, _THEIRS | {"account": "tenant:other"}],
         ["Line 9 of the try att_00000001 has 0 entries of its payer tenant:client-a, not 1."]),
        ([_OURS, _THEIRS | {"tenant": "client-b"}],
         ["The try att_00000001 is client-a's and has entries of client-b."]),
        ([{"amount": 5, "certainty": "unpriced"}, {"amount": -5, "line": 2}],
         ["The entry 15 of the try x has no price and the amount 5."]),
        ([_OURS | {"attempt": "att_00000004", "account": "operator:lost"}, _THEIRS | {"attempt": "att_00000004"}],
         ["The try att_00000004 has an unknown outcome and 4 entries, not 2."]),
        ([_OURS | {"amount": 5, "price": "hub/qwen:input@v1=4"}, _THEIRS | {"amount": -5}],
         ["Line 9 of the try att_00000001 has the amount 5 for 1 at the price hub/qwen:input@v1=4."]),
        ([_OURS | {"amount": 4, "price": "hub/qwen:input@v1=4"}, _THEIRS | {"amount": -4}], []),
        ([_OURS | {"price": "hub/qwen:input", "amount": 5}, _THEIRS | {"amount": -5}],
         ["Line 9 of the try att_00000001 has the amount 5 for 1 at the price hub/qwen:input."]),
        ([_OURS | {"price": "hub/qwen:input@v1=4", "certainty": "unpriced"}, _THEIRS], []),
        ([{"kind": "allocate", "attempt": "capacity:gpu:2025-11-21T12:00:00Z", "amount": 5},
          {"kind": "allocate", "attempt": "capacity:gpu:2025-11-21T12:00:00Z", "amount": -4, "account": "p"},
          {"kind": "allocate", "attempt": "capacity:gpu:2025-11-21T13:00:00Z", "amount": -1, "account": "p"}],
         ["The allocate entries of capacity:gpu:2025-11-21T12:00:00Z in EUR add up to 1 pico-units, not to 0.",
          "The allocate entries of capacity:gpu:2025-11-21T13:00:00Z in EUR add up to -1 pico-units, not to 0."]),
    ],
)  # fmt: skip
async def test_what_does_not_add_up_is_named(
    database: Database, tmp_path: Path, entries: list[Mapping[str, object]], findings: list[str]
) -> None:
    await book(database, tmp_path / "1-a")
    await insert(database, *entries)

    assert await verify(database) == findings


@pytest.mark.parametrize(
    ("amount", "rate", "right", "wrong"),
    [(5, "0.5", 2, 3), (7, "0.5", 4, 3), (1, "0.5", 0, 1), (10**30 + 1, "0.5", 5 * 10**29, 5 * 10**29 + 1),
     (7, "0.51", 4, 3), (-5, "0.5", -2, -3), (1000, "0.923456", 923, 924), (12, "1", 12, 11)],
)  # fmt: skip
async def test_what_is_owed_is_exchanged_half_to_even(
    database: Database, tmp_path: Path, amount: int, rate: str, right: int, wrong: int
) -> None:
    assert Rate(rate).of(amount) == right
    await book(database, tmp_path / "1-a")
    told = {"rate": rate, "billed_currency": "EUR"}
    for line, cost in ((8, right), (9, wrong)):
        await insert(
            database,
            _OURS | told | {"line": line, "amount": amount, "billed": cost + 1},
            _THEIRS | told | {"line": line, "amount": -amount, "billed": -cost},
            _OURS | told | {"line": line, "account": "operator:margin", "billed": -1},
        )

    assert await verify(database) == [
        f"Line 9 of the try att_00000001 owes {-wrong} for {-amount} exchanged at {rate}, not {-right}."
    ]


async def test_an_entry_written_into_a_closed_month_is_named(database: Database, tmp_path: Path) -> None:
    await book(database, tmp_path / "1-a")
    async with database.begin() as connection:
        closing = "INSERT INTO ledger_closings (month, totals, digest) VALUES ('2025-11', '{}', ''), ('2025-12', '{}', '')"
        await connection.execute(text(closing))
    await insert(
        database,
        {"later": "1 hour"},
        {"line": 2, "later": "1 hour", "period": "2026-01"},
        {"line": 3, "later": "10 seconds"},  # was in flight beside the closing
    )

    assert await verify(database) == [
        "The entry 15 of x is in 2025-11 and was written after 2025-12 was closed."
    ]


async def test_a_request_served_twice_is_named(database: Database, tmp_path: Path) -> None:
    again = began(2, request_id=began(1).request_id, sequence=2)
    write(tmp_path / "1-a", segment(*pairs(1), again, ended(2)))
    await Drain(database, tmp_path).drain_once()

    assert await verify(database) == ["The request req_00000001 was served by 2 tries."]


async def test_two_requests_that_their_caller_gave_one_name_are_two(
    database: Database, tmp_path: Path
) -> None:
    again = began(2, request_id=began(1).request_id)
    write(tmp_path / "1-a", segment(*pairs(1), again, ended(2)))
    await Drain(database, tmp_path).drain_once()

    assert await verify(database) == []


async def test_a_database_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle@/nothing?host={tmp_path}")
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await verify(database)
    finally:
        await database.aclose()
