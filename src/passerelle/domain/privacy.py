"""What a tenant has said about people's data, who may be asked for it, and how a store of it answers: values and seams.

A subject is a person as a tenant names one, in the `user` of a request or in a row that it uploads. Nothing here keeps
that name: what is kept, sent on and logged is its pseudonym, which only this installation can make from it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

Values = Mapping[str, Any]  # what JSON can say


class Datum(StrEnum):
    """Kinds of personal data that are recognised by their form, or by a model of names."""

    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"
    NIR = "nir"  # the French social security number, Corsica's too
    SIREN = "siren"  # SIREN and SIRET
    NATIONAL_ID = "national-id"  # of other large countries of the EU
    SSN = "ssn"  # of the United States
    IP = "ip"
    ADDRESS = "address"
    BIRTH = "birth"
    NAME = "name"


class Sent(StrEnum):
    """Where in a request personal data is looked for."""

    SYSTEM = "system"  # instructions
    USER = "user"  # what people say
    ASSISTANT = "assistant"  # answers that are sent along
    TOOL = "tool"  # results of tools, and arguments of their calls
    INPUT = "input"  # texts that are embedded, ranked or classified, and prompts of the legacy route


EVERYWHERE = frozenset(Sent)


class Names(StrEnum):
    """How names of people are found."""

    FORM = "form"  # where they are introduced: "je m'appelle ...", "Mme ..."
    PRESIDIO = "presidio"  # by a model as well, from the extra `presidio`


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced before any model, cache or log. `restore`: put back in the answer to the same request."""

    kinds: frozenset[Datum]
    fields: frozenset[Sent] = EVERYWHERE
    restore: bool = True
    names: Names = Names.FORM


@dataclass(frozen=True, slots=True)
class PromptLog:
    """Prompts and answers are kept, for a purpose, for a time, and not after a day."""

    purpose: str
    keep: float  # seconds
    until: date  # the last day on which any is kept


class Special(StrEnum):
    """Special categories of personal data (GDPR, articles 9 and 10)."""

    HEALTH = "health"
    ORIGIN = "origin"  # racial or ethnic
    OPINIONS = "opinions"  # political
    BELIEFS = "beliefs"  # religious or philosophical
    UNION = "union"  # trade-union membership
    GENETIC = "genetic"
    BIOMETRIC = "biometric"
    SEX_LIFE = "sex-life"  # and sexual orientation
    OFFENCES = "offences"  # article 10


class UserField(StrEnum):
    """What becomes of the `user` of a request before it leaves."""

    PSEUDONYM = "pseudonym"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Marking:
    """How answers say that a machine wrote them (AI Act, article 50). `disclosure` is by language, for people."""

    enabled: bool = True  # the machine-readable part
    disclosure: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a tenant has said."""

    redaction: Redaction | None = None
    prompt_log: PromptLog | None = None
    encrypted: bool = True  # what is stored of it is sealed with a key of its own
    user: UserField = UserField.PSEUDONYM
    special: frozenset[Special] = frozenset()
    minors: bool = False  # people under 18 are among its subjects
    end_user_facing: bool = False  # people talk to its models, and must be told so
    marking: Marking = field(default_factory=Marking)


@dataclass(frozen=True, slots=True)
class Subject:
    """A person of a tenant. `id` is the tenant's own name for it: known while a request runs, never stored."""

    tenant: str
    id: str
    pseudonym: str


class Deed(StrEnum):
    """What a tenant may ask about a person, or about itself."""

    EXPORT = "export"
    ERASE = "erase"
    RESTRICT = "restrict"
    LIFT = "lift"  # of a restriction
    WIPE = "wipe"  # everything of a tenant


@dataclass(frozen=True, slots=True)
class Held:
    """What a store has of a person or a tenant, counted by what it calls its rows."""

    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""  # for people: what this store cannot find by a person's name, or keeps, and why

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts.values())


class Holding(Protocol):
    """One store of people's data. Every one there is stands in every receipt, also where it has nothing.

    Each method may be repeated: what was done stays done, and counts then say 0.
    """

    @property
    def name(self) -> str:
        """Of the store, in receipts and documents: `conversations`, `surveys`, ..."""
        ...

    async def find(self, subject: Subject) -> Held:
        """How much there is of a person."""
        ...

    def export(self, subject: Subject) -> AsyncIterator[Values]:
        """All of it, a row at a time, as people can read it."""
        ...

    async def erase(self, subject: Subject) -> Held:
        """Delete it everywhere this store keeps it. Raises Unavailable where a part of it does not answer."""
        ...

    async def wipe(self, tenant: str) -> Held:
        """Delete everything of a tenant. Raises Unavailable."""
        ...

    async def oldest(self, tenant: str) -> datetime | None:
        """When the oldest of what is kept for a limited time was made; None = there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody upstream that has seen what a person sent: on which day, how often."""

    day: date
    backend: str
    provider: str
    country: str | None
    calls: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a class of data is kept, and by which periodic job it is purged. None = until it is deleted."""

    store: str  # a holding's name
    what: str  # for people, English: "conversations"
    seconds: float | None
    setting: str  # where it is set: `rag.conversations.keep`
    purge: str  # the periodic job's name, or "" where nothing is purged


class Retained(Protocol):
    """Who says how long what is kept: the same values that purge it."""

    def retention(self, tenant: str) -> Sequence[Retention]:
        """Of every class of data of a tenant."""
        ...
