"""Kind `openai`: any server that speaks OpenAI's API (OpenAI itself, Ollama, llama.cpp, LM Studio, ...).

Everything the caller sent goes on as it is; only the model's name is ours, and a stream is always asked for its
usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Route, Task
from passerelle.domain.catalog import BackendSpec, Target
from passerelle.wire.base64 import from_base64, to_base64
from passerelle.wire.upstream import Upstream


class OpenAIOptions(UrlOptions):
    """Options of kind `openai`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.EMBED})

    kind: Literal["openai"]


def open_backend(spec: BackendSpec) -> HttpBackend:
    """A backend of this kind, from its checked configuration."""
    return HttpBackend(Dialect(request, reply, None, served_by(spec)), open_upstream(spec))


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
