"""Gateways for tests that LangChain wrote: in the test's own loop for the asynchronous ones, in a loop beside for the plain ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.pipelines.models.asker import Asker
from tests.beside import beside, is_async
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Answer, ToolCall
from tests.fakes.wire import Received
from tests.models import shared_models
from tests.unit.gateway.internal import inside

_CALLER = Caller("key_m", "acme", Role.MEMBER)


def obliging(received: Received) -> Answer:
    """An engine that does what it is asked: calls the tool it is given, fills in the schema, else says something."""
    body = received.body
    last = body["messages"][-1]
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return Answer(orjson.dumps(_filled(form["json_schema"]["schema"], "x")).decode())
    if body.get("tools") and last["role"] != "tool" and body.get("tool_choice") != "none":
        choice = body.get("tool_choice")
        named = choice["function"]["name"] if isinstance(choice, dict) else None
        tools = [tool["function"] for tool in body["tools"]]
        tool = next((tool for tool in tools if tool["name"] == named), tools[0])
        said = str(last["content"]).partition("'")[2].partition("'")[0]
        given = _filled(tool["parameters"], said or "x")
        return Answer(tools=(ToolCall(tool["name"], orjson.dumps(given).decode()),))
    return Answer("Hello there, how are you?")


def _filled(schema: dict[str, Any], text: str) -> Any:
    """A value of a schema, with that text wherever one stands."""
    if "anyOf" in schema:
        return _filled(schema["anyOf"][0], text)
    if schema.get("type") == "object":
        return {name: _filled(inner, text) for name, inner in schema.get("properties", {}).items()}
    return {"integer": 3, "number": 3, "boolean": True, "array": [], "null": None}.get(
        schema.get("type", ""), text
    )


@dataclass
class Stand:
    """A gateway, one who asks it, and the loop it lives in."""

    asker: Asker
    loop: Any


def _configuration(url: str) -> dict[str, object]:
    def chat(backend: str, model: str) -> dict[str, object]:
        return {"task": "chat", "targets": [{"backend": backend, "model": model}]}

    return {
        "backends": {"engine": {"kind": "openai", "url": url}, "offline": {"kind": "builtin"}},
        "models": {
            "assistant": chat("engine", "assistant"),
            "extractive": chat("offline", "extractive"),
            "embeddings": {"task": "embed", "targets": [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]},
        },
        "tenants": {"acme": {}},
    }


@asynccontextmanager
async def _standing(models: Path) -> AsyncIterator[Asker]:
    async with OpenAiLike(OPENAI, answer=obliging, model="assistant") as engine:
        async with inside(_configuration(engine.url), models) as gateway:
            yield Asker(gateway.gateway.ask, gateway.editions, _CALLER)
        assert not gateway.ledger.open()


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packaged embedding model lies."""
    return shared_models(tmp_path_factory)


@pytest.fixture(scope="session")
def there(model_cache: Path) -> Iterator[Stand]:
    """In a loop beside the test's."""
    with beside() as loop, loop.entered(_standing(model_cache)) as asker:
        yield Stand(asker, loop.loop)


@pytest.fixture
async def here(model_cache: Path) -> AsyncIterator[Stand]:
    """In the test's own loop."""
    async with _standing(model_cache) as asker:
        yield Stand(asker, None)


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Stand:
    """Where the test needs it."""
    found: Stand = request.getfixturevalue("here" if is_async(request) else "there")
    return found
