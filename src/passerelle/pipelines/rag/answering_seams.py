"""What an answer stands on: the gateway, a search, a judge of what was found, and where answers are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from passerelle.domain.ask import Ask
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.rag import Answered, Found, Question, Seeking, Turn
from passerelle.text.words import Language

if TYPE_CHECKING:
    from passerelle.gateway.edition import Editions
    from passerelle.gateway.recalled import Given
    from passerelle.limits.limiter import Permit


@dataclass(frozen=True, slots=True)
class Evidence:
    """What of the passages a model is shown, and whether there is too little to ask one."""

    passages: tuple[Found, ...]
    refused: bool


Search = Callable[[Tenant, Seeking], Awaitable[Sequence[Found]]]


class Judge(Protocol):
    """Says which passages a model is shown; `extractive`: it only quotes. `language` is the question's."""

    def __call__(
        self, question: str, found: Sequence[Found], *, language: Language, extractive: bool, most: int
    ) -> Evidence:
        """Pure, and quick."""


class Gate(Protocol):
    """What is needed of the gateway."""

    async def admit(self, caller: Caller, model: str | None = None) -> Permit:
        """See `Gateway.admit`."""

    async def ask(self, caller: Caller, ask: Ask, permit: Permit | None = None) -> Given:
        """See `Gateway.ask`."""


class Keeper(Protocol):
    """Where answers and conversations are kept."""

    async def turns(self, caller: Caller, question: Question, *, keep: float | None) -> Sequence[Turn]:
        """What was said before in the conversation that a question names."""

    async def keep(
        self, caller: Caller, question: Question, answered: Answered, *, keep: float | None
    ) -> str | None:
        """Keep what stays of an answer; the conversation it is in. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Ground:
    """All of it. `secret` is the installation's; `clock` gives seconds."""

    gateway: Gate
    editions: Editions
    search: Search
    judge: Judge
    secret: bytes
    keeper: Keeper | None
    clock: Callable[[], float]
