"""What the cache asks of others: stores that keep, an index that finds, judges that compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from passerelle.cache.entry import Kept, Member, Near

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector
    from passerelle.domain.cache import Semantic


class Answers(Protocol):
    """Keeps answers by their exact key and by their id, each for its time."""

    def here(self, exact: str) -> Kept | None:
        """The answer, where this process holds it. Asks nobody."""
        ...

    async def find(self, tenant: str, exact: str) -> Kept | None:
        """The answer, wherever it is; None also where the shared store is away. Never raises for that."""
        ...

    async def by_id(self, tenant: str, answer: str) -> Kept | None:
        """The answer of that id."""
        ...

    def keep(self, kept: Kept) -> None:
        """Keep it: here at once, in the shared store soon."""
        ...


class Members(Protocol):
    """Keeps the members of partitions where processes share them."""

    async def load(self, tenant: str, partition: str) -> Sequence[Member]:
        """Every member of a partition that has not expired; empty where nothing is shared."""
        ...

    def save(self, member: Member) -> None:
        """Write it, or write it over, soon; other processes hear of it."""
        ...


class Index(Protocol):
    """Finds the members nearest to a vector, inside one partition."""

    async def near(self, tenant: str, partition: str, vector: Vector, *, most: int = 8) -> Sequence[Near]:
        """The nearest, nearest first; empty while the partition is being loaded. May raise: that is a miss."""
        ...

    def add(self, member: Member) -> None:
        """Make it findable, in place of the one of the same id."""
        ...

    def drop(self, tenant: str, *, members: Sequence[str] = (), partition: str | None = None) -> None:
        """Forget members by id, a whole partition, or (with neither) all of a tenant."""
        ...


class Opinion(StrEnum):
    """What a judge says of two answers."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"  # nothing is learned from it


@dataclass(frozen=True, slots=True)
class Judged:
    """An opinion, and which of the judges had it: `facts`, `embedding` or `model`."""

    opinion: Opinion
    by: str


class Judge(Protocol):
    """Says whether two answers say the same."""

    async def compare(self, kept: Kept, fresh: Kept, *, semantic: Semantic) -> Judged:
        """Do both say the same? Never raises: a judge that cannot be asked is unsure."""
        ...


class Telling(Protocol):
    """Asks a model of the file whether two answers to one question say the same."""

    async def same(self, model: str, question: str, answers: tuple[str, str], *, tenant: str) -> bool | None:
        """Its verdict; None where it gave none. Raises PasserelleError where it cannot be asked."""
        ...


class Told(Protocol):
    """Who counts what the cache does. Names are those of the configuration, never what a caller wrote."""

    def looked(self, tenant: str, result: str) -> None:
        """A look: `exact`, `semantic` or `miss`."""
        ...

    def bypassed(self, tenant: str, reason: str | None) -> None:
        """An answer that may not come from the cache."""
        ...

    def took(self, seconds: float) -> None:
        """How long a look beyond this process's own exact answers took."""
        ...

    def failed(self, error: str) -> None:
        """A look that failed, by the name of its error."""
        ...

    def checked(self, tenant: str, *, wrong: bool) -> None:
        """A semantic answer that was given was compared with the model's own."""
        ...

    def learned(self, tenant: str, result: str) -> None:
        """What came of a fresh answer: `joined`, `new`, `unsure`, or why it was not kept."""
        ...


Clock = Callable[[], float]  # Unix seconds
