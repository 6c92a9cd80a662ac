"""SIGKILL workers in the middle of a job: nothing is lost, and only what they had in hand is done twice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from passerelle.domain.jobs import JobState
from passerelle.jobs.desk import Desk
from passerelle.stores.database import Database
from tests.kill.worker import CONCURRENCY
from tests.unit.jobs.scene import counts_agree, made, over

_KILLS = 2


@contextmanager
def _worker(address: str, witness: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.kill.worker", address, str(witness)])
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def test_a_job_of_200_items_survives_the_death_of_its_workers(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    job = await made(database, 200)

    def begun() -> list[str]:
        return witness.read_text().split()

    for kill in range(1, _KILLS + 1):
        with _worker(database_url, witness):
            while len(begun()) < 60 * kill:  # a hang is ended by the test's own time limit
                await asyncio.sleep(0.01)
    with _worker(database_url, witness):
        done = await over(database, job, within=60)

    assert done.state is JobState.DONE
    times = Counter(begun())
    assert len(times) == 200
    assert sum(times.values()) - 200 <= _KILLS * CONCURRENCY
    first = await Desk(database).items("acme", job, most=500)
    assert [item.result for item in first] == [{"did": f"i{number}"} for number in range(1, 201)]
    await counts_agree(database)
