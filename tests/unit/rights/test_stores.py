"""Every store finds, hands out and deletes what is a person's, and touches nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.cache.people import Kept as CacheHolding
from passerelle.cache.secrets import Secrets
from passerelle.cache.shelf import Shelf
from passerelle.domain.errors import Unavailable
from passerelle.domain.privacy import Subject
from passerelle.domain.survey_data import Answer
from passerelle.idempotency.people import Repeats
from passerelle.jobs.desk import Desk
from passerelle.jobs.people import Jobs
from passerelle.ledger.people import Outbound
from passerelle.pipelines.enrichment.deciding import Decisions
from passerelle.pipelines.enrichment.desk import Office as TextsOffice
from passerelle.pipelines.enrichment.people import Texts
from passerelle.pipelines.rag.people import Conversations
from passerelle.pipelines.surveys.people import Corrections, Means, Surveys
from passerelle.sealing.values import Unsealed
from passerelle.stores.database import Database
from passerelle.tenancy.people import KeyNames
from tests.redis_server import RedisServer
from tests.unit.cache.entries import PEPPER, TENANT, kept, member
from tests.unit.jobs.scene import items, made
from tests.unit.pipelines.surveys.archive_scene import read_here
from tests.unit.pipelines.surveys.archive_scene import scene as archive
from tests.unit.rights.scene import PSEUDONYMS

__all__ = ["read_here"]

ANA, BOB = "ana@example.org", "bob"
ME = Subject("acme", "", PSEUDONYMS.of("acme", ANA))
HIM = Subject("acme", "", PSEUDONYMS.of("acme", BOB))


async def _sql(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.begin() as connection:
        result = await connection.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def _talk(database: Database, name: str, user: str, tenant: str = "acme") -> None:
    await _sql(
        database,
        'INSERT INTO rag_conversation (id, tenant, collection, key_id, "user", ends_at) '
        "VALUES (:id, :tenant, 'faq', 'key_1', :user, clock_timestamp() + interval '1 day')",
        id=name, tenant=tenant, user=user,
    )  # fmt: skip
    for number in (1, 2):
        await _sql(
            database,
            "INSERT INTO rag_answer (id, tenant, collection, key_id, model, citations, supported, cost, seconds, "
            "conversation, number, question, answer) VALUES (:id, :tenant, 'faq', 'key_1', 'm', 0, 0, '0', '{}', "
            ":name, :number, 'Where?', 'There.')",
            id=f"{name}-{number}", tenant=tenant, name=name, number=number,
        )  # fmt: skip


async def test_conversations_are_found_by_name_and_by_pseudonym_and_their_figures_stay(
    database: Database,
) -> None:
    for name, user, tenant in (
        ("c1", ANA, "acme"),
        ("c2", ME.pseudonym, "acme"),
        ("c3", BOB, "acme"),
        ("c4", ANA, "x"),
    ):
        await _talk(database, name, user, tenant)

    async def erase(tenant: str) -> int:
        return len(
            await _sql(database, "DELETE FROM rag_conversation WHERE tenant = :t RETURNING id", t=tenant)
        )

    holding = Conversations(database, PSEUDONYMS.of, erase, Unsealed())
    assert (await holding.find(ME)).counts == {"conversations": 2, "answers": 4}
    rows = [row async for row in holding.export(ME)]
    assert [row["conversation"] for row in rows] == ["c1", "c2"]
    assert rows[0]["turns"][1]["answer"] == "There."
    assert (await holding.erase(ME)).counts == {"conversations": 2}
    assert (await holding.find(ME)).total == 0
    assert (await holding.erase(ME)).total == 0
    assert (await holding.find(HIM)).counts["conversations"] == 1
    told = await _sql(database, "SELECT count(*), count(question) FROM rag_answer WHERE tenant = 'acme'")
    assert tuple(told[0]) == (6, 2), "figures without words"
    assert (await holding.wipe("acme")).counts["conversations"] == 1
    assert (await holding.held("acme")).counts["conversations"] == 0
    assert (await holding.held("x")).total


async def test_items_of_jobs_about_a_person_are_emptied_and_waiting_ones_are_cancelled(
    database: Database,
) -> None:
    mine = await made(database, [*items(1), *items(1, ANA.removesuffix("1"), said="x")], kind="content")
    named = await made(database, items(2, "n", user=ME.pseudonym))
    own = await made(database, items(1, "p", user=ME.pseudonym), kind="privacy-erase")
    await _sql(
        database, "UPDATE job_item SET key = :key WHERE job_id = :job AND number = 2", key=ANA, job=mine
    )
    holding = Jobs(database, PSEUDONYMS.of)
    assert (await holding.find(ME)).counts == {"jobs": 0, "items": 3}
    assert len([row async for row in holding.export(ME)]) == 3
    assert (await holding.erase(ME)).counts["items"] == 3
    assert (await holding.find(ME)).total == 0
    for job in (mine, named):
        assert ANA not in repr(await Desk(database).items("acme", job))
    told = await _sql(
        database, "SELECT data::text FROM job_event WHERE job_id = ANY(:jobs)", jobs=[mine, named]
    )
    assert ANA not in repr(told)
    assert ME.pseudonym not in repr(told)
    progress = (await Desk(database).look("acme", named)).progress
    assert (progress.cancelled, progress.queued) == (2, 0)
    assert (await holding.held("acme")).counts == {"jobs": 2, "items": 4}
    await holding.wipe("acme")
    assert [job.id for job in await Desk(database).list("acme")] == [own], "who does it, goes on"


async def test_an_item_under_way_is_waited_for(database: Database) -> None:
    job = await made(database, items(1, "n", user=ME.pseudonym))
    await _sql(
        database,
        "UPDATE job_item SET state = 'running', claim = 'c', leased_until = clock_timestamp() WHERE job_id = :job",
        job=job,
    )
    with pytest.raises(Unavailable):
        await Jobs(database, PSEUDONYMS.of).erase(ME)


async def test_keys_lose_a_persons_name_and_a_wiped_tenants_are_revoked(database: Database) -> None:
    for name, tenant in ((ANA, "acme"), (BOB, "acme"), (ANA, "other")):
        await _sql(
            database,
            "INSERT INTO api_key (id, tenant, role, name, digest, hint) "
            "VALUES (:id, :tenant, 'member', :name, sha256(convert_to(:id, 'UTF8')), 'h')",
            id=f"{name}-{tenant}", tenant=tenant, name=name,
        )  # fmt: skip
    holding = KeyNames(database, PSEUDONYMS.of)
    assert (await holding.find(ME)).total == 1
    await holding.erase(ME)
    assert (await holding.find(ME)).total == 0
    assert not await _sql(database, "SELECT id FROM api_key WHERE revoked_at IS NOT NULL")
    assert (await holding.wipe("acme")).total == 2
    assert (await holding.held("acme")).total == 0
    live = await _sql(database, "SELECT name FROM api_key WHERE revoked_at IS NULL")
    assert [row.name for row in live] == [ANA], "another tenant's"


async def test_events_for_webhooks_go_with_the_person_or_with_the_tenant(database: Database) -> None:
    for number, (tenant, name) in enumerate((("acme", ME.pseudonym), ("acme", "x"), ("other", ME.pseudonym))):
        await _sql(
            database,
            "INSERT INTO ledger_outbox (event_id, webhook, event, tenant, payload) "
            "VALUES (:id, 'w', 'budget', :tenant, CAST(:payload AS jsonb))",
            id=str(number), tenant=tenant, payload=json.dumps({"who": name}),
        )  # fmt: skip
    holding = Outbound(database)
    assert (await holding.find(ME)).total == 1 == len([row async for row in holding.export(ME)])
    assert (await holding.erase(ME)).total == 1
    assert (await holding.find(ME)).total == 0
    assert (await holding.wipe("acme")).total == 1
    assert (await holding.held("other")).total == 1


async def test_answers_to_repeats_say_why_none_is_found_and_go_with_their_tenant(database: Database) -> None:
    await _sql(
        database,
        "INSERT INTO idempotency_answers (digest, tenant, fingerprint, state, holder, leased_until, expires_at, sealed) "
        "VALUES (sha256('a'), 'acme', 'f', 'kept', 'h', clock_timestamp(), clock_timestamp() + interval '1 day', 's')",
    )
    holding = Repeats(database)
    found = await holding.find(ME)
    assert found.total == 0
    assert "24 hours" in found.note
    assert await holding.oldest("acme") is not None
    assert (await holding.wipe("acme")).total == 1
    assert (await holding.held("acme")).total == 0


async def test_texts_are_found_by_their_key_with_what_was_written_and_their_history(
    database: Database,
) -> None:
    await _sql(
        database,
        "INSERT INTO content_job (id, tenant, recipe, brand, model) VALUES ('j', 'acme', '{}', '{}', 'm')",
    )
    for number, key in ((1, ANA), (2, BOB)):
        await _sql(
            database,
            "INSERT INTO content_piece (job, number, tenant, key, piece, digest) "
            "VALUES ('j', :number, 'acme', :key, '{}', convert_to(:key, 'UTF8'))",
            number=number, key=key,
        )  # fmt: skip
        await _sql(
            database,
            "INSERT INTO content_output (tenant, digest, recipe, model, characters, written) "
            "VALUES ('acme', convert_to(:key, 'UTF8'), 'r', 'm', 3, '{}')",
            key=key,
        )
        await _sql(
            database,
            "INSERT INTO content_version (tenant, key, field, number, value) VALUES ('acme', :key, 'text', 1, '\"a\"')",
            key=key,
        )
    desk = Desk(database)
    office = TextsOffice(None, None, Decisions(database, desk))  # type: ignore[arg-type]
    holding = Texts(database, PSEUDONYMS.of, office)
    assert (await holding.find(ME)).counts == {"texts": 1, "versions": 1}
    await holding.erase(ME)
    assert (await holding.find(ME)).total == 0
    assert (await holding.find(HIM)).total == 2
    assert len(await _sql(database, "SELECT 1 FROM content_output")) == 1
    assert (await holding.wipe("acme")).counts["texts"] == 1
    assert (await holding.held("acme")).total == 0


SURVEY = "Date;Identifiant client;NPS;Commentaire\n" + "".join(
    f"0{index % 9 + 1}/03/2026;{ANA if index in (3, 7) else f'c{index % 5}'};{index % 11};"
    f"Le cours {index} était vraiment très bien fait et utile.\n"
    for index in range(30)
)
COLUMNS = {
    "Date": {"role": "date"},
    "Identifiant client": {"role": "segment"},
    "NPS": {"role": "nps"},
    "Commentaire": {"role": "comment"},
}


async def _worked_on(database: Database, survey: str, comment: str) -> None:
    """Corrections and a theme of a comment, and of others."""
    await _sql(
        database,
        "INSERT INTO survey_correction (id, tenant, codebook, version, revision, text, language, survey, comment) "
        "VALUES ('k1', 'acme', 'grid', 1, 1, 'Le cours 3', 'fr', :survey, :comment), "
        "('k2', 'acme', 'grid', 1, 2, 'Le cours 4', 'fr', :survey, 'other')",
        survey=survey, comment=comment,
    )  # fmt: skip
    theme = {
        "name": "n",
        "keywords": [],
        "comments": [comment, "x"],
        "quotes": [[comment, "Le cours"]],
        "cohesion": 0.5,
    }
    await _sql(
        database,
        "INSERT INTO survey_theme (id, tenant, survey, theme, size) VALUES ('t', 'acme', :s, CAST(:theme AS jsonb), 2)",
        s=survey, theme=json.dumps(theme),
    )  # fmt: skip


@pytest.mark.usefixtures("read_here")
async def test_answers_are_found_by_their_id_and_by_who_answered_with_all_that_was_made_of_them(
    database: Database,
) -> None:
    here = archive(database)
    survey = await here.read(SURVEY.encode(), columns=COLUMNS)
    answers: list[Answer] = await here.answers(survey)
    first = next(each for each in answers if "cours 3 " in each.comments[0].text)
    comment = first.comments[0].id
    dropped: list[str] = []

    async def drop_index(tenant: str, codebook: str) -> None:
        dropped.append(codebook)

    await _worked_on(database, survey.id, comment)
    means = Means(
        database,
        PSEUDONYMS.of,
        here.filing.answers,
        here.collections.library,
        here.removing.erase,
        drop_index,
    )
    surveys, corrections = Surveys(means), Corrections(means)
    assert (await surveys.find(ME)).counts == {"answers": 2, "comments": 2, "readings": 0}
    assert (await corrections.find(ME)).total == 1
    rows = [row async for row in surveys.export(ME)]
    assert {row["segments"]["Identifiant client"] for row in rows} == {ANA}
    assert rows[0]["comments"]
    by_id = Subject("acme", "", PSEUDONYMS.of("acme", answers[0].id))
    assert (await surveys.find(by_id)).counts["answers"] == 1
    await corrections.erase(ME)
    await surveys.erase(ME)
    assert (await surveys.find(ME)).total == 0 == (await corrections.find(ME)).total
    assert dropped == ["grid"]
    left = await here.answers(survey)
    assert len(left) == 28
    assert ANA not in repr(left)
    kept_ = await _sql(database, "SELECT text, revoked_revision, revision FROM survey_correction ORDER BY id")
    assert [tuple(row) for row in kept_] == [("", 1, 1), ("Le cours 4", None, 2)]
    themes = await _sql(database, "SELECT theme, size FROM survey_theme")
    assert themes[0].theme["comments"] == ["x"]
    assert not themes[0].theme["quotes"]
    assert themes[0].size == 1
    assert (await surveys.wipe("acme")).counts["answers"] == 28
    assert (await surveys.held("acme")).total == 0


class _Cache:
    """The cache as its caretaker has it, on one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def about(self, tenant: str, user: str | None) -> tuple[int, int]:
        return await self.shelf.about(tenant, user)

    async def forget(self, tenant: str, user: str) -> int:
        return await self.shelf.purge(tenant, subject=user)

    async def purge(self, tenant: str, what: Any) -> int | None:
        return await self.shelf.purge(tenant, everything=True)


@pytest.fixture(params=["alone", "redis"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    from passerelle.stores.redis import Redis

    redis = None
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("one_redis")
        redis = Redis(server.url, timeout=20)
    made_ = Shelf(Secrets(PEPPER), redis, patience=20)
    await made_.start()
    yield made_
    await made_.aclose()
    if redis is not None:
        await redis.aclose()


async def test_answers_and_questions_in_the_cache_are_counted_apart_and_go_together(shelf: Shelf) -> None:
    questions = [member(1, subjects=("me",)), member(2, subjects=("him",), cluster=kept(2).id)]
    shelf.keep(kept(1, subjects=("me",)))
    shelf.keep(kept(2, subjects=("him",)))
    for each in questions:
        shelf.save(each)
    await shelf.settled()
    me = Subject(TENANT, "", "me")
    exact, semantic = (CacheHolding(_Cache(shelf), semantic=each) for each in (False, True))
    assert (await exact.find(me)).counts == {"answers": 1}
    assert (await semantic.find(me)).counts == {"questions": 1}
    assert (await exact.held(TENANT)).counts == {"answers": 2}
    await exact.erase(me)
    assert (await exact.find(me)).total == 0 == (await semantic.find(me)).total
    assert (await semantic.held(TENANT)).total == 1
    await semantic.wipe(TENANT)
    assert (await exact.held(TENANT)).total == 0 == (await semantic.held(TENANT)).total
