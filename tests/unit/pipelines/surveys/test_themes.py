"""Themes: found alike every time, named truthfully, taken up into a codebook's next version."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.survey_work import Checked, Edition, Figures
from passerelle.domain.surveys import Analysed, Category, Opinion, Polarity
from passerelle.pipelines.surveys.codebooks_rows import checked_json
from passerelle.pipelines.surveys.themes_clusters import NOWHERE, grouped, unit
from passerelle.pipelines.surveys.themes_finding import find
from passerelle.pipelines.surveys.themes_pieces import Piece, pieces
from passerelle.pipelines.surveys.themes_words import keywords
from passerelle.stores.database import Database
from tests.fakes.surveyor import Surveyor
from tests.unit.jobs.scene import over
from tests.unit.pipelines.surveys.lessons import embed
from tests.unit.pipelines.surveys.run_scene import PACKAGED, WORDS, Scene, scene, with_model

_ABOUT = {
    "salle": "La salle était froide et bruyante {}|Une salle trop petite, chaises inconfortables {}",
    "rythme": "Le rythme allait trop vite {}|Rythme trop soutenu, on a couru {}",
    "repas": "Le déjeuner était délicieux {}|Déjeuner et cafés excellents {}",
}
_WHEN = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "hier", "demain", "ensuite", "partout", "encore"]


def comments(seed: int = 1) -> list[str]:
    found = [
        said.format(when) for several in _ABOUT.values() for said in several.split("|") for when in _WHEN
    ]
    random.Random(seed).shuffle(found)
    return found


def test_groups_are_found_whatever_the_order_and_alike_every_time() -> None:
    draw = np.random.default_rng(3)
    middles = draw.standard_normal((4, 32)).astype(np.float32)
    truth = draw.integers(4, size=400)
    rows = unit((middles[truth] + 0.3 * draw.standard_normal((400, 32))).astype(np.float32))
    one, again = grouped(rows, fewest=5), grouped(rows, fewest=5)
    assert (one.of == again.of).all()
    assert one.count == 4
    for group in range(4):
        assert len(set(truth[one.of == group])) == 1
    sizes = np.bincount(one.of[one.of >= 0])
    assert list(sizes) == sorted(sizes, reverse=True)


def test_what_is_like_nothing_else_and_what_is_too_small_is_of_no_group() -> None:
    rows = np.zeros((43, 8), dtype=np.float32)
    rows[:20, 0] = rows[20:40, 1] = rows[40:, 2] = 1.0
    found = grouped(rows, fewest=5)
    assert found.count == 2
    assert set(found.of[40:]) == {NOWHERE}
    few = grouped(rows[:3], fewest=5)
    assert set(few.of) == {NOWHERE}
    assert grouped(np.ones((6, 4), dtype=np.float32), fewest=5).count == 1


def test_keywords_are_whole_words_of_their_own_group() -> None:
    room, pace = keywords(
        [
            ["Les salles étaient froides", "La salle est froide", "Salle froide"],
            ["Le rythme est élevé", "Un rythme élevé, la salle aussi", "L'élève suit le rythme"],
        ]
    )
    assert room[0] in ("salle", "froide")
    assert "rythme" in pace
    assert "salle" not in pace[:1]
    assert keywords([[], ["…"]]) == [(), ()]


@pytest.mark.parametrize("by_words", [True, False], ids=["words", "vectors"])
def test_themes_hold_what_belongs_together_with_quotes_of_their_comments(by_words: bool) -> None:
    said = comments()
    found = find([Piece(f"c{at}", text) for at, text in enumerate(said)], None if by_words else embed)
    assert found.comments == 60
    assert len(found.themes) >= 3
    subjects = {
        next(name for name, texts in _ABOUT.items() if said[int(comment[1:])][:7] in texts)
        for comment in found.themes[0].comments
    }
    assert len(subjects) == 1
    for theme in found.themes:
        assert 0 < theme.cohesion <= 1.01
        assert len(theme.comments) >= 3
        for comment, quote in theme.quotes:
            assert quote in said[int(comment[1:])]
    assert find([], None).themes == ()
    again = find([Piece(f"c{at}", text) for at, text in enumerate(said)], None if by_words else embed)
    assert again == found


def test_pieces_are_quotes_of_a_run_or_else_sentences() -> None:
    text = "Salle froide. Bon repas !"
    assert [one.text for one in pieces("c", text, None)] == ["Salle froide.", "Bon repas !"]
    opinion = Opinion("Bon repas", 14, 23, (), Polarity.POSITIVE, 0.9)
    analysed = Analysed(text, "fr", (opinion,), Polarity.POSITIVE, 0.9)
    assert [one.text for one in pieces("c", text, analysed)] == ["Bon repas"]
    assert list(pieces("c", "12 / 20 !!", None)) == []


async def _discovered(made: Scene, said: Sequence[str], *, name: str = "svy_1") -> None:
    await made.survey(said, name=name, language="fr", codebook=None)
    job = await made.themes.discover(made.tenant(), name)
    assert await made.themes.discover(made.tenant(), name) == job, "while one looks, another does not"
    async with made.workers():
        done = await over(made.database, job, within=60.0)
    assert done.state.value == "done"


async def test_themes_are_kept_and_taken_up_into_the_next_version(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await _discovered(made, [*comments(), "!!"])
        themes = await made.themes.themes("acme", "svy_1")
        assert len(themes) >= 3
        assert all(theme.offline and theme.name for theme in themes)
        assert [len(theme.comments) for theme in themes] == sorted(
            (len(theme.comments) for theme in themes), reverse=True
        )
        first, second = themes[0], themes[1]
        acme = made.tenant()
        with pytest.raises(NotFound):
            await made.themes.merge(acme, "svy_1", first.id, codebook="new", category="salle")
        edition = await made.themes.merge(
            acme, "svy_1", first.id, codebook="new", category=Category("a", "A"), by="ann"
        )
        assert (edition.codebook.version, edition.codebook.ids, edition.codebook.language) == (
            1,
            ("a",),
            "fr",
        )
        assert set(edition.codebook.categories[0].examples) == {quote for _, quote in first.quotes}
        with pytest.raises(Conflict):
            await made.themes.merge(acme, "svy_1", first.id, codebook="new", category="a")
        with pytest.raises(BadRequest):
            await made.themes.merge(acme, "svy_1", second.id, codebook="new", category="unheard-of")
        with pytest.raises(Conflict):
            await made.themes.merge(acme, "svy_1", second.id, codebook="new", category=Category("a", "A"))
        await made.codebooks.write("acme", "new", language="fr", categories=[Category("b", "B")])
        await made.sql(
            "UPDATE survey_codebook SET checked = CAST(:checked AS jsonb) WHERE version = 2",
            checked=checked_json(
                Checked(Figures(9, 0.9, 0.9, 0.9), Figures(9, 0.1, 0.1, 0.1), -0.8, -0.9, -0.7)
            ),
        )
        grown = await made.themes.merge(acme, "svy_1", second.id, codebook="new", category="a")
        assert (grown.codebook.version, grown.codebook.ids, grown.base) == (3, ("a",), 1), "2 was refused"
        assert len(grown.codebook.categories[0].examples) > len(edition.codebook.categories[0].examples)
        job = await made.themes.discover(acme, "svy_1", themes=2)
        async with made.workers():
            await over(made.database, job, within=60.0)
        after = await made.themes.themes("acme", "svy_1")
        assert {theme.id for theme in after} & {theme.id for theme in themes} == {first.id, second.id}
        kept = next(theme for theme in after if theme.id == first.id)
        assert kept.merged_into == ("new", 1, "a")
        for look in (
            made.themes.themes("globex", "svy_1"),
            made.themes.discover(made.tenant("globex"), "svy_1"),
            made.themes.merge(made.tenant("globex"), "svy_1", first.id, codebook="x", category="a"),
        ):
            with pytest.raises(NotFound):
                await look


async def test_a_language_model_names_themes_and_keywords_do_where_it_fails(database: Database) -> None:
    answers = ["« Confort des salles. »", "", "x" * 200]

    def name(_: object) -> str:
        return json.dumps({"name": answers.pop() if answers else "Le rythme"})

    async with with_model(database, Surveyor(WORDS)) as (made, engine):
        engine.answer = name
        await _discovered(made, comments())
        themes = await made.themes.themes("acme", "svy_1")
        names = {theme.name for theme in themes if not theme.offline}
        assert "Confort des salles" in names
        assert sum(theme.offline for theme in themes) == 2
        said = engine.requests[0].body["messages"]
        assert "français" in said[0]["content"]
        assert "salle" not in said[0]["content"]


async def test_of_two_mergers_at_once_none_is_lost(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await _discovered(made, comments())
        one, two, *_ = await made.themes.themes("acme", "svy_1")

        def merge(theme: str, category: str) -> Any:
            new = Category(category, category.title())
            return made.themes.merge(made.tenant(), "svy_1", theme, codebook="grid", category=new)

        told = await asyncio.gather(
            merge(one.id, "one"), merge(two.id, "two"), merge(one.id, "one-again"), return_exceptions=True
        )
        assert {type(each).__name__ for each in told} <= {"Edition", "Conflict"}
        made_of = [each for each in told if isinstance(each, Edition)]
        newest = (await made.codebooks.editions("acme", "grid"))[0].codebook
        assert len(newest.ids) == newest.version == len(made_of), "every version holds the one before"


async def test_a_survey_that_says_nothing_has_no_themes(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await _discovered(made, ["…", "12"])
        assert await made.themes.themes("acme", "svy_1") == []
        await made.survey([], name="svy_2", state="reading")
        with pytest.raises(Conflict):
            await made.themes.discover(made.tenant(), "svy_2")
        with pytest.raises(BadRequest):
            await made.themes.discover(made.tenant(), "svy_2", themes=1)


def test_the_number_of_groups_is_about_that_of_what_is_there_and_not_the_most_that_is_tried() -> None:
    draw = np.random.default_rng(5)
    middles = unit(draw.standard_normal((12, 48)).astype(np.float32))
    near = unit(np.repeat(middles, 60, axis=0) + draw.standard_normal((720, 48)).astype(np.float32) * 0.1)
    vague = unit(draw.standard_normal((720, 48)).astype(np.float32) + middles[0] * 0.5)

    assert 10 <= grouped(near, fewest=5).count <= 14
    assert grouped(vague, fewest=5).count <= 10
