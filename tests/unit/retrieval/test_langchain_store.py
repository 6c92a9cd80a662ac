"""LangChain's vector store over a tenant's collection: what its standard tests ask, and the tenant's bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from passerelle.domain.retrieval import Collection, Condition
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.langchain_store import TenantVectorStore

_EMBEDDER = DeterministicFakeEmbedding(size=6)
_SPOT = Collection("a", "lc", 6)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[TenantVectorStore]:
    chunks = Embedded(tmp_path)
    yield TenantVectorStore(chunks, _SPOT, _EMBEDDER)
    await chunks.aclose()


async def test_documents_are_added_changed_found_and_deleted(made: TenantVectorStore) -> None:
    assert await made.asimilarity_search("foo", k=1) == []
    given = [
        Document(page_content="foo", metadata={"id": 1}),
        Document(page_content="bar", metadata={"id": 2}),
    ]
    names = await made.aadd_documents(given)
    assert await made.asimilarity_search("bar", k=2) == [
        Document(page_content="bar", metadata={"id": 2}, id=names[1]),
        Document(page_content="foo", metadata={"id": 1}, id=names[0]),
    ]
    assert [document.id for document in await made.aget_by_ids([names[0], "nobody"])] == [names[0]]
    assert await made.aadd_documents(given, ids=["1", "2"]) == ["1", "2"]
    await made.aadd_documents([Document(page_content="baz", metadata={"id": 1})], ids=["1"])
    assert await made.aget_by_ids(["1"]) == [Document(page_content="baz", metadata={"id": 1}, id="1")]
    await made.adelete(names)
    await made.adelete(["nobody"])
    assert {document.id for document in await made.asimilarity_search("bar", k=9)} == {"1", "2"}
    with pytest.raises(ValueError, match="Name what"):
        await made.adelete()


async def test_threads_beside_the_loop_use_the_plain_methods(made: TenantVectorStore) -> None:
    def elsewhere() -> list[str]:
        made.add_documents([Document(id="x", page_content="chat"), Document(id="y", page_content="chien")])
        made.delete(["y"])
        found = made.max_marginal_relevance_search("chat", k=2)
        return [str(document.id) for document in (*found, *made.get_by_ids(["x", "y"]))]

    assert await asyncio.to_thread(elsewhere) == ["x", "x"]
    with pytest.raises(RuntimeError, match="named"):
        made.similarity_search("chat")


async def test_fields_groups_and_conditions_hold(made: TenantVectorStore) -> None:
    metadata = {
        "title": "Paie",
        "page": 3,
        "document_id": "d",
        "groups": ["rh"],
        "headings": ["I"],
        "year": 2024,
    }
    await made.aadd_texts(["salaire", "prime"], [metadata, {"year": 2025}], ids=["1", "2"])
    assert [document.id for document in await made.asimilarity_search("salaire")] == ["2"]
    assert await made.aget_by_ids(["1"]) == []
    member = TenantVectorStore(made._chunks, _SPOT, _EMBEDDER, groups=frozenset({"rh"}))
    assert await member.aget_by_ids(["1"]) == [Document(id="1", page_content="salaire", metadata=metadata)]
    found = await member.asimilarity_search("salaire", filter=[Condition("year", at_most=2024)])
    assert [document.id for document in found] == ["1"]
    other = TenantVectorStore(made._chunks, Collection("b", "lc", 6), _EMBEDDER, groups=None)
    assert await other.asimilarity_search("salaire") == []
    assert await other.aget_by_ids(["1", "2"]) == []


def test_nobody_makes_one_without_a_tenant_or_an_embedder_that_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tenant"):
        Collection("", "c")
    with pytest.raises(ValueError, match="embedder"):
        TenantVectorStore(Embedded(tmp_path), _SPOT)
