"""Members on a Qdrant server: sealed, each tenant's own, erased; and a server that is slow costs its time once.

Qdrant's engine answers, behind a stand-in for its REST routes; a real server was not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.cache.entry import Member, State
from passerelle.cache.erasing import Erasure
from passerelle.cache.qdrant import Large, Rest
from passerelle.cache.secrets import Secrets
from passerelle.stores.qdrant import Missing, Outage, Qdrant
from tests.fakes.qdrant import QdrantFake
from tests.fakes.script import Fail, Wait
from tests.unit.cache.members import NOW, WIDTH, Clock, member, vector

COLLECTION = f"passerelle-cache-{WIDTH}"
PATIENT = 5.0  # seconds: for tests that are not about time, on a machine that may be busy


@pytest.fixture
async def server() -> AsyncIterator[QdrantFake]:
    async with QdrantFake() as server:
        yield server


@pytest.fixture
async def client(server: QdrantFake) -> AsyncIterator[Qdrant]:
    client = Qdrant(server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def large(client: Qdrant) -> AsyncIterator[Large]:
    large = Large(client, Secrets(b"p" * 32), clock=Clock(), patience=PATIENT)
    yield large
    await large.aclose()


def _searches(server: QdrantFake) -> int:
    return sum(request.path.endswith("/query") for request in server.requests)


async def test_a_member_comes_back_as_it_was_with_its_cosine(large: Large) -> None:
    written = member(1, state=State.QUARANTINED)
    await large.write([written, member(2)])
    first, second = await large.near("a", "p", vector(1), most=8)
    assert first.similarity == pytest.approx(1.0)
    assert second.similarity == pytest.approx(float(vector(1) @ vector(2)), abs=1e-6)
    assert np.array_equal(first.member.vector, written.vector)
    back = {
        name: getattr(first.member, name) for name in written.__slots__ if name not in {"vector", "features"}
    }
    assert back == {name: getattr(written, name) for name in back}


async def test_nothing_of_a_question_can_be_read_on_the_server(large: Large, server: QdrantFake) -> None:
    await large.write([member(1)])
    (point,) = server.points(COLLECTION)
    assert set(point["payload"]) == {"tenant", "partition", "expires", "sealed"}
    assert "dossier" not in str(point["payload"])
    assert b"dossier" not in b"".join(request.raw for request in server.requests)
    assert member(1).id not in str(point)


async def test_what_was_moved_changed_or_planted_is_not_believed(large: Large, server: QdrantFake) -> None:
    await large.write([member(1), member(2, tenant="b"), member(3, partition="q")])
    points = {
        point["payload"]["tenant"] + point["payload"]["partition"]: point
        for point in server.points(COLLECTION)
    }
    here = {"tenant": "a", "partition": "p", "expires": NOW + 99}
    for number, sealed in enumerate(
        [points["bp"], points["aq"], {"payload": {"sealed": "AAAA"}}, {"payload": {}}]
    ):
        ident = sealed.get("id", f"00000000-0000-4000-8000-{number:012d}")
        server.put(COLLECTION, ident, {**sealed["payload"], **here}, vector(1).tolist())
    server.put(
        COLLECTION, "00000000-0000-4000-8000-000000000099", points["ap"]["payload"], vector(1).tolist()
    )
    found = await large.near("a", "p", vector(1), most=8)
    assert [near.member.id for near in found] == [member(1).id]


async def test_a_vector_that_was_changed_on_the_server_wins_nothing(large: Large, server: QdrantFake) -> None:
    await large.write([member(1)])
    (point,) = server.points(COLLECTION)
    server.put(COLLECTION, point["id"], point["payload"], vector(5).tolist())
    (near,) = await large.near("a", "p", vector(5), most=8)
    assert near.similarity == pytest.approx(float(vector(1) @ vector(5)), abs=1e-6)


async def test_another_pepper_opens_nothing(large: Large, client: Qdrant) -> None:
    await large.write([member(1)])
    other = Large(client, Secrets(b"q" * 32), clock=Clock(), patience=PATIENT)
    assert await other.near("a", "p", vector(1), most=8) == []


async def test_the_expired_are_neither_found_nor_counted_and_swept(
    client: Qdrant, server: QdrantFake
) -> None:
    clock = Clock()
    large = Large(client, Secrets(b"p" * 32), clock=clock, patience=PATIENT)
    await large.write([member(1, expires=NOW + 5), member(2, expires=NOW + 50)])
    clock.now = NOW + 5
    assert [near.member.id for near in await large.near("a", "p", vector(1), most=8)] == [member(2).id]
    assert await large.count("a", "p") == 1
    await large.sweep()
    assert len(server.points(COLLECTION)) == 1


async def test_erasure_by_member_partition_and_tenant_touches_no_other_tenant(
    large: Large, server: QdrantFake
) -> None:
    names = [(t, p, n) for t in "ab" for p in "pq" for n in (1, 2)]
    everything = [member(n, tenant=t, partition=p, id=f"{p}{n}") for t, p, n in names]
    wide = member(9, vector=vector(9, 2 * WIDTH), id="p1x")

    async def left() -> set[str]:
        return {
            f"{t}{p}{n}"
            for t, p, n in names
            if [near for near in await large.near(t, p, vector(n), most=8) if near.member.id == f"{p}{n}"]
        }

    await large.write([*everything, wide])
    await large.erase(Erasure("a", members={"p1", "p1x"}))
    assert await left() == {"ap2", "aq1", "aq2", "bp1", "bp2", "bq1", "bq2"}
    assert server.points(f"passerelle-cache-{2 * WIDTH}") == []
    await large.erase(Erasure("a", partitions={"q"}))
    assert await left() == {"ap2", "bp1", "bp2", "bq1", "bq2"}
    await large.erase(Erasure("b", everything=True))
    assert await left() == {"ap2"}


async def test_collections_of_others_are_left_alone(large: Large, client: Qdrant, server: QdrantFake) -> None:
    await client.make("documents", width=WIDTH, tenant="partition", words=(), numbers=())
    server.put("documents", "00000000-0000-4000-8000-000000000001", {"tenant": "a"}, vector(1).tolist())
    await large.erase(Erasure("a", everything=True))
    await large.sweep()
    assert len(server.points("documents")) == 1


async def test_a_collection_that_is_gone_is_told_and_made_again(large: Large, server: QdrantFake) -> None:
    with pytest.raises(Missing):
        await large.near("a", "p", vector(1), most=8)
    await large.write([member(1)])
    server.empty()
    with pytest.raises(Missing):
        await large.write([member(1)])
    await large.write([member(1)])
    assert len(await large.near("a", "p", vector(1), most=8)) == 1


async def test_slowness_costs_its_time_once(client: Qdrant, server: QdrantFake) -> None:
    large = Large(client, Secrets(b"p" * 32), clock=Clock(), patience=0.2)
    await large.write([member(1)])
    go = asyncio.Event()
    server.script(Wait(go), path=f"/collections/{COLLECTION}/points/query")
    with pytest.raises(Outage, match="too long"):
        await large.near("a", "p", vector(1), most=8)
    for _ in range(20):
        with pytest.raises(Outage, match="a while"):
            await large.near("a", "p", vector(1), most=8)
    assert _searches(server) == 1
    go.set()
    await large.aclose()


async def test_slowness_is_found_out_also_when_nobody_waits_for_it(
    client: Qdrant, server: QdrantFake
) -> None:
    large = Large(client, Secrets(b"p" * 32), clock=Clock(), patience=0.2)
    await large.write([member(1)])
    go = asyncio.Event()
    server.script(Wait(go), path=f"/collections/{COLLECTION}/points/query")
    asked = asyncio.create_task(large.near("a", "p", vector(1), most=8))
    await server.until(lambda: server.live == 1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.sleep(0.25)
    with pytest.raises(Outage, match="a while"):
        await large.near("a", "p", vector(1), most=8)
    assert not server.hung_up
    go.set()
    await large.aclose()


async def test_a_failure_opens_the_rest_and_an_answer_ends_it(large: Large, server: QdrantFake) -> None:
    await large.write([member(1)])
    server.script(Fail("server"), path=f"/collections/{COLLECTION}/points/query")
    with pytest.raises(Outage):
        await large.near("a", "p", vector(1), most=8)
    with pytest.raises(Outage, match="a while"):
        await large.near("a", "p", vector(1), most=8)
    large._rest._until = 0.0
    assert len(await large.near("a", "p", vector(1), most=8)) == 1
    assert len(await large.near("a", "p", vector(1), most=8)) == 1


def test_a_rest_doubles_lets_one_try_and_counts_failures_together_once() -> None:
    rest = Rest(1.0, 3.0)
    assert rest.ask(0.0)
    rest.failed(0.0)
    rest.failed(0.1)
    assert not rest.ask(0.9)
    assert rest.ask(1.0)
    assert not rest.ask(1.0)
    rest.failed(1.5)
    assert not rest.ask(3.4)
    assert rest.ask(3.5)
    rest.failed(3.5)
    assert not rest.ask(6.4)
    assert rest.ask(6.5)
    rest.well()
    assert rest.ask(6.6)
    assert rest.ask(6.6)


NAMES = ("a", "b", "a ", "A", "é")
TENANTS = st.sampled_from(NAMES)
ERASED = st.lists(st.tuples(TENANTS, st.integers(0, 5)), max_size=4)
PARTITIONS = st.sampled_from(["p", "q"])
MEMBERS = st.lists(st.tuples(TENANTS, PARTITIONS, st.integers(0, 5)), min_size=1, max_size=20)


def test_no_tenant_or_partition_ever_sees_another_and_no_erasure_crosses() -> None:
    with asyncio.Runner() as runner:
        server = QdrantFake()
        runner.run(server.__aenter__())
        client = Qdrant(server.url)
        large = Large(client, Secrets(b"p" * 32), clock=Clock(), patience=PATIENT)

        async def run(rounds: Any) -> None:
            known: dict[tuple[str, int], Member] = {}
            for written, erased in rounds:
                await _round(large, known, written, erased)
            for tenant in NAMES:
                await large.erase(Erasure(tenant, everything=True))

        @settings(max_examples=4, deadline=None)
        @given(rounds=st.lists(st.tuples(MEMBERS, ERASED), min_size=1, max_size=2))
        def check(rounds: Any) -> None:
            runner.run(run(rounds))

        try:
            check()
            assert server.points(COLLECTION) == []
        finally:
            runner.run(client.aclose())
            runner.run(server.__aexit__())


async def _round(large: Large, known: dict[tuple[str, int], Member], written: Any, erased: Any) -> None:
    some = {(tenant, n): member(n, tenant=tenant, partition=partition) for tenant, partition, n in written}
    known |= some
    await large.write(list(some.values()))
    for tenant, number in erased:
        await large.erase(Erasure(tenant, members={member(number).id}))
        known.pop((tenant, number), None)
    for asked in [(tenant, partition) for tenant in NAMES for partition in "pq"]:
        found = await large.near(*asked, vector(0), most=50)
        expected = {one.id for one in known.values() if (one.tenant, one.partition) == asked}
        assert {near.member.id for near in found} == expected
        assert {(near.member.tenant, near.member.partition) for near in found} <= {asked}
