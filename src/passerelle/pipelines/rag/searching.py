"""Passages of a tenant's collection for a question: found, allowed, put in order, whole.

The index may lag behind the table of documents, so every passage's document is looked up there before it is shown:
one that is being deleted, or that the asker's groups do not open, is not. A store that is away is an error, never an
empty answer; an embedder or a reranker that is away costs quality where the rest can go on, and that is said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy import text

from passerelle.domain.catalog import Catalog, Tenant
from passerelle.domain.errors import BadRequest, NotFound, Unavailable, UpstreamFailed
from passerelle.domain.rag import Found, Rag, Seeking, Setup
from passerelle.domain.retrieval import MOST_HITS, Collection, Hit, Mode, Query
from passerelle.pipelines.rag.evidence import ordered
from passerelle.pipelines.rag.searching_modes import language_in, mode_of
from passerelle.pipelines.rag.searching_pieces import distinct, joined, shortened
from passerelle.pipelines.rag.shelves import told_behind
from passerelle.retrieval.ranking import unlike
from passerelle.retrieval.store import Chunks, Unfit
from passerelle.stores.database import Database, Outage

if TYPE_CHECKING:
    from langchain_core.documents import BaseDocumentCompressor

EMBEDDER_AWAY, EMBEDDER_CHANGED, RERANKER_AWAY = "embedder_away", "embedder_changed", "reranker_away"

_MOST_RERANKED = 40  # passages that a reranker reads of a question
_MOST_KNOWN = 1_000  # collections whose languages are known
_SPARE = 6  # passages that are asked for beside, for those that say the same or may not be shown

_SHELF = text("""
SELECT embedder, width, size, overlap, behind, version FROM rag_collection
WHERE tenant = :tenant AND name = :collection AND NOT dropping
""")
_LANGUAGES = text("""
SELECT language FROM rag_document WHERE tenant = :tenant AND collection = :collection AND indexed IS NOT NULL
GROUP BY language ORDER BY count(*) DESC, language
""")
_ALLOWED = text("""
SELECT id, url FROM rag_document
WHERE tenant = :tenant AND collection = :collection AND id = ANY(CAST(:ids AS text[]))
    AND indexed IS NOT NULL AND state <> 'deleting'
    AND (:everything OR groups = '{}' OR groups && CAST(:groups AS text[]))
""")

_log = structlog.get_logger(__name__)


class QuestionEmbedder(Protocol):
    """What is asked of a LangChain `Embeddings`."""

    async def aembed_query(self, text: str) -> list[float]:
        """A question's vector."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a search found, best first, and how. `language` None: it was looked for in French and in English.

    `degraded`: what it had to do without, of `embedder_away`, `embedder_changed`, `reranker_away`. `seconds` by step.
    """

    found: tuple[Found, ...]
    mode: Mode
    language: str | None
    degraded: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Hunt:
    """A search on its way."""

    tenant: Tenant
    seeking: Seeking
    rules: Rag
    setup: Setup
    k: int
    question: str
    language: str | None
    mode: Mode = Mode.TEXT
    vector: Sequence[float] = ()
    degraded: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def collection(self) -> Collection:
        return Collection(self.tenant.name, self.seeking.collection, self.setup.width)

    @property
    def reranker(self) -> str | None:
        return self.rules.reranker if self.seeking.rerank else None

    def without(self, what: str) -> None:
        """Note what it has to do without."""
        self.degraded.append(what)
        _log.warning("rag.search_degraded", tenant=self.tenant.name, without=what)

    def by_words(self, without: str, error: Unavailable) -> None:
        """Go on with words alone, where they were asked for too. Raises the error."""
        if self.mode is Mode.DENSE:
            raise error
        self.without(without)
        self.mode = Mode.TEXT

    def took(self, step: str, since: float) -> None:
        """Count what a step took."""
        self.seconds[step] = self.seconds.get(step, 0.0) + perf_counter() - since


class Searcher:
    """Searches every tenant's collections. It holds nothing open."""

    def __init__(
        self,
        database: Database,
        chunks: Callable[[], Awaitable[Chunks]],
        embedder: Callable[[str, str], QuestionEmbedder],
        reranker: Callable[[str, str], BaseDocumentCompressor],
        *,
        models: Callable[[str], Sequence[str]] = lambda name: (name,),
    ) -> None:
        """`chunks` opens the store. `embedder` and `reranker` give one for a tenant and a model by its name.

        `models`: which models serve a name; see `behind`.
        """
        self._database, self._chunks = database, chunks
        self._embedder, self._reranker, self._models = embedder, reranker, models
        self._languages: OrderedDict[tuple[str, str, int], tuple[str, ...]] = OrderedDict()

    async def search(self, tenant: Tenant, seeking: Seeking) -> list[Found]:
        """The best passages, best first. Raises as `find`."""
        return list((await self.find(tenant, seeking)).found)

    async def find(self, tenant: Tenant, seeking: Seeking) -> Finding:
        """The best passages, and how they were found.

        Raises NotFound `collection_not_found`, BadRequest for what cannot be looked for, Unavailable, and what the
        gateway refuses.
        """
        hunt = await self._begun(tenant, seeking)
        chunks = (
            await self._chunks()
        )  # where there can be none, that is the answer, not that nothing was found
        if hunt.setup.embedder is not None and not hunt.setup.width:
            return Finding((), hunt.mode, hunt.language)  # nothing is indexed yet
        await self._embed(hunt)
        found = await self._gathered(hunt, chunks)
        if hunt.reranker is not None and found:
            found = await self._reranked(hunt, chunks, found)
        elif not seeking.diversity:
            found = ordered(hunt.question, found)
        shown = joined(found, hunt.k, longest=2 * hunt.setup.size)
        return Finding(tuple(shown), hunt.mode, hunt.language, tuple(hunt.degraded), hunt.seconds)

    async def _begun(self, tenant: Tenant, seeking: Seeking) -> _Hunt:
        since = perf_counter()
        question = shortened(seeking.text)
        if not question:
            raise BadRequest("There is nothing to look for: the question is empty.", code="empty_question")
        setup, languages = await self._shelf(tenant.name, seeking.collection)
        rules = tenant.rag or Rag()
        k = seeking.k if seeking.k is not None else rules.passages
        if not 1 <= k <= MOST_HITS:
            raise BadRequest(f"A search finds 1 to {MOST_HITS} passages.", code="invalid_k", param="k")
        language = language_in(question, languages)
        models = self._models(setup.embedder) if setup.embedder is not None else ()
        hunt = _Hunt(tenant, seeking, rules, setup, k, question, language)
        hunt.mode = mode_of(seeking.mode, rules, setup, models=models, language=language)
        hunt.took("check", since)
        return hunt

    async def _shelf(self, tenant: str, collection: str) -> tuple[Setup, tuple[str, ...]]:
        """How a collection is indexed, and the languages of its documents, the commonest first."""
        named = {"tenant": tenant, "collection": collection}
        try:
            async with self._database.begin() as connection:
                row = (await connection.execute(_SHELF, named)).one_or_none()
                if row is None:
                    raise NotFound(
                        f"There is no collection {collection[:200]!r}.", code="collection_not_found"
                    )
                key = (tenant, collection, int(row.version))
                languages = self._languages.get(key)
                if languages is None:
                    found = await connection.execute(_LANGUAGES, named)
                    languages = self._languages[key] = tuple(str(language) for (language,) in found)
                    if len(self._languages) > _MOST_KNOWN:
                        self._languages.popitem(last=False)
        except Outage:
            raise _no_table() from None
        return Setup(row.embedder, row.width, row.size, row.overlap, row.behind), languages

    async def _embed(self, hunt: _Hunt) -> None:
        """The question's vector, where it takes one; where that cannot be had, words alone if they were asked for too."""
        if hunt.mode is Mode.TEXT or hunt.setup.embedder is None:
            return None
        if hunt.setup.behind not in (None, told_behind(self._models(hunt.setup.embedder))):
            why = "Another embedding model has the name now that this collection was indexed with: index it again."
            return hunt.by_words(EMBEDDER_CHANGED, Unavailable(why, code=EMBEDDER_CHANGED))
        since = perf_counter()
        try:
            embedder = self._embedder(hunt.tenant.name, hunt.setup.embedder)
            vector = await embedder.aembed_query(hunt.question)
        except (Unavailable, UpstreamFailed) as error:
            why = f"The embedding model of this collection is away: {error.message}"
            return hunt.by_words(EMBEDDER_AWAY, Unavailable(why, code="embedder_unavailable"))
        finally:
            hunt.took("embed", since)
        if len(vector) == hunt.setup.width:
            hunt.vector = vector
            return None
        why = (
            f"The embedding model gives vectors of {len(vector)} numbers, and the collection was indexed with "
            f"{hunt.setup.width}: index it again."
        )
        return hunt.by_words(EMBEDDER_CHANGED, Unavailable(why, code=EMBEDDER_CHANGED))

    async def _gathered(self, hunt: _Hunt, chunks: Chunks) -> list[Found]:
        """Passages that may be shown, more than are wanted where a reranker is to choose."""
        wanted = max(hunt.k, _MOST_RERANKED) if hunt.reranker is not None else hunt.k
        asked = min(MOST_HITS, wanted + wanted // 2 + _SPARE)
        while True:
            since = perf_counter()
            hits = await self._hits(hunt, chunks, asked)
            hunt.took("search", since)
            since = perf_counter()
            found = distinct(await self._allowed(hunt, hits))
            hunt.took("check", since)
            if len(found) >= wanted or len(hits) < asked or asked == MOST_HITS:
                return found[:wanted] if hunt.reranker is not None else found
            asked = min(MOST_HITS, 4 * asked)

    async def _hits(self, hunt: _Hunt, chunks: Chunks, asked: int) -> list[Hit]:
        seeking = hunt.seeking
        try:
            query = Query(
                text=hunt.question,
                vector=hunt.vector,
                mode=hunt.mode,
                k=asked,
                groups=seeking.groups,
                conditions=seeking.conditions,
                language=hunt.language,
                diversity=0.0 if hunt.reranker is not None else seeking.diversity,
            )
            return await chunks.search(hunt.collection, query)
        except (Unfit, ValueError) as error:
            raise BadRequest(f"That cannot be looked for. {error}", code="invalid_search") from None

    async def _allowed(self, hunt: _Hunt, hits: Sequence[Hit]) -> list[Found]:
        """Those whose documents the table shows to the asker."""
        if not hits:
            return []
        groups = hunt.seeking.groups
        values = {
            "tenant": hunt.tenant.name,
            "collection": hunt.seeking.collection,
            "ids": sorted({hit.chunk.document for hit in hits}),
            "everything": groups is None,
            "groups": sorted(groups or ()),
        }
        try:
            async with self._database.begin() as connection:
                urls = {row.id: row.url for row in await connection.execute(_ALLOWED, values)}
        except Outage:
            raise _no_table() from None
        return [
            Found(
                hit.chunk,
                hit.score,
                url=urls[hit.chunk.document],
                text_score=hit.parts.text,
                dense_score=hit.parts.dense,
            )
            for hit in hits
            if hit.chunk.document in urls
        ]

    async def _reranked(self, hunt: _Hunt, chunks: Chunks, found: list[Found]) -> list[Found]:
        """In the order of a reranker, as unlike each other as was asked for; as they were where it is away."""
        since = perf_counter()
        from passerelle.pipelines.rag.searching_reranked import in_order_of  # noqa: PLC0415 - LangChain takes its time

        try:
            reranker = self._reranker(hunt.tenant.name, hunt.reranker or "")
            scored = await in_order_of(reranker, hunt.question, found)
        except (Unavailable, UpstreamFailed):
            hunt.without(RERANKER_AWAY)
            scored = found
        hunt.took("rerank", since)
        if not hunt.seeking.diversity:
            return scored
        since = perf_counter()
        vectors = await chunks.vectors(hunt.collection, [one.chunk.id for one in scored])
        order = unlike(
            _between(scored),
            [vectors.get(one.chunk.id, ()) for one in scored],
            [one.chunk for one in scored],
            k=len(scored),
            diversity=hunt.seeking.diversity,
        )
        hunt.took("search", since)
        return [scored[place] for place in order]


def behind(catalog: Catalog, name: str) -> tuple[str, ...]:
    """The models that serve a name of the file."""
    model = catalog.models.get(name)
    return tuple(target.model for target in model.targets) if model is not None else (name,)


def _between(found: Sequence[Found]) -> list[float]:
    """Their scores between 0 and 1."""
    lowest, highest = min(one.score for one in found), max(one.score for one in found)
    return [(one.score - lowest) / ((highest - lowest) or 1.0) for one in found]


def _no_table() -> Unavailable:
    return Unavailable("The table of documents cannot be reached.", code="documents_unavailable")
