"""langchain-qdrant over the collections of a server: its own store reads them, ours stays inside a tenant's.

The server is the local mode of Qdrant's client, which answers as the server does, without indexes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from passerelle.domain.retrieval import Chunk, Collection
from passerelle.retrieval.brought import Bm25Embeddings, TenantQdrantVectorStore
from passerelle.retrieval.server import Server
from passerelle.retrieval.store import Unreachable
from passerelle.stores.qdrant import Qdrant
from tests.passages import words

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

_EMBEDDER = DeterministicFakeEmbedding(size=6)
_OURS, _THEIRS = Collection("a", "c", 6), Collection("b", "c", 6)
_NAME = "passerelle-chunks-6"


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, QdrantClient]]:
    """Our store, and a client of the kind that langchain-qdrant takes, of one server."""
    asked, brought = AsyncQdrantClient(":memory:"), QdrantClient(":memory:")
    cast("Any", brought._client).collections = cast("Any", asked._client).collections
    client = Qdrant("http://127.0.0.1:6333")
    client._client = asked
    chunks = Server(client, patience=30)
    for spot, text in ((_OURS, "canari alpha"), (_THEIRS, "canari bravo")):
        one = Chunk(id="x", document="d", text=text, title="Oiseaux", page=3, language="fr")
        other = Chunk(id="rh", document="d2", text=f"{text} salaire", language="fr", groups=frozenset({"rh"}))
        vectors = _EMBEDDER.embed_documents([one.text, other.text])
        await chunks.upsert(spot, [one, other], vectors)
    yield chunks, brought
    await client.aclose()
    brought.close()


def texts(documents: list[Document]) -> set[str]:
    return {document.page_content for document in documents}


async def test_langchains_own_store_reads_what_ours_has_written(server: tuple[Server, QdrantClient]) -> None:
    plain = QdrantVectorStore(
        server[1], _NAME, _EMBEDDER, RetrievalMode.HYBRID, sparse_embedding=Bm25Embeddings("fr")
    )
    mine = models.Filter(
        must=[models.FieldCondition(key="metadata.tenant_id", match=models.MatchValue(value="a"))]
    )
    found = plain.similarity_search("canari alpha", k=2, filter=mine)
    assert found[0].page_content == "canari alpha"
    assert found[0].metadata["title"] == "Oiseaux"
    assert found[0].metadata["page"] == 3
    assert len(plain.similarity_search("canari", k=9)) == 4  # of everybody: this is what ours is for


async def test_what_langchains_own_store_writes_is_for_nobody_but_whose_name_it_bears_and_no_member(
    server: tuple[Server, QdrantClient],
) -> None:
    plain = QdrantVectorStore(
        server[1], _NAME, _EMBEDDER, RetrievalMode.HYBRID, sparse_embedding=Bm25Embeddings("fr")
    )
    plain.add_texts(["canari sans maître"])
    mine = {"tenant_id": "a", "collection": "c", "chunk_id": "new", "document_id": "d9", "language": "fr"}
    plain.add_texts(["canari voyageur"], [{**mine, "title": "Oiseaux", "page": 4}])
    (found,) = [hit.chunk for hit in await server[0].search(_OURS, words("voyageur", groups=None))]
    assert (found.id, found.document, found.text, found.page) == ("new", "d9", "canari voyageur", 4)
    assert await server[0].search(_OURS, words("voyageur")) == []  # it does not say to whom it is open
    for spot in (_OURS, _THEIRS):
        hits = await server[0].search(spot, words("canari", k=50, groups=None))
        assert "canari sans maître" not in {hit.chunk.text for hit in hits}


@pytest.mark.parametrize("mode", [None, RetrievalMode.DENSE, RetrievalMode.SPARSE])
async def test_every_way_of_asking_stays_inside_the_tenant_and_its_groups(
    server: tuple[Server, QdrantClient], mode: RetrievalMode | None
) -> None:
    for groups, seen in (
        (frozenset[str](), {"canari alpha"}),
        (frozenset({"rh"}), {"canari alpha", "canari alpha salaire"}),
        (None, {"canari alpha", "canari alpha salaire"}),
    ):
        ours = TenantQdrantVectorStore(
            server[1], _OURS, _EMBEDDER, groups=groups, retrieval_mode=mode, language="fr"
        )
        foreign = models.Filter(
            should=[models.FieldCondition(key="metadata.tenant_id", match=models.MatchValue(value=one)) for one in "ab"]
        )  # fmt: skip
        assert texts(ours.similarity_search("canari", k=9)) == seen
        assert texts(await ours.asimilarity_search("canari", k=9, filter=foreign)) == seen
        vector = _EMBEDDER.embed_query("canari bravo")
        assert texts(ours.similarity_search_by_vector(vector, k=9)) == seen
        assert texts(ours.max_marginal_relevance_search("canari bravo", k=9)) == seen
        assert texts(await ours.as_retriever(search_kwargs={"k": 9}).ainvoke("canari")) == seen
        assert texts(ours.get_by_ids(["x", "rh", "nobody"])) == seen


async def test_what_is_written_and_deleted_is_the_tenants_own_whatever_ids_and_metadata_say(
    server: tuple[Server, QdrantClient],
) -> None:
    ours = TenantQdrantVectorStore(server[1], _OURS, _EMBEDDER, groups=None, language="fr")
    theirs = await server[0].search(_THEIRS, words("canari", groups=None))
    ids = ours.add_texts(["canaris nouveaux"], [{"year": 2024, "groups": ["rh"]}], ids=["x"])
    assert ids == ["x"]
    (found,) = await server[0].get(_OURS, ["x"])
    assert (found.text, found.metadata, found.groups) == (
        "canaris nouveaux",
        {"year": 2024},
        frozenset({"rh"}),
    )
    assert [hit.chunk.id for hit in await server[0].search(_OURS, words("nouveau", groups=None))] == ["x"]
    (read,) = ours.get_by_ids(["x"])
    ours.add_documents([read], ids=["x"])  # what was read may be written again
    with pytest.raises(ValueError, match="tenant_id"):
        ours.add_texts(["x"], [{"tenant_id": "b"}])
    everything = [point.id for point in server[1].scroll(_NAME, limit=99)[0]]
    assert ours.delete(["x", *map(str, everything)]) is True  # also by the server's own ids
    assert await server[0].count(_OURS) == 0
    assert await server[0].search(_THEIRS, words("canari", groups=None)) == theirs
    with pytest.raises(ValueError, match="Name what"):
        ours.delete()


async def test_there_is_no_way_around_the_tenant(server: tuple[Server, QdrantClient]) -> None:
    with pytest.raises(TypeError, match="Collection"):
        TenantQdrantVectorStore(server[1], _NAME, _EMBEDDER)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Collection"):
        TenantQdrantVectorStore.from_existing_collection(_NAME, _EMBEDDER)
    with pytest.raises(TypeError, match="Collection"):
        TenantQdrantVectorStore.from_texts(["x"], _EMBEDDER)
    ours = TenantQdrantVectorStore(server[1], _OURS, _EMBEDDER)
    vector = _EMBEDDER.embed_query("canari")
    somebodys = server[1].scroll(_NAME)[0][0].id
    elsewhere = models.LookupLocation(collection="passerelle-chunks-0")
    for attempt in (
        lambda: ours.client.scroll(_NAME),
        lambda: ours.client.query_points("passerelle-chunks-0", vector),
        lambda: ours.client.query_points(_NAME, somebodys),
        lambda: ours.client.query_points(_NAME, models.NearestQuery(nearest=somebodys)),
        lambda: ours.similarity_search("canari", lookup_from=elsewhere),
        lambda: ours.client.query_points(
            _NAME,
            models.FusionQuery(fusion=models.Fusion.RRF),
            prefetch=models.Prefetch(query=vector, lookup_from=elsewhere),
        ),
    ):
        with pytest.raises((AttributeError, TypeError, ValueError)):
            attempt()
    assert ours.client.get_collection(_NAME).points_count is None
    nested = ours.client.query_points(
        _NAME,
        models.FusionQuery(fusion=models.Fusion.RRF),
        prefetch=[models.Prefetch(query=vector, prefetch=[models.Prefetch(query=vector, limit=9)], limit=9)],
    )
    assert {str((point.payload or {})["page_content"]) for point in nested.points} == {"canari alpha"}


async def test_a_server_that_gives_somebody_elses_passage_is_not_believed(
    server: tuple[Server, QdrantClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = TenantQdrantVectorStore(server[1], _OURS, _EMBEDDER, groups=None)
    answer = server[1].query_points(_NAME, _EMBEDDER.embed_query("canari"), using="")
    monkeypatch.setattr(server[1], "query_points", lambda *_, **__: answer)
    with pytest.raises(Unreachable):
        ours.similarity_search("canari")
