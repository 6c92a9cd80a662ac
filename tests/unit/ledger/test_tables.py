"""What is in the ledger stays as it is."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from passerelle.ledger.tables import (
    ALERTS,
    ATTEMPTS,
    CALENDAR,
    CAPACITY,
    CLOSINGS,
    ENTRIES,
    OUTBOX,
    RECONCILIATIONS,
)
from passerelle.stores.database import Database

_ENTRY = """INSERT INTO ledger_entries (attempt_id, line, at, tenant, account, kind, meter, quantity, unit, currency,
    amount_pico, certainty, period)
    VALUES ('a', 1, now(), 't', 'tenant:t', 'adjust', 'input', 1, 'tokens', 'EUR', 1, 'exact', '2026-11')"""
_ATTEMPT = """INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence, backend,
    target, began_at, ended_at, catalog, outcome, served, usage_source, payer) VALUES ('a', 'r', 't', 'k', 'chat', 'm',
    1, 'b', 'x', now(), now(), 'v', 'answered', true, 'none', 'tenant:t')"""


async def execute(database: Database, *statements: str) -> None:
    async with database.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.mark.parametrize("table", ["ledger_attempts", "ledger_entries"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET tenant = 'other'",
        "UPDATE {} SET tenant = 'other' WHERE false",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
    ],
)
@pytest.mark.parametrize("session", ["origin", "replica"])
async def test_no_change_is_possible_not_even_to_the_tables_owner(
    database: Database, table: str, change: str, session: str
) -> None:
    await execute(database, _ATTEMPT, _ENTRY)
    with pytest.raises(IntegrityError, match=rf"the ledger is append-only: \w+ on {table} is refused"):
        await execute(database, f"SET LOCAL session_replication_role = {session}", change.format(table))

    async with database.begin() as connection:
        assert (await connection.execute(text(f"SELECT tenant FROM {table}"))).scalars().all() == ["t"]
        owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = :table"
        assert (await connection.execute(text(owner), {"table": table})).scalar()


@pytest.mark.parametrize("table", ["ledger_capacity", "ledger_closings", "ledger_reconciliations"])
async def test_what_bills_rest_on_is_not_changed_either(database: Database, table: str) -> None:
    with pytest.raises(IntegrityError, match=rf"the ledger is append-only: DELETE on {table} is refused"):
        await execute(database, f"DELETE FROM {table}")


async def test_an_entry_is_there_once(database: Database) -> None:
    await execute(database, _ENTRY)
    with pytest.raises(IntegrityError, match="ledger_entries_once"):
        await execute(database, _ENTRY)
    await execute(database, _ENTRY.replace("'adjust'", "'void'"))


async def test_the_queries_tables_are_those_of_the_schema(database: Database) -> None:
    async with database.engine.connect() as connection:
        for table in (ATTEMPTS, ENTRIES, CALENDAR, CLOSINGS, CAPACITY, ALERTS, OUTBOX, RECONCILIATIONS):
            name = table.name
            columns = await connection.run_sync(lambda sync, name=name: inspect(sync).get_columns(name))
            there = {
                column["name"]: type(column["type"]).__name__
                for column in columns
                if column["name"] != "only"
            }
            ours = {column.name: type(column.type).__name__ for column in table.columns}
            kinds = {"Text": "TEXT", "Integer": "INTEGER", "BigInteger": "BIGINT", "Boolean": "BOOLEAN",
                     "DateTime": "TIMESTAMP", "Numeric": "NUMERIC", "Date": "DATE", "JSONB": "JSONB"}  # fmt: skip
            assert there == {column: kinds[kind] for column, kind in ours.items()}
