"""What the cache keeps: answers, and questions that are known to have one of them. Values, without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from passerelle.cache.features import Features
    from passerelle.text.words import Language

    Vector = NDArray[float32]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a question stands: what must be equal, and what may only be alike.

    `partition` and `exact` are hexadecimal HMACs under a secret of the tenant. The partition covers everything but
    the question's own text, generations included; `exact` covers both.
    """

    tenant: str
    partition: str
    exact: str
    text: str  # of the last message, as its user wrote it
    language: Language
    model: str  # by its own name
    subjects: tuple[str, ...] = ()  # pseudonyms of whom it is about or from


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept: one for streams and whole answers alike."""

    id: str  # told to callers: `ca_` and 24 hexadecimal digits
    tenant: str
    partition: str
    exact: str
    message: dict[str, Any]  # of the assistant, in OpenAI's words; for completions {"content": text}
    finish_reason: str
    usage: dict[str, Any] | None  # as the engine said it
    model: str  # as the engine called itself
    backend: str  # who answered: the policy is asked again whether that is permitted
    target: str
    provider: str
    country: str | None
    created: float  # Unix seconds
    expires: float
    asked: str = ""  # the question, for whoever judges whether another one has the same answer
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    route: str = "chat/completions"
    name: str = ""  # of the model that was asked for


class State(StrEnum):
    """How far a question's answer is to be trusted."""

    VERIFIED = "verified"  # a judge has said that its own answer says the same as its cluster's
    QUARANTINED = "quarantined"  # somebody has said that it does not


@dataclass(slots=True, weakref_slot=True)
class Member:
    """A question that is known to have a cluster's answer. Only judged questions ever become one."""

    id: str  # `cq_` and 24 hexadecimal digits
    tenant: str
    partition: str
    cluster: str  # the id of the answer that is given for it
    text: str
    vector: Vector  # of length 1
    language: Language
    created: float
    expires: float
    state: State = State.VERIFIED
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    features: Features | None = field(default=None, compare=False)  # worked out when first compared


@dataclass(frozen=True, slots=True)
class Near:
    """A member beside a question."""

    similarity: float  # cosine
    member: Member
