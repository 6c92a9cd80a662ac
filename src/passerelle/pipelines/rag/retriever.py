"""`CollectionRetriever`: a tenant's documents as LangChain's retriever, for chains and agents in this process.

Each question is a search by one caller, with its limits and its groups: whoever is handed a retriever sees what that caller
may see. Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation
from typing_extensions import override

from passerelle.domain.caller import Caller, groups_of
from passerelle.domain.rag import Found, Seeking
from passerelle.domain.retrieval import Condition, Mode
from passerelle.pipelines.models.threads import running, wait_for
from passerelle.pipelines.rag.desk import Reading


class CollectionRetriever(BaseRetriever):
    """The best passages of a collection, best first. Errors are the gateway's own.

    `groups` as in a request: None are the caller's own; others' are refused when it is made, by Forbidden
    `group_not_yours`. A document's metadata hold the passage's own, and over them `document_id`, `title`, `url`, `page`,
    `headings`, `start`, `end`, `language`, `score` and `relevance`, as far as they are known.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    reading: SkipValidation[Reading] = Field(exclude=True, repr=False)
    caller: Caller = Field(exclude=True, repr=False)
    collection: str
    groups: Sequence[str] | None = None
    k: int | None = None
    conditions: tuple[Condition, ...] = ()
    mode: Mode | None = None
    rerank: bool = True
    diversity: float = 0.0
    loop: SkipValidation[asyncio.AbstractEventLoop | None] = Field(default=None, exclude=True, repr=False)
    _seen: frozenset[str] = PrivateAttr(default=frozenset())

    @override
    def model_post_init(self, context: Any, /) -> None:
        """Raises Forbidden."""
        super().model_post_init(context)
        self._seen = groups_of(self.caller, self.groups)
        self.loop = self.loop or running()

    @override
    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        conditions: Sequence[Condition] | None = None,
    ) -> list[Document]:
        """`k` and `conditions` in place of the retriever's own."""
        return await self._search(query, k, conditions)

    @override
    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        conditions: Sequence[Condition] | None = None,
    ) -> list[Document]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self._search(query, k, conditions), self.loop)

    async def _search(
        self, query: str, k: int | None, conditions: Sequence[Condition] | None
    ) -> list[Document]:
        seeking = Seeking(
            collection=self.collection,
            text=query,
            groups=self._seen,
            conditions=self.conditions if conditions is None else tuple(conditions),
            k=self.k if k is None else k,
            mode=self.mode,
            rerank=self.rerank,
            diversity=self.diversity,
        )
        return [as_document(each) for each in await self.reading.search(self.caller, seeking)]


def as_document(found: Found) -> Document:
    """A passage as LangChain's document."""
    chunk = found.chunk
    known = {
        "document_id": chunk.document,
        "title": chunk.title,
        "url": found.url,
        "page": chunk.page,
        "headings": list(chunk.headings),
        "start": chunk.start,
        "end": chunk.end,
        "language": chunk.language,
        "score": found.score,
        "relevance": found.relevance,
    }
    told = {name: value for name, value in known.items() if value not in (None, "", [])}
    return Document(id=chunk.id, page_content=chunk.text, metadata={**chunk.metadata, **told})
