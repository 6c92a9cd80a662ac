"""A library and a reading room in memory, for the routes that stand before them: what they were asked is remembered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from passerelle.domain.ask import Usage
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import Conflict, Forbidden, NotFound
from passerelle.domain.rag import (
    Answered,
    Citation,
    Document,
    DocumentState,
    Found,
    Given,
    Happened,
    Origin,
    Question,
    Said,
    Seeking,
    Setup,
    Shelf,
    Taken,
    Thumb,
)
from passerelle.domain.retrieval import Chunk
from passerelle.pipelines.rag.desk import Conversation, Groups, KeptTurn, Library, Reading

_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_Key = tuple[str, str]  # tenant and collection


def _seen(document: Document, groups: Groups) -> bool:
    return groups is None or not document.groups or bool(document.groups & groups)


@dataclass
class LibraryFake:
    """Collections and documents by tenant and collection; `given` is what came last."""

    held: dict[_Key, Shelf] = field(default_factory=dict)
    papers: dict[_Key, dict[str, Document]] = field(default_factory=dict)
    contents: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    given: list[Given] = field(default_factory=list)
    retried: list[Sequence[str] | None] = field(default_factory=list)

    async def shelves(self, tenant: str) -> Sequence[Shelf]:
        return sorted(
            (each for each in self.held.values() if each.tenant == tenant), key=lambda each: each.name
        )

    async def shelf(self, tenant: str, name: str) -> Shelf:
        if (tenant, name) not in self.held:
            raise NotFound("There is no such collection.", code="collection_not_found")
        return self.held[tenant, name]

    async def make(
        self,
        tenant: Tenant,
        name: str,
        *,
        description: str = "",
        embedder: str | None = None,
        words_only: bool = False,
    ) -> Shelf:
        if (tenant.name, name) in self.held:
            raise Conflict("There is such a collection.", code="collection_exists")
        setup = Setup(None if words_only else embedder or "embeddings", 0, 1200, 150)
        made = Shelf(tenant.name, name, description, setup, 1, 0, 0, _AT, _AT)
        self.held[tenant.name, name] = made
        self.papers[tenant.name, name] = {}
        return made

    async def describe(self, tenant: str, name: str, description: str) -> Shelf:
        self.held[tenant, name] = replace(await self.shelf(tenant, name), description=description)
        return self.held[tenant, name]

    async def reindex(self, tenant: Tenant, name: str, *, groups: Groups = None) -> str | None:
        await self._seen_whole(tenant.name, name, groups)
        return "job_reindex" if self.papers[tenant.name, name] else None

    async def drop(self, tenant: str, name: str, *, groups: Groups = None) -> None:
        await self._seen_whole(tenant, name, groups)
        del self.held[tenant, name], self.papers[tenant, name]

    async def take(
        self, tenant: Tenant, collection: str, given: Sequence[Given], *, groups: Groups = None
    ) -> Taken:
        self.given = list(given)
        if (tenant.name, collection) not in self.held:
            await self.make(tenant, collection)
        papers = self.papers[tenant.name, collection]
        documents, unchanged = [], set()
        for each in given:
            key = (
                each.key
                or each.url
                or each.name
                or hashlib.sha256((each.text or "").encode()).hexdigest()[:8]
            )
            body = each.content if each.content is not None else (each.text or each.url or "").encode()
            made = Document(
                id="doc_" + hashlib.sha256(key.encode()).hexdigest()[:12],
                tenant=tenant.name,
                collection=collection,
                key=key,
                origin=_origin(each),
                state=DocumentState.QUEUED,
                title=each.title,
                url=each.url,
                media_type=each.media_type,
                groups=each.groups,
                metadata=each.metadata,
                size=len(body),
                job="job_1",
                refresh=each.refresh,
            )
            if self.contents.get(made.id, (None,))[0] == body:
                unchanged.add(made.id)
            self.contents[made.id] = (body, each.media_type)
            papers[made.id] = made
            documents.append(made)
        whole = len(unchanged) == len(documents)
        return Taken(tuple(documents), frozenset(unchanged), None if whole else "job_1")

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
        await self.shelf(tenant, collection)
        found = [
            each
            for each in reversed(self.papers[tenant, collection].values())
            if _seen(each, groups) and state in (None, each.state)
        ]
        if before is not None:
            ids = [each.id for each in found]
            found = found[ids.index(before) + 1 :] if before in ids else []
        return found[:most]

    async def document(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Document:
        await self.shelf(tenant, collection)
        found = self.papers[tenant, collection].get(document)
        if found is None or not _seen(found, groups):
            raise NotFound("There is no such document.", code="document_not_found")
        return found

    async def passages(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> Sequence[Chunk]:
        found = await self.document(tenant, collection, document, groups=groups)
        return [Chunk("c1", found.id, "Delivery takes two days.", title=found.title, page=2, start=0, end=24)]

    async def content(
        self, tenant: str, collection: str, document: str, *, groups: Groups = None
    ) -> tuple[bytes, str]:
        found = await self.document(tenant, collection, document, groups=groups)
        return self.contents[found.id]

    async def delete(self, tenant: str, collection: str, document: str, *, groups: Groups = None) -> None:
        found = await self.document(tenant, collection, document, groups=groups)
        del self.papers[tenant, collection][found.id]

    async def retry(self, tenant: Tenant, collection: str, documents: Sequence[str] | None = None) -> Taken:
        await self.shelf(tenant.name, collection)
        self.retried.append(documents)
        papers = self.papers[tenant.name, collection]
        failed = [each for each in papers.values() if each.state is DocumentState.FAILED]
        again = [each for each in failed if documents is None or each.id in documents]
        return Taken(tuple(again), frozenset(), "job_2" if again else None)

    async def erase(self, tenant: str) -> int:
        return 0

    async def _seen_whole(self, tenant: str, name: str, groups: Groups) -> None:
        await self.shelf(tenant, name)
        if not all(_seen(each, groups) for each in self.papers[tenant, name].values()):
            raise Forbidden("There are documents for others.", code="group_not_yours")

    def put(self, tenant: str, collection: str, document: Document) -> None:
        """A document that is there, in a collection that is made with it."""
        setup = Setup("embeddings", 384, 1200, 150)
        self.held.setdefault((tenant, collection), Shelf(tenant, collection, "", setup, 1, 1, 1, _AT, _AT))
        self.papers.setdefault((tenant, collection), {})[document.id] = document


def paper(
    id_: str, *, tenant: str = "acme", collection: str = "faq", groups: Sequence[str] = (), **named: object
) -> Document:
    """A document that is indexed."""
    ready = Document(id_, tenant, collection, id_, Origin.TEXT, DocumentState.READY, groups=frozenset(groups))
    return replace(ready, **named)  # type: ignore[arg-type]


def _origin(given: Given) -> Origin:
    if given.content is not None:
        return Origin.FILE
    if given.url is not None:
        return Origin.URL
    return Origin.TEXT if given.text is not None else Origin.CHUNKS


CITED = Citation(
    1, "doc_1", "c1", "Delivery", "takes two days", 0.8, page=2, start=9, end=23, places=((24, 27),)
)
ANSWERED = Answered(
    id="ra_1",
    collection="faq",
    model="assistant",
    text="Delivery takes two days [1].",
    citations=(CITED,),
    refusal=None,
    nearest=(),
    searched="How long does delivery take?",
    usage=Usage(120, 9, cached_tokens=20),
    cost="0.0001 EUR",
    seconds={"search": 0.004, "total": 0.25},
    facts={"backend": "engine", "provider": "self", "model": "fake", "cache": "miss", "attempts": "1"},
)


@dataclass
class ReadingFake:
    """Says what it is told to. `holds`: after the first piece an answer waits for it, until it is closed."""

    events: Sequence[Happened | Exception] = (Said("Delivery takes "), Said("two days [1]."), CITED, ANSWERED)
    found: Sequence[Found] = ()
    kept: dict[str, Conversation] = field(default_factory=dict)
    holds: asyncio.Event | None = None
    asked: list[tuple[Caller, Question]] = field(default_factory=list)
    sought: list[tuple[Caller, Seeking]] = field(default_factory=list)
    thumbs: list[tuple[str | None, str, Thumb, str]] = field(default_factory=list)
    closed: int = 0

    async def search(self, caller: Caller, seeking: Seeking) -> Sequence[Found]:
        self.sought.append((caller, seeking))
        return self.found

    async def answer(
        self, caller: Caller, question: Question, *, stream: bool
    ) -> AsyncGenerator[Happened, None]:
        self.asked.append((caller, question))
        try:
            for number, each in enumerate(self.events):
                if number == 1 and self.holds is not None:
                    await self.holds.wait()
                if isinstance(each, Exception):
                    raise each
                yield each
        finally:
            self.closed += 1

    async def thumb(self, caller: Caller, answer: str, thumb: Thumb, *, comment: str = "") -> None:
        if answer != ANSWERED.id:
            raise NotFound("There is no such answer.", code="answer_not_found")
        self.thumbs.append((caller.tenant, answer, thumb, comment))

    async def conversations(
        self, caller: Caller, *, user: str = "", before: str | None = None, most: int = 50
    ) -> Sequence[Conversation]:
        return [replace(each, turns=()) for each in self.kept.values() if each.user == user][:most]

    async def conversation(self, caller: Caller, conversation: str, *, user: str = "") -> Conversation:
        found = self.kept.get(conversation)
        if found is None or found.user != user:
            raise NotFound("There is no such conversation.", code="conversation_not_found")
        return found

    async def forget(self, caller: Caller, conversation: str, *, user: str = "") -> None:
        del self.kept[(await self.conversation(caller, conversation, user=user)).id]


def kept(id_: str, user: str = "") -> Conversation:
    """A conversation of one turn."""
    turn = KeptTurn("How long?", "Two days [1].", ANSWERED.id, _AT)
    return Conversation(id_, "faq", user, _AT, _AT, (turn,))


@dataclass
class RagFake:
    """Both of them."""

    books: LibraryFake = field(default_factory=LibraryFake)
    room: ReadingFake = field(default_factory=ReadingFake)

    async def library(self) -> Library:
        return self.books

    async def reading(self) -> Reading:
        return self.room
