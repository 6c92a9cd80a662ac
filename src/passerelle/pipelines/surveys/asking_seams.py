"""What reading by a language model needs from elsewhere, and what it gives. Brings nothing heavy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from passerelle.domain.ask import Usage
from passerelle.domain.surveys import Analysed, Codebook, Correction

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]  # a vector for each text


class Remembers(Protocol):
    """What corrections teach."""

    async def taught(
        self, tenant: str, codebook: Codebook, revision: int | None = None
    ) -> Sequence[Correction]:
        """All that taught at a revision, in the codebook's ids."""
        ...

    async def examples(
        self,
        tenant: str,
        codebook: Codebook,
        text: str,
        language: str,
        *,
        revision: int,
        k: int,
        embed: Embed | None = None,
        taken_for: Collection[str] = (),
    ) -> Sequence[Correction]:
        """Those of them that help most with a comment, which the learner takes for these categories."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model read in a comment, who it was, and what it took. `cost` in pico-units; None: not known."""

    analysed: Analysed
    backend: str
    target: str
    usage: Usage
    cost: int | None
    currency: str

    @property
    def engine(self) -> str:
        """Backend and model."""
        return f"{self.backend}/{self.target}" if self.target else self.backend


class Spent(Exception):
    """A model was asked and gave nothing of use; what it took all the same. `message` holds nothing of what was said."""

    def __init__(
        self, code: str, message: str, *, usage: Usage, cost: int | None, currency: str, backend: str
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.usage, self.cost, self.currency, self.backend = usage, cost, currency, backend
