"""Rules about what may be asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol


class Side(StrEnum):
    """What a rule looks at."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Topics:
    """Which topic a text is nearest to, and whether that topic is wanted."""

    kind: ClassVar[str] = "topics"
    labels: tuple[tuple[str, tuple[str, ...]], ...]  # a topic's name and sentences that are about it
    allow: frozenset[str] | None = None  # only these topics; what is near to none is refused too
    deny: frozenset[str] = frozenset()  # none of these
    threshold: float = 0.35  # cosine from which a text is about a topic
    longest: int = 20_000  # characters of one text that are read; longer ones count as found
    every: int = 400  # characters of a stream that are held back until they have been looked at


@dataclass(frozen=True, slots=True)
class Injection:
    """Signs that a text gives orders to the model in the place of whoever runs it."""

    kind: ClassVar[str] = "injection"
    threshold: float = 1.0  # the sum of the weights of different signs from which a text is refused
    every: int = 400


@dataclass(frozen=True, slots=True)
class Words:
    """Words and phrases that may not stand in a text."""

    kind: ClassVar[str] = "words"
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moderation:
    """A model of the file that judges texts."""

    kind: ClassVar[str] = "moderation"
    model: str
    timeout: float = 5.0  # seconds; no answer by then is a failure of the rule
    longest: int = 100_000
    every: int = 400


@dataclass(frozen=True, slots=True)
class Schema:
    """An answer must be the JSON that the caller's `response_format` asks for."""

    kind: ClassVar[str] = "schema"


Rule = Topics | Injection | Words | Moderation | Schema


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Guardrail:
    """One rule of a tenant."""

    name: str
    rule: Rule
    sides: frozenset[Side]
    blocks: bool = True  # False: it only says what it would have done
    models: frozenset[str] | None = field(default=None)  # the models it holds for; None = all

    @property
    def kind(self) -> str:
        """The word for what it does."""
        return self.rule.kind


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule found. No field holds what was asked or answered."""

    rule: str
    side: Side
    blocked: bool
    label: str = ""  # a word of the rule itself, such as the topic that was nearest


class Embedder(Protocol):
    """Turns texts into vectors, all of one length."""

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, in their order."""


class Moderator(Protocol):
    """Asks a model of the file whether a text is harmful."""

    async def flagged(self, model: str, text: str, *, tenant: str) -> str | None:
        """The category it found, None when it found nothing. `tenant` is whose text it is, and whose policy holds.

        Raises whatever went wrong; a rule that blocks then refuses the call.
        """
