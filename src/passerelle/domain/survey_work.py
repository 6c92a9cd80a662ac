"""A tenant's surveys as they are kept: files of answers, codebooks in their versions, runs over comments, corrections, themes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Role
from passerelle.domain.jobs import Trouble
from passerelle.domain.survey_data import Columns, Comment, Tally
from passerelle.domain.surveys import Analysed, Codebook, Correction, Polarity, Review

MINIMUM = 5  # answers that a group has at least, to be spoken of


@dataclass(frozen=True, slots=True)
class SurveyRules:
    """How a tenant's comments are read, by the file. Models are names of the file.

    `model` None: the tenant's default model; where no language model may be asked, comments are read without one.
    `embedder` None: words only.
    """

    model: str | None = None
    embedder: str | None = None
    languages: tuple[str, ...] = ("fr", "en")  # comments in others are told about
    minimum: int = MINIMUM
    examples: int = 8  # corrections that a model is shown beside a comment
    writers: Role = (
        Role.MEMBER
    )  # who may change surveys and codebooks, and correct: this role, and those above it
    rows: int = 100_000  # of one file
    surveys: int = 500  # most of the tenant
    keep: float | None = None  # seconds that a survey is kept; None: until it is deleted


class SurveyState(StrEnum):
    """How a survey stands, in words for its owner."""

    READING = "reading"  # its file is read by a job
    READY = "ready"
    FAILED = "failed"  # `trouble` says why


@dataclass(frozen=True, slots=True)
class Survey:
    """A file of answers as it is kept. `codebook`: the one its comments are read by, if one was named."""

    id: str
    tenant: str
    title: str
    language: str  # of its reports
    state: SurveyState
    columns: Columns
    tally: Tally
    codebook: str | None = None
    trouble: Trouble | None = None
    job: str | None = None  # that reads the file, or read it
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How well labels agree with what people said: F1 over categories and polarities, each from 0 to 1, of `n` comments."""

    n: int
    micro: float
    macro: float
    sentiment: float  # macro-F1


@dataclass(frozen=True, slots=True)
class Checked:
    """A version of a codebook beside the one that is in use, on corrections that neither has learned from.

    `low` and `high` hold the change of micro-F1 in 95 of 100 resamplings of the comments (paired bootstrap). `lost`: ids
    of comments that were right and are not any more. `worse`: the interval is below nought. `forced`: it was taken into
    use all the same.
    """

    before: Figures | None  # None: none is in use yet
    after: Figures
    change: float = 0.0
    low: float = 0.0
    high: float = 0.0
    lost: tuple[str, ...] = ()
    at: datetime | None = None
    forced: bool = False

    @property
    def worse(self) -> bool:
        """Is it worse than what is in use, beyond chance?"""
        return self.before is not None and self.high < 0


@dataclass(frozen=True, slots=True)
class Edition:
    """A version of a codebook with its circumstances. `merged`: ids of the version before, and what took their place.

    In use is the version that was promoted last. `checked` is what was found before that. `base`: the version that it was
    made from, None for the one before.
    """

    codebook: Codebook
    merged: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    promoted_at: datetime | None = None
    promoted_by: str = ""
    checked: Checked | None = None
    in_use: bool = False
    base: int | None = None

    @property
    def refused(self) -> bool:
        """Was it found worse than what was in use, and never taken into use all the same?"""
        return self.promoted_at is None and self.checked is not None and self.checked.worse


def base_of(editions: Iterable[Edition]) -> Edition | None:
    """Of a codebook's versions, the newest first, the one to build on: what was refused is passed over."""
    return next((one for one in editions if not one.refused), None)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at comments: how many were still to be looked at, and ids that the survey does not have."""

    reviewed: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A correction as it is kept. `revision` counts a codebook's corrections and revocations.

    `survey`, `comment` and `run` say what was corrected: None where that is deleted since, or it came from elsewhere.
    """

    id: str
    codebook: str
    correction: Correction
    revision: int
    survey: str | None = None
    comment: str | None = None
    run: str | None = None
    by: str = ""
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_revision: int | None = None

    def holds(self, revision: int) -> bool:
        """Did it teach at that revision?"""
        return self.revision <= revision and (
            self.revoked_revision is None or self.revoked_revision > revision
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the curve that shows what corrections gained. `n` of them were learned from."""

    n: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Run:
    """A reading of a survey's comments by one version of a codebook and the corrections up to a revision.

    `engine` says who read: `builtin` (no language model, `offline`), or backend and model. `state` is its job's.
    `cost` in pico-units; None: some of it is not known.
    """

    id: str
    tenant: str
    survey: str
    number: int  # counts a survey's runs from 1
    codebook: str
    version: int
    revision: int
    model: str
    engine: str
    offline: bool
    state: str
    job: str
    comments: int
    read: int
    failed: int
    review: int  # that a person should look at, and nobody has
    usage: Usage = field(default_factory=Usage)
    cost: int | None = 0
    currency: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A comment with what a run read in it. `analysed` None: it is not read yet, or could not be (`trouble`).

    `corrected` is what a person made of it since.
    """

    comment: Comment
    answer: str
    row: int
    analysed: Analysed | None
    engine: str = ""
    offline: bool = False
    trouble: Trouble | None = None
    reviewed: bool = False
    corrected: Kept | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which readings of a run are wanted; all that is given must hold."""

    review: Review | None = None
    to_review: bool = False  # for any reason, and nobody has looked
    category: str | None = None
    polarity: Polarity | None = None
    language: str | None = None
    text: str = ""  # that the comment holds


@dataclass(frozen=True, slots=True)
class Change:
    """A comment that two runs read differently."""

    comment: Comment
    before: tuple[str, ...]
    after: tuple[str, ...]
    polarity_before: Polarity | None
    polarity_after: Polarity | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one run of a survey to another. `moved` counts comments by (category before, category after).

    An empty id stands for no category. `gained` and `lost` are shares of comments by category, after less before.
    """

    before: Run
    after: Run
    comments: int  # that both have read
    changed: int
    polarity_changed: int
    counts: Mapping[str, tuple[int, int]]  # of comments by category, before and after
    moved: Mapping[tuple[str, str], int]
    changes: tuple[Change, ...]  # some of them, the clearest first


@dataclass(frozen=True, slots=True)
class Theme:
    """Comments that say something similar, found without a codebook. `quotes` are (comment's id, words of the comment).

    `cohesion` is the mean cosine of its comments to their middle. `merged_into` (codebook, version, category) once a
    person has taken it up.
    """

    id: str
    survey: str
    name: str
    keywords: tuple[str, ...]
    comments: tuple[str, ...]
    quotes: tuple[tuple[str, str], ...]
    cohesion: float
    offline: bool  # its name is made of keywords, by no language model
    merged_into: tuple[str, int, str] | None = None
