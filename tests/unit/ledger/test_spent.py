"""Budgets go on from what the ledger says was charged, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.calendar import Month
from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import Certainty, EntryKind, Unit
from passerelle.ledger.posting import Posting, post
from passerelle.ledger.spent import spent
from passerelle.stores.database import Database
from tests.database import Postgres

NOVEMBER = Month(2025, 11)
AT = datetime(2025, 11, 21, 12, tzinfo=UTC)

_ATTEMPT = text("""
INSERT INTO ledger_attempts (attempt_id, request_id, tenant, key_id, route, model, sequence, backend, target, began_at,
    ended_at, catalog, outcome, served, usage_source, payer)
VALUES (:attempt_id, 'req', :tenant, :key_id, 'chat', :model, 1, 'hub', 'target', :began_at, :began_at, 'v1',
    'answered', true, 'provider', :payer)
""")


async def attempt(database: Database, name: str, tenant: str = "client-a", **other: Any) -> None:
    """A row of a try, without entries."""
    values = {"key_id": "key_1", "model": "assistant", "began_at": AT, "payer": f"tenant:{tenant}"} | other
    async with database.begin() as connection:
        await connection.execute(_ATTEMPT, {"attempt_id": name, "tenant": tenant, **values})


async def charge(
    database: Database, name: str, billed: int | None, tenant: str = "client-a", **other: Any
) -> None:
    """An entry of each side. `line` and `kind` tell entries of one try apart."""
    said: dict[str, Any] = {
        "reference": name,
        "line": 1,
        "at": AT,
        "tenant": tenant,
        "kind": EntryKind.SETTLE,
        "meter": "input",
        "quantity": 1,
        "unit": Unit.TOKENS,
        "currency": "USD",
        "certainty": Certainty.EXACT,
        "billed_currency": None if billed is None else "EUR",
    }
    said |= other
    payer = said.pop("account", f"tenant:{tenant}")
    async with database.begin() as connection:
        await post(
            connection,
            [
                Posting(**said, account=payer, amount=7, billed=billed),
                Posting(
                    **said,
                    account="provider:hub:payable",
                    amount=-7,
                    billed=None if billed is None else -billed,
                ),
            ],
        )


async def test_nothing_is_spent_in_an_empty_ledger(database: Database) -> None:
    assert (await spent(database, NOVEMBER)).billed == {}


async def test_what_was_charged_is_told_by_tenant_key_and_model(database: Database) -> None:
    await attempt(database, "a-1")
    await attempt(database, "a-2")
    await attempt(database, "a-3", model="embeddings")
    await attempt(database, "a-4", key_id="key_2")
    await attempt(database, "b-1", "client-b")
    for number, name in enumerate(("a-1", "a-2", "a-3", "a-4")):
        await charge(database, name, 10**number)
    await charge(database, "a-1", 20_000, line=2)
    await charge(database, "b-1", 10**30, "client-b")

    found = await spent(database, NOVEMBER)
    assert found.month == NOVEMBER
    assert found.billed == {
        ("client-a", "key_1", "assistant"): 20_011,
        ("client-a", "key_1", "embeddings"): 100,
        ("client-a", "key_2", "assistant"): 1000,
        ("client-b", "key_1", "assistant"): 10**30,
    }


async def test_what_no_try_has_made_is_the_tenant_s_alone(database: Database) -> None:
    await charge(database, "capacity:gpu:2025-11-21T12:00Z", 500, kind=EntryKind.ALLOCATE)
    await charge(database, "credit-1", -200, kind=EntryKind.CREDIT)
    assert (await spent(database, NOVEMBER)).billed == {("client-a", "", ""): 300}


async def test_corrections_of_a_try_count_for_its_key_and_model(database: Database) -> None:
    await attempt(database, "a-1")
    await charge(database, "a-1", 500)
    await charge(database, "a-1", -100, kind=EntryKind.ADJUST)
    assert (await spent(database, NOVEMBER)).billed == {("client-a", "key_1", "assistant"): 400}


async def test_what_operators_pay_and_what_was_never_charged_is_not_spent(database: Database) -> None:
    for number, account in enumerate(
        ("operator:retry", "operator:idle", "tenants:odd", "provider:tenant:payable")
    ):
        await charge(database, f"x-{number}", 5, account=account)
    await charge(database, "x-9", None)
    assert (await spent(database, NOVEMBER)).billed == {}


async def test_an_entry_counts_in_the_month_that_it_is_booked_in(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE ledger_calendar SET time_zone = 'Europe/Paris'"))
    await charge(database, "x-1", 5, at=datetime(2025, 11, 30, 22, 59, tzinfo=UTC))
    await charge(database, "x-2", 70, at=datetime(2025, 11, 30, 23, 0, tzinfo=UTC))
    assert (await spent(database, NOVEMBER)).billed == {("client-a", "", ""): 5}
    assert (await spent(database, NOVEMBER.next)).billed == {("client-a", "", ""): 70}


async def test_amounts_of_another_currency_are_left_out(database: Database) -> None:
    await charge(database, "x-1", 5)
    await charge(database, "x-2", 70, billed_currency="CHF")
    assert (await spent(database, NOVEMBER, currency="EUR")).billed == {("client-a", "", ""): 5}


async def test_what_a_process_counts_itself_can_be_left_out(database: Database) -> None:
    await attempt(database, "a-1")
    await attempt(database, "a-2", began_at=datetime(2025, 11, 21, 13, tzinfo=UTC))
    await charge(database, "a-1", 5)
    await charge(database, "a-2", 70)
    before = datetime(2025, 11, 21, 13, tzinfo=UTC)
    assert (await spent(database, NOVEMBER, before=before)).billed == {("client-a", "key_1", "assistant"): 5}


async def test_a_database_that_is_away_is_said_to_be(postgres: Postgres) -> None:
    address = postgres.make()
    gone = Database(address)
    postgres.drop(address)
    with pytest.raises(Unavailable):
        await spent(gone, NOVEMBER)
    await gone.aclose()
