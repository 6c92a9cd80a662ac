"""Files of answers are kept whole or not at all, are read once, and are nobody else's."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.domain.errors import BadRequest, Conflict, Forbidden, NotFound, Refused
from passerelle.domain.survey_data import Answer, Comment, Score
from passerelle.domain.survey_work import SurveyState
from passerelle.pipelines.surveys import archive_reading, archive_rules
from passerelle.pipelines.surveys.archive_rows import answer_row, comment_row
from passerelle.pipelines.surveys.importing import Reading, open_survey
from passerelle.pipelines.surveys.importing_columns import proposed
from passerelle.sealing.values import Unsealed
from passerelle.stores.database import Database
from tests.unit.pipelines.surveys.archive_scene import FILE, Scene, read_here, scene

__all__ = ["read_here"]


@pytest.fixture
def here(database: Database, read_here: None) -> Scene:
    return scene(database)


async def test_a_file_is_kept_as_it_is_read(database: Database) -> None:
    here = scene(database)
    made = await here.make(name="avril.csv", by="key_1")
    assert made.state is SurveyState.READING
    async with here.workers():
        survey = await here.settled(made)
    rules = archive_rules.reading_rules(b"secret of this installation", here.tenants["acme"])
    opened = open_survey(FILE, rules)
    columns = proposed(opened.proposals, opened.header)
    reading = Reading(FILE, columns, rules)
    expected = list(reading)

    assert survey.state is SurveyState.READY
    assert survey.columns == columns
    assert survey.tally == reading.tally
    assert survey.tally.rows == survey.tally.answers + survey.tally.left_out
    assert await here.answers(survey) == [each for each in expected if isinstance(each, Answer)]
    assert await here.troubles(survey) == [each for each in expected if not isinstance(each, Answer)]
    assert "content" not in await here.left(survey.id)


async def test_what_is_read_survives_its_row_to_the_last_figure(here: Scene) -> None:
    survey = await here.make()
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
    names = st.lists(texts, unique=True, max_size=4)
    numbers = st.floats(-1e12, 1e12, allow_nan=False)
    score = st.builds(
        lambda value, low, wide: Score(value, low, low + wide), numbers, st.floats(-9, 9), st.floats(1, 99)
    )
    written = st.builds(
        Comment, st.uuids().map(str), texts, texts, st.none() | st.sampled_from(["fr", "en", "de"]),
        st.dictionaries(st.sampled_from(["phone", "email"]), st.integers(1, 9)), st.booleans(),
    )  # fmt: skip
    answer = st.builds(
        Answer, st.uuids().map(str), st.integers(2, 2**31 - 1), st.lists(written, max_size=3, unique_by=lambda one: one.id).map(tuple),
        st.none() | st.integers(0, 10), st.none() | st.floats(1, 5), st.none() | st.floats(1, 7),
        names.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, score))),
        names.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, texts))),
        st.none() | st.dates(date(1990, 1, 1), date(2100, 12, 31)),
    )  # fmt: skip
    lists = st.lists(answer, min_size=1, max_size=8, unique_by=(lambda one: one.row, lambda one: one.id))

    examples: list[list[Answer]] = []

    @settings(max_examples=20, database=None, suppress_health_check=list(HealthCheck))
    @given(lists)
    def collect(drawn: list[Answer]) -> None:
        examples.append(sorted(drawn, key=lambda one: one.row))

    collect()
    named = {"tenant": "acme", "id": survey.id, "claim": "c"}
    await here.sql("UPDATE survey SET claim = 'c' WHERE id = :id", id=survey.id)
    importing = here.filing.importing()
    seal = await Unsealed().of("acme")
    for drawn in examples:
        for table in ("answer", "comment"):
            await here.sql(f"DELETE FROM survey_{table}")
        await here.sql("UPDATE survey SET state = 'reading'")
        batch = archive_reading._Batch()
        numbered = 0
        ids = set()
        for each in drawn:
            batch.answers.append(answer_row(each, seal))
            for comment in each.comments:
                if comment.id not in ids:
                    ids.add(comment.id)
                numbered += 1
                batch.comments.append(comment_row(numbered, each, comment, seal))
        claimed = archive_reading._Claimed(named, b"", survey.columns, "")
        await importing._write(claimed, batch)
        await here.sql("UPDATE survey SET state = 'ready'")
        back = await here.answers(survey)

        assert back == drawn
        for one, other in zip(back, drawn, strict=True):
            assert list(one.ratings) == list(other.ratings)
            assert list(one.segments) == list(other.segments)


async def test_the_same_file_with_the_same_columns_is_the_same_survey(here: Scene) -> None:
    first = await here.make()
    again = await here.make(title="Autrement")
    columns = {"Commentaire": {"role": "comment"}, "NPS": {"role": "nps"}}
    other = await here.make(columns=columns)
    foreign = await here.make(tenant="globex")

    assert again == first
    assert len({first.id, other.id, foreign.id}) == 3
    assert [each.id for each in await here.filing.surveys("acme")] == [other.id, first.id]
    assert (await here.sql("SELECT count(*) FROM job"))[0][0] == 3


async def test_ids_of_answers_are_a_tenants_own(here: Scene) -> None:
    async with here.workers():
        mine = await here.settled(await here.make())
        theirs = await here.settled(await here.make(tenant="globex"))

    ids = {answer.id for answer in await here.answers(mine)}
    assert ids.isdisjoint({answer.id for answer in await here.answers(theirs)})
    assert ids == {each.id for each in Reading(FILE, mine.columns, archive_rules.reading_rules(b"secret of this installation", here.tenants["acme"])) if isinstance(each, Answer)}  # fmt: skip


async def test_nobody_else_sees_a_survey(here: Scene) -> None:
    survey = await here.read()

    assert list(await here.filing.surveys("globex")) == []
    for call in (
        here.filing.survey("globex", survey.id),
        here.filing.troubles("globex", survey.id),
        here.filing.describe("globex", survey.id, title="Autre"),
        here.filing.drop("globex", survey.id),
        anext(aiter(here.filing.answers("globex", survey.id))),
    ):
        with pytest.raises(NotFound) as raised:
            await call
        assert raised.value.code == "survey_not_found"
    assert (await here.filing.survey("acme", survey.id)) == survey


async def test_answers_wait_until_all_of_them_are_there(here: Scene) -> None:
    survey = await here.make()

    with pytest.raises(Conflict, match="still being read"):
        await anext(aiter(here.filing.answers("acme", survey.id)))
    assert list(await here.filing.troubles("acme", survey.id)) == []


async def test_what_cannot_be_read_is_refused_before_it_is_kept(here: Scene) -> None:
    wrong = "survey_columns_wrong"
    refused: list[tuple[bytes, Any, str]] = [
        (b"%PDF-1.7 " + b"x" * 200, None, "document_unsupported"),
        (b"", None, "document_empty"),
        (FILE, {"Humeur": {"role": "comment"}}, wrong),
        (FILE, {"Commentaire": {"role": "poem"}}, wrong),
        (FILE, {"Commentaire": {"role": "rating", "low": "a"}}, wrong),
        (FILE, {"Note /10": {"role": "rating", "low": 0, "high": float("inf")}}, wrong),
        (FILE, {"Commentaire": "comment"}, wrong),
        (FILE, {"Commentaire": {"role": "comment", "name": "a\0b"}}, wrong),
        (FILE, {"Date": {"role": "date"}}, wrong),
    ]
    for content, columns, code in refused:
        with pytest.raises(Refused) as raised:
            await here.make(content, columns=columns)
        assert raised.value.code == code
    assert list(await here.filing.surveys("acme")) == []


async def test_a_tenant_has_so_many_surveys_and_no_more(database: Database, read_here: None) -> None:
    here = scene(database, surveys=1)
    first = await here.make()

    with pytest.raises(Forbidden) as refused:
        await here.make(columns={"Commentaire": {"role": "comment"}})
    assert refused.value.code == "too_many_surveys"
    assert await here.make() == first
    await here.filing.drop("acme", first.id)
    await here.make(columns={"Commentaire": {"role": "comment"}})


async def test_surveys_that_are_switched_off_take_nothing(here: Scene) -> None:
    here.tenants["acme"] = type(here.tenants["acme"])("acme", (), surveys=None)
    with pytest.raises(Forbidden) as refused:
        await here.make()
    assert refused.value.code == "surveys_off"


async def test_what_is_said_of_a_survey_can_be_said_anew(here: Scene) -> None:
    survey = await here.make()
    await here.sql(
        "INSERT INTO survey_codebook (tenant, name, version, language, categories) VALUES "
        "('acme', 'cours', 1, 'fr', '[]'), ('globex', 'autre', 1, 'fr', '[]')"
    )
    changed = await here.filing.describe(
        "acme", survey.id, title=" Un  titre ", language="en", codebook="cours"
    )

    assert (changed.title, changed.language, changed.codebook) == ("Un titre", "en", "cours")
    assert (await here.filing.describe("acme", survey.id, codebook="")).codebook is None
    for wrong, error in (
        ({"title": " "}, BadRequest),
        ({"language": "de"}, BadRequest),
        ({"codebook": "autre"}, NotFound),
    ):
        with pytest.raises(error):
            await here.filing.describe("acme", survey.id, **wrong)
    with pytest.raises(NotFound) as refused:
        await here.make(columns={"NPS": {"role": "nps"}}, codebook="autre")
    assert refused.value.code == "codebook_not_found"


async def test_a_list_goes_on_where_it_was_left(here: Scene) -> None:
    made = [await here.make(FILE + f"x;y;1;2;{number}\n".encode()) for number in range(3)]
    first = await here.filing.surveys("acme", most=2)

    assert [each.id for each in first] == [made[2].id, made[1].id]
    assert [each.id for each in await here.filing.surveys("acme", before=first[-1].id)] == [made[0].id]
    with pytest.raises(BadRequest):
        await here.filing.surveys("acme", before="survey_none")
