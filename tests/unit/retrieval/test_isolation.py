"""No tenant and no group sees, changes or deletes what is another's, whatever names and ids they choose."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.domain.retrieval import Collection
from passerelle.retrieval.server import Server
from passerelle.retrieval.store import Unreachable
from passerelle.stores.qdrant import Qdrant
from tests.fakes.qdrant import QdrantFake
from tests.passages import KINDS, both, collection, ids, meaning, passage, store, vector, words

_NAMES = st.sampled_from(
    ["a", "A", "a/../b", "b", "..", "é", "e\u0301", "a\u0000b"[:1] + "-b", "*", "=rh", "0"]
)
_SPOTS = st.lists(st.tuples(_NAMES, _NAMES), min_size=2, max_size=4, unique=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=_SPOTS, victim=st.integers(0, 3))
def test_each_tenants_collection_is_its_own(
    tmp_path: Path, kind: str, spots: list[tuple[str, str]], victim: int
) -> None:
    asyncio.run(_own(tmp_path, kind, [Collection(*spot, 8) for spot in spots], victim % len(spots)))


async def _own(folder: Path, kind: str, spots: list[Collection], victim: int) -> None:
    async with store(kind, folder) as chunks:
        for tenant in {spot.tenant for spot in spots}:
            await chunks.erase(tenant)
        for number, spot in enumerate(spots):  # the same ids, the same words, everywhere
            await chunks.upsert(spot, [passage(1, f"canari secret n{number}x", document="d")], [vector(1)])
        for number, spot in enumerate(spots):
            for query in (words("canari"), meaning(1), both("secret", 1, groups=None, diversity=0.5)):
                (hit,) = await chunks.search(spot, query)
                assert f"n{number}x" in hit.chunk.text
            (got,) = await chunks.get(spot, ["p1"])
            assert f"n{number}x" in got.text
        gone = spots[victim]
        await chunks.delete(gone, ids=["p1"], document="d")
        counts = [await chunks.count(spot) for spot in spots]
        assert counts == [int(number != victim) for number in range(len(spots))]
        dropped = spots[victim - 1]
        await chunks.drop(dropped.tenant, dropped.name)
        left = [spot for spot in spots if spot not in (gone, dropped)]
        assert [await chunks.count(spot) for spot in left] == [1] * len(left)
        await chunks.erase(gone.tenant)
        left = [spot for spot in left if spot.tenant != gone.tenant]
        assert [await chunks.count(spot) for spot in left] == [1] * len(left)


async def test_a_server_that_gives_somebody_elses_passage_is_not_believed() -> None:
    async with QdrantFake() as server:
        client = Qdrant(server.url)
        chunks = Server(client, patience=30)
        await chunks.upsert(collection(), [passage(1, "canari")], [vector(1)])
        (point,) = server.points("passerelle-chunks-8")
        moved = {**point["payload"], "metadata": {**point["payload"]["metadata"], "tenant_id": ["a", "b"]}}
        server.put("passerelle-chunks-8", point["id"], moved, point["vector"])
        with pytest.raises(Unreachable) as refused:  # an array holds `a`, and is not it
            await chunks.search(collection(), meaning(1))
        assert "canari" not in str(refused.value)
        await client.aclose()


async def test_every_search_of_a_server_names_the_tenant_in_each_of_its_parts() -> None:
    async with QdrantFake() as server:
        client = Qdrant(server.url)
        chunks = Server(client, patience=30)
        await chunks.upsert(collection(), [passage(1)], [vector(1)])
        assert ids(await chunks.search(collection(), both("passage", 1))) == ["p1"]
        (sent,) = [request.body for request in server.requests if request.path.endswith("/query/batch")]
        must = {"key": "metadata.tenant_id", "match": {"value": "a"}}
        assert sent is not None
        assert all(must in search["filter"]["must"] for search in sent["searches"])
        assert must in sent["searches"][0]["params"]["idf"]["corpus"]["must"]
        assert server.schemas["passerelle-chunks-8"]["metadata.tenant_id"]["is_tenant"] is True
        await client.aclose()
