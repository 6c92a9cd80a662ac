"""What this room keeps of people is found, exported, erased and wiped, store by store, and again without harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from passerelle.domain.privacy import Held, Holding
from passerelle.rights.seams import Counted
from passerelle.stores.database import Database
from passerelle.subjects.holdings import PromptsHolding, RestrictionsHolding, SightingsHolding
from passerelle.subjects.prompts_store import Entry, PromptStore
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from passerelle.subjects.sightings import Sightings
from tests.unit.subjects.seals import Seals

OURS = Pseudonyms(b"pepper")
ANNA, BORIS = OURS.subject("acme", "anna"), OURS.subject("acme", "boris")
NOW = datetime.now(UTC)


async def test_each_store_answers_for_a_person_and_for_a_tenant(database: Database) -> None:
    store, restrictions = PromptStore(database, Seals()), Restrictions(database)
    for number, subject in enumerate((ANNA, BORIS)):
        await restrictions.restrict("acme", subject.pseudonym)
        entry = Entry(
            f"prm_{number}",
            "acme",
            "req_1",
            subject.pseudonym,
            "assistant",
            "engine",
            NOW,
            NOW + timedelta(days=1),
            b'{"asked": []}',
            NOW,
        )
        await store.keep([entry])
        async with database.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO subject_sighting VALUES ('acme', :subject, '2026-11-22', 'hub', 'x', '', 3)"
                ),
                {"subject": subject.pseudonym},
            )
    holdings: list[Holding] = [
        SightingsHolding(Sightings(database)),
        PromptsHolding(store),
        RestrictionsHolding(restrictions),
    ]
    for holding in holdings:
        assert (await holding.find(ANNA)).counts == {holding.name: 1}
        assert len([row async for row in holding.export(ANNA)]) == 1
        assert (await holding.erase(ANNA)).counts == {holding.name: 1}
        assert (await holding.erase(ANNA)).counts == {holding.name: 0}
        assert [row async for row in holding.export(ANNA)] == []
        assert (await holding.wipe("rival")).total == 0
        assert (await holding.find(BORIS)).total == 1
        assert isinstance(holding, Counted)
        assert await holding.held("acme") == Held({holding.name: 1}), "what a wipe has yet to delete"
        assert (await holding.held("rival")).total == 0
        assert await holding.wipe("acme") == Held({holding.name: 1})
        assert await holding.oldest("acme") is None
    assert not restrictions.holds("acme", BORIS.pseudonym)
