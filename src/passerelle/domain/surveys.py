"""What an analysis of survey comments speaks of: a codebook, what is said in a comment, and what a person corrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Polarity(StrEnum):
    """Where an opinion stands. `MIXED` is said of whole comments, and of sentences that cannot be divided."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    MIXED = "mixed"


class Review(StrEnum):
    """Why a person should look at a comment."""

    UNCERTAIN = "uncertain"  # a label or a polarity may well be wrong
    DISAGREEING = "disagreeing"  # two ways of looking at it come to different ends
    OUT_OF_CODEBOOK = "out_of_codebook"  # an opinion that no category is about


@dataclass(frozen=True, slots=True)
class Category:
    """One category of a codebook, as a person would explain it to a colleague.

    `include` and `exclude` say what belongs to it and what does not; `examples` are comments that do.
    """

    id: str
    name: str
    definition: str = ""
    include: str = ""
    exclude: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codebook:
    """The categories of a survey. A version is never changed; a change makes the next one."""

    name: str
    version: int
    language: str  # that its definitions are written in
    categories: tuple[Category, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Of its categories, in their order."""
        return tuple(category.id for category in self.categories)


@dataclass(frozen=True, slots=True)
class Label:
    """A category's id, and how likely it is right, from 0 to 1."""

    category: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """One thing that is said in a comment: `quote` is `comment[start:end]`, to the letter.

    No labels: it belongs to no category of the codebook. `confidence` is that of the polarity.
    """

    quote: str
    start: int
    end: int
    labels: tuple[Label, ...]
    polarity: Polarity
    confidence: float


@dataclass(frozen=True, slots=True)
class Analysed:
    """A comment in its opinions, in their order. An empty `review` asks nobody."""

    comment: str
    language: str
    opinions: tuple[Opinion, ...]
    polarity: Polarity | None  # None: nothing is said
    confidence: float  # of the polarity
    review: tuple[Review, ...] = ()

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every category of its opinions once, with the highest confidence, in their order."""
        best: dict[str, Label] = {}
        for opinion in self.opinions:
            for label in opinion.labels:
                if label.category not in best or best[label.category].confidence < label.confidence:
                    best[label.category] = label
        return tuple(best.values())


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of a text, after something else had been said of it.

    `right` holds ids of categories; an empty one says that none fits, None that nothing was said of categories; so with
    `right_polarity`. `codebook` is the version that the ids are from. A revoked correction teaches nothing. `wrong` is what
    was said and is not right. `confirmed`: what was said before was right as it was.
    """

    text: str
    language: str
    right: tuple[str, ...] | None = None
    wrong: tuple[str, ...] = ()
    right_polarity: Polarity | None = None
    wrong_polarity: Polarity | None = None
    codebook: int = 0
    revoked: bool = False
    confirmed: bool = False
