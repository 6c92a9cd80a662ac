"""A ledger that does not add up is noticed, and said how."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Unavailable
from passerelle.ledger.book import verify
from passerelle.ledger.drain import Drain
from passerelle.stores.database import Database
from tests.unit.ledger.events import began, ended
from tests.unit.ledger.test_spool_reader import pairs, segment, write

_ENTRY = """INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity, unit, currency,
    amount_pico, certainty) VALUES ('{}', {}, now(), '{}', 'tenant:x', '{}', 'input', 1, 'tokens', '{}', {}, '{}')"""


async def book(database: Database, folder: Path) -> None:
    write(folder, segment(*pairs(1, 2, 3), began(4)))
    await Drain(database, folder.parent).drain_once()


@pytest.mark.parametrize(
    ("entries", "findings"),
    [
        ([], []),
        ([("x", 1, "t", "adjust", "EUR", 5, "exact"), ("y", 1, "t", "adjust", "EUR", -5, "exact")],
         ["The adjust entries of x in EUR add up to 5 pico-units, not to 0.",
          "The adjust entries of y in EUR add up to -5 pico-units, not to 0."]),
        ([("x", 1, "t", "credit", "EUR", 5, "exact")],
         ["The entries in EUR add up to 5 pico-units, not to 0.",
          "The credit entries of x in EUR add up to 5 pico-units, not to 0."]),
        ([("att_00000001", 1, "client-a", "settle", "USD", 0, "exact")],
         ["Line 1 of the try att_00000001 has 3 entries, not 2."]),
        ([("nobody", 1, "t", "settle", "USD", 0, "exact")],
         ["Line 1 of the try nobody has 1 entries, not 2.", "The try nobody has entries and no row of its own."]),
        ([("att_00000001", 9, "client-b", "settle", "USD", 0, "exact")],
         ["Line 9 of the try att_00000001 has 1 entries, not 2.",
          "The try att_00000001 is client-a's and has entries of client-b."]),
        ([("x", 1, "t", "adjust", "EUR", 5, "unpriced"), ("x", 2, "t", "adjust", "EUR", -5, "exact")],
         ["The entry 15 of the try x has no price and the amount 5."]),
    ],
)  # fmt: skip
async def test_what_does_not_add_up_is_named(
    database: Database, tmp_path: Path, entries: list[tuple[object, ...]], findings: list[str]
) -> None:
    await book(database, tmp_path / "1-a")
    async with database.begin() as connection:
        for entry in entries:
            await connection.execute(text(_ENTRY.format(*entry)))

    assert await verify(database) == findings


async def test_a_request_served_twice_is_named(database: Database, tmp_path: Path) -> None:
    again = began(2, request_id=began(1).request_id)
    write(tmp_path / "1-a", segment(*pairs(1), again, ended(2)))
    await Drain(database, tmp_path).drain_once()

    assert await verify(database) == ["The request req_00000001 was served by 2 tries."]


async def test_a_database_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    database = Database(f"postgresql://passerelle@/nothing?host={tmp_path}")
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await verify(database)
    finally:
        await database.aclose()
