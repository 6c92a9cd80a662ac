"""Runs: begun with their job or not at all, nobody else's, looked at in parts, compared, deleted."""

from __future__ import annotations

import pytest

from passerelle.domain.errors import BadRequest, Conflict, NotFound
from passerelle.domain.survey_work import Asked, Looked
from passerelle.domain.surveys import Polarity, Review
from passerelle.pipelines.surveys.diffing import Pair, differ
from passerelle.pipelines.surveys.runs_queue import Doubtful, next_ones
from passerelle.stores.database import Database
from tests.unit.pipelines.surveys.run_scene import PACKAGED, scene

COMMENTS = [
    "The trainer gave clear explanations.",
    "Far too fast, it was all rushed.",
    "It is expensive and not worth the money.",
    "The trainer was clear, but it was much too slow.",
    "Lunch.",
    "   ",
]


async def test_a_run_reads_every_comment_offline_and_says_so(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        run = await made.read()
        assert (run.state, run.read, run.failed, run.comments) == ("done", 6, 0, 6)
        assert (run.engine, run.offline, run.number, run.version, run.revision) == ("builtin", True, 1, 1, 0)
        assert run.finished_at is not None
        assert run.cost == 0
        readings = await made.readings(run)
        assert list(readings) == [f"c{at}" for at in range(1, 7)]
        for reading in readings.values():
            assert reading.analysed is not None
            for opinion in reading.analysed.opinions:
                assert opinion.quote == reading.comment.text[opinion.start : opinion.end]
        said = readings["c1"].analysed
        assert said is not None
        assert [label.category for label in said.labels] == ["trainer"]
        newest = await made.runs.run("acme", "svy_1")
        assert newest == run
        assert not made.gateway.records  # no model was asked


async def test_what_cannot_be_read_is_refused_with_its_reason(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.survey(COMMENTS, codebook=None)
        await made.survey(COMMENTS, name="svy_2", state="reading")
        acme = made.tenant()
        with pytest.raises(BadRequest) as refused:
            await made.runs.start(acme, "svy_1")
        assert refused.value.code == "no_codebook"
        with pytest.raises(NotFound) as missing:
            await made.runs.start(acme, "svy_1", codebook="training")
        assert missing.value.code == "codebook_not_found"
        await made.codebook()
        with pytest.raises(Conflict) as early:
            await made.runs.start(acme, "svy_2")
        assert early.value.code == "survey_not_ready"
        with pytest.raises(NotFound):
            await made.runs.start(acme, "svy_1", codebook="training", model="unheard-of")
        with pytest.raises(BadRequest):
            await made.runs.start(acme, "svy_1", codebook="training", revision=1)
        assert await made.sql("SELECT id FROM job") == []
        assert await made.runs.runs("acme", "svy_1") == []
        with pytest.raises(NotFound):
            await made.runs.run("acme", "svy_1")


async def test_another_tenant_finds_nothing(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        run = await made.read()
        for look in (
            made.runs.runs("globex", "svy_1"),
            made.runs.run("globex", "svy_1", run.id),
            made.runs.readings("globex", "svy_1", run.id),
            made.runs.queue("globex", "svy_1", run.id),
            made.runs.reviewed("globex", "svy_1", run.id, ["c1"]),
            made.runs.difference("globex", "svy_1", run.id, run.id),
            made.runs.drop("globex", "svy_1", run.id),
            made.runs.start(made.tenant("globex"), "svy_1", codebook="training"),
        ):
            with pytest.raises(NotFound):
                await look


async def test_readings_come_in_parts_and_by_what_is_asked(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        run = await made.read()
        first = await made.runs.readings("acme", "svy_1", most=2)
        rest = await made.runs.readings("acme", "svy_1", after=first[-1].comment.id)
        assert [one.comment.id for one in (*first, *rest)] == [f"c{at}" for at in range(1, 7)]
        assert rest[0].row == 4
        about = await made.readings(run, asked=Asked(category="trainer"))
        assert "c1" in about
        assert "c2" not in about
        for polarity in Polarity:
            some = await made.readings(run, asked=Asked(polarity=polarity, category="price"))
            assert all(
                one.analysed is not None and one.analysed.polarity is polarity for one in some.values()
            )
            assert set(some) <= set(await made.readings(run, asked=Asked(category="price")))
        assert list(await made.readings(run, asked=Asked(text="EXPENSIVE"))) == ["c3"]
        assert await made.readings(run, asked=Asked(text="%")) == {}
        assert await made.readings(run, asked=Asked(language="fr")) == {}
        with pytest.raises(BadRequest):
            await made.runs.readings("acme", "svy_1", after="gone")


async def test_what_was_looked_at_or_corrected_leaves_the_queue(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        run = await made.read()
        queued = await made.runs.queue("acme", "svy_1")
        assert run.review == len(queued) > 1
        assert all(one.analysed is not None and one.analysed.review for one in queued)
        one, other, *_ = [reading.comment.id for reading in queued]
        strange = [one, one, "nobody", "a\0b", "nobody"]
        looked = await made.runs.reviewed("acme", "svy_1", run.id, strange, by="ann")
        assert looked == Looked(1, ("nobody", "a\0b")), "ids that nothing is known of are told"
        assert await made.runs.reviewed("acme", "svy_1", run.id, [one], by="ann") == Looked(0)
        await made.sql(
            """INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language, "right", survey, comment)
            VALUES ('cor_1', 'acme', 'training', 1, 1, 'x', 'en', '{pace}', 'svy_1', :comment)""",
            comment=other,
        )
        left = [reading.comment.id for reading in await made.runs.queue("acme", "svy_1")]
        assert set(left) == {reading.comment.id for reading in queued} - {one, other}
        readings = await made.readings(run)
        assert readings[one].reviewed
        assert readings[one].corrected is None
        corrected = readings[other].corrected
        assert corrected is not None
        assert corrected.correction.right == ("pace",)
        assert (await made.runs.run("acme", "svy_1")).review == len(left)
        assert set(await made.readings(run, asked=Asked(to_review=True))) == set(left)


async def test_a_state_outlives_its_job_and_a_run_its_readings(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        one = await made.read()
        two = await made.runs.start(made.tenant(), "svy_1")
        assert two.state == "queued"
        assert (await made.runs.run("acme", "svy_1")).id == one.id, "the newest that has finished"
        with pytest.raises(Conflict) as early:
            await made.runs.drop("acme", "svy_1", two.id)
        assert early.value.code == "run_not_over"
        await made.sql("DELETE FROM job WHERE id = :job", job=one.job)
        kept = await made.runs.run("acme", "svy_1", one.id)
        assert (kept.state, kept.finished_at is not None) == ("done", True)
        await made.sql("DELETE FROM job WHERE id = :job", job=two.job)
        assert (await made.runs.run("acme", "svy_1", two.id)).state == "failed", "it left nothing"
        await made.runs.drop("acme", "svy_1", two.id)
        await made.runs.drop("acme", "svy_1", one.id)
        assert await made.sql("SELECT * FROM survey_reading") == []


async def test_two_runs_are_compared(database: Database) -> None:
    async with scene(database, PACKAGED) as made:
        await made.codebook()
        await made.survey(COMMENTS)
        one, two = await made.read(), await made.read()
        same = await made.runs.difference("acme", "svy_1", one.id, two.id)
        assert (same.comments, same.changed, same.changes) == (6, 0, ())
        await made.sql(
            "UPDATE survey_reading SET categories = '{price}', polarity = 'mixed' WHERE run = :run AND comment = 'c1'",
            run=two.id,
        )
        found = await made.runs.difference("acme", "svy_1", one.id, two.id)
        assert (found.changed, found.polarity_changed) == (1, 1)
        assert found.moved == {("trainer", "price"): 1}
        assert found.changes[0].comment.text == COMMENTS[0]
        assert found.counts["trainer"][0] - found.counts["trainer"][1] == 1
        assert found.counts["price"][1] - found.counts["price"][0] == 1
        assert found.changes[0].polarity_after is Polarity.MIXED


def test_differences_are_counted_by_category_and_the_clearest_come_first() -> None:
    pairs = [
        Pair(1, ("a",), ("a",), "positive", "positive", 0.0),
        Pair(2, ("a",), ("b",), "positive", "positive", 0.5),
        Pair(3, ("a", "b"), ("b",), "positive", "positive", 0.1),
        Pair(4, (), ("b",), "positive", "negative", 0.9),
    ]
    found = differ(pairs, comments=9, counts={"a": (3, 1), "b": (1, 3)})
    assert found.comments == 9
    assert found.moved == {("a", "b"): 1, ("a", ""): 1, ("", "b"): 1}
    assert [pair.number for pair in found.clearest(9)] == [4, 3, 2]


def test_the_queue_takes_turns_among_kinds_and_puts_repetitions_last() -> None:
    uncertain, outside = (Review.UNCERTAIN.value,), (Review.OUT_OF_CODEBOOK.value,)
    many = [
        Doubtful(at, f"The {word} was cold", uncertain, ("room",), "negative", 0.9 - at / 100)
        for at, word in enumerate(["hall", "attic", "cellar", "kitchen"], 1)
    ]
    again = Doubtful(5, "The hall was cold!", uncertain, ("room",), "negative", 0.99)
    other = Doubtful(6, "Parking was hard to find", outside, (), "negative", 0.2)
    chosen = next_ones([*many, again, other], 3)
    assert chosen == [5, 6, 2]
    assert next_ones([*many, again, other], 10) == [5, 6, 2, 3, 4, 1]
    assert next_ones([], 5) == []
