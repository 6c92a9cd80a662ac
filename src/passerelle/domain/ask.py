"""One inference request, parsed once and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from passerelle.domain.cache import NO_WISHES, Wishes

IMAGE_BYTES = 4_000  # what an image counts for in a size: some thousand tokens, whatever its file weighs


class Task(StrEnum):
    """What a model is asked to do; a model of `providers.yaml` has exactly one."""

    CHAT = "chat"
    EMBED = "embed"
    RERANK = "rerank"
    CLASSIFY = "classify"


class Route(StrEnum):
    """Which wire a request speaks: OpenAI's, or the one most servers share; each belongs to one task."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    CLASSIFY = "classify"

    @property
    def task(self) -> Task:
        """The task a model must have to answer on this route."""
        return _TASKS[self]


_TASKS = {
    Route.CHAT: Task.CHAT,
    Route.COMPLETIONS: Task.CHAT,
    Route.EMBEDDINGS: Task.EMBED,
    Route.RERANK: Task.RERANK,
    Route.CLASSIFY: Task.CLASSIFY,
}


class Capability(StrEnum):
    """Something not every engine can do, so a request that needs it is routed by it."""

    TOOLS = "tools"
    STRUCTURED_OUTPUT = "structured_output"
    VISION = "vision"
    COMPLETIONS = "completions"  # the legacy text route


@dataclass(frozen=True, slots=True)
class Needs:
    """What a target must offer to answer a request."""

    capabilities: frozenset[Capability] = frozenset()
    context: int = 0  # tokens: a lower bound of input plus the output asked for


@dataclass(frozen=True, slots=True)
class Ask:
    """One inference request of one caller.

    `body` is the caller's own JSON object in OpenAI's format; nobody changes it: each backend patches a
    shallow copy. `model` is the name asked for.
    """

    route: Route
    model: str
    body: dict[str, Any]
    stream: bool
    wants_usage: bool  # the caller set stream_options.include_usage
    request_id: str
    needs: Needs
    arrived: float  # time.monotonic() when its first byte was read
    patience: float | None = None  # seconds after which the caller stops waiting, where it says so
    returns: int = 0  # how often the caller has sent it before, where it says so
    size: int = 0  # bytes of what is asked; an image counts as `IMAGE_BYTES`
    use: str = ""  # what it is for, where Passerelle itself asks
    wishes: Wishes = NO_WISHES  # of the cache
    collection: str = ""  # whose passages its words hold: what is deleted there takes the answer with it
    subject: str = ""  # the pseudonym of the person it is for; where there is one, `body` holds no name of it


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens an engine says it used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, read from the engine's cache
    cache_write_tokens: int = 0  # of the prompt, written to it at a price of its own (Anthropic)
    reasoning_tokens: int = 0
