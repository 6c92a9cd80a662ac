"""Kind `openai`: any server that speaks OpenAI's API (OpenAI itself, Ollama, llama.cpp, LM Studio, ...).

Everything the caller sent goes on as it is; only the model's name is ours, and a stream is always asked for its
usage. Servers that differ are rows of `dialects.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from passerelle.backends.dialects import SERVERS, Server
from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Capability, Route, Task
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.wire.base64 import from_base64, to_base64
from passerelle.wire.upstream import Upstream


class OpenAIOptions(UrlOptions):
    """Options of kind `openai`. `dialect` names the server, where it is one that differs from OpenAI's API."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.EMBED})

    kind: Literal["openai"]
    dialect: Literal["openai", "sglang", "transformers"] = Field(
        default="openai",
        description="Which server it is, where it differs from OpenAI: sglang, or transformers (transformers serve).",
    )

    def able(self) -> frozenset[Task]:
        """`transformers serve` has no route for embeddings."""
        return self.tasks - {Task.EMBED} if self.dialect == "transformers" else self.tasks

    def lacking(self) -> frozenset[Capability]:
        """What no model can do there."""
        return super().lacking() | SERVERS[self.dialect].lacks


def open_backend(spec: BackendSpec) -> HttpBackend:
    """A backend of this kind, from its checked configuration."""
    server = SERVERS[spec.options.dialect]
    request_of, reply_of = speaking(server)
    dialect = Dialect(request_of, reply_of, server.rewrite, served_by(spec), server.probe, meant=server.meant)
    return HttpBackend(dialect, open_upstream(spec))


def speaking(
    server: Server,
) -> tuple[Callable[[Ask, Target], Sent], Callable[[Ask, dict[str, Any]], bool]]:
    """The request and the reply of a dialect: what is OpenAI's, with what this server has otherwise."""

    def request_of(ask: Ask, target: Target) -> Sent:
        return server.request(ask, request(ask, target), target)

    def reply_of(ask: Ask, payload: dict[str, Any]) -> bool:
        changed = server.reply(ask, payload)
        return reply(ask, payload) or changed

    return request_of, reply_of


def open_upstream(spec: BackendSpec) -> Upstream:
    """The pool for a backend with a `url` and perhaps a `token`."""
    headers = {"Authorization": f"Bearer {spec.secrets['token']}"} if "token" in spec.secrets else {}
    return Upstream(base_url(spec.options.url), headers=headers, connect=spec.limits.connect)


def base_url(url: str) -> str:
    """Where the OpenAI routes of a server begin: `/v1` below a bare host, else the path that is given."""
    bare = "/" not in url.partition("://")[2]
    return f"{url}/v1" if bare else url


def served_by(spec: BackendSpec) -> Any:
    """Names the party that runs the backend: its operator, or the backend itself where that is not known."""
    name = spec.location.operator or spec.name

    def provider(_: Mapping[str, str]) -> str:
        return name

    return provider


def request(ask: Ask, target: Target) -> Sent:
    """The caller's body with the target's model, and usage asked for in streams."""
    body = {**ask.body, "model": target.model}
    if ask.stream:
        options = body.get("stream_options")
        body["stream_options"] = {**options, "include_usage": True} if options else {"include_usage": True}
    return Sent("/" + ask.route.value, body)


def reply(ask: Ask, payload: dict[str, Any]) -> bool:
    """Give embeddings in the encoding that was asked for, whatever the engine returns."""
    if ask.route is not Route.EMBEDDINGS:
        return False
    encode = ask.body.get("encoding_format") == "base64"
    changed = False
    for item in payload["data"]:
        vector = item.get("embedding") if isinstance(item, dict) else None
        if encode and isinstance(vector, list):
            item["embedding"] = to_base64(vector)
            changed = True
        elif not encode and isinstance(vector, str):
            item["embedding"] = from_base64(vector)
            changed = True
    return changed
