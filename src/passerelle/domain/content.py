"""Content enrichment: a tenant's texts, the recipes they are worked on by, what was written, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Role
from passerelle.domain.jobs import Trouble


@dataclass(frozen=True, slots=True)
class ContentRules:
    """How a tenant's texts are worked on, by the file. `model` is a name of the file; None: the tenant's default model."""

    model: str | None = None
    writers: Role = (
        Role.MEMBER
    )  # who may start jobs and decide on what was written: this role, and those above it
    pieces: int = 10_000  # most of one job
    characters: int = 200_000  # most of one piece
    keep: float | None = (
        None  # seconds that jobs' texts are kept after their end; None: until they are deleted
    )


class Operation(StrEnum):
    """What a recipe does to a text."""

    REWRITE = "rewrite"
    SUMMARISE = "summarise"
    TRANSLATE = "translate"
    TAG = "tag"
    SEO = "seo"
    METADATA = "metadata"


class Form(StrEnum):
    """How a text is written."""

    PLAIN = "plain"
    MARKDOWN = "markdown"
    HTML = "html"


class Address(StrEnum):
    """How readers are spoken to, where the language knows two ways."""

    TU = "tu"
    VOUS = "vous"


# The fields that an operation writes, in the order in which they are shown. `tags`, `prerequisites` and `objectives` are lists.
FIELDS: Mapping[Operation, tuple[str, ...]] = {
    Operation.REWRITE: ("text",),
    Operation.TRANSLATE: ("text",),
    Operation.SUMMARISE: ("summary",),
    Operation.TAG: ("tags",),
    Operation.SEO: ("seo_title", "seo_description", "slug"),
    Operation.METADATA: ("level", "duration", "prerequisites", "objectives"),
}
LISTS = frozenset({"tags", "prerequisites", "objectives"})
LEVELS = ("beginner", "intermediate", "advanced", "expert", "unspecified")

Value = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a taxonomy: the only ones that may be given. `definition` says when."""

    name: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and what a good answer to it is, by field."""

    source: str
    written: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long what is written may be: characters of SEO fields, words of a summary, the length of a text beside its source's."""

    seo_title: int = 60
    seo_description: int = 155
    summary_words: tuple[int, int] = (15, 120)
    tags: tuple[int, int] = (1, 5)
    ratio: tuple[float, float] = (0.5, 2.0)  # of a rewritten or translated text's characters to its source's


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a text is worked on. A version is never changed; a change makes the next one.

    `language` is what its prompt is written in; `into` what is written (None: the source's own). `role`, `context`, `task`
    and `examples` are the prompt; `prompt` names the version of the shipped texts it stands on. `shipped`: every tenant's.
    """

    name: str
    version: int
    title: str
    language: str
    operations: tuple[Operation, ...]
    role: str
    context: str
    task: str
    into: str | None = None
    examples: tuple[Example, ...] = ()
    taxonomy: tuple[Tag, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)
    temperature: float = 0.2
    prompt: str = ""
    shipped: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """That it writes, each once."""
        return tuple(dict.fromkeys(name for operation in self.operations for name in FIELDS[operation]))


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a glossary. `use` is its forced form, `never` are forms that may not stand for it.

    `language` is of the texts it holds for, empty for all. `source`: in a translation, the term that is put so.
    """

    use: str
    never: tuple[str, ...] = ()
    source: str = ""
    language: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Brand:
    """How a tenant writes. A version is never changed. Version 0 says nothing: the tenant has none yet.

    `names` are written as they are, in whatever language.
    """

    version: int = 0
    tone: str = ""
    address: Address | None = None
    banned: tuple[str, ...] = ()
    glossary: tuple[Term, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A text to be worked on. `key` is its name with its tenant, from job to job: a row's id, a file's name, a document's id.

    `beside` are other columns of its row, which a prompt may look at and nobody changes.
    """

    key: str
    text: str
    form: Form = Form.PLAIN
    title: str = ""
    language: str = ""  # ISO 639-1; empty: found out
    beside: Mapping[str, str] = field(default_factory=dict)


class Check(StrEnum):
    """What is checked of everything that is written, without a model."""

    NUMBERS = "numbers"
    DATES = "dates"
    UNITS = "units"
    URLS = "urls"
    NAMES = "names"
    GLOSSARY = "glossary"
    BANNED = "banned"
    STRUCTURE = "structure"  # headings, links, placeholders, lists, code
    LANGUAGE = "language"
    ADDRESS = "address"
    LENGTH = "length"
    SEO = "seo"
    TAXONOMY = "taxonomy"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a field. `said` is for people and for the model that repairs it, and may quote both texts."""

    check: Check
    field: str
    said: str
    found: tuple[str, ...] = ()  # the words in question
    serious: bool = True  # False: worth a look, and no reason to repair


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of a piece. `flaws` are those that a repair has left. `cost` in pico-units; None: not known.

    `calls` counts models' answers; 0: it was had before. `engine` says who answered, such as `gpu/Qwen2.5-7B`.
    `offline`: no language model took part.
    """

    values: Mapping[str, Value]
    flaws: tuple[Flaw, ...] = ()
    repaired: bool = False
    usage: Usage = field(default_factory=Usage)
    cost: int | None = None
    currency: str = ""
    calls: int = 0
    engine: str = ""
    offline: bool = False


class Standing(StrEnum):
    """How a piece of a job stands, in words for its owner."""

    QUEUED = "queued"
    WRITTEN = "written"
    FLAWED = "flawed"  # written, and a check still fails: a person has to look
    REUSED = "reused"  # nothing had changed since it was written before, so nothing was asked
    FAILED = "failed"  # `trouble` says why
    OVER_BUDGET = "over_budget"  # it was not begun, because the job's budget would not have held it


class Decision(StrEnum):
    """What a person decided about a field."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EDITED = "edited"  # accepted, in a form of their own


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision, and the value that stands by it (None where it was rejected)."""

    decision: Decision
    value: Value | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Worked:
    """A piece of a job as it stands."""

    job: str
    number: int  # counts from 1, in the order they were given
    piece: Piece
    standing: Standing
    written: Written | None = None
    choices: Mapping[str, Choice] = field(default_factory=dict)
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A figure between two bounds that hold it in about nine of ten jobs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job will take, before it is begun. Costs in units of the currency; None: a price is not known.

    `reused` pieces cost nothing. `learned` is how many earlier answers of the recipe and model it stands on: 0 where it
    goes by what recipes usually take. `target` is the first of the plan, by whose price it is reckoned.
    """

    pieces: int
    reused: int
    calls: Range
    prompt_tokens: Range
    completion_tokens: Range
    cost: Range | None
    currency: str
    learned: int
    model: str
    target: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentJob:
    """A job of texts as it stands. `budget` and `spent` in pico-units of `currency`; budget None: none.

    `preview`: on few pieces, whose results the whole job finds again. `counts` by standing.
    """

    id: str
    tenant: str
    recipe: str
    version: int
    brand: int
    model: str
    preview: bool
    budget: int | None
    spent: int
    currency: str
    unpriced: int  # answers whose cost is not known
    counts: Mapping[Standing, int]
    estimate: Mapping[str, Any]
    state: str  # as the job's own
    created_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What a field of a piece was from some time on. `number` counts from 1. `job` None: it was rolled back to, or came in.

    Version 1 is the source as it first came.
    """

    piece: str
    field: str
    number: int
    value: Value
    job: str | None
    by: str
    at: datetime
    back_to: int | None = None


def lined(value: Value | None) -> str:
    """A value as one text; the entries of a list on a line each."""
    if value is None:
        return ""
    return value if isinstance(value, str) else "\n".join(value)
