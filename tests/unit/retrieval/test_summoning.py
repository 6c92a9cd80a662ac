"""An owner that cannot start, or cannot be reached, is one clear error at once, and is not tried again for a while."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from passerelle.retrieval import protocol
from passerelle.retrieval.embedded import Embedded
from passerelle.retrieval.store import Unreachable
from passerelle.retrieval.summoning import PAUSE_SECONDS
from passerelle.stores.locks import take
from tests.passages import collection, passage, vector


@pytest.fixture
async def chunks(tmp_path: Path) -> AsyncIterator[Embedded]:
    (tmp_path / "vectors").mkdir()
    chunks = Embedded(tmp_path)
    yield chunks
    await chunks.aclose()


async def _written(log: Path, last: str) -> str:
    """What a log holds once its last line is there: whoever ends goes on writing after it has said why."""
    async with asyncio.timeout(20):
        while last not in (said := log.read_text()) or not said.endswith("\n"):
            await asyncio.sleep(0.02)
    return said


async def test_an_owner_that_cannot_start_says_why_and_is_left_alone_for_a_while(
    chunks: Embedded, tmp_path: Path
) -> None:
    (tmp_path / "vectors" / "points").write_text("a file where the folder of the shards should be")
    with pytest.raises(Unreachable, match="cannot start: file exists") as first:
        await chunks.count(collection())
    log = await _written(tmp_path / "vectors" / "owner.log", "FileExistsError")
    (tmp_path / "vectors" / "points").unlink()
    with pytest.raises(Unreachable, match="cannot start: file exists") as second:
        await chunks.upsert(collection(), [passage(1)], [vector(1)])
    assert (tmp_path / "vectors" / "owner.log").read_text() == log  # nobody was started
    assert 0 < second.value.retry_after <= first.value.retry_after == PAUSE_SECONDS
    later = Embedded(tmp_path)
    assert await later.count(collection()) == 0
    await later.aclose()


async def test_a_folder_that_another_machine_uses_is_an_error_with_its_cure(
    chunks: Embedded, tmp_path: Path
) -> None:
    lock = take(tmp_path / "vectors" / "owner.lock", exclusive=True, seconds=0)
    (tmp_path / "vectors" / "owner.sock").touch()  # at which nobody answers here
    try:
        with pytest.raises(Unreachable, match=r"another machine.* QDRANT_URL"):
            await chunks.count(collection())
    finally:
        os.close(lock)


async def test_an_owner_of_another_version_is_not_talked_to(chunks: Embedded, tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await protocol.read(reader, most=1000)
        writer.write(protocol.frame({"n": 0, "ok": {"version": protocol.VERSION - 1}}))
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(greet, tmp_path / "vectors" / "owner.sock")
    with pytest.raises(Unreachable, match="another version"):
        await chunks.count(collection())
    server.close()
    await server.wait_closed()


async def test_a_second_process_uses_the_same_folder_at_the_same_time(
    chunks: Embedded, tmp_path: Path
) -> None:
    await chunks.upsert(collection(), [passage(1)], [vector(1)])
    program = (
        "import asyncio, pathlib, sys\n"
        "from passerelle.domain.retrieval import Collection\n"
        "from passerelle.retrieval.embedded import Embedded\n"
        "async def main():\n"
        "    chunks = Embedded(pathlib.Path(sys.argv[1]))\n"
        "    print(await chunks.count(Collection('a', 'c', 8)))\n"
        "    await chunks.delete(Collection('a', 'c', 8), ids=['p1'])\n"
        "    await chunks.aclose()\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await other.communicate()
    assert (said.strip(), other.returncode) == (b"1", 0)
    assert await chunks.count(collection()) == 0
