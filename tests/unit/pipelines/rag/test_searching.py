"""Searching a collection: what is found, what may be seen of it, and what happens when a part is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from passerelle.domain.catalog import Tenant
from passerelle.domain.errors import BadRequest, Fault, NotFound, Unavailable, UpstreamFailed
from passerelle.domain.rag import Found, Rag, Seeking
from passerelle.domain.retrieval import Chunk, Collection, Condition, Mode
from passerelle.pipelines.rag.searching import Searcher
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.store import Chunks, Unreachable
from passerelle.stores.database import Database
from tests.passages import WIDTH, passage, vector

_DOCUMENT = text("""
INSERT INTO rag_document (id, tenant, collection, key, origin, state, indexed, groups, url, language)
VALUES (:id, :tenant, 'c', :id, 'text', :state, :indexed, CAST(:groups AS text[]), :url, :language)
""")


@dataclass
class Models:
    """Models that pipelines ask through the gateway, as far as a search does."""

    vector: list[float] = field(default_factory=lambda: vector(1))
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    async def aembed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        if self.error is not None:
            raise self.error
        return self.vector

    async def acompress_documents(self, documents: Sequence[Any], query: str) -> Sequence[Any]:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        scored = [
            document.model_copy(
                update={
                    "metadata": {
                        **document.metadata,
                        "relevance_score": self.scores.get(document.page_content, 0.0),
                    }
                }
            )
            for document in documents
        ]
        return sorted(scored, key=lambda document: -document.metadata["relevance_score"])


class House:
    """A tenant's collection `c` with its table, its store and its models."""

    def __init__(self, database: Database, chunks: Chunks) -> None:
        self.database, self.chunks = database, chunks
        self.embedder, self.reranker = Models(), Models()
        self.rules = Rag(reranker="reranker")
        self.searcher = Searcher(
            database,
            self._open,
            lambda tenant, model: self.embedder,
            lambda tenant, model: cast("Any", self.reranker),
        )

    async def _open(self) -> Chunks:
        return self.chunks

    async def shelf(self, tenant: str = "a", *, embedder: str | None = "m", width: int = WIDTH) -> None:
        async with self.database.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO rag_collection (tenant, name, embedder, width, size, overlap) "
                    "VALUES (:tenant, 'c', :embedder, :width, 1200, 150)"
                ),
                {"tenant": tenant, "embedder": embedder, "width": width},
            )

    async def hold(self, *chunks: Chunk, tenant: str = "a", width: int = WIDTH, **fields: Any) -> None:
        """Index passages, each of which is a document where it names no other's."""
        for document in {chunk.document: chunk for chunk in chunks}.values():
            values = {
                "id": document.document,
                "tenant": tenant,
                "state": "ready",
                "indexed": 1,
                "groups": sorted(document.groups),
                "url": f"https://exemple.fr/{document.document}",
                "language": document.language,
                **fields,
            }
            async with self.database.begin() as connection:
                await connection.execute(_DOCUMENT, values)
        vectors = [vector(int(chunk.id[1:])) for chunk in chunks] if width else None
        await self.chunks.upsert(Collection(tenant, "c", width), chunks, vectors)

    async def set(self, column: str, value: Any, document: str = "d1") -> None:
        async with self.database.begin() as connection:
            await connection.execute(
                text(f"UPDATE rag_document SET {column} = :value WHERE id = :id"),
                {"value": value, "id": document},
            )

    async def find(self, question: str, *, tenant: str = "a", **how: Any) -> list[Found]:
        how = {"mode": Mode.TEXT, "rerank": False, **how}
        return await self.searcher.search(
            Tenant(tenant, ("m",), rag=self.rules), Seeking("c", question, **how)
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def house(database: Database, folder: Path) -> AsyncIterator[House]:
    chunks = Embedded(folder)
    await asyncio.gather(chunks.erase("a"), chunks.erase("b"))
    yield House(database, chunks)
    await chunks.aclose()


def ids(found: Sequence[Found]) -> list[str]:
    return [one.chunk.id for one in found]


async def test_the_table_says_who_sees_a_document_whatever_the_index_holds(house: House) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari alpha"), passage(2, "canari bravo", groups=frozenset({"rh"})))
    assert ids(await house.find("canari")) == ["p1"]
    assert set(ids(await house.find("canari", groups=frozenset({"rh"})))) == {"p1", "p2"}
    assert set(ids(await house.find("canari", groups=None))) == {"p1", "p2"}
    (found,) = await house.find("canari")
    assert found.url == "https://exemple.fr/d1"
    assert found.text_score == found.score > 0
    for column, value, back in (("state", "deleting", "ready"), ("indexed", None, 1), ("groups", ["x"], [])):
        await house.set(column, value)
        assert await house.find("canari") == []
        await house.set(column, back)
    await house.set("groups", ["rh"], "d1")
    assert set(ids(await house.find("canari", groups=frozenset({"rh"})))) == {"p1", "p2"}
    assert await house.find("canari", groups=frozenset({"vente"})) == []


async def test_another_tenants_collection_of_the_same_name_is_another_one(house: House) -> None:
    await house.shelf("a")
    await house.hold(passage(1, "canari alpha"))
    with pytest.raises(NotFound) as refused:
        await house.find("canari", tenant="b")
    assert refused.value.code == "collection_not_found"
    await house.shelf("b")
    assert await house.find("canari", tenant="b") == []
    # Even a passage that has got into the wrong tenant's index is not shown: its document is not that tenant's.
    await house.chunks.upsert(Collection("b", "c", WIDTH), [passage(1, "canari alpha")], [vector(1)])
    assert await house.find("canari", tenant="b") == []


async def test_a_collection_that_is_being_dropped_is_not_found(house: House) -> None:
    await house.shelf()
    async with house.database.begin() as connection:
        await connection.execute(text("UPDATE rag_collection SET dropping = true"))
    with pytest.raises(NotFound):
        await house.find("canari")


async def test_hidden_passages_and_copies_do_not_crowd_out_the_others(house: House) -> None:
    await house.shelf()
    await house.hold(*[passage(n, "canari canari", document="hidden") for n in range(100)], state="deleting")
    await house.hold(*[passage(n, "canari double", document="copies") for n in range(100, 104)])
    await house.hold(passage(200, "le canari chante ici avec beaucoup de mots en plus"))
    found = await house.find("canari", k=2)
    assert len(found) == 2
    assert {one.chunk.document for one in found} == {"copies", "d200"}


async def test_neighbours_that_overlap_are_shown_as_one_passage_with_exact_offsets(house: House) -> None:
    whole = (
        "Le congé se demande par écrit. La réponse vient sous huit jours. Sans réponse, le congé est accordé."
    )
    await house.shelf()
    await house.hold(
        passage(1, whole[:64], document="d", start=0, end=64),
        passage(2, whole[31:], document="d", start=31, end=len(whole)),
        passage(3, "Un congé ailleurs.", document="e", start=0, end=18),
    )
    found = await house.find("congé écrit réponse", k=3)
    joined = next(one.chunk for one in found if one.chunk.document == "d")
    assert len(found) == 2
    assert (joined.text, joined.start, joined.end) == (whole, 0, len(whole))


async def test_the_mode_is_the_askers_else_the_tenants_else_what_was_measured(house: House) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"), passage(2, "autre chose"))
    tenant = Tenant("a", ("m",), rag=Rag())
    finding = await house.searcher.find(tenant, Seeking("c", "canari"))
    assert (finding.mode, house.embedder.asked) == (Mode.TEXT, [])
    tenant = Tenant("a", ("m",), rag=Rag(mode=Mode.DENSE))
    finding = await house.searcher.find(tenant, Seeking("c", "canari"))
    assert (finding.mode, ids(finding.found)[0], len(house.embedder.asked)) == (Mode.DENSE, "p1", 1)
    assert finding.found[0].dense_score == pytest.approx(1.0, abs=1e-5)
    both = Searcher(
        house.database, house._open, lambda *_: house.embedder, lambda *_: cast("Any", house.reranker),
        models=lambda name: ("intfloat/multilingual-e5-small",),
    )  # fmt: skip
    finding = await both.find(Tenant("a", ("m",), rag=Rag()), Seeking("c", "canari"))
    assert finding.mode is Mode.HYBRID
    assert finding.found[0].text_score
    assert finding.found[0].dense_score


async def test_a_collection_of_words_is_not_searched_by_meaning(house: House) -> None:
    await house.shelf(embedder=None, width=0)
    await house.hold(passage(1, "canari"), width=0)
    assert ids(await house.find("canari", mode=None)) == ["p1"]
    with pytest.raises(BadRequest, match="no vectors"):
        await house.find("canari", mode=Mode.HYBRID)


async def test_without_its_embedder_a_search_falls_back_to_words_or_says_that_it_is_away(
    house: House,
) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"))
    tenant = Tenant("a", ("m",), rag=Rag())
    for error in (Unavailable("asleep"), UpstreamFailed(Fault.CONNECT, "nobody there")):
        house.embedder.error = error
        finding = await house.searcher.find(tenant, Seeking("c", "canari", mode=Mode.HYBRID))
        assert (ids(finding.found), finding.degraded) == (["p1"], ("embedder_away",))
        with pytest.raises(Unavailable) as away:
            await house.find("canari", mode=Mode.DENSE)
        assert away.value.code == "embedder_unavailable"
    house.embedder.error, house.embedder.vector = None, [1.0, 0.0]
    finding = await house.searcher.find(tenant, Seeking("c", "canari", mode=Mode.HYBRID))
    assert (ids(finding.found), finding.degraded) == (["p1"], ("embedder_changed",))
    with pytest.raises(Unavailable, match="index it again"):
        await house.find("canari", mode=Mode.DENSE)


async def test_another_model_of_the_same_name_is_not_asked_for_vectors_that_do_not_compare(
    house: House,
) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"))
    tenant = Tenant("a", ("m",), rag=Rag())
    for behind, degraded in (("m", ()), ("maker/old", ("embedder_changed",))):
        async with house.database.begin() as connection:
            await connection.execute(text("UPDATE rag_collection SET behind = :behind"), {"behind": behind})
        finding = await house.searcher.find(tenant, Seeking("c", "canari", mode=Mode.HYBRID))
        assert (ids(finding.found), finding.degraded) == (["p1"], degraded)
    assert house.embedder.asked == ["canari"]


async def test_a_store_or_a_table_that_is_away_is_an_error_and_never_an_empty_answer(house: House) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"))
    await house.chunks.aclose()
    with pytest.raises(Unreachable):
        await house.find("canari")
    house.database = Database("postgresql://nobody@127.0.0.1:1/none")
    house.searcher._database = house.database
    with pytest.raises(Unavailable) as away:
        await house.find("canari")
    assert away.value.code == "documents_unavailable"
    await house.database.aclose()


async def test_a_reranker_orders_what_was_found_and_is_not_missed_when_it_is_away(house: House) -> None:
    await house.shelf()
    await house.hold(*[passage(n, f"canari numéro {n}") for n in range(9)])
    house.reranker.scores = {"canari numéro 7": 0.9, "canari numéro 3": 0.8}
    found = await house.find("canari", k=2, rerank=True)
    assert ids(found) == ["p7", "p3"]
    assert [one.rerank_score for one in found] == [0.9, 0.8] == [one.score for one in found]
    diverse = await house.find("canari", k=2, rerank=True, diversity=0.2)
    assert ids(diverse)[0] == "p7"
    house.reranker.error = UpstreamFailed(Fault.CONNECT, "nobody there")
    finding = await house.searcher.find(Tenant("a", ("m",), rag=house.rules), Seeking("c", "canari", k=2))
    assert (len(finding.found), finding.degraded) == (2, ("reranker_away",))
    assert finding.found[0].rerank_score is None


async def test_conditions_and_diversity_reach_the_store(house: House) -> None:
    await house.shelf()
    await house.hold(
        *[passage(n, f"canari jaune {n}", metadata={"year": 2020 + n}) for n in range(5)],
        passage(9, "canari vert très différent des autres", metadata={"year": 2024}),
    )
    found = await house.find("canari", conditions=(Condition("year", at_least=2024),))
    assert set(ids(found)) == {"p4", "p9"}
    assert "p9" in ids(await house.find("canari jaune", k=2, diversity=0.7))


async def test_a_long_question_is_looked_for_by_its_beginning_and_its_end(house: House) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"), passage(2, "perruche"))
    found = await house.find("canari " + "mot " * 20_000 + "perruche")
    assert set(ids(found)) == {"p1", "p2"}


@pytest.mark.parametrize("question", ["", "  \n ", "canari \ud800"])
async def test_what_cannot_be_looked_for_is_refused_without_quoting_it(house: House, question: str) -> None:
    await house.shelf()
    await house.hold(passage(1, "canari"))
    with pytest.raises(BadRequest) as refused:
        await house.find(question)
    assert "canari" not in refused.value.message
