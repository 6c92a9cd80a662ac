"""Who has seen what a person sent: written down with the tries, as often as they were made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.domain.ledger import Began, Ended
from passerelle.domain.privacy import Sighting
from passerelle.ledger.drain import Drain
from passerelle.ledger.spool import Spool
from passerelle.stores.database import Database
from passerelle.subjects.sightings import KEPT_DAYS, Sightings
from tests.unit.ledger.events import NOON, began, ended

ANNA, BORIS = "u_" + "a" * 40, "u_" + "b" * 40
DAY = date(2025, 11, 21)


async def drained(database: Database, root: Path, *tries: tuple[Began, Ended | None]) -> None:
    spool = Spool(root)
    for begins, ends in tries:
        spool.begin(begins)
        if ends is not None:
            spool.end(ends)
    spool.close()
    await Drain(database, root).drain_once()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


async def test_each_engine_that_was_asked_for_a_person_is_counted_by_day(
    database: Database, root: Path
) -> None:
    tomorrow = NOON + 86_400_000
    await drained(
        database,
        root,
        (began(1, subject=ANNA), ended(1)),
        (began(2, subject=ANNA), ended(2)),
        (began(3, subject=ANNA, at=tomorrow), ended(3, at=tomorrow + 1)),
        (began(4, subject=ANNA, country=None), ended(4, provider=None, outcome="failed", fault="server")),
        (began(5, subject=BORIS), ended(5)),
        (began(6), ended(6)),
    )
    seen = await Sightings(database).seen("client-a", ANNA)
    assert list(seen) == [
        Sighting(DAY, "hub", "hub", None, 1),
        Sighting(DAY, "hub", "scaleway", "FR", 2),
        Sighting(DAY + timedelta(days=1), "hub", "scaleway", "FR", 1),
    ]
    assert list(await Sightings(database).seen("client-b", ANNA)) == []


async def test_what_no_engine_heard_is_no_sighting(database: Database, root: Path) -> None:
    await drained(
        database,
        root,
        (began(1, subject=ANNA), ended(1, outcome="cached")),
        (began(2, subject=ANNA), ended(2, outcome="failed", fault="connect", lines=())),
        # What needs care goes another way into the database.
        (began(3, subject=ANNA, key_id="\\"), ended(3, outcome="cached")),
        (began(4, subject=ANNA, key_id="\\"), ended(4, outcome="failed", fault="timeout_connect", lines=())),
    )
    assert list(await Sightings(database).seen("client-a", ANNA)) == []


async def test_the_careful_way_counts_the_same(database: Database, root: Path) -> None:
    await drained(
        database,
        root,
        (began(1, subject=ANNA), ended(1)),
        (began(2, subject=ANNA, key_id="\\"), ended(2)),
        (
            began(3, subject=ANNA, held=1, held_currency="USD"),
            None,
        ),  # its process died: an engine may have seen it
    )
    assert [(each.provider, each.calls) for each in await Sightings(database).seen("client-a", ANNA)] == [
        ("hub", 1),
        ("scaleway", 2),
    ]


@pytest.mark.parametrize("key", ["key_1", "\\"])
async def test_a_try_that_is_drained_twice_was_seen_once(database: Database, root: Path, key: str) -> None:
    for number in range(2):
        folder = root / str(number)
        folder.mkdir()
        await drained(database, folder, (began(1, subject=ANNA, key_id=key), ended(1)))
    (seen,) = await Sightings(database).seen("client-a", ANNA)
    assert seen.calls == 1


async def test_the_ledgers_own_tables_never_have_it(database: Database, root: Path) -> None:
    await drained(
        database,
        root,
        (began(1, subject=ANNA), ended(1)),
        (began(2, subject=ANNA, key_id="\\"), ended(2)),
    )
    async with database.begin() as connection:
        for table in ("ledger_attempts", "ledger_entries"):
            rows = await connection.execute(text(f"SELECT * FROM {table}"))
            assert ANNA not in str(rows.all())


async def test_they_are_deleted_by_person_by_tenant_and_by_day(database: Database, root: Path) -> None:
    tries = [
        (replace(began(number), tenant=tenant, subject=subject), ended(number, payer=f"tenant:{tenant}"))
        for number, (tenant, subject) in enumerate(
            [("client-a", ANNA), ("client-a", BORIS), ("client-b", ANNA)]
        )
    ]
    await drained(database, root, *tries)
    sightings = Sightings(database)
    assert await sightings.forget("client-a", ANNA) == 1
    assert (await sightings.count("client-a", ANNA), await sightings.count("client-b", ANNA)) == (0, 1)
    assert await sightings.wipe("client-a") == 1
    assert await sightings.oldest("client-b") == DAY
    last = datetime.combine(DAY, time(23), UTC) + timedelta(days=KEPT_DAYS)
    assert await sightings.purge(last) == 0
    assert await sightings.purge(last + timedelta(days=1)) == 1
    assert await sightings.oldest("client-b") is None
