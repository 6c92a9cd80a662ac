"""The owner of the shards: one at a time, found by all, dispensable at any moment, gone when nobody asks."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from passerelle.retrieval import protocol
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.shards import Shards
from passerelle.retrieval.store import Unfit, Unreachable
from passerelle.stores.folder import connect_to
from passerelle.stores.locks import is_held
from tests.passages import both, collection, ids, meaning, passage, vector, words


@pytest.fixture
async def chunks(tmp_path: Path) -> AsyncIterator[Embedded]:
    chunks = Embedded(tmp_path)
    yield chunks
    await chunks.aclose()


async def _process(chunks: Embedded) -> int:
    return int((await chunks._reads.ask({"do": "hello"}, seconds=30))["process"])


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_killed_owner_is_replaced_and_every_acknowledged_point_is_there(
    chunks: Embedded, tmp_path: Path
) -> None:
    other = Embedded(tmp_path)
    written: list[str] = []

    async def write() -> None:
        for number in range(40):
            await other.upsert(collection(), [passage(number)], [vector(number)])
            written.append(f"p{number}")

    await chunks.ensure(collection())
    writing = asyncio.create_task(write())
    for turn in (5, 20):
        await _until(lambda turn=turn: len(written) >= turn)  # type: ignore[misc]
        os.kill(await _process(chunks), 9)
    await writing
    assert await chunks.count(collection()) == 40
    assert len(await chunks.get(collection(), written)) == 40
    assert ids(await chunks.search(collection(), meaning(7, k=1))) == ["p7"]
    await other.aclose()


async def test_first_starts_at_once_make_one_owner_that_leaves_after_its_last_client(tmp_path: Path) -> None:
    several = [Embedded(tmp_path) for _ in range(4)]
    await asyncio.gather(*(one.ensure(collection()) for one in several))
    assert len({await _process(one) for one in several}) == 1
    folder = tmp_path / "vectors"
    assert stat.S_IMODE((folder / "owner.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for one in several[1:]:
        await one.aclose()
    await several[0].upsert(collection(), [passage(1)], [vector(1)])
    await several[0].aclose()
    await _until(lambda: not is_held(folder / "owner.lock", exclusively=True))
    assert not (folder / "owner.sock").exists()
    assert (folder / "owner.log").read_text() == ""
    again = Embedded(tmp_path)
    assert await again.count(collection()) == 1
    await again.aclose()
    with pytest.raises(Unreachable):
        await again.count(collection())


async def test_a_path_too_long_for_a_socket_is_no_hindrance(tmp_path: Path) -> None:
    chunks = Embedded(tmp_path / ("d" * 100) / ("e" * 60))
    await chunks.upsert(collection(), [passage(1)], [vector(1)])
    assert await chunks.count(collection()) == 1
    await chunks.aclose()


async def test_what_is_no_request_is_answered_or_hung_up_on_and_others_are_served(
    chunks: Embedded, tmp_path: Path
) -> None:
    await chunks.upsert(collection(), [passage(1)], [vector(1)])
    for request in (
        {"do": "nothing"},
        {"do": "count"},
        {"do": "count", "in": ["", "c", 8], "document": None},
        {"do": "erase", "tenant": ""},
        {"do": "search", "in": ["a", "c", 8], "query": {"text": "canari"}},
        {"do": "upsert", "in": ["a", "c", 8], "entries": [{"payload": {}, "vector": "!"}]},
        {"do": {"x": 1}},
    ):
        with pytest.raises((Unfit, Unreachable)) as refused:
            await chunks._reads.ask(request, seconds=30)
        assert "canari" not in str(refused.value)
    for noise in (b"\xff\xff\xff\xff", b"\0\0\0\4nope", b"\0\0\0\2[]", b"\0"):
        connected = connect_to(tmp_path / "vectors" / "owner.sock", timeout=30)
        connected.sendall(noise)
        if len(noise) > 1:
            assert await asyncio.to_thread(connected.recv, 1) == b""
        connected.close()
    assert await chunks.count(collection()) == 1


async def test_a_caller_that_gives_up_leaves_the_line_in_order(chunks: Embedded) -> None:
    await chunks.upsert(collection(), [passage(n) for n in range(9)], [vector(n) for n in range(9)])
    tasks = [asyncio.create_task(chunks.search(collection(), meaning(n, k=1))) for n in range(9)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [ids(one) for one in found if isinstance(one, list)] == [[f"p{n}"] for n in (1, 3, 5, 7)]


def test_a_damaged_collection_harms_no_other(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    for name in ("well", "ill"):
        shards.upsert(collection(name=name), [(passage(1), vector(1))])
    shards.close()
    (ill,) = [path for path in tmp_path.glob("*/*/8") if path == shards._place("a", "ill") / "8"]
    for file in ill.rglob("*"):
        if file.is_file():
            file.write_bytes(b"nonsense")
    shards = Shards(tmp_path)
    with pytest.raises(Unreachable):
        shards.search(collection(name="ill"), both("passage", 1))
    assert shards.count(collection(name="well"), document=None) == 1
    shards.drop("a", "ill")
    assert shards.count(collection(name="ill"), document=None) == 0
    shards.close()


def test_more_collections_than_may_be_open_are_all_served(tmp_path: Path) -> None:
    shards = Shards(tmp_path, most_open=2)
    for turn in range(2):
        for number in range(4):
            shards.upsert(collection(f"t{number}"), [(passage(turn, f"mot{number}"), vector(turn))])
            assert shards.open <= 2
    for number in range(4):
        assert len(shards.search(collection(f"t{number}"), words(f"mot{number}"))) == 2
    shards.close()


def test_what_a_killed_owner_left_half_made_or_half_removed_is_cleared(tmp_path: Path) -> None:
    for name in (".making-1-0", ".gone-1-0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    Shards(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", [words("mot", language="fr", k=3), meaning(1, groups=None), both("mot", 1)])
def test_a_query_is_read_as_it_was_written(query: object) -> None:
    written = protocol.written_query(query)  # type: ignore[arg-type]
    assert protocol.written_query(protocol.read_query(written)) == written
