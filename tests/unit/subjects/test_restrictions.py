"""Whose data may not be used: known at once where it was said, soon elsewhere, and while the database is away."""

from __future__ import annotations

import pytest

from passerelle.stores.database import Database
from passerelle.subjects.restrictions import Restrictions

ANNA = "u_" + "a" * 40


async def test_it_holds_from_when_it_is_made_until_it_is_lifted(database: Database) -> None:
    here = Restrictions(database)
    assert not here.holds("acme", ANNA)
    assert await here.restrict("acme", ANNA, asked_by="key_1") is True
    assert await here.restrict("acme", ANNA, asked_by="key_2") is False
    assert here.holds("acme", ANNA)
    assert not here.holds("rival", ANNA)
    assert [(each.subject, each.asked_by) for each in await here.listed("acme")] == [(ANNA, "key_1")]
    assert await here.lift("acme", ANNA) is True
    assert await here.lift("acme", ANNA) is False
    assert not here.holds("acme", ANNA)


async def test_another_process_learns_of_it(database: Database) -> None:
    here, there = Restrictions(database), Restrictions(database)
    await here.restrict("acme", ANNA)
    assert not there.holds("acme", ANNA)
    await there.refresh()
    assert there.holds("acme", ANNA)
    await here.lift("acme", ANNA)
    await there.refresh()
    assert not there.holds("acme", ANNA)


async def test_what_is_known_holds_while_the_database_is_away(database: Database) -> None:
    here = Restrictions(database)
    await here.restrict("acme", ANNA)
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    here._database = away
    with pytest.raises(Exception):  # noqa: B017 - whatever the driver raises
        await here.refresh()
    assert here.holds("acme", ANNA)
    await away.aclose()


async def test_a_tenant_that_is_wiped_has_none(database: Database) -> None:
    here = Restrictions(database)
    await here.restrict("acme", ANNA)
    await here.restrict("rival", ANNA)
    assert await here.wipe("acme") == 1
    assert (here.holds("acme", ANNA), here.holds("rival", ANNA)) == (False, True)
