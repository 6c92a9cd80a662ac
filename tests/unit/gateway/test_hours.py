"""Hours that are paid are written down from the configuration in force, used or not, until it names them no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.backends.registry import kinds
from passerelle.domain.errors import Unavailable
from passerelle.domain.facts import State, Survey
from passerelle.gateway.edition import Editions
from passerelle.gateway.hours import Hours
from passerelle.ledger.capacity_states import CapacityLog
from passerelle.stores.database import Database
from tests.books import pricing
from tests.database import Postgres
from tests.serving import catalog_of

_THEN = datetime(2026, 11, 21, 11, 20, tzinfo=UTC)
_MODELS = Path("unused")
_GPU = {"kind": "vllm", "url": "http://gpu:8000", "cost": {"per_hour": 0.76, "currency": "EUR"}}
_ENDPOINT = {"kind": "hf-endpoint", "endpoint": "formation/qwen", "token": "env:HF_TOKEN"}


def _config(*targets: Mapping[str, Any], **backends: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "backends": {"offline": {"kind": "builtin"}, **backends},
        "models": {"assistant": {"targets": [*targets, {"backend": "offline", "model": "extractive"}]}},
        "tenants": {"acme": {}},
    }


def _catalog(*targets: Mapping[str, Any], **backends: Mapping[str, Any]) -> Any:
    return catalog_of(_config(*targets, **backends), environment={"HF_TOKEN": "hf_test"}, models=_MODELS)


_WITH = _catalog({"backend": "gpu", "model": "m"}, gpu=_GPU)


@pytest.fixture
async def editions() -> AsyncIterator[Editions]:
    registry = kinds(_MODELS)
    made = Editions(_WITH, lambda spec: registry[spec.kind].open(spec), pricing)
    yield made
    await made.aclose()


async def _rows(database: Database) -> list[tuple[str, int, str, int, str]]:
    """Backend, minutes since `_THEN`, state, paid replicas, payee."""
    query = text("SELECT backend, at, state, replicas, payee FROM ledger_capacity ORDER BY at, backend")
    async with database.begin() as connection:
        rows = (await connection.execute(query)).all()
    return [
        (row.backend, (row.at - _THEN) // timedelta(minutes=1), row.state, row.replicas, row.payee)
        for row in rows
    ]


async def test_a_rented_machine_is_written_down_once_and_again_every_hour(
    database: Database, editions: Editions
) -> None:
    hours = Hours(editions, CapacityLog(database))
    for minute in (0, 1, 2, 59, 60):
        await hours.look(_THEN + timedelta(minutes=minute))

    payee = "provider:gpu:payable"
    assert await _rows(database) == [("gpu", 0, "rented", 1, payee), ("gpu", 60, "rented", 1, payee)]


async def test_a_new_price_is_written_at_once(database: Database, editions: Editions) -> None:
    hours = Hours(editions, CapacityLog(database))
    await hours.look(_THEN)
    dearer = {**_GPU, "cost": {"per_hour": 0.9, "currency": "EUR"}, "location": {"operator": "self"}}
    editions.publish(_catalog({"backend": "gpu", "model": "m"}, gpu=dearer))
    await hours.look(_THEN + timedelta(minutes=1))

    async with database.begin() as connection:
        query = text("SELECT per_hour_pico, payee FROM ledger_capacity ORDER BY at")
        rows = [(int(row.per_hour_pico), row.payee) for row in await connection.execute(query)]
    assert rows == [(760_000_000_000, "provider:gpu:payable"), (900_000_000_000, "provider:self:payable")]


async def test_what_has_left_the_configuration_is_gone_once_and_may_come_back(
    database: Database, editions: Editions
) -> None:
    hours = Hours(editions, CapacityLog(database))
    await hours.look(_THEN)
    editions.publish(_catalog())
    for minute in (1, 2):
        await hours.look(_THEN + timedelta(minutes=minute))
    editions.publish(_WITH)
    await hours.look(_THEN + timedelta(minutes=3))

    assert [row[:4] for row in await _rows(database)] == [
        ("gpu", 0, "rented", 1),
        ("gpu", 1, "gone", 0),
        ("gpu", 3, "rented", 1),
    ]


@pytest.mark.parametrize(
    "targets",
    [
        # The first target of the machine has a price of tokens of its own; the hours are paid all the same.
        [
            {"backend": "gpu", "model": "lora", "cost": {"input_per_million": 1, "output_per_million": 1, "currency": "EUR"}},
            {"backend": "gpu", "model": "m"},
        ],
        [],  # no model names it
    ],
)  # fmt: skip
async def test_hours_are_paid_whatever_is_asked_of_the_machine(
    database: Database, editions: Editions, targets: list[dict[str, Any]]
) -> None:
    editions.publish(_catalog(*targets, gpu=_GPU))
    await Hours(editions, CapacityLog(database)).look(_THEN)

    assert [row[:4] for row in await _rows(database)] == [("gpu", 0, "rented", 1)]


async def test_what_is_paid_by_the_token_has_no_hours(database: Database, editions: Editions) -> None:
    by_token = {**_GPU, "cost": {"input_per_million": 1, "output_per_million": 1, "currency": "EUR"}}
    editions.publish(_catalog({"backend": "gpu", "model": "m"}, gpu=by_token))
    await Hours(editions, CapacityLog(database)).look(_THEN)

    assert await _rows(database) == []


async def test_an_endpoint_is_paid_as_it_says_that_it_is(database: Database, editions: Editions) -> None:
    editions.publish(_catalog({"backend": "endpoint", "model": "m"}, endpoint=_ENDPOINT))
    hours = Hours(editions, CapacityLog(database))
    await hours.look(_THEN)  # nobody has asked it yet
    for minute, (state, replicas) in enumerate(((State.READY, 2), (State.ASLEEP, 0)), 1):
        editions.current.learn("endpoint", Survey(state, replicas=replicas), frozenset({"m"}))
        await hours.look(_THEN + timedelta(minutes=minute))

    payee = "provider:huggingface:payable"
    assert await _rows(database) == [
        ("endpoint", 1, "ready", 2, payee),
        ("endpoint", 2, "asleep", 0, payee),
    ]


async def test_what_the_database_did_not_take_is_written_with_its_own_moment(
    postgres: Postgres, editions: Editions
) -> None:
    address = postgres.make()
    database = Database(address)
    try:
        log = CapacityLog(database)
        hours = Hours(editions, log)
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE ledger_capacity RENAME TO away"))
        with pytest.raises(Unavailable):
            await hours.look(_THEN)
        assert log.waiting == 1
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO ledger_capacity"))
        await hours.look(_THEN + timedelta(minutes=5))

        assert [row[:4] for row in await _rows(database)] == [("gpu", 0, "rented", 1)]
    finally:
        await database.aclose()
        postgres.drop(address)
