"""What happens often is one event an hour, counted once over all processes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from passerelle.audit import actions
from passerelle.audit.desk import Office
from passerelle.audit.log import Audit
from passerelle.audit.tally import Tally
from passerelle.domain.errors import Finding, Unavailable
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database

NINE = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Clock:
    now = NINE

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def audit(database):
    return Audit(database, Signer(b"s" * 32))


@pytest.fixture
def tally(database, audit, clock):
    return Tally(database, audit, now=clock)


async def test_refusals_are_one_event_per_tenant_rule_and_hour(tally, audit, clock):
    for _ in range(5):
        tally.refused("acme", "R01")
    tally.refused("acme", "R06")
    tally.refused("beta", "R01")
    await tally.tell()
    assert await tally.note() == 0  # the hour is not over
    clock.now = NINE + timedelta(minutes=31)
    assert await tally.note() == 0  # others may not have told yet
    clock.now = NINE + timedelta(minutes=33)
    assert await tally.note() == 3
    found = [(link.event.object, link.event.detail) for link in await audit.read("acme")]
    assert found == [
        ("R01", {"hour": "2026-11-22T09Z", "count": 5}),
        ("R06", {"hour": "2026-11-22T09Z", "count": 1}),
    ]
    assert (await audit.head("beta")).number == 1
    assert await tally.note() == 0


async def test_processes_count_together_and_note_once(database_url, database, audit, clock):
    others = [Database(database_url) for _ in range(2)]
    tallies = [Tally(each, Audit(each, Signer(b"s" * 32)), now=clock) for each in [database, *others]]
    try:
        for each in tallies:
            for rule in ("R01", "R02"):
                each.refused("acme", rule)
                each.refused("beta", rule)
        await asyncio.gather(*(each.tell() for each in tallies))
        clock.now = NINE + timedelta(hours=1)
        assert sum(await asyncio.gather(*(each.note() for each in tallies))) == 4
        assert [link.event.detail["count"] for link in await audit.read("acme")] == [3, 3]
        assert (await audit.verify("beta")).whole
    finally:
        for each in others:
            await each.aclose()


async def test_nothing_is_lost_in_an_outage(clock):
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    tally = Tally(away, Audit(away, Signer(b"s" * 32)), now=clock)
    try:
        tally.refused("acme", "R01")
        with pytest.raises(Unavailable):
            await tally.tell()
        tally.refused("acme", "R01")
        assert sum(tally._counts.values()) == 2
    finally:
        await away.aclose()


async def test_what_was_counted_is_told_when_a_process_ends(tally, database):
    running = asyncio.ensure_future(tally.run())
    await asyncio.sleep(0)
    tally.refused("acme", "R01")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT calls FROM audit_tally"))).scalar_one() == 1


async def test_memory_is_bounded(tally, monkeypatch):
    monkeypatch.setattr("passerelle.audit.tally._MOST", 3)
    for number in range(20):
        tally.count("acme", "key_1", actions.OPERATOR_READ, f"/v1/{number}")
    assert len(tally._counts) == 4
    assert sum(tally._counts.values()) == 20


async def test_a_configuration_is_noted_once_by_however_many_processes(database, audit, tally):
    offices = [Office(audit, tally, database) for _ in range(3)]
    for version in ("v1", "v2", "v1"):
        await asyncio.gather(*(office.note_configuration(version) for office in offices))
    said = [link.event.detail for link in await audit.read("")]
    assert said == [
        {"before": None, "after": "v1"},
        {"before": "v1", "after": "v2"},
        {"before": "v2", "after": "v1"},
    ]


async def test_a_refused_configuration_is_noted_by_its_rules_and_not_by_its_words(database, audit, tally):
    office = Office(audit, tally, database)
    bad = [Finding("error", "C03", "a secret word", "cure", "file", 3), Finding("warning", "W01", "w", "c")]
    running = asyncio.ensure_future(office.run())
    office.applied("v1")
    office.refused("v1", bad)
    office.refused("v1", bad)
    office.applied("v2")
    office.refused("v2", bad[1:])  # no error
    async with asyncio.timeout(5):
        while (await audit.head("")).number < 3:
            await asyncio.sleep(0.01)
    running.cancel()
    links = await audit.read("")
    assert [link.event.action for link in links] == [
        actions.CONFIGURATION_APPLIED, actions.CONFIGURATION_REFUSED, actions.CONFIGURATION_APPLIED,
    ]  # fmt: skip
    assert links[1].event.detail == {"kept": "v1", "rules": ["C03"], "errors": 1}
