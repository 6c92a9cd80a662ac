"""`TenantQdrantVectorStore`: langchain-qdrant's own vector store for people who bring code written for it.

It reads and writes the collections of a Qdrant server that `Server` makes. Whatever that library asks of the server goes
through a client that knows one tenant's collection and adds its conditions: to queries and every prefetch in them, to
what is read by id and to what is deleted; what is written is put under the tenant's name and ids. What that client does
not know, cannot be asked. The library's client is synchronous, so this is not for the path of requests. Imported late:
LangChain and Qdrant's client take their time.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from qdrant_client import QdrantClient, models
from typing_extensions import override

from passerelle.domain.retrieval import Collection
from passerelle.retrieval import bm25, payload
from passerelle.retrieval.langchain_store import as_chunk
from passerelle.retrieval.server import collection_on_server

_ADDED = ("_id", "_collection_name", "chunk_id")  # what the library and the layout add to metadata
_OPTIONS = frozenset(
    {
        "using", "limit", "offset", "with_payload", "with_vectors", "score_threshold", "consistency", "timeout",
        "shard_key_selector",
    }
)  # fmt: skip


class Bm25Embeddings(SparseEmbeddings):
    """The stems of a text, as they are indexed: `language` as in a Query for questions, as in a Chunk for passages."""

    def __init__(self, language: str | None = None) -> None:
        self._language = language

    @override
    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [_sparse(bm25.of_passage(text, self._language or "")) for text in texts]

    @override
    def embed_query(self, text: str) -> SparseVector:
        return _sparse(bm25.of_question(text, self._language))


class TenantQdrantVectorStore(QdrantVectorStore):
    """langchain-qdrant's vector store inside one tenant's collection, as members of `groups` see it (None: everything).

    `language`: of questions and documents, for their stems. Ids are of any form; the server sees others.
    """

    def __init__(
        self,
        client: QdrantClient,
        collection: Collection,
        embedding: Embeddings | None = None,
        *,
        groups: frozenset[str] | None = frozenset(),
        retrieval_mode: RetrievalMode | None = None,
        language: str | None = None,
        sparse_embedding: SparseEmbeddings | None = None,
        validate_collection_config: bool = True,
    ) -> None:
        """`retrieval_mode` None: both ways where the collection has vectors, else by words. Raises TypeError, ValueError."""
        if not isinstance(collection, Collection):
            raise TypeError("A tenant's store is made with a Collection, which names the tenant.")
        super().__init__(
            client,
            collection_on_server(collection),
            embedding,
            retrieval_mode or (RetrievalMode.HYBRID if collection.width else RetrievalMode.SPARSE),
            sparse_embedding=sparse_embedding or Bm25Embeddings(language),
            validate_embeddings=True,
            validate_collection_config=validate_collection_config,
        )
        self._client = cast("QdrantClient", _Guarded(client, collection, groups, language))

    @classmethod
    @override
    def construct_instance(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises TypeError: collections of every tenant are made by the store of passages."""
        raise TypeError("Make the store with a Collection, and add documents to it.")

    @classmethod
    @override
    def from_existing_collection(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises TypeError: without a tenant there is no store."""
        raise TypeError("Make the store with a Collection, which names the tenant.")


class _Guarded:
    """What langchain-qdrant asks of a client, with a tenant's conditions; there is nothing else to be asked."""

    def __init__(
        self,
        client: QdrantClient,
        collection: Collection,
        groups: frozenset[str] | None,
        language: str | None,
    ) -> None:
        self._inner, self._collection, self._language = client, collection, language
        self._seen = models.Filter.model_validate(payload.inside(collection, *payload.open_to(groups)))
        self._corpus = models.Filter.model_validate(payload.inside(collection))

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        *,
        prefetch: Any = None,
        query_filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        **options: Any,
    ) -> models.QueryResponse:
        """Raises TypeError, Unreachable."""
        _known(options)
        answer = self._inner.query_points(
            self._named(collection_name),
            query=_no_point(query),
            prefetch=[self._fetched(one) for one in _each(prefetch)] or None,
            query_filter=self._inside(query_filter),
            search_params=self._counted(query, search_params),
            **options,
        )
        self._own(answer.points)
        return answer

    def get_collection(self, collection_name: str) -> models.CollectionInfo:
        """How it is made; how much everybody has in it is nobody's to know."""
        info = self._inner.get_collection(self._named(collection_name))
        return info.model_copy(
            update={"points_count": None, "indexed_vectors_count": None, "payload_schema": {}}
        )

    def upsert(self, collection_name: str, points: Sequence[models.PointStruct], **options: Any) -> Any:
        """Raises ValueError, Unfit."""
        if options:
            raise TypeError(f"A tenant's store does not take {', '.join(sorted(options))}.")
        return self._inner.upsert(
            self._named(collection_name), [self._point(one) for one in points], wait=True
        )

    def delete(self, collection_name: str, points_selector: Sequence[str | int] | None) -> Any:
        """Those of these ids that the tenant has. Raises ValueError."""
        if points_selector is None:
            raise ValueError("Name what is to be deleted; a whole collection is dropped in another way.")
        chosen = models.FilterSelector(filter=self._of(points_selector))
        return self._inner.delete(self._named(collection_name), points_selector=chosen, wait=True)

    def retrieve(self, collection_name: str, ids: Sequence[str | int], **_: Any) -> list[models.Record]:
        """Those of these ids that the tenant has, in their order. Raises Unreachable."""
        if not ids:
            return []
        records, _following = self._inner.scroll(
            self._named(collection_name), self._of(ids), limit=2 * len(ids), with_payload=True
        )
        self._own(records)
        there = {str(record.id): record for record in records}
        return [there[point] for one in ids for point in self._points(one) if point in there]

    def _named(self, name: str) -> str:
        if name != collection_on_server(self._collection):
            raise ValueError("A tenant's store is of one collection.")
        return name

    def _inside(self, given: models.Filter | None) -> models.Filter:
        return self._seen if given is None else models.Filter(must=[self._seen, given])

    def _of(self, ids: Sequence[str | int]) -> models.Filter:
        points: list[int | str | uuid.UUID] = [point for one in ids for point in self._points(one)]
        return models.Filter(must=[self._seen, models.HasIdCondition(has_id=points)])

    def _points(self, name: str | int) -> list[str]:
        """What a point may be called: an id that was given to it, or the server's own."""
        made = [payload.point_id(self._collection, str(name))]
        try:
            return [*made, str(uuid.UUID(str(name)))]
        except ValueError:
            return made

    def _fetched(self, given: models.Prefetch) -> models.Prefetch:
        if given.lookup_from is not None:
            raise TypeError("A tenant's store looks nothing up elsewhere.")
        return given.model_copy(
            update={
                "query": _no_point(given.query),
                "prefetch": [self._fetched(one) for one in _each(given.prefetch)] or None,
                "filter": self._inside(given.filter),
                "params": self._counted(given.query, given.params),
            }
        )

    def _counted(self, query: Any, params: models.SearchParams | None) -> models.SearchParams | None:
        """How rare a stem is, is counted in the tenant's collection only."""
        if not isinstance(query, models.SparseVector):
            return params
        corpus = models.IdfCorpusParams(corpus=self._corpus)
        return (params or models.SearchParams()).model_copy(update={"idf": corpus})

    def _point(self, given: models.PointStruct) -> models.PointStruct:
        stored = given.payload or {}
        own = {name: value for name, value in (stored.get("metadata") or {}).items() if name not in _ADDED}
        for name, value in (("tenant_id", self._collection.tenant), ("collection", self._collection.name)):
            if own.pop(name, value) != value:
                raise ValueError(f"The metadata `{name}` are of another than this store.")
        own.setdefault("language", self._language or "")
        chunk = as_chunk(str(given.id), Document(page_content=stored["page_content"], metadata=own))
        return models.PointStruct(
            id=payload.point_id(self._collection, chunk.id),
            vector=given.vector,
            payload=payload.payload(self._collection, chunk),
        )

    def _own(self, points: Sequence[models.ScoredPoint | models.Record]) -> None:
        """Raises Unreachable when the server gave somebody else's."""
        for point in points:
            payload.chunk(self._collection, point.payload)


def _sparse(words: bm25.Words) -> SparseVector:
    return SparseVector(indices=list(words.stems), values=list(words.weights))


def _each(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _known(options: dict[str, Any]) -> None:
    if unknown := options.keys() - _OPTIONS:
        raise TypeError(f"A tenant's store does not take {', '.join(sorted(unknown))}.")


def _no_point(query: Any) -> Any:
    """A query of numbers, or one that fuses what was fetched: a point that others are to be like may be anybody's."""
    allowed = (list, models.SparseVector, models.FusionQuery, models.RrfQuery, models.NearestQuery)
    if isinstance(query, models.NearestQuery):
        _no_point(query.nearest)
    if query is not None and not isinstance(query, allowed):
        raise TypeError("A tenant's store is asked with vectors.")
    return query
