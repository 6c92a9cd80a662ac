"""What may be answered from the cache: a tenant's rules, and what one caller wishes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Who shares answers inside a tenant; nobody ever shares them across tenants."""

    USER = "user"  # callers that name the same `user`; those that name none share with each other
    KEY = "key"  # calls of one key, and of one `user` in it
    TENANT = "tenant"  # everybody of the tenant: for answers that are the same whoever asks


@dataclass(frozen=True, slots=True)
class Judging:
    """A model that says whether two answers to a question say the same."""

    model: str  # a chat model of the file
    calls_per_day: int = 1000


@dataclass(frozen=True, slots=True)
class Semantic:
    """Answers to questions that mean the same, as far as that can be shown."""

    max_error_rate: float = 0.01  # the share of such answers that may be wrong
    shadow: float = 0.03  # the share of such answers that are asked again, to see whether they were right
    ttl: float = 86_400.0  # seconds
    embedder: str | None = None  # an embedding model of the file; None = the packaged one
    judge: Judging | None = None  # None: answers are compared without a language model
    evaluator: str | None = None  # one of GPTCache's, which may only refuse what ours would give


@dataclass(frozen=True, slots=True)
class Caching:
    """What of a tenant's answers is kept, and given again."""

    exact: bool = True
    semantic: Semantic | None = None
    scope: Scope = Scope.USER
    ttl: float = 3600.0  # seconds that an answer is given again to the same question
    temperature: float = 0.3  # asked for more than this, a caller wants another answer each time
    models: frozenset[str] | None = None  # the models it holds for; None = all
    fresh: tuple[str, ...] = ()  # words that make a question one of the moment, beside those we know
    actions: tuple[str, ...] = ()  # words that make it an order, beside those we know


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller wants of the cache: RFC 9111's words in `Cache-Control`, LiteLLM's in the body's `cache`."""

    look: bool = True  # no-cache: ask the model, and keep its answer
    keep: bool = True  # no-store: neither look nor keep
    max_age: float | None = None  # seconds; nothing older
    ttl: float | None = (
        None  # seconds that the answer is to be kept; never longer than the tenant's rules say
    )
    only_kept: bool = False  # only-if-cached: ask no model
    namespace: str = ""  # answers under one are never given under another
    tags: tuple[str, ...] = ()  # by which the answer can be deleted


NO_WISHES = Wishes()


class Reason(StrEnum):
    """Why an answer does not come from the cache, or only for the very same question. Shown to callers."""

    OFF = "off"  # the tenant, or this model, has none
    UNASKED = "no-cache"  # the caller wants none
    INTERNAL = "internal"  # Passerelle asks
    ROUTE = "route"  # neither chat nor completions
    TOOLS = "tools"
    IMAGES = "images"
    MANY = "several-answers"
    LOGPROBS = "logprobs"
    TEMPERATURE = "temperature"
    PERSONAL = "personal-data"
    FRESH = "time-sensitive"
    ACTION = "action"
    HISTORY = "history"  # more than one turn: the same conversation only
    LONG = "too-long"
    SHAPE = "no-question"  # there is no last text of a user
    UNFINISHED = "unfinished"
    REFUSED = "refused-answer"
    LARGE = "too-large"
    EMPTY = "empty-answer"
    AWAY = "unavailable"
    NEW = "not-known"
    UNLIKE = "no-neighbour"
    DISPUTED = "neighbours-disagree"
    DOUBTED = "guard"
    UNPROVEN = "unproven"
    STALE = "too-old"
    POLICY = "policy"
