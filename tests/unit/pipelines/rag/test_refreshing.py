"""What is done at times of its own accord: pages are looked at again, and nothing is deleted that stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from passerelle.domain.errors import Unavailable
from passerelle.domain.rag import Given
from passerelle.retrieval.embedded import Embedded
from passerelle.stores.database import Database
from tests.unit.pipelines.rag.library_scene import SHELF, Scene, scene

_JOBS = "SELECT count(*) FROM job"
_TALK = """
INSERT INTO rag_conversation (id, tenant, collection, key_id, ends_at)
VALUES ('conv_1', 'acme', :shelf, 'k1', clock_timestamp() - interval '1 minute')
"""
_ANSWER = """
INSERT INTO rag_answer (id, tenant, collection, key_id, model, citations, supported, cost, seconds, conversation)
VALUES ('ans_1', 'acme', :shelf, 'k1', 'm', 0, 0, '', '{}', 'conv_1')
"""


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Scene:
    """Without workers: whatever is made waits, and nobody asks the store for anything."""
    return scene(database, Embedded(tmp_path))


async def _jobs(world: Scene) -> int:
    ((count,),) = await world.sql(_JOBS)
    return int(count)


async def test_a_page_that_waits_to_be_looked_at_is_not_asked_for_again(world: Scene) -> None:
    await world.take(Given(url="http://exemple.fr/", refresh=60.0))
    await world.sql("UPDATE rag_document SET state = 'ready'")
    await world.sql("UPDATE job_item SET state = 'done', result = '{}'")
    for minutes in (5, 10, 15):  # the workers are busy elsewhere
        await world.library.refresh_due(datetime.now(UTC) + timedelta(minutes=minutes))
    assert await _jobs(world) == 2
    await world.sql("UPDATE job_item SET state = 'done', result = '{}'")
    await world.library.refresh_due(datetime.now(UTC) + timedelta(minutes=20))
    assert await _jobs(world) == 3


async def test_the_sweep_leaves_the_figures_of_conversations_that_have_ended(world: Scene) -> None:
    await world.take(Given(text="Deux jours."))
    await world.sql(_TALK, shelf=SHELF)
    await world.sql(_ANSWER, shelf=SHELF)
    await world.library.sweep(datetime.now(UTC))
    assert len(await world.sql("SELECT id FROM rag_answer")) == 1


async def test_nothing_is_taken_that_no_store_would_ever_hold(world: Scene) -> None:
    async def none() -> Embedded:
        raise Unavailable("Several processes share documents through a server.", code="rag_needs_qdrant")

    nowhere = scene(world.database, Embedded(Path("unused")))
    object.__setattr__(nowhere.library._ground, "chunks", none)
    with pytest.raises(Unavailable, match="server"):
        await nowhere.take(Given(text="Deux jours."))
    assert await _jobs(world) == 0
