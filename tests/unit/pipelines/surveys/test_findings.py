"""A report says what was read, and what people said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from passerelle.domain.errors import BadRequest, Conflict, Forbidden, NotFound
from passerelle.domain.surveys import (
    Polarity,
)
from tests.unit.pipelines.surveys.archive_scene import read_here
from tests.unit.pipelines.surveys.findings_scene import (
    ROLES,
    Scene,
    bare,
    file,
    here,
    kept,
)

__all__ = ["bare", "here", "read_here"]


async def test_a_report_says_what_the_newest_run_has_read(bare: Scene) -> None:
    survey = await bare.archive.read(file(200), columns=ROLES)
    bare.scripted.ran(survey, await bare.archive.answers(survey))
    report = await bare.report(survey)
    by_run = await bare.report(survey, "run_1")

    assert (report.title, report.operator, report.answers) == ("Enquête", "Formation SAS", 200)
    assert report.readers.engine == "builtin"
    assert report.readers.offline
    assert (report.readers.read, report.readers.unread, report.readers.review) == (200, 0, 40)
    assert (report.categories[0].name, report.categories[0].count) == ("Rythme", 200)
    assert report.tones["negative"].value == pytest.approx(0.2)
    assert bare.scripted.pages == 10  # all of them, twice
    assert replace(by_run, written_at=report.written_at) == report


async def test_without_a_run_a_report_is_of_scores_alone(bare: Scene) -> None:
    survey = await bare.archive.read(file(40), columns=ROLES)
    report = await bare.report(survey)

    assert [each.name for each in report.scores] == ["NPS"] or report.scores[0].measure == "nps"
    assert report.categories == ()
    assert (report.readers.codebook, report.readers.version, report.readers.read) == ("", "", 0)
    assert report.readers.unread == 40
    with pytest.raises(NotFound):
        await bare.report(survey, "run_9")


async def test_a_report_hides_groups_below_the_tenants_minimum(bare: Scene) -> None:
    survey = await bare.archive.read(file(40), columns=ROLES)
    tenant = bare.archive.tenants["acme"]
    assert tenant.surveys is not None
    strict = replace(tenant, surveys=replace(tenant.surveys, minimum=41))

    assert (await bare.findings.report(strict, survey.id)).too_few
    with pytest.raises(Forbidden):
        await bare.findings.report(replace(tenant, surveys=None), survey.id)
    with pytest.raises(BadRequest):
        await bare.findings.report(tenant, survey.id, language="de")


async def test_no_report_of_another_tenants_survey_nor_of_one_that_is_being_read(bare: Scene) -> None:
    survey = await bare.archive.make(file(40), columns=ROLES)
    with pytest.raises(Conflict):
        await bare.report(survey)
    with pytest.raises(NotFound):
        await bare.findings.report(bare.archive.tenants["globex"], survey.id)


async def test_a_report_of_a_codebook_that_was_deleted_goes_by_ids(bare: Scene) -> None:
    survey = await bare.archive.read(file(40), columns=ROLES)
    bare.scripted.ran(survey, await bare.archive.answers(survey))
    bare.scripted.books = ()

    assert [each.name for each in (await bare.report(survey)).categories] == ["pace"]


async def test_what_a_person_said_stands_in_a_report(bare: Scene) -> None:
    survey = await bare.archive.read(file(100), columns=ROLES)
    bare.scripted.ran(survey, await bare.archive.answers(survey))
    bare.scripted.readings_ = [
        replace(each, corrected=kept(right=("room",), right_polarity=Polarity.POSITIVE))
        if each.analysed and each.analysed.polarity is Polarity.NEGATIVE
        else each
        for each in bare.scripted.readings_
    ]
    report = await bare.report(survey)

    assert {each.id: each.count for each in report.categories} == {"pace": 80, "room": 20, "food": 0}
    assert report.tones["negative"].value == 0
    assert report.readers.review == 0
