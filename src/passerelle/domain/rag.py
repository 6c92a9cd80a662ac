"""Documents that are answered from: a tenant's rules, collections, documents, questions, answers and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from passerelle.domain.ask import Usage
from passerelle.domain.cache import NO_WISHES, Wishes
from passerelle.domain.caller import Role
from passerelle.domain.jobs import Trouble
from passerelle.domain.limits import Standing
from passerelle.domain.retrieval import Chunk, Condition, Mode

MODEL_PREFIX = "rag/"  # any collection is a model of this prefix and its name
MOST_QUESTION = 8_000  # characters of a question
MOST_TURNS = 64  # of a conversation that are read


@dataclass(frozen=True, slots=True)
class Urls:
    """Which pages a tenant's documents may be fetched from. `hosts` None: any public one, else as in `wire/foreign_urls`."""

    hosts: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()  # networks, such as 203.0.113.0/24
    plain_http: bool = True
    refresh: float | None = (
        None  # seconds after which a page is looked at again; None: only when it is asked for
    )


@dataclass(frozen=True, slots=True)
class Rag:
    """How a tenant's documents are indexed and answered from. Models are names of the file; None: see each."""

    model: str | None = None  # that answers; None: the tenant's default model
    embedder: str | None = None  # of new collections; None: words only
    reranker: str | None = None  # None: none
    mode: Mode | None = None  # None: what was measured to be best for the language and the embedder
    passages: int = 6  # most that a model is shown
    rewrite: bool = True  # a question that leans on its conversation is made one that stands alone
    size: int = 1_200  # characters of a chunk
    overlap: int = 150
    urls: Urls = field(default_factory=Urls)
    links: frozenset[str] = frozenset()  # hosts that answers may link to, beside the cited pages themselves
    keep: float | None = None  # seconds that conversations are kept; None: never kept
    writers: Role = Role.MEMBER  # who may change collections and documents: this role, and those above it
    collections: int = 100  # most of the tenant
    documents: int = 20_000  # most of the tenant
    file_size: int = 32 * 1_048_576  # bytes of one


class Origin(StrEnum):
    """How a document came."""

    FILE = "file"
    URL = "url"
    TEXT = "text"
    CHUNKS = "chunks"  # cut by its sender


class DocumentState(StrEnum):
    """How a document stands, in words for its owner."""

    QUEUED = "queued"  # waits for a worker
    READING = "reading"  # is fetched, read, cut, embedded
    READY = "ready"
    FAILED = "failed"  # `trouble` says why; what was indexed of it before is still found
    DUPLICATE = "duplicate"  # of another one, which is found in its place
    DELETING = "deleting"  # nothing of it is found any more


@dataclass(frozen=True, slots=True)
class Setup:
    """How a collection is indexed; fixed until it is indexed again."""

    embedder: str | None  # None: words only
    width: int  # numbers of a vector; 0: none, or not known before the first document
    size: int
    overlap: int
    behind: str | None = (
        None  # the models that the embedder's name stood for at the first vectors; None: not known
    )


@dataclass(frozen=True, slots=True)
class Shelf:
    """A tenant's collection as it stands. `version` rises whenever what may be found in it changes."""

    tenant: str
    name: str
    description: str
    setup: Setup
    version: int
    documents: int
    chunks: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it stands.

    `key` is its name in its collection: the URL, the file's name, or what its sender calls it; whatever comes under
    the same key replaces it. Times are UTC. `indexed_at` None: nothing of it is found.
    """

    id: str
    tenant: str
    collection: str
    key: str
    origin: Origin
    state: DocumentState
    title: str = ""
    url: str | None = None
    media_type: str = ""
    language: str = ""
    groups: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    trouble: Trouble | None = None
    warnings: tuple[str, ...] = ()
    size: int = 0  # bytes
    pages: int = 0  # 0: it has none
    characters: int = 0
    chunks: int = 0
    duplicate_of: str | None = None
    job: str | None = None  # the one that reads it, or read it last
    refresh: float | None = None  # seconds
    created_at: datetime | None = None
    updated_at: datetime | None = None
    indexed_at: datetime | None = None
    checked_at: datetime | None = None  # for a URL: when it was last looked at


@dataclass(frozen=True, slots=True)
class Given:
    """A document as it is handed in: exactly one of `content`, `url`, `text` and `chunks`.

    `name` is a file's, and its key where `key` says nothing. `metadata` are values that searches may ask for.
    """

    content: bytes | None = None
    url: str | None = None
    text: str | None = None
    chunks: tuple[GivenChunk, ...] | None = None
    key: str = ""
    name: str = ""
    media_type: str = ""
    title: str = ""
    language: str = ""
    groups: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    refresh: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class GivenChunk:
    """A passage cut by its sender."""

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    start: int | None = None
    end: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of documents that were handed in. `job` None: there is nothing to do for any of them."""

    documents: tuple[Document, ...]
    unchanged: frozenset[str]  # ids of those that are indexed already as they came
    job: str | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of a conversation."""

    role: str  # `user` or `assistant`
    text: str


@dataclass(frozen=True, slots=True)
class Seeking:
    """What is looked for in a collection, and how far the asker may see. `k` and `mode` None: by the tenant's rules."""

    collection: str
    text: str
    groups: frozenset[str] | None = frozenset()  # as in a retrieval Query
    conditions: tuple[Condition, ...] = ()
    k: int | None = None
    mode: Mode | None = None
    rerank: bool = True
    diversity: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, with its document's name. `score` compares inside one answer only.

    `relevance` is the share, 0 to 1, of questions for which such a passage was right; None: not judged.
    """

    chunk: Chunk
    score: float
    relevance: float | None = None
    url: str | None = None
    text_score: float | None = None
    dense_score: float | None = None
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation whose last turn is to be answered from a collection.

    `system` is what its application says beside. `options` are OpenAI's words for the model's call, such as
    `temperature`, `max_tokens`, `user`, `metadata`. `conversation`: to be gone on with, where they are kept. `sought`:
    what is searched for and judged by in place of the last turn's text.
    """

    collection: str
    turns: tuple[Turn, ...]
    groups: frozenset[str] | None = frozenset()
    conditions: tuple[Condition, ...] = ()
    k: int | None = None
    mode: Mode | None = None
    model: str | None = None
    system: str = ""
    conversation: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    wishes: Wishes = NO_WISHES
    patience: float | None = None  # seconds after which an answer is of no use
    request_id: str = ""
    sought: str = ""
    subject: str = ""  # the pseudonym of whoever asks; where there is one, `options` holds no name of it

    @property
    def asked(self) -> str:
        """The last turn's text."""
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of an answer. `start` and `end` are the quote's offsets in characters of the document's text.

    `supported`: the sentence it stands at shares enough of its words, names and figures with the passage. `places`:
    where in the answer's text its markers stand.
    """

    number: int
    document: str
    chunk: str
    title: str
    quote: str
    score: float
    url: str | None = None
    page: int | None = None
    start: int | None = None
    end: int | None = None
    supported: bool = True
    places: tuple[tuple[int, int], ...] = ()


class Refusal(StrEnum):
    """Why a question is not answered."""

    NOTHING_FOUND = "nothing_found"  # no passage at all
    NOT_RELEVANT = "not_relevant"  # none that answers it, as far as can be judged before a model is asked
    MODEL = "model"  # the model says that they do not
    UNCITED = "uncited"  # what it said names no source


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, or the word that there is none, with the nearest sources then.

    `cost` is an amount and a currency, or `unknown`, of all calls together. `usage` counts the tokens that models read
    and wrote for it, as OpenAI does for a chat: those of embedded texts are no part of it, their price is. `seconds` by
    step. `facts`: who answered, as the headers of inference say it, without their prefix.
    """

    id: str
    collection: str
    model: str
    text: str
    citations: tuple[Citation, ...]
    refusal: Refusal | None
    nearest: tuple[Citation, ...]
    searched: str  # the question as it was looked for
    usage: Usage
    cost: str
    seconds: Mapping[str, float]
    facts: Mapping[str, str]
    conversation: str | None = None
    finish_reason: str = "stop"
    overhead: float = 0.0  # seconds of the total in which no model was waited for
    disclosure: str = ""  # what its reader is to be told of who answers


@dataclass(frozen=True, slots=True)
class Begun:
    """Who answers, and how the caller's limits stand, as soon as both are known.

    `facts` as in `Answered`; none where no model is asked.
    """

    facts: Mapping[str, str]
    standings: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of an answer's text, as it comes."""

    text: str


# What is told of an answer on its way: `Begun` first and `Answered` last, each once.
Happened = Begun | Said | Citation | Answered


class Thumb(StrEnum):
    """What a reader thinks of an answer."""

    UP = "up"
    DOWN = "down"
