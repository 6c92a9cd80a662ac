"""What a cache costs and saves, from the path to the ledger in PostgreSQL and the report of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import openai
import pytest
from sqlalchemy import text

from passerelle.accounting import Accounting, open_accounting
from passerelle.domain.calendar import Month
from passerelle.domain.money import PICO
from passerelle.ledger.book import verify
from passerelle.reports.build import build
from passerelle.reports.check import recompute
from passerelle.reports.document import Report
from passerelle.reports.read import read
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder
from passerelle.telemetry.metrics import Metrics
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import KEY, Served, catalog_of, one_backend, serving

_UTC = ZoneInfo("UTC")
_CHAT = {"input_per_million": 1_000_000, "output_per_million": 1_000_000, "currency": "EUR"}
_VECTORS = {"input_per_million": 10_000, "output_per_million": 0, "currency": "EUR"}
_MOST = 80  # tokens, and as many euros


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="The capital of France is Paris.") as engine:
        yield engine


def _configuration(engine: OpenAiLike, tenant: dict[str, Any]) -> dict[str, Any]:
    configuration: dict[str, Any] = one_backend("openai", engine.url, model=engine.model, cost=_CHAT)
    configuration["operator"] = {"name": "Operator", "currency": "EUR", "time_zone": "UTC"}
    configuration["backends"]["vectors"] = {"kind": "openai", "url": engine.url, "cost": _VECTORS}
    targets = [{"backend": "vectors", "model": engine.model}]
    configuration["models"]["embedder"] = {"task": "embed", "targets": targets}
    configuration["tenants"] = {"acme": tenant}
    return configuration


@asynccontextmanager
async def _served(
    engine: OpenAiLike, database: Database, folder: Path, **tenant: Any
) -> AsyncIterator[tuple[Served, Accounting]]:
    """A gateway whose books are those of a process; once the block ends all of them are in the database."""
    configuration = _configuration(engine, {"cache": True, **tenant})
    async with AsyncExitStack() as stack:
        accounting = await open_accounting(
            stack,
            folder=DataFolder(folder),
            database=database,
            catalog=catalog_of(configuration, environment={}, models=Path("unused")),
            metrics=Metrics(),
            key_names={},
            sync_seconds=0.05,
        )
        served = await stack.enter_async_context(serving(configuration, books=accounting.books))
        yield served, accounting


async def _ask(http: aiohttp.ClientSession, question: str, **more: Any) -> Any:
    body = {"model": "assistant", "messages": [{"role": "user", "content": question}], **more}
    async with http.post("/v1/chat/completions", json=body) as reply:
        await reply.read()
        assert reply.status == 200, await reply.text()
        return reply.headers


async def _report(database: Database) -> Report:
    month = Month.of(datetime.now(UTC), _UTC)
    rows = await read(database, tenant="acme", month=month, zone=_UTC)
    report = build(rows, tenant="acme", operator="Operator", currency="EUR", month=month, zone=_UTC,
                   now=datetime.now(UTC), closed=False)  # fmt: skip
    assert await recompute(database, report) == []
    assert await verify(database) == []
    return report


async def _tries(database: Database) -> list[Any]:
    async with database.begin() as connection:
        return list(await connection.execute(text("SELECT * FROM ledger_attempts ORDER BY began_at")))


async def test_the_embeddings_of_a_cache_are_one_record_that_adds_up(
    engine: OpenAiLike, database: Database, tmp_path: Path
) -> None:
    cache = {"semantic": {"max_error_rate": 0.05, "embedder": "embedder"}}
    async with (
        _served(engine, database, tmp_path, cache=cache) as (served, _),
        served.client() as http,
    ):
        for question in ("Who wrote Hamlet?", "Where is Lyon?", "How does a heat pump work?"):
            await _ask(http, question)
            assert served.remembering.opened is not None
            await served.remembering.opened.keeper.idle()
        embedded = [each for each in engine.requests if each.path.endswith("/embeddings")]

    tries = await _tries(database)
    ours = [each for each in tries if each.use == "cache-embed"]
    report = await _report(database)
    used = sum(each.usage["prompt_tokens"] for each in ours)
    by_use = {part.name: part for part in report.by["use"]}
    assert len(embedded) >= 3
    assert 1 <= len(ours) <= 2  # the next one where a minute ends meanwhile
    assert {each.outcome for each in ours} == {"answered"}
    assert report.totals.requests == 3
    assert by_use["cache-embed"].input_tokens == used > 0
    assert report.totals.cache_cost == by_use["cache-embed"].billed == used * PICO // 100
    assert report.totals.saved_net == -report.totals.cache_cost


async def test_a_kept_answer_is_charged_nothing_and_says_what_it_saved(
    engine: OpenAiLike, database: Database, tmp_path: Path
) -> None:
    question: Any = {
        "model": "assistant",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    async with _served(engine, database, tmp_path) as (served, _):
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0)
        async with client:
            first = await client.chat.completions.create(**question)
            again = await client.chat.completions.create(
                **question, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in again]
            quiet = [chunk async for chunk in await client.chat.completions.create(**question, stream=True)]

    assert first.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.model_dump() == first.usage.model_dump()
    assert not any(chunk.usage for chunk in quiet)
    asked, *hits = await _tries(database)
    report = await _report(database)
    assert [each.outcome for each in (asked, *hits)] == ["answered", "cached", "cached"]
    assert all(each.served and each.payer == "tenant:acme" for each in hits)
    total = first.usage.total_tokens
    assert report.totals.billed == total * PICO
    assert report.totals.saved == report.totals.saved_net == 2 * total * PICO
    assert (report.totals.requests, report.totals.cache_hits, report.totals.cache_cost) == (3, 2, 0)
    assert len(engine.requests) == 1


async def test_hits_use_neither_the_budget_nor_tokens_a_minute(
    engine: OpenAiLike, database: Database, tmp_path: Path
) -> None:
    # Of each there is enough for one call, and not for another one after it.
    tenant = {
        "budget": {"amount": _MOST, "currency": "EUR", "on_exceed": "block"},
        "limits": {"tpm": _MOST},
    }
    async with _served(engine, database, tmp_path, **tenant) as (served, accounting), served.client() as http:
        await _ask(http, "What is the capital of France?", max_tokens=20)
        acme = served.editions.catalog.tenants["acme"]
        left = 0
        (before,) = accounting.budgets.state(acme, now=int(time() * 1000))
        for stream in (False, True) * 5:
            headers = await _ask(http, "What is the capital of France?", max_tokens=20, stream=stream)
            assert headers["x-passerelle-cache"] == "hit"
            assert stream or headers["x-passerelle-cost"] == "0 EUR"
            left, last = int(headers["x-ratelimit-remaining-tokens"]), left
            assert left >= last
        (after,) = accounting.budgets.state(acme, now=int(time() * 1000))
        messages = [{"role": "user", "content": "What is the capital of Spain?"}]
        body = {"model": "assistant", "messages": messages, "max_tokens": 20}
        async with http.post("/v1/chat/completions", json=body) as refused:
            assert refused.status == 429

    assert after == before
    assert before.pending == 0
    report = await _report(database)
    assert report.totals.cache_hits == 10
    assert report.totals.billed == before.spent > 0
    assert report.totals.saved == 10 * before.spent
