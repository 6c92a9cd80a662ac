"""LangChain's `VectorStore` over one tenant's collection; there is no way to make one without a tenant.

It is asynchronous. The synchronous methods are for other threads than the one whose event loop the store belongs to:
they have the work done there, and wait. Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Self, TypeVar

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from typing_extensions import override

from passerelle.domain.retrieval import Chunk, Collection, Condition, Mode, Query
from passerelle.retrieval.store import Chunks

Result = TypeVar("Result")


class TenantVectorStore(VectorStore):
    """Documents of one tenant's collection. Searches see what is open to `groups`; None is the tenant's own service.

    `mode` None: both ways where the collection has vectors, else by words. Metadata called like a chunk's fields
    (`document_id`, `title`, `headings`, `page`, `start`, `end`, `language`, `groups`) become those.
    """

    def __init__(
        self,
        chunks: Chunks,
        collection: Collection,
        embedding: Embeddings | None = None,
        *,
        groups: frozenset[str] | None = frozenset(),
        mode: Mode | None = None,
        language: str | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`loop` is the one that `chunks` are used in; None: the one that runs here, if any. Raises ValueError."""
        if collection.width and embedding is None:
            raise ValueError("This collection has vectors: their embedder is needed.")
        self._chunks, self._collection, self._embedding = chunks, collection, embedding
        self._groups, self._language = groups, language
        self._loop = loop or _running()
        self._mode = mode or (Mode.HYBRID if collection.width else Mode.TEXT)

    @property
    @override
    def embeddings(self) -> Embeddings | None:
        return self._embedding

    @override
    async def aadd_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        given = kwargs.get("ids") or [document.id for document in documents]
        names = [str(one) if one is not None else str(uuid.uuid4()) for one in given]
        some = [as_chunk(name, document) for name, document in zip(names, documents, strict=True)]
        vectors = None
        if self._collection.width and self._embedding is not None:
            vectors = await self._embedding.aembed_documents([chunk.indexed for chunk in some])
        await self._chunks.upsert(self._collection, some, vectors)
        return names

    @override
    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        written = list(texts)
        with_metadata = metadatas or [{} for _ in written]
        documents = [
            Document(page_content=text, metadata=metadata)
            for text, metadata in zip(written, with_metadata, strict=True)
        ]
        return await self.aadd_documents(documents, ids=ids)

    @override
    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        if ids is None:
            raise ValueError("Name what is to be deleted; a whole collection is dropped in another way.")
        await self._chunks.delete(self._collection, ids=ids)
        return True

    @override
    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return [_document(one) for one in await self._chunks.get(self._collection, ids, groups=self._groups)]

    @override
    async def asimilarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        return await self._search(*args, **kwargs)

    @override
    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in await self._search(query, k, **kwargs)]

    @override
    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        found = await self._search("", k, vector=embedding, mode=Mode.DENSE, **kwargs)
        return [document for document, _ in found]

    @override
    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        return [
            document for document, _ in await self._search(query, k, diversity=1.0 - lambda_mult, **kwargs)
        ]

    @classmethod
    @override
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """`chunks` and `collection` among the arguments say where to."""
        made = cls(embedding=embedding, **kwargs)
        await made.aadd_texts(texts, metadatas, ids=ids)
        return made

    @classmethod
    @override
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        made = cls(embedding=embedding, **kwargs)
        made.add_texts(texts, metadatas, ids=ids)
        return made

    @override
    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        return self._now(self.aadd_documents(documents, **kwargs))

    @override
    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        return self._now(self.aadd_texts(texts, metadatas, ids=ids, **kwargs))

    @override
    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        return self._now(self.adelete(ids, **kwargs))

    @override
    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return self._now(self.aget_by_ids(ids))

    @override
    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return self._now(self.asimilarity_search(query, k, **kwargs))

    @override
    def similarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        return self._now(self.asimilarity_search_with_score(*args, **kwargs))

    @override
    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        return self._now(self.asimilarity_search_by_vector(embedding, k, **kwargs))

    @override
    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        return self._now(self.amax_marginal_relevance_search(query, k, fetch_k, lambda_mult, **kwargs))

    @override
    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """A cosine is one already; other scores order an answer, and are not between 0 and 1."""
        return lambda score: max(0.0, min(1.0, score))

    def _now(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Its result, worked out in the store's loop. Raises RuntimeError."""
        if self._loop is None or self._loop is _running():
            work.close()
            raise RuntimeError(
                "This is for threads beside the store's loop; in it, use the methods named `a…`."
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _search(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Sequence[Condition] = (),  # noqa: A002 - LangChain's word
        vector: Sequence[float] = (),
        mode: Mode | None = None,
        diversity: float = 0.0,
        **_: Any,
    ) -> list[tuple[Document, float]]:
        """Words that ask for nothing, and those LangChain adds for others, change nothing."""
        how = mode or self._mode
        if how is not Mode.TEXT and not len(vector) and self._embedding is not None:
            vector = await self._embedding.aembed_query(query)
        if how is Mode.HYBRID and not query.strip():
            how = Mode.DENSE
        asked = Query(
            text=query, vector=vector, mode=how, k=k, groups=self._groups, conditions=tuple(filter),
            language=self._language, diversity=diversity,
        )  # fmt: skip
        return [
            (_document(hit.chunk), hit.score) for hit in await self._chunks.search(self._collection, asked)
        ]


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_FIELDS = {"title": str, "page": int, "start": int, "end": int, "language": str}


def as_chunk(name: str, document: Document) -> Chunk:
    """A document under a name; metadata called like a chunk's fields become those. Raises ValueError."""
    own = dict(document.metadata)
    fields: dict[str, Any] = {}
    for field, kind in _FIELDS.items():
        if field in own:
            fields[field] = own.pop(field)
            if not isinstance(fields[field], kind):
                raise ValueError(f"The metadata `{field}` are of another kind than {kind.__name__}.")
    fields["headings"] = tuple(own.pop("headings", ()))
    fields["groups"] = frozenset(own.pop("groups", ()))
    return Chunk(
        id=name,
        document=str(own.pop("document_id", name)),
        text=document.page_content,
        metadata=own,
        **fields,
    )


def _document(chunk: Chunk) -> Document:
    """What was given comes back; what was never said is left out."""
    metadata = dict(chunk.metadata)
    if chunk.document != chunk.id:
        metadata["document_id"] = chunk.document
    for field in _FIELDS:
        if (value := getattr(chunk, field)) not in (None, ""):
            metadata[field] = value
    if chunk.headings:
        metadata["headings"] = list(chunk.headings)
    if chunk.groups:
        metadata["groups"] = sorted(chunk.groups)
    return Document(id=chunk.id, page_content=chunk.text, metadata=metadata)
