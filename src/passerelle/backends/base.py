"""What a backend is: something that starts an answer in OpenAI's wire format, tells of itself and can be closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.domain.ask import Ask, Usage
from passerelle.domain.catalog import Target
from passerelle.domain.facts import Load, Survey


class Stream(Protocol):
    """A stream of OpenAI chunks on its way: read blocks until b"", and close in every case."""

    async def read(self) -> bytes:
        """The next block of whole server-sent events in OpenAI's dialect; b"" at the end.

        Raises UpstreamFailed when the engine fails, breaks off or falls silent.
        """
        ...

    def close(self) -> None:
        """Let go at once; an engine still at work is hung up on. Idempotent, never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a backend has started: a whole body, or a stream that its holder must close.

    `provider` is the party that answered; `usage` is filled for whole bodies.
    """

    provider: str
    body: bytes = b""
    stream: Stream | None = None
    usage: Usage | None = None
    upstream_id: str | None = None  # the engine's own request id, for its operator
    ignored: tuple[str, ...] = ()  # parameters the engine was not given because it would misread them
    said: Mapping[str, Any] | None = None  # usage of a whole body as the engine sent it


class Backend(Protocol):
    """A configured instance of a kind."""

    async def start(self, ask: Ask, target: Target, wait: float = 0.0) -> Reply:
        """Send one request to one target; a stream is returned once its head is there.

        Raises UpstreamFailed. A cancelled call has hung up on the engine when it returns; how long to wait is
        the caller's to say. `wait` is how many seconds an engine that sleeps may take to wake: at 0 such
        an engine is woken, not waited for, and the failure says that it is waking.
        """
        ...

    async def survey(self, models: Collection[str]) -> Survey:
        """What the backend says of itself and of these model ids now. Never raises for what it finds."""
        ...

    async def load(self) -> Load | None:
        """What the engine says of its own queue now; None where it does not tell, or not of all that is asked.

        Raises UpstreamFailed where it tells and could not be asked, or said what is not understood.
        """
        ...

    async def resume(self) -> None:
        """Start a backend that somebody paused. Raises CannotRun where there is nothing to resume."""
        ...

    async def aclose(self) -> None:
        """Give back pools and threads."""
        ...
