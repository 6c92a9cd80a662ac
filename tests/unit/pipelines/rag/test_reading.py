"""Whoever asks documents is known by a pseudonym: to the engines, to conversations that are kept, and to the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.errors import Forbidden, NotFound
from passerelle.domain.rag import Answered
from passerelle.pipelines.rag.answering import Answering
from passerelle.pipelines.rag.keeping import Keeping
from passerelle.pipelines.rag.reading import Readings
from passerelle.stores.database import Database
from passerelle.subjects.people import People
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Answer
from tests.serving import PEPPER
from tests.unit.pipelines.rag.answering import CALLER, Desk, asked, over_engine
from tests.unit.pipelines.rag.answers import passage

ANNA = "anna@example.org"
PSEUDONYM = Pseudonyms(PEPPER).of("acme", ANNA)
FOUND = (passage(1, "Le musée ferme le mardi.", title="Musée"),)


@asynccontextmanager
async def reading(
    database: Database, people: People, **tenant: Any
) -> AsyncIterator[tuple[OpenAiLike, Desk, Readings]]:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rag_collection (tenant, name, width, size, overlap) VALUES ('acme', 'docs', 0, 1200, 150)"
            )
        )
    keeping = Keeping(database)
    async with over_engine(FOUND, {"rag": {"conversations": {"keep": "30d"}}, **tenant}) as (engine, desk):
        engine.always(Answer("Le musée ferme le mardi [1]."))
        ground = replace(desk.answering._ground, keeper=keeping)
        answering = Answering(
            ground.gateway, ground.editions, search=ground.search, secret=ground.secret, keeper=keeping
        )
        readings = Readings(
            ground.gateway,
            lambda: desk.inside.editions.catalog,
            searcher=None,  # type: ignore[arg-type]  # nothing is searched for beside an answer
            answering=answering,
            keeping=keeping,
            people=people,
        )
        yield engine, desk, readings
    await keeping.aclose()


async def ask(readings: Readings, **options: Any) -> Answered:
    question = asked("Quand le musée ferme-t-il ?", options=options)
    last = [event async for event in readings.answer(CALLER, question, stream=False)][-1]
    assert isinstance(last, Answered)
    return last


@pytest.mark.parametrize("user", ["pseudonym", "drop"])
async def test_nobody_but_its_application_knows_its_name(database: Database, user: str) -> None:
    people = People(Pseudonyms(PEPPER))
    async with reading(database, people, privacy={"user": user}) as (engine, desk, readings):
        answered = await ask(readings, user=ANNA, metadata={"email": ANNA})
        sent = [request.body for request in engine.requests]
        began = desk.inside.ledger.began
        async with database.begin() as connection:
            kept = (await connection.execute(text('SELECT "user" FROM rag_conversation'))).scalars().all()
        (listed,) = await readings.conversations(CALLER, user=ANNA)
        assert list(await readings.conversations(CALLER, user=PSEUDONYM)) == []
        whole = await readings.conversation(CALLER, listed.id, user=ANNA)
        with pytest.raises(NotFound):
            await readings.conversation(CALLER, listed.id, user="boris")
        await readings.forget(CALLER, listed.id, user=ANNA)
    assert "anna" not in str(sent)
    assert [body.get("user") for body in sent] == [PSEUDONYM if user == "pseudonym" else None]
    assert [each.subject for each in began] == [PSEUDONYM]
    assert list(kept) == [PSEUDONYM]
    assert (listed.id, listed.user, whole.user) == (answered.conversation, ANNA, ANNA)


async def test_a_restricted_person_is_neither_answered_nor_shown_anything(database: Database) -> None:
    restrictions = Restrictions(database)
    async with reading(database, People(Pseudonyms(PEPPER), restrictions)) as (engine, _, readings):
        answered = await ask(readings, user=ANNA)
        assert answered.conversation is not None
        await restrictions.restrict("acme", PSEUDONYM)
        count = len(engine.requests)
        for refused in (
            ask(readings, user=ANNA),
            readings.conversations(CALLER, user=ANNA),
            readings.conversation(CALLER, answered.conversation, user=ANNA),
            readings.forget(CALLER, answered.conversation, user=ANNA),
        ):
            with pytest.raises(Forbidden) as error:
                await refused
            assert error.value.code == "subject_restricted"
        assert len(engine.requests) == count
