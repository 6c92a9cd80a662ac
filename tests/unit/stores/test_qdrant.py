"""The client of a Qdrant server, against Qdrant's engine behind a stand-in for its REST routes.

Not run: a real Qdrant server (there is none in the packages this project installs), its replicas, TLS.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.stores import qdrant as module
from passerelle.stores.qdrant import Missing, Outage, Point, Qdrant, Refused, Where
from tests.fakes.qdrant import QdrantFake
from tests.fakes.script import Fail, Reset, Silent, Wait

MINE = Where(equal={"partition": "p", "tenant": "a"})


@pytest.fixture
async def server() -> AsyncIterator[QdrantFake]:
    async with QdrantFake(api_key="the-key") as server:
        yield server


@pytest.fixture
async def client(server: QdrantFake) -> AsyncIterator[Qdrant]:
    client = Qdrant(server.url, key="the-key")
    await client.make("c", width=3, tenant="partition", words=("tenant",), numbers=("expires",))
    yield client
    await client.aclose()


def _point(number: int, *, partition: str = "p", tenant: str = "a", expires: float = 10.0) -> Point:
    return Point(
        str(uuid.UUID(int=number)),
        [1.0, number / 10, 0.0],
        {"partition": partition, "tenant": tenant, "expires": expires},
    )


async def test_what_is_written_is_found_counted_and_deleted(client: Qdrant, server: QdrantFake) -> None:
    await client.put("c", [_point(1), _point(2), _point(3, partition="q"), _point(4, tenant="b")])
    hits = await client.search("c", [1.0, 0.2, 0.0], where=MINE, most=8)
    assert [uuid.UUID(hit.id).int for hit in hits] == [2, 1]
    assert hits[0].payload["partition"] == "p"
    assert await client.count("c", MINE) == 2
    await client.delete("c", [_point(1).id])
    await client.delete("c", Where(equal={"tenant": "b"}))
    assert {uuid.UUID(point["id"]).int for point in server.points("c")} == {2, 3}


async def test_a_number_bounds_what_is_found_and_what_is_deleted(client: Qdrant) -> None:
    await client.put("c", [_point(1, expires=5.0), _point(2, expires=6.0)])
    assert await client.count("c", Where(above={"expires": 5.0})) == 1
    await client.delete("c", Where(upto={"expires": 5.0}))
    assert await client.count("c", Where()) == 1


async def test_a_collection_is_made_once_whoever_makes_it(client: Qdrant, server: QdrantFake) -> None:
    other = Qdrant(server.url, key="the-key")
    await asyncio.gather(
        *[
            one.make("d", width=3, tenant="partition", words=("tenant",), numbers=("expires",))
            for one in (client, other, client)
        ]
    )
    await other.aclose()
    assert server.schemas["d"]["partition"] == {"type": "keyword", "is_tenant": True}
    assert set(server.schemas["d"]) == {"partition", "tenant", "expires"}


async def test_each_failure_is_one_of_three_kinds_and_says_nothing_of_what_was_sent(
    client: Qdrant, server: QdrantFake
) -> None:
    with pytest.raises(Missing):
        await client.count("nowhere", MINE)
    with pytest.raises(Refused) as refused:
        await client.put("c", [Point(str(uuid.UUID(int=1)), [1.0], {"sealed": "a-secret"})])
    server.script(Fail("server"))
    with pytest.raises(Outage) as failed:
        await client.count("c", MINE)
    server.script(Reset())
    with pytest.raises(Outage):
        await client.count("c", MINE)
    await server.down()
    with pytest.raises(Outage):
        await client.count("c", MINE)
    await server.up()
    assert await client.count("c", MINE) == 0
    assert "a-secret" not in str(refused.value) + str(failed.value)
    assert refused.value.__cause__ is None


async def test_a_wrong_key_is_an_outage_and_the_right_one_may_go_over_plain_http(server: QdrantFake) -> None:
    for key in (None, "another"):
        client = Qdrant(server.url, key=key)
        with pytest.raises(Outage):
            await client.collections()
        await client.aclose()
    client = Qdrant(server.url, key="the-key")
    assert await client.collections() == []
    await client.aclose()


async def test_a_server_that_says_nothing_ends_the_request_and_not_the_pool(
    client: Qdrant, server: QdrantFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(Silent())
    with pytest.raises(Outage):
        await client.search("c", [1.0, 0.0, 0.0], where=MINE, most=8)
    assert await client.count("c", MINE) == 0


async def test_many_cancelled_requests_leave_every_connection_usable(
    client: Qdrant, server: QdrantFake
) -> None:
    go = asyncio.Event()
    server.always(Wait(go))
    tasks = [asyncio.create_task(client.count("c", MINE)) for _ in range(3 * module._CONNECTIONS)]
    await server.until(lambda: server.live == module._CONNECTIONS)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    go.set()
    assert (
        await asyncio.gather(*[client.count("c", MINE) for _ in range(2 * module._CONNECTIONS)]) == [0] * 64
    )
    assert server.connections <= module._CONNECTIONS
    assert not server.hung_up


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host:6333",
        "redis://host",
        "http://",
        "http://user:pass-word@host",
        "http://host:port",
        "http://[host",
    ],
)
def test_a_wrong_address_is_told_with_its_cure_and_without_what_it_holds(address: str) -> None:
    with pytest.raises(CannotRun) as caught:
        Qdrant(address)
    assert "QDRANT_URL" in caught.value.cause
    assert caught.value.cure
    assert "pass-word" not in str(caught.value)


def test_without_the_library_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(CannotRun, match="not installed"):
        Qdrant("http://host:6333")


def test_making_a_client_and_an_index_imports_neither_the_library_nor_numpy() -> None:
    program = """
import sys
from passerelle.cache.index import Tiers
from passerelle.cache.qdrant import Large
from passerelle.cache.secrets import Secrets
from passerelle.stores.qdrant import Qdrant
large = Large(Qdrant("http://127.0.0.1:6333"), Secrets(b"p" * 32), clock=lambda: 0.0)
Tiers(None, clock=lambda: 0.0, large=large)
print({"qdrant_client", "numpy", "httpx", "grpc"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
