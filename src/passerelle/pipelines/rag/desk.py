"""The seams: what may be asked of a tenant's documents from outside. Everything raises PasserelleError.

A collection, document, answer or conversation of another tenant, or in groups that the asker is not in, is not found.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Unavailable
from passerelle.domain.rag import (
    Document,
    DocumentState,
    Found,
    Given,
    Happened,
    Question,
    Seeking,
    Shelf,
    Taken,
    Thumb,
)
from passerelle.domain.retrieval import Chunk

Groups = frozenset[str] | None  # the asker's; None sees everything


class Library(Protocol):
    """Collections and documents: what is kept of them, and what is to be done with them."""

    async def shelves(self, tenant: str) -> Sequence[Shelf]:
        """A tenant's collections by name."""

    async def shelf(self, tenant: str, name: str) -> Shelf:
        """One of them. Raises NotFound `collection_not_found`."""

    async def make(
        self,
        tenant: Tenant,
        name: str,
        *,
        description: str = "",
        embedder: str | None = None,
        words_only: bool = False,
    ) -> Shelf:
        """A new collection by the tenant's rules; an embedder in place of theirs. Raises Conflict where it exists."""

    async def describe(self, tenant: str, name: str, description: str) -> Shelf:
        """Another description."""

    async def reindex(self, tenant: Tenant, name: str, *, groups: Groups = None) -> str | None:
        """Read every document again by the tenant's rules of today; the job's id, None where there are none.

        Raises Forbidden `group_not_yours` where there are documents that those groups do not see.
        """

    async def drop(self, tenant: str, name: str, *, groups: Groups = None) -> None:
        """Delete a collection with all that is in it: documents, vectors, kept answers, conversations, jobs.

        Raises Forbidden as `reindex`.
        """

    async def take(
        self, tenant: Tenant, collection: str, given: Sequence[Given], *, groups: Groups = None
    ) -> Taken:
        """Take documents in, to be read by a job: all of them, or none. Makes the collection where there is none.

        Raises Forbidden `document_not_yours` where one has the key of a document that those groups do not see.
        """

    async def documents(
        self,
        tenant: str,
        collection: str,
        *,
        groups: Groups = None,
        state: DocumentState | None = None,
        before: str | None = None,
        most: int = 100,
    ) -> Sequence[Document]:
        """Documents, the newest first; those before that one."""

    async def document(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Document:
        """One of them. Raises NotFound `document_not_found`."""

    async def passages(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Sequence[Chunk]:
        """What is indexed of a document, in its order."""

    async def content(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> tuple[bytes, str]:
        """A document as it came, and its media type. Raises NotFound where it is not kept."""

    async def delete(self, tenant: str, collection: str, document: str, *, groups: Groups = None) -> None:
        """Delete a document, its vectors, kept answers that may have been drawn from it, and its part of jobs."""

    async def retry(self, tenant: Tenant, collection: str, documents: Sequence[str] | None = None) -> Taken:
        """Read failed documents again, all or these; a page is fetched anew."""

    async def erase(self, tenant: str) -> int:
        """Delete everything of a tenant; how many documents there were."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that is kept. `turns` are empty in lists."""

    id: str
    collection: str
    user: str
    created_at: datetime
    updated_at: datetime
    turns: tuple[KeptTurn, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A question and its answer."""

    question: str
    answer: str
    answer_id: str
    at: datetime


class Reading(Protocol):
    """Searching and answering."""

    async def search(self, caller: Caller, seeking: Seeking) -> Sequence[Found]:
        """The best passages, best first. Takes a request of the caller's limits."""

    def answer(self, caller: Caller, question: Question, *, stream: bool) -> AsyncGenerator[Happened, None]:
        """The answer on its way. Whoever leaves it before the end closes it, which stops all calls under way.

        Unless it is to stream, its words come at once. Nothing is told before the answer has begun, so that errors up to then come before the first event.
        """

    async def thumb(self, caller: Caller, answer: str, thumb: Thumb, *, comment: str = "") -> None:
        """What a reader thinks of an answer. Raises NotFound."""

    async def conversations(
        self, caller: Caller, *, user: str = "", before: str | None = None, most: int = 50
    ) -> Sequence[Conversation]:
        """Those kept of this caller's key and that user, the newest first."""

    async def conversation(self, caller: Caller, conversation: str, *, user: str = "") -> Conversation:
        """One of them with its turns. Raises NotFound."""

    async def forget(self, caller: Caller, conversation: str, *, user: str = "") -> None:
        """Delete one. Raises NotFound."""


class Rag(Protocol):
    """Both, opened when they are first needed."""

    async def library(self) -> Library:
        """Collections and documents. Raises Unavailable where this process cannot have them, with the reason."""

    async def reading(self) -> Reading:
        """Searching and answering."""


class Nowhere:
    """In place of `Rag` where a process has no documents."""

    async def library(self) -> Library:
        """Raises Unavailable."""
        raise Unavailable("Nothing here answers from documents.", code="rag_unavailable")

    async def reading(self) -> Reading:
        """Raises Unavailable."""
        raise Unavailable("Nothing here answers from documents.", code="rag_unavailable")
