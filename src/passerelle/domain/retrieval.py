"""Passages of documents, and how they are searched for: one tenant's, in one collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LONGEST_TEXT = 100_000  # characters of one chunk
_LONGEST_SEALED = 6 * LONGEST_TEXT  # four bytes a character, and a third more in base64
LONGEST_QUESTION = 20_000  # characters
LONGEST_NAME = 200  # characters of a name or an id
MOST_HITS = 200  # of one search
WIDEST = 8192  # numbers of a vector
MOST_GROUPS = 256
# Names of metadata that are ours: where they stand in a payload, nobody's own may stand.
RESERVED = frozenset(
    {
        "tenant_id", "collection", "chunk_id", "document_id", "title", "headings", "page", "start", "end",
        "language", "groups",
    }
)  # fmt: skip
_UNSEEN = frozenset(
    {"tenant_id", "collection", "groups"}
)  # these are conditions already, and not the caller's


class Mode(StrEnum):
    """By what passages are found."""

    TEXT = "text"  # words: BM25 with the language's stems
    DENSE = "dense"  # meaning: the cosine of vectors
    HYBRID = "hybrid"  # both, fused by rank


@dataclass(frozen=True, slots=True)
class Collection:
    """A tenant's documents under one name, with vectors of one length (0 = none: words only).

    Every question to a store begins with one, so that none can be asked without a tenant. Raises ValueError.
    """

    tenant: str
    name: str
    width: int = 0

    def __post_init__(self) -> None:
        named(self.tenant, "tenant")
        named(self.name, "collection")
        if not 0 <= self.width <= WIDEST:
            raise ValueError(f"A vector has 1 to {WIDEST} numbers, or the collection has none (0).")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, whole enough to be read on its own. Raises ValueError.

    `start` and `end` are offsets in characters of the document's text (on `page`, where it has pages). Without
    `groups` it is open to everybody of the tenant, else to members of any of them. `metadata` are JSON values. `words`
    are there where text, title and headings are sealed: what it is found by while it is written, and never stored.
    """

    id: str
    document: str
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    start: int | None = None
    end: int | None = None
    language: str = ""  # ISO 639-1; empty: found out from the text
    groups: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    words: str | None = None

    def __post_init__(self) -> None:
        named(self.id, "id of a chunk")
        named(self.document, "id of a document")
        longest = LONGEST_TEXT if self.words is None else _LONGEST_SEALED
        if len(self.text) > longest:
            raise ValueError(f"A chunk has at most {LONGEST_TEXT} characters.")
        if len(self.title) + sum(map(len, self.headings)) > longest:
            raise ValueError("The title and headings of a chunk are too long.")
        _groups(self.groups)
        if taken := sorted(RESERVED.intersection(self.metadata)):
            raise ValueError(f"These names of metadata are reserved: {', '.join(taken)}.")

    @property
    def indexed(self) -> str:
        """What its words are found by: the title and headings help more than they cost."""
        if self.words is not None:
            return self.words
        return "\n".join(part for part in (self.title, *self.headings, self.text) if part)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a passage's metadata must be. Raises ValueError.

    `any_of`: one of these; `none_of`: none of these; the four bounds are for numbers. All that is given must hold.
    """

    name: str
    any_of: tuple[str | int | bool, ...] = ()
    none_of: tuple[str | int | bool, ...] = ()
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > LONGEST_NAME or any(sign in self.name for sign in '"\\\0'):
            raise ValueError("That is no name of metadata.")
        if self.name in _UNSEEN:
            raise ValueError(f"Passages are not filtered by {self.name}.")
        if not (self.any_of or self.none_of or self.bounds):
            raise ValueError(f"The condition on {self.name} says nothing.")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are given, in Qdrant's words."""
        given = {"gt": self.above, "gte": self.at_least, "lt": self.below, "lte": self.at_most}
        return {word: bound for word, bound in given.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Raises ValueError.

    `groups` are the asker's: without any he finds what is open to the whole tenant; None finds everything, and is for
    the tenant's own administration. `language` is the question's; None: forms of French and of English both count.
    """

    text: str = ""
    vector: Sequence[float] = ()
    mode: Mode = Mode.HYBRID
    k: int = 10
    groups: frozenset[str] | None = frozenset()
    conditions: tuple[Condition, ...] = ()
    language: str | None = None
    dense_share: float = 0.5  # of a fused score; the rest is the words'
    diversity: float = 0.0  # 0: the best; towards 1: the most unlike each other (maximal marginal relevance)

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_HITS:
            raise ValueError(f"A search finds 1 to {MOST_HITS} passages.")
        if len(self.text) > LONGEST_QUESTION:
            raise ValueError(f"A question has at most {LONGEST_QUESTION} characters.")
        if self.mode is not Mode.DENSE and not self.text.strip():
            raise ValueError("A search for words needs a text.")
        if self.mode is not Mode.TEXT and not len(self.vector):
            raise ValueError("A search for meaning needs a vector.")
        if not (0.0 <= self.dense_share <= 1.0 and 0.0 <= self.diversity <= 1.0):
            raise ValueError("`dense_share` and `diversity` are between 0 and 1.")
        if self.groups is not None:
            _groups(self.groups)

    @property
    def reach(self) -> int:
        """How many passages each way of searching gives to be fused or chosen from."""
        if self.mode is not Mode.HYBRID and not self.diversity:
            return self.k
        return max(50, 4 * self.k)


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a score comes from: the passage's place in each list, from 1, and what it got there. None: not in it."""

    text: float | None = None  # BM25
    dense: float | None = None  # cosine
    text_rank: int | None = None
    dense_rank: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found. `score` can be compared inside one answer only."""

    chunk: Chunk
    score: float
    parts: Parts


def named(name: str, what: str) -> None:
    """Raises ValueError when this cannot be a name."""
    whole = name.encode("utf-8", "ignore").decode() == name  # half a letter is none
    if not name or len(name) > LONGEST_NAME or "\0" in name or name != name.strip() or not whole:
        raise ValueError(f"The {what} has 1 to {LONGEST_NAME} characters, without spaces around them.")


def _groups(groups: frozenset[str]) -> None:
    if len(groups) > MOST_GROUPS:
        raise ValueError(f"There are at most {MOST_GROUPS} groups.")
    for group in groups:
        named(group, "name of a group")
