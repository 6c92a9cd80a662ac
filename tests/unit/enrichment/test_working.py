"""Jobs of texts from their start to their end, on real workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.content import Brand, Check, Flaw, Form, Piece, Standing
from passerelle.domain.errors import (
    BadRequest,
    Conflict,
    Fault,
    Forbidden,
    NotFound,
    PasserelleError,
    TooLarge,
    Unavailable,
    UpstreamFailed,
)
from passerelle.jobs.kinds import Later
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.works_sweeping import Sweeping
from passerelle.stores.database import Database
from tests.unit.enrichment.office_scene import QUICK, RECIPE, TENANT, an_office, counted, pieces
from tests.unit.jobs.scene import count, made, until, working


async def test_pieces_are_written_and_paid_and_told_of_each(database: Database) -> None:
    async with an_office(database) as scene:
        job = await scene.done(pieces(6))

        assert (job.state, counted(job), job.unpriced) == ("done", {"written": 6}, 0)
        assert job.spent == scene.charged > 0
        assert job.finished_at is not None
        worked = await scene.works.worked(TENANT, job.id)
        assert [each.number for each in worked] == [1, 2, 3, 4, 5, 6]
        assert worked[0].written is not None
        assert worked[0].written.values == {"text": "Un texte bien écrit pour tous les stagiaires."}
        assert await count(database, "SELECT count(*) FROM content_piece WHERE held > 0") == 0


async def test_what_has_not_changed_is_not_asked_again(database: Database) -> None:
    async with an_office(database) as scene:
        first = await scene.done(pieces(5))
        calls = scene.calls

        again = await scene.done(pieces(5))
        changed = [*pieces(4), replace(pieces(5)[4], text="Un autre texte.")]
        third = await scene.done(changed)

        assert (again.state, counted(again), again.spent) == ("done", {"reused": 5}, 0)
        assert counted(third) == {"written": 1, "reused": 4}
        assert scene.calls == calls + 1
        worked = await scene.works.piece(TENANT, again.id, 2)
        assert worked.written is not None
        assert (worked.written.calls, worked.written.cost) == (0, 0)
        assert worked.written.values == (await scene.works.piece(TENANT, first.id, 2)).written.values  # type: ignore[union-attr]


async def test_whatever_the_answer_depends_on_is_paid_again(database: Database) -> None:
    changes: list[dict[str, Any]] = [
        {"title": "Autre"},
        {"form": Form.MARKDOWN},
        {"language": "en"},
        {"beside": {"public": "débutants"}},
    ]
    async with an_office(database) as scene:
        await scene.done(pieces(1))

        for change in changes:
            wanted = Wanted(RECIPE, [replace(pieces(1)[0], **change)])
            assert (await scene.works.estimate(scene.tenant, wanted)).reused == 0
        assert (await scene.works.estimate(scene.tenant, Wanted(RECIPE, pieces(1)))).reused == 1


async def test_another_brand_or_recipe_is_paid_again_and_the_same_brand_set_anew_is_not(
    database: Database,
) -> None:
    async with an_office(database) as scene:
        await scene.kitchen.set_brand(TENANT, Brand(tone="Chaleureux"), by="k")
        await scene.done(pieces(1))

        await scene.kitchen.set_brand(TENANT, Brand(tone="Sobre"), by="k")
        other = await scene.done(pieces(1))
        await scene.kitchen.set_brand(TENANT, Brand(tone="Chaleureux"), by="k")
        same = await scene.done(pieces(1))
        recipe = await scene.done(pieces(1), recipe="rewrite-en")

        assert [counted(job) for job in (other, same, recipe)] == [
            {"written": 1},
            {"reused": 1},
            {"written": 1},
        ]


async def test_a_whole_job_finds_the_results_of_its_preview(database: Database) -> None:
    async with an_office(database) as scene:
        given = [
            replace(piece, text=piece.text + " suite" * number) for number, piece in enumerate(pieces(9))
        ]

        preview = await scene.done(given, preview=True)
        whole = await scene.done(given)

        assert preview.preview
        keys = [each.piece.key for each in await scene.works.worked(TENANT, preview.id)]
        assert keys == ["cours-1", "cours-6", "cours-9"]
        assert counted(whole) == {"written": 6, "reused": 3}


async def test_again_writes_and_pays_anew(database: Database) -> None:
    async with an_office(database) as scene:
        await scene.done(pieces(2))
        scene.engine.answer = "Une autre réponse."

        job = await scene.done(pieces(2), again=True)
        later = await scene.done(pieces(2))

        assert counted(job) == {"written": 2}
        worked = await scene.works.piece(TENANT, later.id, 1)
        assert worked.written is not None
        assert worked.written.values["text"] == "Une autre réponse."


async def test_the_same_text_twice_in_a_job_is_asked_once(database: Database) -> None:
    async with an_office(database) as scene:
        given = [Piece(f"k{number}", "Le même texte pour tous.") for number in range(4)]

        job = await scene.done(given)

        assert counted(job) == {"written": 1, "reused": 3}
        assert scene.calls == 1


async def test_a_tenant_never_finds_what_another_had_written(database: Database) -> None:
    async with an_office(database) as scene:
        job = await scene.done(pieces(2))
        other = scene.gateway.editions.catalog.tenants["other"]

        estimate = await scene.works.estimate(other, Wanted(RECIPE, pieces(2)))

        assert estimate.reused == 0
        for ask in (
            lambda: scene.works.job("other", job.id),
            lambda: scene.works.worked("other", job.id),
            lambda: scene.works.piece("other", job.id, 1),
            lambda: scene.works.drop("other", job.id),
            lambda: scene.works.afford("other", job.id, 1),
            lambda: scene.deciding.history("other", "cours-1"),
        ):
            with pytest.raises(NotFound):
                await ask()
        assert await scene.works.jobs("other") == []


async def test_what_fails_a_check_is_marked_and_what_fails_is_told(database: Database) -> None:
    async with an_office(database) as scene:
        scene.flaws["cours-2"] = (Flaw(Check.NUMBERS, "text", "« 12 » manque."),)
        scene.flaws["cours-3"] = (Flaw(Check.LENGTH, "text", "court", serious=False),)
        scene.errors["cours-4"] = BadRequest("It is refused.", code="refused")

        job = await scene.done(pieces(4))

        assert (job.state, counted(job)) == ("partly-failed", {"written": 2, "flawed": 1, "failed": 1})
        failed = await scene.works.worked(TENANT, job.id, standing=Standing.FAILED)
        assert [(each.number, each.trouble.code) for each in failed if each.trouble] == [(4, "refused")]
        scene.errors.clear()
        await scene.desk.retry(TENANT, job.id)
        assert counted(await scene.works.job(TENANT, job.id)) == {"queued": 1, "written": 2, "flawed": 1}
        async with scene.workers():
            assert counted(await scene.over(job.id)) == {"written": 3, "flawed": 1}


async def test_who_answers_in_place_of_a_model_is_asked_again_later(database: Database) -> None:
    async with an_office(database) as scene:
        scene.errors["cours-1"] = Later("Only the degraded target answers.", code="degraded", seconds=0.05)
        job = await scene.start(pieces(1))
        async with scene.workers():
            await until(lambda: len(scene.writing) >= 3, "it was tried again")
            scene.errors.clear()
            found = await scene.over(job.id)

        assert counted(found) == {"written": 1}


@pytest.mark.parametrize(
    "error", [UpstreamFailed(Fault.CONNECT, "The engine cannot be reached."), Unavailable("None is on.")]
)
async def test_an_engine_that_is_down_fails_no_piece(database: Database, error: PasserelleError) -> None:
    async with an_office(database) as scene:
        scene.errors["cours-1"] = error
        kind = scene.kind()
        kind.attempts = 1
        job = await scene.start(pieces(1))
        async with working(database, kind, pace=QUICK):
            await until(lambda: len(scene.writing) >= 2, "it was tried again")
            scene.errors.clear()
            found = await scene.over(job.id)

        assert counted(found) == {"written": 1}


async def test_a_job_outlives_the_one_of_the_workers(database: Database) -> None:
    async with an_office(database) as scene:
        scene.errors["cours-2"] = BadRequest("It is refused.", code="refused")
        job = await scene.done(pieces(2))
        sweeping = Sweeping(database, scene.desk, rules=dict)

        await sweeping.sweep(job.created_at)
        await scene.desk.delete(TENANT, job.id)
        found = await scene.works.job(TENANT, job.id)

        assert (found.state, counted(found)) == ("partly-failed", {"written": 1, "failed": 1})
        assert found.finished_at == job.finished_at
        assert (await scene.works.piece(TENANT, job.id, 2)).trouble is not None


async def test_texts_are_deleted_when_their_time_is_over(database: Database) -> None:
    async with an_office(database) as scene:
        kept, old = await scene.done(pieces(2)), await scene.done(pieces(2, first=3))
        async with database.begin() as connection:
            await connection.execute(
                text("UPDATE job SET finished_at = finished_at - interval '1 hour' WHERE id = :id"),
                {"id": old.id},
            )
            await connection.execute(text("UPDATE content_output SET at = at - interval '1 hour'"))
        sweeping = Sweeping(database, scene.desk, rules=lambda: {TENANT: 600.0, "other": None})

        assert kept.finished_at is not None
        await sweeping.sweep(kept.finished_at)

        assert [job.id for job in await scene.works.jobs(TENANT)] == [kept.id]
        assert await count(database, "SELECT count(*) FROM content_output") == 2
        assert await count(database, "SELECT count(*) FROM job") == 1


async def test_a_job_is_deleted_with_its_texts_and_not_before_it_is_over(database: Database) -> None:
    async with an_office(database) as scene:
        shared, job = await scene.done(pieces(1)), await scene.start(pieces(2))
        with pytest.raises(Conflict, match="not over"):
            await scene.works.drop(TENANT, job.id)
        async with scene.workers():
            await scene.over(job.id)

        await scene.works.drop(TENANT, job.id)

        with pytest.raises(NotFound):
            await scene.works.job(TENANT, job.id)
        assert await count(database, "SELECT count(*) FROM content_output") == 1
        assert counted(await scene.done(pieces(2))) == {"written": 1, "reused": 1}
        assert counted(await scene.works.job(TENANT, shared.id)) == {"written": 1}


async def test_cancelled_pieces_stay_queued_and_nothing_is_held(database: Database) -> None:
    async with an_office(database) as scene:
        job = await scene.start(pieces(3))
        await scene.desk.cancel(TENANT, job.id)

        found = await scene.works.job(TENANT, job.id)

        assert (found.state, counted(found)) == ("cancelled", {"queued": 3})


async def test_pieces_that_cannot_be_worked_on_are_refused_at_once(database: Database) -> None:
    wrong: list[tuple[list[Piece], str]] = [
        ([], "no_pieces"),
        ([Piece("a", "x"), Piece(" a ", "y")], "key_repeated"),
        ([Piece("", "x")], "key_wrong"),
        ([Piece("a", "  \n")], "piece_empty"),
        ([Piece("a", "x", language="french")], "language_unknown"),
        ([Piece("a", "x" * 101)], "piece_too_long"),
        ([Piece(str(number), "x") for number in range(6)], "too_many_pieces"),
    ]
    async with an_office(database) as scene:
        assert scene.tenant.content is not None
        tenant = replace(scene.tenant, content=replace(scene.tenant.content, pieces=5, characters=100))

        for given, code in wrong:
            with pytest.raises((BadRequest, TooLarge)) as refused:
                await scene.works.start(tenant, Wanted(RECIPE, given))
            assert refused.value.code == code

        assert await count(database, "SELECT count(*) FROM job") == 0


async def test_a_recipe_that_needs_a_model_is_refused_where_there_is_none(database: Database) -> None:
    async with an_office(database) as scene:
        configuration = {
            "backends": {"offline": {"kind": "builtin"}},
            "models": {"assistant": {"targets": [{"backend": "offline", "model": "extractive"}]}},
            "tenants": {TENANT: {"models": {"default": "assistant"}}},
        }
        scene.gateway.publish(configuration)

        with pytest.raises(BadRequest) as refused:
            await scene.start(pieces(1))
        estimate = await scene.works.estimate(scene.tenant, Wanted("seo-fr", pieces(3)))

        assert refused.value.code == "recipe_needs_model"
        assert estimate.cost is not None
        assert (estimate.cost.value, estimate.calls.value, len(estimate.notes)) == (0, 0, 1)


async def test_a_tenant_without_content_is_refused(database: Database) -> None:
    async with an_office(database) as scene:
        with pytest.raises(Forbidden) as refused:
            await scene.works.start(replace(scene.tenant, content=None), Wanted(RECIPE, pieces(1)))

        assert refused.value.code == "content_off"
        with pytest.raises(Unavailable):
            await scene.start([], documents=[("livret", "doc_1")])


async def test_jobs_are_listed_page_by_page(database: Database) -> None:
    async with an_office(database) as scene:
        ids = [(await scene.start(pieces(1, first=number))).id for number in range(1, 4)]

        first = await scene.works.jobs(TENANT, most=2)
        rest = await scene.works.jobs(TENANT, before=first[-1].id)

        assert [job.id for job in [*first, *rest]] == ids[::-1]
        with pytest.raises(BadRequest, match="Begin again"):
            await scene.works.jobs(TENANT, before="job_gone")


async def test_every_piece_of_a_long_job_is_given(database: Database) -> None:
    async with an_office(database) as scene:
        job = await scene.start(pieces(450))

        numbers = [each.number async for each in scene.works.every(TENANT, job.id)]

        assert numbers == list(range(1, 451))


async def test_erasing_a_tenant_stops_its_jobs_and_leaves_nothing(database: Database) -> None:
    async with an_office(database) as scene:
        await scene.kitchen.set_brand(TENANT, Brand(tone="Sobre"), by="k")
        await scene.done(pieces(2))
        other = await made(database, 1, tenant="other")
        job = await scene.start(pieces(2, first=7))

        assert await scene.deciding.erase(TENANT) == 4

        for table in ("piece", "job", "output", "recipe", "brand", "choice", "version"):
            assert await count(database, f"SELECT count(*) FROM content_{table}") == 0
        assert [each.id for each in await scene.desk.list("other")] == [other]
        with pytest.raises(NotFound):
            await scene.desk.look(TENANT, job.id)
