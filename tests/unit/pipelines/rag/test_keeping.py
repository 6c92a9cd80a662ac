"""What stays of answers, on a real database: figures, thumbs, and conversations where they are kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, NotFound, Unavailable
from passerelle.domain.rag import Answered, Citation, Question, Refusal, Thumb, Turn
from passerelle.pipelines.rag.keeping import LONGEST_COMMENT, Keeping
from passerelle.stores.database import Database
from passerelle.subjects.pseudonyms import Pseudonyms

DAY = 86_400.0
ANNA = Caller("key_anna", "acme", Role.MEMBER)
BORIS = Caller("key_boris", "acme", Role.MEMBER)
HEAD = Caller("key_head", "acme", Role.TENANT_ADMIN)
RIVAL = Caller("key_anna", "rival", Role.TENANT_ADMIN)


def asks(
    words: str, *before: str, conversation: str | None = None, subject: str = "", **more: Any
) -> Question:
    said = [*before, words]
    turns = tuple(Turn("assistant" if place % 2 else "user", each) for place, each in enumerate(said))
    return Question("docs", turns, conversation=conversation, subject=subject, **more)


def said(number: int, words: str = "Words.", **more: Any) -> Answered:
    source = Citation(1, "doc_1", "c1", "Title", "quote", 0.5)
    given: dict[str, Any] = {
        "id": f"ans_{number}",
        "collection": "docs",
        "model": "assistant",
        "text": words,
        "citations": (source, replace(source, number=2, supported=False)),
        "refusal": None,
        "nearest": (),
        "searched": "q",
        "usage": Usage(10, 5),
        "cost": "0.001 EUR",
        "seconds": {"search": 0.1, "answer": 1.5},
        "facts": {},
        **more,
    }
    return Answered(**given)


@pytest.fixture
async def keeping(database: Database) -> AsyncIterator[Keeping]:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rag_collection (tenant, name, width, size, overlap) VALUES ('acme', 'docs', 0, 1200, 150),"
                " ('acme', 'more', 0, 1200, 150), ('rival', 'docs', 0, 1200, 150)"
            )
        )
    made = Keeping(database, rules=lambda: {"acme": 30 * DAY})
    yield made
    await made.aclose()


async def rows(database: Database, table: str) -> list[Any]:
    async with database.begin() as connection:
        return list(await connection.execute(text(f"SELECT * FROM {table} ORDER BY id")))


async def settled(keeping: Keeping) -> None:
    await keeping.aclose()


async def test_figures_are_kept_of_every_answer_and_words_of_none_where_the_tenant_keeps_none(
    keeping: Keeping, database: Database
) -> None:
    assert await keeping.keep(ANNA, asks("What is secret?"), said(1), keep=None) is None
    refused = said(2, refusal=Refusal.NOT_RELEVANT, citations=(), cost="unknown")
    assert await keeping.keep(ANNA, asks("Another secret?", subject="u"), refused, keep=None) is None
    await settled(keeping)

    one, two = await rows(database, "rag_answer")
    assert (one.tenant, one.collection, one.key_id, one.model) == ("acme", "docs", "key_anna", "assistant")
    assert (one.refusal, one.citations, one.supported, one.cost) == (None, 2, 1, "0.001 EUR")
    assert one.seconds == {"search": 0.1, "answer": 1.5}
    assert (two.refusal, two.citations, two.cost) == ("not_relevant", 0, "unknown")
    assert not [row for row in (one, two) if row.question or row.answer or row.conversation or row.comment]
    assert await rows(database, "rag_conversation") == []


async def test_a_conversation_goes_on_with_what_was_said_before(keeping: Keeping) -> None:
    first = await keeping.keep(ANNA, asks("Who?", subject="u1"), said(1, "Anna."), keep=DAY)
    assert first is not None
    second = asks("And where?", conversation=first, subject="u1")
    assert await keeping.turns(ANNA, second, keep=DAY) == (Turn("user", "Who?"), Turn("assistant", "Anna."))
    assert await keeping.keep(ANNA, second, said(2, "Paris."), keep=DAY) == first

    shown = await keeping.conversation(ANNA, first, subject="u1")
    assert [(turn.question, turn.answer, turn.answer_id) for turn in shown.turns] == [
        ("Who?", "Anna.", "ans_1"),
        ("And where?", "Paris.", "ans_2"),
    ]
    assert (shown.collection, shown.user) == ("docs", "u1")
    assert shown.updated_at > shown.created_at


async def test_a_question_that_names_no_conversation_needs_no_database() -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/none")
    assert await Keeping(away).turns(ANNA, asks("Who?"), keep=None) == ()
    await away.aclose()


async def test_nobody_else_finds_a_conversation(keeping: Keeping) -> None:
    mine = await keeping.keep(ANNA, asks("Who?", subject="u1"), said(1), keep=DAY)
    assert mine is not None
    for caller, user in ((ANNA, ""), (ANNA, "u2"), (BORIS, "u1"), (HEAD, "u1"), (RIVAL, "u1")):
        with pytest.raises(NotFound) as caught:
            await keeping.conversation(caller, mine, subject=user)
        assert caught.value.code == "conversation_not_found"
        with pytest.raises(NotFound):
            await keeping.turns(caller, asks("More?", conversation=mine, subject=user), keep=DAY)
        with pytest.raises(NotFound):
            await keeping.delete(caller, mine, subject=user)
        assert list(await keeping.conversations(caller, subject=user)) == []
        # What somebody else says is not written into it either.
        assert await keeping.keep(
            caller, asks("More?", conversation=mine, subject=user), said(9), keep=DAY
        ) in (None,)
    assert len((await keeping.conversation(ANNA, mine, subject="u1")).turns) == 1


async def test_a_conversation_is_about_one_collection(keeping: Keeping) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY)
    other = replace(asks("And?", conversation=mine), collection="more")
    with pytest.raises(BadRequest) as caught:
        await keeping.turns(ANNA, other, keep=DAY)
    assert caught.value.code == "other_collection"


async def test_where_none_are_kept_naming_one_is_an_error_that_says_what_to_do(keeping: Keeping) -> None:
    with pytest.raises(BadRequest, match="send the earlier turns") as caught:
        await keeping.turns(ANNA, asks("And?", conversation="conv_1"), keep=None)
    assert caught.value.code == "conversations_not_kept"


async def test_two_answers_at_once_in_a_conversation_are_both_kept_one_after_the_other(
    keeping: Keeping,
) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(0), keep=DAY)
    assert mine is not None
    kept = await asyncio.gather(
        *(keeping.keep(ANNA, asks("And?", conversation=mine), said(n, str(n)), keep=DAY) for n in range(1, 7))
    )
    await settled(keeping)
    assert set(kept) <= {mine, None}
    turns = (await keeping.conversation(ANNA, mine)).turns
    assert sorted(turn.answer_id for turn in turns) == [f"ans_{n}" for n in range(7)]


async def test_an_answer_to_a_conversation_that_was_deleted_meanwhile_does_not_bring_it_back(
    keeping: Keeping, database: Database
) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY)
    assert mine is not None
    await keeping.delete(ANNA, mine)
    assert await keeping.keep(ANNA, asks("A secret?", conversation=mine), said(2), keep=DAY) is None
    assert await rows(database, "rag_conversation") == []
    assert [(row.id, row.question) for row in await rows(database, "rag_answer")] == [
        ("ans_1", None),
        ("ans_2", None),
    ]


async def test_a_client_that_sends_all_of_it_each_time_has_one_conversation(keeping: Keeping) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(1, "Anna."), keep=DAY)
    grown = asks("Where?", "Who?", "Anna.")
    assert await keeping.keep(ANNA, grown, said(2, "Paris."), keep=DAY) == mine
    assert (
        await keeping.keep(ANNA, asks("When?", "Who?", "Anna.", "Where?", "Paris."), said(3), keep=DAY)
        == mine
    )
    # Another history, and another owner's same one, are others.
    assert await keeping.keep(ANNA, asks("When?", "Who?", "Boris."), said(4), keep=DAY) != mine
    assert await keeping.keep(BORIS, grown, said(5), keep=DAY) != mine
    assert mine is not None
    assert len((await keeping.conversation(ANNA, mine)).turns) == 3


async def test_a_list_has_the_newest_first_and_goes_on_where_it_stopped(keeping: Keeping) -> None:
    made = [await keeping.keep(ANNA, asks(f"{n}?"), said(n), keep=DAY) for n in range(5)]
    first = await keeping.conversations(ANNA, most=2)
    rest = await keeping.conversations(ANNA, before=first[-1].id)
    assert [each.id for each in [*first, *rest]] == made[::-1]
    assert not any(each.turns for each in first)


async def test_a_thumb_may_change_and_the_last_one_counts(keeping: Keeping, database: Database) -> None:
    await keeping.keep(ANNA, asks("Who?"), said(1), keep=None)
    await keeping.thumb(
        ANNA, "ans_1", Thumb.DOWN, comment="Wrong\0 page."
    )  # before its figures can be written
    await keeping.thumb(HEAD, "ans_1", Thumb.UP, comment="Right after all.")
    (row,) = await rows(database, "rag_answer")
    assert (row.thumb, row.comment) == ("up", "Right after all.")


async def test_a_thumb_is_for_an_answer_of_ones_own(keeping: Keeping, database: Database) -> None:
    await keeping.keep(ANNA, asks("Who?"), said(1), keep=None)
    await settled(keeping)
    for caller in (BORIS, RIVAL):
        with pytest.raises(NotFound) as caught:
            await keeping.thumb(caller, "ans_1", Thumb.UP)
        assert caught.value.code == "answer_not_found"
    with pytest.raises(NotFound):
        await keeping.thumb(ANNA, "ans_2", Thumb.UP)
    with pytest.raises(BadRequest):
        await keeping.thumb(ANNA, "ans_1", Thumb.UP, comment="x" * (LONGEST_COMMENT + 1))
    assert [row.thumb for row in await rows(database, "rag_answer")] == [None]


async def test_what_has_ended_is_deleted_with_its_words_and_its_figures_stay(
    keeping: Keeping, database: Database
) -> None:
    short = await keeping.keep(ANNA, asks("Who?"), said(1), keep=3600)
    long = await keeping.keep(ANNA, asks("Where?"), said(2), keep=DAY)
    await keeping.thumb(ANNA, "ans_1", Thumb.DOWN, comment="Not Anna.")
    assert short
    await keeping.forget(datetime.now(UTC) + timedelta(hours=2))
    assert [row.id for row in await rows(database, "rag_conversation")] == [long]
    one, two = await rows(database, "rag_answer")
    assert (one.question, one.answer, one.conversation, one.comment, one.thumb) == (
        None,
        None,
        None,
        "",
        "down",
    )
    assert (two.question, two.answer) == ("Where?", "Words.")

    await keeping.forget(datetime.now(UTC) + timedelta(days=401))
    assert await rows(database, "rag_answer") == []


async def test_a_conversation_whose_time_is_over_is_not_found_before_it_is_deleted(
    keeping: Keeping, database: Database
) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY)
    assert mine is not None
    async with database.begin() as connection:
        await connection.execute(text("UPDATE rag_conversation SET ends_at = clock_timestamp()"))
    assert list(await keeping.conversations(ANNA)) == []
    with pytest.raises(NotFound):
        await keeping.turns(ANNA, asks("And?", conversation=mine), keep=DAY)
    assert await keeping.keep(ANNA, asks("And?", conversation=mine), said(2), keep=DAY) is None


@pytest.mark.parametrize(("now", "stays"), [(None, False), (60.0, False), (400 * DAY, True)])
async def test_a_tenant_that_keeps_them_shorter_now_has_them_deleted_sooner(
    database: Database, keeping: Keeping, now: float | None, *, stays: bool
) -> None:
    await keeping.keep(ANNA, asks("Who?"), said(1), keep=30 * DAY)
    await Keeping(database, rules=lambda: {"acme": now}).forget(datetime.now(UTC) + timedelta(hours=1))
    assert bool(await rows(database, "rag_conversation")) is stays


async def test_a_tenants_answers_are_erased_alone(keeping: Keeping, database: Database) -> None:
    await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY)
    await keeping.keep(ANNA, replace(asks("Who?"), collection="more"), said(2), keep=DAY)
    await keeping.keep(ANNA, asks("Who?"), said(3), keep=None)
    await keeping.keep(RIVAL, asks("Who?"), said(4), keep=DAY)
    await settled(keeping)

    assert await keeping.erase("acme", "more") == 1
    assert [row.id for row in await rows(database, "rag_answer")] == ["ans_1", "ans_3", "ans_4"]
    assert await keeping.erase("acme") == 2
    assert [row.id for row in await rows(database, "rag_answer")] == ["ans_4"]
    assert [row.tenant for row in await rows(database, "rag_conversation")] == ["rival"]


async def test_nothing_is_kept_for_a_collection_that_is_being_dropped(
    keeping: Keeping, database: Database
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE rag_collection SET dropping = true WHERE tenant = 'acme'"))
    assert await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY) is None
    assert await rows(database, "rag_answer") == await rows(database, "rag_conversation") == []


async def test_what_comes_while_a_collection_is_being_dropped_is_not_kept_after_it(
    keeping: Keeping, database: Database
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE rag_collection SET dropping = true WHERE tenant = 'acme'"))
        await keeping.keep(ANNA, asks("Who?"), said(1), keep=None)
        await asyncio.sleep(0.05)  # it waits for what is not committed yet
    assert await keeping.erase("acme", "docs") == 0
    await settled(keeping)
    assert await rows(database, "rag_answer") == []


async def test_two_processes_number_the_turns_of_a_conversation_as_one(
    keeping: Keeping, database_url: str
) -> None:
    mine = await keeping.keep(ANNA, asks("Who?"), said(0), keep=DAY)
    second = Database(database_url)
    other = Keeping(second)
    asked = asks("And?", conversation=mine)
    await asyncio.gather(
        *((other, keeping)[number % 2].keep(ANNA, asked, said(number), keep=DAY) for number in range(1, 9))
    )
    await asyncio.gather(settled(keeping), settled(other))
    async with second.begin() as connection:
        numbers = await connection.execute(text("SELECT number FROM rag_answer ORDER BY number"))
        assert list(numbers.scalars()) == list(range(1, 10))
    await second.aclose()


async def test_an_answer_is_given_though_the_database_is_away(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/none")
    keeping = Keeping(away)
    with caplog.at_level(logging.DEBUG):
        assert await keeping.keep(ANNA, asks("The canary?"), said(1, "canary"), keep=DAY) is None
        await keeping.aclose()
        for asked in (
            keeping.turns(ANNA, asks("And?", conversation="conv_1"), keep=DAY),
            keeping.thumb(ANNA, "ans_1", Thumb.UP, comment="canary"),
            keeping.conversations(ANNA),
            keeping.conversation(ANNA, "conv_1"),
            keeping.delete(ANNA, "conv_1"),
        ):
            with pytest.raises(Unavailable) as caught:
                await asked
            assert caught.value.code == "conversations_unavailable"
    heard = capsys.readouterr()
    assert "rag_answer_not_kept" in heard.out + heard.err + caplog.text
    assert "canary" not in heard.out + heard.err + caplog.text
    await away.aclose()


async def test_a_database_that_is_silent_holds_an_answer_for_a_moment_only(
    database: Database, keeping: Keeping
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("LOCK TABLE rag_answer IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(2):
            assert await keeping.keep(ANNA, asks("Who?"), said(1), keep=DAY) is None
    await settled(keeping)  # it is written once that is over, though nobody waits for it
    assert [row.id for row in await rows(database, "rag_answer")] == ["ans_1"]


async def test_words_that_the_database_cannot_hold_are_kept_as_it_can(keeping: Keeping) -> None:
    asked = asks("What\0 is \ud800?", subject="u")
    mine = await keeping.keep(ANNA, asked, said(1, "A\0."), keep=DAY)
    assert mine is not None
    (turn,) = (await keeping.conversation(ANNA, mine, subject="u")).turns
    assert turn.answer == "A\ufffd."
    with pytest.raises(NotFound):
        await keeping.conversation(ANNA, "conv\0", subject="u")


async def test_conversations_of_earlier_versions_are_found_by_their_persons_pseudonyms(
    keeping: Keeping, database: Database
) -> None:
    people = Pseudonyms(b"pepper")
    mine = await keeping.keep(ANNA, asks("Who?", subject="anna@example.org"), said(1), keep=DAY)
    assert mine is not None
    for _ in range(2):
        await keeping.rename(people.of)
    anna = people.of("acme", "anna@example.org")
    assert (await keeping.conversation(ANNA, mine, subject=anna)).user == anna


async def test_an_answer_that_was_under_way_when_its_person_was_erased_begins_no_conversation(
    keeping: Keeping, database: Database
) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO privacy_request (id, tenant, subject, deed, due_at) "
                "VALUES ('privacy_1', 'acme', 'u_anna', 'erase', clock_timestamp())"
            )
        )
    late = said(1, seconds={"total": 3.0})
    assert await keeping.keep(ANNA, asks("What?", subject="u_anna"), late, keep=DAY) is None
    assert await keeping.keep(ANNA, asks("What?", subject="u_bob"), said(2), keep=DAY) is not None
    await settled(keeping)
    assert [row.question for row in await rows(database, "rag_answer")] == [None, "What?"]
