"""What is deleted is seen by nobody at once, and gone soon; what nobody reads says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passerelle.domain.errors import NotFound, Unavailable
from passerelle.domain.survey_work import SurveyState
from passerelle.jobs.desk import Desk
from passerelle.pipelines.surveys.archive_reading import Importing
from passerelle.stores.database import Database
from tests.unit.jobs.scene import until
from tests.unit.pipelines.surveys.archive_scene import PATIENCE, Scene, read_here, scene

__all__ = ["read_here"]


@pytest.fixture
def here(database: Database, read_here: None) -> Scene:
    return scene(database)


async def _correct(here: Scene, survey: str) -> None:
    await here.sql(
        "INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language, survey, comment, run) "
        "VALUES ('corr_1', 'acme', 'cours', 1, 1, 'Trop vite.', 'fr', :survey, 'c1', 'run_1')",
        survey=survey,
    )


async def test_a_dropped_survey_is_gone_and_corrections_stay_without_where_they_came_from(
    here: Scene,
) -> None:
    survey = await here.read()
    await _correct(here, survey.id)
    here.collections.there.add("survey-x")
    await here.sql("UPDATE survey SET collection = 'survey-x' WHERE id = :id", id=survey.id)
    await here.filing.drop("acme", survey.id)

    assert await here.left(survey.id) == {}
    assert here.collections.dropped == [("acme", "survey-x")]
    assert (await here.sql("SELECT text, survey, comment, run FROM survey_correction"))[0] == (
        "Trop vite.", None, None, None,
    )  # fmt: skip
    assert (await here.sql("SELECT count(*) FROM job WHERE id = :id", id=survey.job))[0][0] == 0
    with pytest.raises(NotFound):
        await here.filing.drop("acme", survey.id)


async def test_what_an_outage_leaves_of_a_dropped_survey_is_seen_by_nobody_and_swept(here: Scene) -> None:
    survey = await here.read()
    here.collections.there.add("survey-x")
    here.collections.away = True
    await here.sql("UPDATE survey SET collection = 'survey-x' WHERE id = :id", id=survey.id)
    await here.filing.drop("acme", survey.id)

    with pytest.raises(NotFound):
        await here.filing.survey("acme", survey.id)
    assert list(await here.filing.surveys("acme")) == []
    assert await here.left(survey.id) == {"survey": 1}
    assert (await here.make()).id != survey.id
    here.collections.away = False
    await here.removing.sweep(datetime.now(UTC))
    assert await here.left(survey.id) == {}
    assert here.collections.there == set()


async def test_the_row_of_a_survey_whose_collection_is_being_filled_waits(here: Scene) -> None:
    survey = await here.read()
    await here.sql(
        "UPDATE survey SET collection = 'survey-x', collecting_at = clock_timestamp() WHERE id = :id",
        id=survey.id,
    )
    await here.filing.drop("acme", survey.id)
    assert await here.left(survey.id) == {"survey": 1}
    here.collections.there.add("survey-x")  # whoever filled it was not done yet
    await here.sql("UPDATE survey SET collecting_at = collecting_at - interval '1 hour'")
    await here.removing.sweep(datetime.now(UTC))
    assert here.collections.there == set()
    assert await here.left(survey.id) == {}


async def test_surveys_are_kept_as_long_as_the_tenant_says(database: Database, read_here: None) -> None:
    here = scene(database, keep=3600.0)
    old, young = await here.make(), await here.make(columns={"NPS": {"role": "nps"}})
    await here.sql("UPDATE survey SET created_at = created_at - interval '2 hours' WHERE id = :id", id=old.id)
    await here.removing.sweep(datetime.now(UTC))

    assert [each.id for each in await here.filing.surveys("acme")] == [young.id]
    await here.removing.sweep(datetime.now(UTC) + timedelta(hours=2))
    assert list(await here.filing.surveys("acme")) == []


async def test_a_survey_whose_job_was_cancelled_says_so(here: Scene) -> None:
    survey = await here.make()
    await Desk(here.database).cancel("acme", survey.job or "")
    await here.removing.sweep(datetime.now(UTC))
    stands = await here.filing.survey("acme", survey.id)

    assert stands.state is SurveyState.FAILED
    assert stands.trouble is not None
    assert stands.trouble.code == "import_cancelled"
    assert await here.left(survey.id) == {"survey": 1}
    assert (await here.read()).state is SurveyState.READY


async def test_a_survey_that_is_dropped_while_it_is_read_stays_dropped(here: Scene, monkeypatch: Any) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    real = Importing._write

    async def held(self: Importing, claimed: Any, batch: Any) -> None:
        reading.set()
        await go_on.wait()
        await real(self, claimed, batch)

    monkeypatch.setattr(Importing, "_write", held)
    async with here.workers():
        survey = await here.make()
        await asyncio.wait_for(reading.wait(), PATIENCE)
        await here.filing.drop("acme", survey.id)
        go_on.set()

        async def gone() -> bool:
            return await here.left(survey.id) == {}

        await until(gone, "nothing is left", within=PATIENCE)
    assert await here.left(survey.id) == {}


async def test_erasing_a_tenant_leaves_another_alone(here: Scene) -> None:
    async with here.workers():
        mine = await here.settled(await here.make())
        theirs = await here.settled(await here.make(tenant="globex"))
    here.collections.away = True
    with pytest.raises(Unavailable):  # it has to be asked for again
        await here.removing.erase("acme")
    assert list(await here.filing.surveys("acme")) == []
    here.collections.away = False
    await here.removing.erase("acme")

    assert await here.left(mine.id) == {}
    assert here.collections.forgotten == ["acme"]
    assert len(await here.answers(theirs)) == theirs.tally.answers
