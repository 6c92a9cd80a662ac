"""Kind `vllm`: vLLM's OpenAI server.

It speaks OpenAI with one exception: a parameter that is null is an error there, while OpenAI reads it as absent.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from passerelle.backends import gauges, openai, probes
from passerelle.backends.http_backend import Dialect, HttpBackend, Sent
from passerelle.config.fields import UrlOptions
from passerelle.domain.ask import Ask, Task
from passerelle.domain.catalog import BackendSpec, Target


class VllmOptions(UrlOptions):
    """Options of kind `vllm`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.EMBED})

    kind: Literal["vllm"]


def open_backend(spec: BackendSpec) -> HttpBackend:
    """A backend of this kind, from its checked configuration."""
    return HttpBackend(
        Dialect(request, openai.reply, None, openai.served_by(spec), probes.OPENAI, gauges.VLLM),
        openai.open_upstream(spec),
    )


def request(ask: Ask, target: Target) -> Sent:
    """OpenAI's request without its nulls."""
    sent = openai.request(ask, target)
    return Sent(sent.path, {name: value for name, value in sent.body.items() if value is not None})
