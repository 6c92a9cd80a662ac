"""How answers say that a machine wrote them (Regulation (EU) 2024/1689, article 50), where their tenant says so.

Every chat and completion, from the cache too, has the header `x-ai-generated`: `true` where a language model wrote it,
`extractive` where our own `builtin` kind picked sentences out of what it was given: nothing was generated then, but no
person wrote the answer either, and a reader of the header should not take it for a person's. Numbers (embeddings,
scores, labels) are not marked.

What wrote it, and when, stands in the answer itself, `x_ai_provenance`, for tenants whose models people talk to: there
the mark must outlive the HTTP reply. Others' bodies stay byte for byte what the engine said. Streams are relayed without
being read, so theirs stands in a comment before the end mark, which no client takes for content.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from passerelle.audit.chain import moment
from passerelle.audit.disclosure import disclosure
from passerelle.domain.ask import Route
from passerelle.domain.catalog import Tenant
from passerelle.domain.rag import Answered, Happened, Question
from passerelle.gateway.edition import Edition
from passerelle.pipelines.rag.speaking import fact_headers
from passerelle.wire.sse import DONE

GENERATED, EXTRACTIVE = b"true", b"extractive"
HEADER, ABOUT = b"x-ai-generated", b"x-ai-disclosure"
DISCLOSURE_PATH = "/v1/privacy/disclosure"

_MARKED = frozenset({Route.CHAT, Route.COMPLETIONS})
_BUILTIN = "builtin"
_GENERATOR = "passerelle"
_BACKEND, _PROVIDER, _MODEL = b"x-passerelle-backend", b"x-passerelle-provider", b"x-passerelle-model"
_MEMBER = b'"x_ai_provenance"'

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of one answer. `facing`: people talk to the model, so the answer itself says it too."""

    kind: bytes
    facing: bool
    model: str
    provider: str
    revision: str | None

    @property
    def headers(self) -> Headers:
        """For the reply's head."""
        marked = [(HEADER, self.kind)]
        if self.facing:
            marked.append((ABOUT, DISCLOSURE_PATH.encode("ascii")))
        return marked

    def provenance(self) -> dict[str, Any]:
        """What wrote the answer, as JSON."""
        return {
            "ai_generated": True if self.kind == GENERATED else "extractive",
            "generator": _GENERATOR,
            "model": self.model,
            "revision": self.revision,
            "provider": self.provider,
            "at": moment(datetime.now(UTC)),
        }

    def whole(self, body: bytes) -> bytes:
        """The body of an answer with what wrote it, as its last member. One that has it already keeps what it says.

        Not parsed: inside a string of JSON the member's name would have its quotes escaped.
        """
        if not self.facing or _MEMBER in body:
            return body
        end = body.rstrip()
        if not end.endswith(b"}") or end.endswith(b"{}"):
            return body
        return b"%b,%b:%b}" % (end[:-1], _MEMBER, orjson.dumps(self.provenance()))

    def closing(self, end: bytes) -> bytes:
        """The end of a stream with a comment before its end mark."""
        if not end.endswith(DONE):
            return end
        comment = b": x-ai-provenance %b\n\n" % orjson.dumps(self.provenance())
        return b"%b%b%b" % (end[: -len(DONE)], comment, DONE)


def mark_of(
    tenant: Tenant, route: Route, facts: Sequence[tuple[bytes, bytes]], edition: Edition
) -> Mark | None:
    """What an answer of this tenant says of itself, by the headers that say who answered.

    None where the tenant wants no mark, where nothing is written on this route, and where nothing was asked: a refusal
    for want of sources is our own sentence.
    """
    if not tenant.privacy.marking.enabled or route not in _MARKED:
        return None
    said = dict(facts)
    backend = said.get(_BACKEND, b"").decode("ascii")
    spec = edition.catalog.backends.get(backend)
    if spec is None:
        return None
    model = said.get(_MODEL, b"").decode("ascii")
    return Mark(
        kind=EXTRACTIVE if spec.kind == _BUILTIN else GENERATED,
        facing=tenant.privacy.end_user_facing,
        model=model,
        provider=said.get(_PROVIDER, b"").decode("ascii"),
        revision=_revision(edition, backend, model),
    )


def _revision(edition: Edition, backend: str, model: str) -> str | None:
    """Of the model's files, where the engine tells."""
    survey = edition.survey(backend)
    known = survey.models.get(model) if survey is not None else None
    return known.facts.revision if known is not None else None


Marks = Callable[[Mapping[str, str]], Headers]  # the headers that say what wrote an answer, by who answered


def marks_of(tenant: Tenant, edition: Edition) -> Marks:
    """The same for answers from documents, whose facts come without their prefix."""

    def marks(facts: Mapping[str, str]) -> Headers:
        mark = mark_of(tenant, Route.CHAT, fact_headers(facts), edition)
        return mark.headers if mark is not None else []

    return marks


def is_first(question: Question) -> bool:
    """Does a conversation begin with it?"""
    return question.conversation is None and len(question.turns) == 1


def told_of(tenant: Tenant, *, first: bool, language: str) -> str:
    """What an answer tells the person who reads it: at the first turn of a conversation, where people talk to models."""
    privacy = tenant.privacy
    if not first or not privacy.end_user_facing:
        return ""
    return disclosure(privacy.marking, language).text


async def disclosing(happened: AsyncGenerator[Happened, None], text: str) -> AsyncGenerator[Happened, None]:
    """The same answer, with what its reader is to be told."""
    async with aclosing(happened) as events:
        async for each in events:
            yield replace(each, disclosure=text) if isinstance(each, Answered) else each
