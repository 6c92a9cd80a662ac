"""What is kept of conversations is sealed with the tenant's key, and goes on as if it were not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from passerelle.domain.rag import Thumb
from passerelle.pipelines.rag.keeping import Keeping
from passerelle.sealing.values import Destroyed
from passerelle.stores.database import Database
from tests.sealing import KeysAtHand
from tests.unit.pipelines.rag.test_keeping import ANNA, DAY, asks, rows, said


@pytest.fixture
def keys() -> KeysAtHand:
    return KeysAtHand()


@pytest.fixture
async def keeping(database: Database, keys: KeysAtHand) -> AsyncIterator[Keeping]:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rag_collection (tenant, name, width, size, overlap) VALUES ('acme', 'docs', 0, 1, 0)"
            )
        )
    made = Keeping(database, rules=lambda: {"acme": 30 * DAY}, seals=keys)
    yield made
    await made.aclose()


async def test_a_conversation_goes_on_by_its_name_and_by_what_was_said(
    keeping: Keeping, database: Database, keys: KeysAtHand
) -> None:
    named = await keeping.keep(ANNA, asks("Who wrote it?"), said(1, "Anna wrote it."), keep=30 * DAY)
    again = await keeping.keep(
        ANNA, asks("And when?", "Who wrote it?", "Anna wrote it."), said(2, "In May."), keep=30 * DAY
    )
    other = await keeping.keep(
        ANNA, asks("And when?", "Who wrote it?", "Somebody did."), said(3, "In June."), keep=30 * DAY
    )
    await keeping.thumb(ANNA, "ans_1", Thumb.UP, comment="Anna was right.")

    assert named == again != other
    stored = repr(await rows(database, "rag_answer"))
    assert not any(word in stored for word in ("wrote", "May", "right"))
    turns = await keeping.turns(ANNA, asks("Why?", conversation=named), keep=30 * DAY)
    assert [turn.text for turn in turns] == ["Who wrote it?", "Anna wrote it.", "And when?", "In May."]

    await keys.destroy("acme")
    with pytest.raises(Destroyed):
        await keeping.turns(ANNA, asks("Why?", conversation=named), keep=30 * DAY)
    # What is asked anew is kept under another key, beside what nobody reads any more.
    fresh = await keeping.keep(ANNA, asks("Who else?"), said(4, "Bob."), keep=30 * DAY)
    grown = await keeping.keep(ANNA, asks("Why?", "Who else?", "Bob."), said(5, "So."), keep=30 * DAY)
    assert fresh == grown not in (None, named, other)
