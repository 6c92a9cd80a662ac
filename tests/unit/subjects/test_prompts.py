"""Prompts and answers are kept where a tenant says why and until when, sealed, and no call waits or fails for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.domain.privacy import PromptLog
from passerelle.stores.database import Database
from passerelle.subjects.prompts import LOST, WRITTEN, Prompts
from passerelle.subjects.prompts_store import Prompt, PromptStore, last_moment
from passerelle.subjects.prompts_text import MOST
from passerelle.subjects.pseudonyms import Pseudonyms
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import PEPPER, Served, one_backend, serving
from tests.unit.subjects.seals import Seals

ANNA = "anna@example.org"
LOG = {"purpose": "quality review", "keep": "7d", "until": "2099-12-31"}
WORDS = [{"role": "user", "content": "Où est la canne?"}]


@dataclass
class Kept:
    """A gateway whose prompts are kept."""

    served: Served
    engine: OpenAiLike
    prompts: Prompts
    store: PromptStore
    told: list[tuple[str, str, int]]
    seals: Seals

    async def ask(self, path: str = "/v1/chat/completions", **said: Any) -> int:
        body = {"model": "assistant", **({"messages": WORDS} if "chat" in path else {}), **said}
        async with self.served.client() as client, client.post(path, json=body) as reply:
            await reply.read()
            return reply.status

    async def written(self, count: int = 1) -> list[Prompt]:
        await self.served.until(lambda: len(self.told) >= count)
        return list(await self.store.listed("acme"))


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="Dans le placard.") as engine:
        yield engine


@asynccontextmanager
async def keeping(
    engine: OpenAiLike, database: Database, *, log: dict[str, Any] | None = LOG, writes: bool = True
) -> AsyncIterator[Kept]:
    configuration = one_backend("openai", engine.url, model=engine.model)
    configuration["models"]["embedder"] = {  # type: ignore[index]
        "task": "embed",
        "targets": [{"backend": "engine", "model": engine.model}],
    }
    configuration["tenants"] = {"acme": {"privacy": {"log_prompts": log}} if log else {}}
    seals, told = Seals(), list[tuple[str, str, int]]()
    store = PromptStore(database, seals)
    prompts = Prompts(store, told=lambda *said: told.append(said))
    async with serving(configuration, prompts=prompts) as served:
        task = asyncio.ensure_future(prompts.run()) if writes else None
        try:
            yield Kept(served, engine, prompts, store, told, seals)
        finally:
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
            await prompts.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_asked_and_answered_is_kept(
    engine: OpenAiLike,
    database: Database,
    stream: bool,
) -> None:
    async with keeping(engine, database) as kept:
        assert await kept.ask(user=ANNA, stream=stream) == 200
        (found,) = await kept.written()
    assert found.content == {
        "route": "chat/completions",
        "asked": [{"role": "user", "text": "Où est la canne?"}],
        "answered": [{"role": "assistant", "text": "Dans le placard."}],
        "cut": False,
    }
    assert found.subject == Pseudonyms(PEPPER).of("acme", ANNA)
    assert (found.model, found.backend) == ("assistant", "engine")
    assert found.ends_at - found.at == timedelta(days=7)


async def test_other_routes_are_kept_too_without_vectors(engine: OpenAiLike, database: Database) -> None:
    async with keeping(engine, database) as kept:
        assert await kept.ask("/v1/completions", prompt="Il était") == 200
        assert await kept.ask("/v1/embeddings", model="embedder", input=["un", "deux"]) == 200
        vectors, completed = await kept.written(2)
    assert completed.content is not None
    assert vectors.content is not None
    assert completed.content["asked"] == [{"text": "Il était"}]
    assert completed.content["answered"] == [{"text": "Dans le placard."}]
    assert vectors.content["asked"] == [{"text": "un"}, {"text": "deux"}]
    assert vectors.content["answered"] == []


async def test_nothing_is_kept_unless_the_tenant_says_so(engine: OpenAiLike, database: Database) -> None:
    for log in (None, {**LOG, "until": "2020-01-01"}):
        async with keeping(engine, database, log=log) as kept:
            assert await kept.ask() == 200
        assert (kept.told, list(await kept.store.listed("acme"))) == ([], [])


async def test_the_table_holds_no_word_of_it(engine: OpenAiLike, database: Database) -> None:
    async with keeping(engine, database) as kept:
        await kept.ask(user=ANNA)
        await kept.written()
    async with database.begin() as connection:
        rows = str((await connection.execute(text("SELECT * FROM prompt_log"))).all())
    assert "canne" not in rows
    assert "placard" not in rows
    assert "anna" not in rows


async def test_a_long_stream_is_cut_and_says_so(database: Database) -> None:
    async with (
        OpenAiLike(OPENAI, answer="mot " * 90_000) as engine,
        keeping(engine, database) as kept,
    ):
        assert await kept.ask(stream=True) == 200
        (found,) = await kept.written()
    assert found.content is not None
    (answered,) = found.content["answered"]
    assert 1_000 < len(answered["text"]) <= MOST
    assert found.content["cut"] is True


async def test_calls_go_on_while_nothing_can_be_written_and_what_is_lost_is_counted(
    engine: OpenAiLike, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.subjects.prompts._PAUSES", ())
    monkeypatch.setattr("passerelle.subjects.prompts._MOST_WAITING", 2)
    async with keeping(engine, database, writes=False) as kept:
        kept.seals.away = True
        for _ in range(4):
            assert await kept.ask() == 200
        assert kept.told == [("acme", LOST, 1)] * 2
    assert kept.told == [("acme", LOST, 1)] * 4


async def test_what_waits_is_written_when_the_process_ends(engine: OpenAiLike, database: Database) -> None:
    async with keeping(engine, database, writes=False) as kept:
        await kept.ask()
    assert kept.told == [("acme", WRITTEN, 1)]
    assert len(await kept.store.listed("acme")) == 1


async def test_a_destroyed_key_loses_what_comes_and_opens_nothing_that_is_kept(
    engine: OpenAiLike, database: Database
) -> None:
    async with keeping(engine, database) as kept:
        await kept.ask()
        await kept.written()
        kept.seals.destroyed.add("acme")
        await kept.ask()
        (found,) = await kept.written(2)
    assert found.content is None
    assert kept.told == [("acme", WRITTEN, 1), ("acme", LOST, 1)]


async def test_each_goes_when_its_end_comes_or_when_its_tenant_says_less(
    engine: OpenAiLike, database: Database
) -> None:
    async with keeping(engine, database) as kept:
        await kept.ask()
        (found,) = await kept.written()
    store, log = kept.store, PromptLog("quality review", 7 * 86_400.0, datetime(2099, 12, 31).date())  # noqa: DTZ001
    shorter = PromptLog("quality review", 60.0, log.until)
    soon = found.at + timedelta(seconds=61)
    assert await store.forget(soon, {"acme": log, "rival": None}) == 0
    assert await store.forget(soon, {"acme": shorter}) == 1
    assert await store.listed("acme") == []


async def test_nothing_outlives_the_last_day(engine: OpenAiLike, database: Database) -> None:
    today = datetime.now(UTC).date()
    async with keeping(engine, database, log={**LOG, "until": today.isoformat()}) as kept:
        await kept.ask()
        found = await kept.written()
    for each in found:  # none, where midnight came between
        assert each.ends_at <= last_moment(PromptLog("", 0.0, today))


async def test_a_persons_are_found_page_by_page_and_erased(engine: OpenAiLike, database: Database) -> None:
    async with keeping(engine, database) as kept:
        for user in (ANNA, ANNA, ANNA, "boris"):
            await kept.ask(user=user)
        found = await kept.written(4)
    anna = found[-1].subject
    first = await kept.store.listed("acme", subject=anna, most=2)
    rest = await kept.store.listed("acme", subject=anna, before=first[-1].id)
    assert [each.id for each in (*first, *rest)] == [each.id for each in found if each.subject == anna]
    assert len([each async for each in kept.store.all_of("acme", anna)]) == 3
    assert await kept.store.count("acme", anna) == 3
    assert await kept.store.erase("acme", anna) == 3
    assert await kept.store.wipe("acme") == 1
    assert await kept.store.oldest("acme") is None


@pytest.mark.parametrize(
    ("deed", "whose", "kept"),
    [("erase", ANNA, 0), ("erase", "boris", 1), ("wipe", None, 0), ("export", ANNA, 1)],
)
async def test_of_a_person_who_is_erased_while_a_call_runs_nothing_is_kept_after_it(
    engine: OpenAiLike, database: Database, deed: str, whose: str | None, kept: int
) -> None:
    subject = None if whose is None else Pseudonyms(PEPPER).of("acme", whose)
    async with keeping(engine, database) as found:
        store = found.store
        keep = store.keep

        async def late(entries: Any) -> Any:
            async with database.begin() as connection:
                await connection.execute(
                    text(
                        "INSERT INTO privacy_request (id, tenant, subject, deed, due_at) "
                        "VALUES ('privacy_1', 'acme', :subject, :deed, clock_timestamp())"
                    ),
                    {"subject": subject, "deed": deed},
                )
            return await keep(entries)

        store.keep = late  # type: ignore[method-assign]
        assert await found.ask(user=ANNA) == 200
        assert len(await found.written()) == kept
