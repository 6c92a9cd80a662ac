"""Requests and backends of kind `litellm` for the tests of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from passerelle.backends.litellm.engine import LiteLLMBackend, open_backend
from passerelle.backends.litellm.options import LiteLLMOptions
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import BackendSpec, Location, Target

MESSAGES = [{"role": "user", "content": "Dis bonjour."}]


def ask(*, stream: bool = False, route: Route = Route.CHAT, **body: Any) -> Ask:
    """A request as the gateway makes one."""
    given = {"messages": MESSAGES, **body} if route is Route.CHAT else body
    whole = {"model": "assistant", "stream": stream, **given}
    return Ask(route, "assistant", whole, stream, True, "req-1", Needs(), 0.0)


def target(model: str) -> Target:
    """A target of the backend under test."""
    return Target(backend="engine", model=model)


@asynccontextmanager
async def backend(provider: str, secrets: dict[str, str], **options: Any) -> AsyncIterator[LiteLLMBackend]:
    """An open backend; `secrets` are the values of the fields that refer to one."""
    references = {name: f"env:{name.upper()}" for name in secrets}
    checked = LiteLLMOptions.model_validate(
        {"kind": "litellm", "provider": provider, **references, **options}
    )
    opened = open_backend(BackendSpec("engine", "litellm", checked, Location(), secrets=secrets))
    try:
        yield opened
    finally:
        await opened.aclose()


async def events(stream: Any) -> bytes:
    """A stream read to its end."""
    parts = []
    while block := await stream.read():
        parts.append(block)
    return b"".join(parts)
