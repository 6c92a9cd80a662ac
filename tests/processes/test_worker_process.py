"""`passerelle worker`: refused where it could not share its work; and what a killed one had in hand is done by another."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from passerelle.stores.database import Database
from tests.e2e.processes import CONFIGURATION
from tests.e2e.service import command, environment, run, started
from tests.fakes.qdrant import QdrantFake
from tests.redis_server import RedisServer, one_redis
from tests.unit.jobs.scene import count, counts_agree, until

__all__ = ["one_redis"]

_DOCUMENTS = 6  # each is read in a process of its own
_GIVEN = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1",
    "QDRANT_URL": "http://127.0.0.1:1",
}


@pytest.mark.parametrize("missing", [["DATABASE_URL"], ["REDIS_URL", "QDRANT_URL"]])
def test_a_worker_without_what_it_shares_is_refused_in_one_line(tmp_path: Path, missing: list[str]) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)
    given = {name: value for name, value in _GIVEN.items() if name not in missing}

    done = run("worker", "--config", str(config), "--data", str(tmp_path / "d"), extra=given)

    assert done.returncode == 2
    assert f"needs {' and '.join(missing)}:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


@contextmanager
def _worker(folder: Path, name: str, extra: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on the data folder of the service; what it prints is in a file of its name."""
    line = command("worker", "--concurrency", "2", "--config", str(folder / "providers.yaml"))
    with (folder / name).open("w") as out:
        process = subprocess.Popen(
            [*line, "--data", str(folder / "d")],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment(extra), "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def test_documents_of_a_killed_worker_are_read_by_another(
    tmp_path: Path, database_url: str, database: Database, one_redis: RedisServer
) -> None:
    (tmp_path / "providers.yaml").write_text(CONFIGURATION)
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(_DOCUMENTS):
        (texts / f"{number}.txt").write_text(f"Le dossier {number} est livré en {number + 2} jours.")

    async def finished() -> int:
        return await count(database, "SELECT count(*) FROM job_item WHERE state = 'done'")

    async with QdrantFake() as qdrant:
        shared = {"DATABASE_URL": database_url, "REDIS_URL": one_redis.url, "QDRANT_URL": qdrant.url}
        idle = {**shared, "PASSERELLE_JOB_CONCURRENCY": "0"}
        with started(tmp_path / "providers.yaml", tmp_path / "d", extra=idle) as service:
            words = ("--collection", "dossiers", "--tenant", "acme", "--no-wait", "--json")
            handed = await asyncio.to_thread(service.order, "rag", "ingest", str(texts), *words)
            assert handed.returncode == 0, handed.stderr
            jobs = orjson.loads(handed.stdout)["jobs"]
            with _worker(tmp_path, "one", shared) as one, _worker(tmp_path, "two", shared) as two:
                await until(finished, "documents are read", within=60)
                one.kill()
                for job in jobs:
                    done = await asyncio.to_thread(service.order, "jobs", "follow", job, "--tenant", "acme")
                    assert done.returncode == 0, done.stderr
                two.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(two.wait, 30) == 0
    assert await finished() == _DOCUMENTS
    await counts_agree(database)
    assert "Traceback" not in (tmp_path / "two").read_text()
