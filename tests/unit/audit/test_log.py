"""The log on a real PostgreSQL: one chain of several writers, insert-only, whole or not, and what its transaction does."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from passerelle.audit import actions
from passerelle.audit.chain import Wrong, empty, verify
from passerelle.audit.log import Audit
from passerelle.audit.wire import holds
from passerelle.domain.errors import Unavailable
from passerelle.sealing.signing import Signer
from passerelle.stores.database import Database


@pytest.fixture
def audit(database):
    return Audit(database, Signer(b"s" * 32))


async def fill(audit, count, chain="acme"):
    for number in range(count):
        await audit.note(
            chain, "key_1", actions.KEY_CREATED, f"key_{number}", {"role": "member", "groups": number}
        )


async def tamper(database, statement):
    """As somebody with all rights on the database would."""
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_insert_only"))
        await connection.execute(text(statement))
        await connection.execute(
            text("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_insert_only")
        )


async def test_what_is_noted_is_read_as_it_was(audit):
    made = await audit.note(
        "acme", "key_1", actions.RIGHT_DONE, "p_1", {"counts": {"documents": 3}, "deed": "erase"}
    )
    (link,) = await audit.read("acme")
    assert link == made
    assert link.event.detail == {"counts": {"documents": 3}, "deed": "erase"}
    assert verify("acme", [link]).whole


async def test_chains_know_nothing_of_each_other(audit):
    await fill(audit, 2)
    await fill(audit, 1, chain="")
    assert await audit.chains() == ["", "acme"]
    assert (await audit.head("acme")).number == 2
    assert await audit.head("nobody") == empty("nobody")
    assert (await audit.verify("")).whole
    assert (await audit.verify("nobody")).whole


async def test_events_of_several_processes_are_one_chain(database_url, audit):
    others = [Database(database_url) for _ in range(3)]
    try:
        writers = [audit, *(Audit(each, Signer(b"s" * 32)) for each in others)]
        await asyncio.gather(*(fill(writer, 5) for writer in writers))
        verdict = await audit.verify("acme")
        assert verdict.whole
        assert verdict.count == 20
    finally:
        for each in others:
            await each.aclose()


async def test_what_is_not_done_is_not_noted(audit, database):
    with pytest.raises(RuntimeError):  # noqa: PT012
        async with database.begin() as connection:
            await audit.note_in(connection, "acme", "key_1", actions.KEY_REVOKED, "key_2")
            raise RuntimeError
    assert (await audit.head("acme")).number == 0


async def test_two_events_of_one_transaction_follow_on_each_other(audit, database):
    async with database.begin() as connection:
        for number in range(2):
            await audit.note_in(connection, "acme", "key_1", actions.KEY_REVOKED, f"key_{number}")
    assert (await audit.verify("acme")).count == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event", "TRUNCATE audit_event"],
)
async def test_the_database_refuses_to_change_the_log(audit, database, statement):
    await fill(audit, 1)
    with pytest.raises((DBAPIError, IntegrityError), match="insert-only"):
        async with database.begin() as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "number", "wrong"),
    [
        ("UPDATE audit_event SET actor = 'x' WHERE number = 3", 3, Wrong.EDITED),
        (
            """UPDATE audit_event SET detail = '{"role": "admin", "groups": 1}' WHERE number = 2""",
            2,
            Wrong.EDITED,
        ),
        ("UPDATE audit_event SET at = at + interval '1 microsecond' WHERE number = 4", 4, Wrong.EDITED),
        ("DELETE FROM audit_event WHERE number = 2", 2, Wrong.GAP),
        ("DELETE FROM audit_event WHERE number <= 2", 1, Wrong.GAP),
        ("UPDATE audit_event SET digest = previous WHERE number = 5", 5, Wrong.EDITED),
        ("UPDATE audit_event SET number = number + 10 WHERE number = 5", 5, Wrong.GAP),
    ],
)
async def test_a_change_behind_its_back_is_found(audit, database, statement, number, wrong):
    await fill(audit, 5)
    await tamper(database, statement)
    verdict = await audit.verify("acme")
    assert (verdict.broken.number, verdict.broken.wrong) == (number, wrong)


async def test_a_signed_head_shows_that_the_end_was_cut(audit, database):
    await fill(audit, 4)
    signed = await audit.signed_head("acme")
    assert holds(signed, audit.public)
    await tamper(database, "DELETE FROM audit_event WHERE number = 4")
    assert (await audit.verify("acme")).whole
    assert (await audit.verify("acme", known=[signed.head])).broken.wrong is Wrong.CUT


async def test_pages_are_all_of_it_and_end_where_asked(audit, monkeypatch):
    await fill(audit, 7)
    monkeypatch.setattr("passerelle.audit.log.MOST", 3)
    sizes = [len(page) async for page in audit.pages("acme")]
    assert sizes == [3, 3, 1]
    numbers = [link.event.number async for page in audit.pages("acme", 1, until=5) for link in page]
    assert numbers == [2, 3, 4, 5]
    assert (await audit.verify("acme")).count == 7


async def test_what_does_not_belong_in_the_log_does_not_reach_the_database(audit):
    with pytest.raises(ValueError, match="no id"):
        await audit.note("acme", "key_1", actions.KEY_CREATED, "Jeanne Martin")
    assert (await audit.head("acme")).number == 0


async def test_an_outage_is_told():
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    audit = Audit(away, Signer(b"s" * 32))
    try:
        for ask in (
            audit.head("acme"),
            audit.read("acme"),
            audit.note("acme", "k", actions.KEY_REVOKED),
            audit.chains(),
        ):
            with pytest.raises(Unavailable):
                await ask
    finally:
        await away.aclose()
