"""Questions that mean the same, through the whole path: what is learned, given, checked, doubted and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from passerelle.cache.opening import Opened
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.models import shared_models
from tests.serving import Served, one_backend, serving

_PATH = "/v1/chat/completions"
_ANSWER = "Open the settings, choose Security, and follow the link to set a new password."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_models(tmp_path_factory)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine finds as much as an idle one."""
    monkeypatch.setattr("passerelle.cache.visit.DEADLINE", 5.0)


@asynccontextmanager
async def _served(engine: OpenAiLike, models: Path, **semantic: Any) -> AsyncIterator[Served]:
    configuration = one_backend("openai", engine.url, model=engine.model)
    configuration["tenants"] = {"acme": {"cache": {"semantic": {"max_error_rate": 0.05, **semantic}}}}
    async with serving(configuration, models=models) as served:
        opened = await served.remembering.open()
        # The model is loaded by its first text, which may take longer than a look may.
        embedding = opened.commons.semantics.embedding(served.editions.catalog.tenants["acme"])
        assert embedding is not None
        await embedding.vector("warm")
        yield served


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer=_ANSWER) as engine:
        yield engine


async def _ask(http: aiohttp.ClientSession, question: str, **more: Any) -> Any:
    body = {"model": "assistant", "messages": [{"role": "user", "content": question}], **more}
    async with http.post(_PATH, json=body) as reply:
        await reply.read()
        assert reply.status == 200
        return reply.headers


def _opened(served: Served) -> Opened:
    assert served.remembering.opened is not None
    return served.remembering.opened


async def test_a_question_that_means_the_same_is_answered_with_what_was_kept(
    engine: OpenAiLike, models: Path
) -> None:
    async with _served(engine, models) as served, served.client() as http:
        first = await _ask(http, "How do I reset my password?")
        await _opened(served).keeper.idle()
        second = await _ask(http, "How do I reset my password")

    assert first["x-passerelle-cache"] == "miss"
    assert first["x-passerelle-cache-reason"] == "no-neighbour"
    assert second["x-passerelle-cache"] == "semantic-hit"
    assert second["x-passerelle-cache-id"].startswith("ca_")


@pytest.mark.parametrize(
    "other",
    [
        "How do I not reset my password?",
        "How do I reset my password 2 times?",
        "How do I reset my username?",
    ],
)
async def test_one_word_that_matters_is_asked_again(engine: OpenAiLike, models: Path, other: str) -> None:
    async with _served(engine, models) as served, served.client() as http:
        await _ask(http, "How do I reset my password?")
        await _opened(served).keeper.idle()
        headers = await _ask(http, other)

    assert headers["x-passerelle-cache"] == "miss"


async def test_first_answers_are_all_asked_again_and_counted(engine: OpenAiLike, models: Path) -> None:
    async with _served(engine, models) as served, served.client() as http:
        await _ask(http, "How do I reset my password?")
        await _opened(served).keeper.idle()
        await _ask(http, "How do I reset my password")
        await _opened(served).keeper.idle()
        tenant = served.editions.catalog.tenants["acme"]
        counts = _opened(served).trust.of(tenant).counts()
        uses = [began.use for began in served.ledger.began]

    assert len(engine.requests) == 2
    assert sum(number for name, number in counts.items() if "checked" in name) == 1
    assert "cache-shadow" in uses


async def test_a_wrong_answer_that_somebody_tells_of_is_not_given_again(
    engine: OpenAiLike, models: Path
) -> None:
    async with _served(engine, models) as served, served.client() as http:
        await _ask(http, "How do I reset my password?")
        await _opened(served).keeper.idle()
        given = await _ask(http, "How do I reset my password")
        told = await served.remembering.opened.commons.shelf.purge(
            "acme", answer=given["x-passerelle-cache-id"]
        )  # type: ignore[union-attr]
        again = await _ask(http, "How do I reset my password !")

    assert told >= 1
    assert again["x-passerelle-cache"] == "miss"


async def test_users_share_nothing_unless_the_file_says_so(engine: OpenAiLike, models: Path) -> None:
    async with _served(engine, models) as served, served.client() as http:
        await _ask(http, "How do I reset my password?", user="one")
        await _opened(served).keeper.idle()
        other = await _ask(http, "How do I reset my password", user="two")
        same = await _ask(http, "How do I reset my password", user="one")

    assert other["x-passerelle-cache"] == "miss"
    assert same["x-passerelle-cache"] == "semantic-hit"
