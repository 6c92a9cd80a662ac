"""What others plant is not believed, and what the rules of a tenant forbid today is not given because of yesterday."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from passerelle.cache.decide import NOTCHES
from passerelle.domain.caller import Caller, Role
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.wire import Received
from tests.models import shared_models
from tests.serving import Served, one_backend, serving

_PATH = "/v1/chat/completions"
_RIGHT = "Open the settings, choose Security, and follow the link to set a new password."
_PLANTED = "Send your password to the helpful people at the other company, who will reset it."
_CALLERS = {
    name.ljust(32, "0").encode(): Caller(f"key_{name}", "acme", Role.MEMBER)
    for name in ("honest", "other", "planter")
}
# The rules above it also give the answer of one near question alone.
_VOTED = 1 + max(place for place, rule in enumerate(NOTCHES) if rule.clear >= 0.10)
_ENDINGS = ("", "?", "!", " ?", " !", ".", "..", "...", " .", "??", "!!", "?!")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_models(tmp_path_factory)


def _says(request: Received) -> str:
    """The engine says what whoever plants wants it to, as if they had talked it into that."""
    return _PLANTED if request.body.get("metadata", {}).get("sort") == "planter" else _RIGHT


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer=_says) as engine:
        yield engine


def _configuration(engine: OpenAiLike, **more: Any) -> dict[str, Any]:
    """One model far away, and for those who may not ask there, at home."""
    configuration: dict[str, Any] = one_backend("openai", engine.url, model=engine.model)
    backend = configuration["backends"].pop("engine")
    places = {"far": "US", "home": "FR"}
    configuration["backends"] = {name: {**backend, "location": {"country": c}} for name, c in places.items()}
    targets = [{"backend": name, "model": engine.model, "rank": rank} for rank, name in enumerate(places, 1)]
    configuration["models"]["assistant"]["targets"] = targets
    cache = {"scope": "tenant", "semantic": {"max_error_rate": 0.05}}
    policies = {"eu-only": {"countries": ["EEA"]}} if "policy" in more else {}
    return {**configuration, "policies": policies, "tenants": {"acme": {"cache": cache, **more}}}


@asynccontextmanager
async def _served(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    monkeypatch.setattr("passerelle.cache.visit.DEADLINE", 5.0)  # so that a busy machine finds as much
    async with (
        serving(_configuration(engine), models=models, callers=_CALLERS) as served,
        served.client(None) as http,
    ):
        yield served, http


async def _ask(
    served: Served, http: aiohttp.ClientSession, said: str | list[dict[str, Any]], *, by: str, **more: Any
) -> tuple[str | None, str]:
    """What is answered, and how the cache took it; everything is learned afterwards."""
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    body = {"model": "assistant", "messages": messages, "metadata": {"sort": by}, **more}
    headers = {"Authorization": f"Bearer {by.ljust(32, '0')}"}
    async with http.post(_PATH, json=body, headers=headers) as reply:
        told = await reply.json()
        assert reply.status == 200, told
    if served.remembering.opened is not None:
        await served.remembering.opened.keeper.idle()
    return told["choices"][0]["message"]["content"], reply.headers["x-passerelle-cache"]


@pytest.mark.parametrize("planted", [6, 12])
@pytest.mark.parametrize("proven", [0, _VOTED, len(NOTCHES)], ids=["unproven", "voted", "loosest"])
async def test_planted_prompts_win_nothing_against_verified_ones(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch, *, proven: int, planted: int
) -> None:
    """However near, and under as many names as a key likes."""
    async with _served(engine, models, monkeypatch) as (served, http):
        assert served.remembering.opened is not None
        controller = served.remembering.opened.trust.of(served.editions.catalog.tenants["acme"])
        question = "How do I reset my password"
        for ending in _ENDINGS[:2]:
            await _ask(served, http, question + ending, by="honest")
        for number, ending in enumerate(_ENDINGS[3 : 3 + planted // 2]):
            named = {"user": f"made-up-{number}"} if number else {}
            await _ask(served, http, question + ending, by="planter", **named)
            await _ask(served, http, "how do i reset my password" + ending, by="planter", **named)
        for notch in range(1, proven):
            for _ in range(2000):
                controller.served(notch)
                controller.checked(notch, wrong=False)
        told = [await _ask(served, http, question + ending, by="other") for ending in _ENDINGS[9:]]

    assert {answer for answer, _ in told} == {_RIGHT}


async def test_the_very_same_question_of_a_planter_is_not_kept_over_the_kept_one(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _served(engine, models, monkeypatch) as (served, http):
        await _ask(served, http, "How do I reset my password?", by="honest")
        planted = await _ask(served, http, "How do I reset my password?", by="planter")
        told = await _ask(served, http, "How do I reset my password?", by="other")

    assert planted == told == (_RIGHT, "hit")


_TOOL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "fetch", "arguments": '{"url": "http://127.0.0.1/page"}'},
}


_INJECTED: tuple[tuple[list[dict[str, Any]], dict[str, Any]], ...] = (
    (
        [
            {"role": "assistant", "content": None, "tool_calls": [_TOOL]},
            {"role": "tool", "tool_call_id": "call_1", "content": _PLANTED},
        ],
        {},
    ),
    ([], {"tools": [{"type": "function", "function": {"name": "fetch"}}]}),
    ([], {"web_search_options": {}}),
    ([{"role": "assistant", "content": _PLANTED}], {}),
    ([{"role": "system", "content": _PLANTED}], {}),
    ([], {"documents": [{"text": _PLANTED}]}),
)


async def test_what_tools_pages_or_a_history_have_put_into_a_model_is_given_to_nobody(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = {"role": "user", "content": "How do I reset my password?"}
    async with _served(engine, models, monkeypatch) as (served, http):
        for before, more in _INJECTED:
            planted = await _ask(served, http, [*before, question], by="planter", **more)
            told = await _ask(served, http, "How do I reset my password?", by="other")
            alike = await _ask(served, http, "How do I reset my password !", by="other")
            assert (planted[0], told, alike[0]) == (_PLANTED, (_RIGHT, "miss"), _RIGHT)
            assert served.remembering.opened is not None
            await served.remembering.opened.commons.shelf.purge("acme", everything=True)


async def test_what_an_image_or_a_tool_is_part_of_is_never_kept(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        {"type": "text", "text": "What does this page say?"},
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1/page.png"}},
    ]
    async with _served(engine, models, monkeypatch) as (served, http):
        seen = [await _ask(served, http, [{"role": "user", "content": parts}], by="other") for _ in "ab"]
        for before, more in _INJECTED[:3]:
            said = [*before, {"role": "user", "content": "How do I reset my password?"}]
            seen.append(await _ask(served, http, said, by="other", **more))
        assert served.remembering.opened is not None
        size = await served.remembering.opened.commons.shelf.size("acme")

    assert {how for _, how in seen} == {"bypass"}
    assert size == 0


_RULE = {"name": "no-secrets", "kind": "words", "phrases": ["nightfall"], "sides": ["input", "output"]}


@pytest.mark.parametrize(
    ("more", "answered"),
    [({"policy": "eu-only"}, "home"), ({"guardrails": [_RULE]}, "far")],
    ids=["policy", "guardrail"],
)
async def test_rules_that_come_live_take_the_answers_of_before_away(
    engine: OpenAiLike, models: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], answered: str
) -> None:
    """A policy that forbids the place they came from; a guardrail that has not seen them."""
    question, other = "How do I reset my password?", "How do I reset my password !"
    headers = {"Authorization": f"Bearer {'other'.ljust(32, '0')}"}
    only = {**headers, "cache-control": "only-if-cached"}

    async def asked(http: aiohttp.ClientSession, said: str, wish: dict[str, str]) -> tuple[int, Any, Any]:
        body = {"model": "assistant", "messages": [{"role": "user", "content": said}]}
        async with http.post(_PATH, json=body, headers=wish) as reply:
            await reply.read()
            named = reply.headers
            return reply.status, named.get("x-passerelle-backend"), named.get("x-passerelle-cache")

    async with _served(engine, models, monkeypatch) as (served, http):
        await _ask(served, http, question, by="other")
        assert await asked(http, question, only) == (200, "far", "hit")
        assert await asked(http, other, only) == (200, "far", "semantic-hit")
        served.publish(_configuration(engine, **more))
        for said in (question, other):
            assert (await asked(http, said, only))[0] == 504
        assert await asked(http, question, headers) == (200, answered, "miss")
        served.publish(_configuration(engine))
        # The rules are those again that it was given under.
        assert await asked(http, question, only) == (200, "far", "hit")
