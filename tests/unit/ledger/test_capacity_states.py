"""What is written down of paid capacity, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.billing import Idle, Sharing
from passerelle.domain.errors import Unavailable
from passerelle.domain.facts import State
from passerelle.ledger.capacity import UNPRICED, Stretch
from passerelle.ledger.capacity_states import CapacityLog, milliseconds, stretch
from passerelle.ledger.quotes import Capacity, PriceSource, Quote
from passerelle.stores.database import Database
from tests.database import Postgres

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
UNKNOWN = Quote("USD", PriceSource.UNKNOWN, "Nobody says.")
PAYEE = "provider:huggingface:payable"


def priced(pico: int, *, currency: str = "USD") -> Quote:
    capacity = Capacity(f"gpu:hour@v1={pico}", currency, pico)
    return Quote(currency, PriceSource.PROVIDER, "", {}, capacity=capacity)


async def record(log: CapacityLog, minute: float, state: State, **other: Any) -> None:
    given = {"quote": priced(5), "payee": PAYEE, "sharing": Sharing(), **other}
    await log.record("gpu", at=NOON + timedelta(minutes=minute), state=state, **given)


async def rows(database: Database, columns: str = "state, replicas, per_hour_pico") -> list[tuple[Any, ...]]:
    query = f"SELECT CAST(extract(epoch FROM at - '{NOON}') / 60 AS integer), {columns} FROM ledger_capacity ORDER BY at"
    async with database.begin() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


async def test_what_has_not_changed_is_written_once_an_hour(database: Database) -> None:
    log = CapacityLog(database)
    for minute in range(0, 130, 10):
        await record(log, minute, State.READY)
    assert await rows(database) == [(0, "ready", 1, 5), (60, "ready", 1, 5), (120, "ready", 1, 5)]


async def test_an_endpoint_is_paid_while_it_starts_and_runs_and_not_while_it_sleeps(
    database: Database,
) -> None:
    log = CapacityLog(database)
    for minute, (state, replicas) in enumerate(
        [
            (State.WAKING, 0),
            (State.READY, 2),
            (State.READY, None),
            (State.ASLEEP, 0),
            (State.WAKING, None),
            (State.PAUSED, None),
        ]
    ):
        await record(log, minute, state, replicas=replicas)
    assert await rows(database) == [
        (0, "waking", 1, 5),
        (1, "ready", 2, 5),
        (3, "asleep", 0, 5),
        (4, "waking", 1, 5),
        (5, "paused", 0, 5),
    ]


@pytest.mark.parametrize("unsure", [State.DOWN, State.UNKNOWN])
@pytest.mark.parametrize(("before", "replicas"), [(State.READY, 3), (State.ASLEEP, 0)])
async def test_what_cannot_be_asked_is_as_it_last_was(
    database: Database, unsure: State, before: State, replicas: int
) -> None:
    log = CapacityLog(database)
    await record(log, 0, before, replicas=3)
    await record(log, 1, unsure, quote=UNKNOWN)
    assert await rows(database) == [(0, before.value, replicas, 5), (1, unsure.value, replicas, 5)]


async def test_of_what_could_never_be_asked_nothing_is_known_to_be_paid(database: Database) -> None:
    log = CapacityLog(database)
    await record(log, 0, State.UNKNOWN)
    await log.gone("gpu", NOON)
    assert await rows(database) == []


@pytest.mark.parametrize("state", list(State))
async def test_a_rented_machine_is_paid_whatever_it_does(database: Database, state: State) -> None:
    log = CapacityLog(database)
    await record(log, 0, State.READY, rented=True)
    await record(log, 1, state, rented=True)
    assert await rows(database) == [(0, "rented", 1, 5)]


async def test_a_price_or_rule_that_changes_is_a_row(database: Database) -> None:
    log = CapacityLog(database)
    sharing = Sharing({"output": Decimal("4.000000000001")}, Idle.FIXED, {"b": 1, "a": 2})
    await record(log, 0, State.READY)
    await record(log, 1, State.READY, quote=priced(6))
    await record(log, 2, State.READY, quote=UNKNOWN)
    await record(log, 3, State.READY, quote=priced(6), sharing=sharing)
    await record(log, 4, State.READY, quote=priced(6), sharing=sharing)
    assert [row[0] for row in await rows(database)] == [0, 1, 3]

    async with database.begin() as connection:
        row = (await connection.execute(text("SELECT * FROM ledger_capacity ORDER BY at DESC LIMIT 1"))).one()
    at = milliseconds(NOON + timedelta(minutes=3))
    assert stretch(row) == Stretch(at, 1, 6, "USD", "gpu:hour@v1=6", PAYEE, sure=False, sharing=sharing)


async def test_a_price_that_was_never_known_is_no_price(database: Database) -> None:
    await record(CapacityLog(database), 0, State.READY, quote=UNKNOWN)
    assert await rows(database, "price_id, currency, per_hour_pico") == [(0, UNPRICED, "USD", 0)]


async def test_what_left_the_configuration_is_counted_no_longer(database: Database) -> None:
    log = CapacityLog(database)
    await record(log, 0, State.READY, replicas=2)
    assert await log.names() == {"gpu"}
    await log.gone("gpu", NOON + timedelta(minutes=1))
    await log.gone("gpu", NOON + timedelta(minutes=2))
    assert await log.names() == frozenset()
    await record(log, 3, State.READY)
    assert await log.names() == {"gpu"}
    assert await rows(database) == [(0, "ready", 2, 5), (1, "gone", 0, 5), (3, "ready", 1, 5)]


async def test_processes_that_all_look_write_what_one_would(database: Database) -> None:
    one, other = CapacityLog(database), CapacityLog(database)
    for minute, state in enumerate([State.READY, State.ASLEEP, State.READY, State.READY]):
        await record(one, minute, state)
        await record(other, minute + 0.01, state)
        await record(other, minute, state)
    assert [row[:2] for row in await rows(database)] == [(0, "ready"), (1, "asleep"), (2, "ready")]


async def test_a_clock_that_was_put_back_writes_what_held_then(database: Database) -> None:
    log = CapacityLog(database)
    await record(log, 600, State.READY)
    await record(log, 0, State.ASLEEP)
    await record(log, 1, State.ASLEEP)
    await record(log, 2, State.READY)
    await record(log, 601, State.READY)
    assert [row[:2] for row in await rows(database)] == [(0, "asleep"), (2, "ready"), (600, "ready")]


async def test_what_the_database_could_not_take_is_written_in_order_when_it_can(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CapacityLog(database)
    begin = Database.begin

    def away(self: Database) -> Any:
        raise OSError("not there")

    monkeypatch.setattr(Database, "begin", away)
    for minute, state in enumerate([State.READY, State.ASLEEP, State.WAKING]):
        with pytest.raises(Unavailable):
            await record(log, minute, state)
    with pytest.raises(Unavailable):
        await log.names()
    assert log.waiting == 3

    monkeypatch.setattr(Database, "begin", begin)
    await record(log, 3, State.READY)
    assert log.waiting == 0
    assert [row[1] for row in await rows(database)] == ["ready", "asleep", "waking", "ready"]
