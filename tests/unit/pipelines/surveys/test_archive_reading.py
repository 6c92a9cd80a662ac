"""A file is read by a job: all of its rows, or none, whatever happens to who reads it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from passerelle.domain.errors import Conflict, TooLarge
from passerelle.domain.survey_data import Tally, Trouble
from passerelle.domain.survey_work import SurveyState
from passerelle.jobs.desk import Desk
from passerelle.jobs.worker import Pace
from passerelle.pipelines.surveys import archive_reading, archive_rules
from passerelle.pipelines.surveys.archive_reading import Importing
from passerelle.stores.database import Database
from tests.unit.pipelines.surveys.archive_scene import PATIENCE, Scene, read_here, scene

__all__ = ["read_here"]


@pytest.fixture
def here(database: Database, read_here: None) -> Scene:
    return scene(database)


async def test_a_run_that_was_killed_in_the_middle_leaves_nothing(here: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr(archive_reading, "_ROWS", 7)
    survey = await here.make()
    written = asyncio.Event()
    real = Importing._write

    async def slow(self: Importing, claimed: Any, batch: Any) -> None:
        await real(self, claimed, batch)
        if not written.is_set():
            written.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(Importing, "_write", slow)
    async with here.workers(Pace(concurrency=1, lease=1.0, grace=0.05)):
        await asyncio.wait_for(written.wait(), PATIENCE)
    assert (await here.left(survey.id))["answer"] == 7
    with pytest.raises(Conflict):
        await here.answers(survey)

    async with here.workers():
        done = await here.settled(survey)
    answers = await here.answers(done)
    assert (done.state, len(answers)) == (SurveyState.READY, done.tally.answers)
    assert len({answer.id for answer in answers}) == len(answers)


async def test_a_run_that_was_overtaken_writes_no_more(here: Scene) -> None:
    survey = await here.make()
    importing = here.filing.importing()
    first = await importing._claim("acme", survey.id)
    second = await importing._claim("acme", survey.id)
    rules = archive_rules.reading_rules(b"s", here.tenants["acme"])

    with pytest.raises(archive_reading._Overtaken):
        await importing._read(first, rules, _Deaf())
    await importing._read(second, rules, _Deaf())
    async with here.database.begin() as connection:
        await archive_reading._ready(connection, first, Tally())
    assert (await here.filing.survey("acme", survey.id)).state is SurveyState.READING


class _Deaf:
    tenant = "acme"
    params: ClassVar[dict[str, Any]] = {}

    async def note(self, data: Any) -> None: ...

    def along(self, write: Any) -> None: ...


async def test_a_file_that_costs_too_much_fails_with_the_reason_and_may_be_sent_again(
    here: Scene, monkeypatch: Any
) -> None:
    async def refused(*_: Any) -> Any:
        raise TooLarge("It costs too much.", code="document_too_costly")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(archive_reading, "read_apart", refused)
        failed = await here.read()
    job = await Desk(here.database).items("acme", failed.job or "")

    assert failed.state is SurveyState.FAILED
    assert failed.trouble is not None
    assert failed.trouble.code == "document_too_costly"
    assert job[0].trouble is not None
    assert "survey says why" in job[0].trouble.message
    assert await here.left(failed.id) == {"survey": 1}
    with pytest.raises(Conflict, match="could not be read"):
        await here.answers(failed)

    again = await here.read(title="Encore")
    assert (again.id, again.state, again.title) == (failed.id, SurveyState.READY, "Encore")
    assert again.trouble is None


async def test_every_row_of_a_bad_file_is_an_answer_or_is_told_about(here: Scene) -> None:
    lines = [
        "Commentaire;NPS;Formateur",
        '=HYPERLINK("http://x");9;Petit',
        ";8;Roy",
        ("Une phrase assez longue. " * 900) + ";7;Roy",
        "Die Schulung war sehr gut und der Trainer hat alles verständlich erklärt, vielen Dank.;10;Roy",
        ";;",
        ";;Roy",
        "Trop court;quinze;Roy;de;trop",
        "Il manque une cellule ici",
    ]  # fmt: skip
    mixed = "\n".join(lines).encode() + "\nUn avis éclairé;6;Émile\n".encode("cp1252")
    roles = {"Commentaire": {"role": "comment"}, "NPS": {"role": "nps"}, "Formateur": {"role": "segment"}}
    survey = await here.read(mixed, columns=roles)
    answers, troubles = await here.answers(survey), await here.troubles(survey)
    told = {(each.row, each.trouble) for each in troubles}

    assert survey.tally.rows == 9 == len(answers) + survey.tally.left_out
    assert {answer.row for answer in answers} | {
        row for each in troubles if each.leaves_out for row in range(each.row, each.last + 1)
    } == set(range(2, 11))
    assert {
        (2, Trouble.FORMULA), (3, Trouble.COMMENT_EMPTY), (4, Trouble.COMMENT_CUT), (5, Trouble.LANGUAGE_UNEXPECTED),
        (6, Trouble.ROW_EMPTY), (7, Trouble.NOTHING_USED), (8, Trouble.NUMBER_WRONG), (8, Trouble.CELLS_EXTRA),
        (9, Trouble.CELLS_MISSING),
    } <= told  # fmt: skip
    assert max(len(comment.text) for answer in answers for comment in answer.comments) <= 10_000
    assert all("http" not in each.detail for each in troubles)
    assert [each for page in (1, 3) for each in await here.filing.troubles("acme", survey.id, after=page, most=2)] == [
        *troubles[1:3], *troubles[3:5]
    ]  # fmt: skip


async def test_more_rows_than_a_tenant_may_send_are_told_about(database: Database, read_here: None) -> None:
    here = scene(database, rows=10)
    survey = await here.read()

    assert survey.tally.answers == 10
    assert survey.tally.rows == 42
    assert survey.tally.troubles[Trouble.ROW_LIMIT] == 31


async def test_an_outage_of_the_database_fails_no_file(here: Scene, monkeypatch: Any) -> None:
    real, failures = Importing._claim, [OSError("away")]

    async def shaky(self: Importing, tenant: str, survey: str) -> Any:
        if failures:
            raise failures.pop()
        return await real(self, tenant, survey)

    monkeypatch.setattr(Importing, "_claim", shaky)
    survey = await here.read()
    assert survey.state is SurveyState.READY
