"""The promise of the ledger: kill -9 at any point loses nothing and doubles nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import make_url, text

from passerelle.ledger.book import verify
from passerelle.ledger.drain import Drain
from passerelle.stores.database import Database
from tests.database import Postgres

_ROUNDS = 6
_PROJECT = Path(__file__).parents[3]


def start(role: str, *arguments: str) -> subprocess.Popen[str]:
    """A program that is at work when this returns."""
    command = [sys.executable, "-m", "tests.unit.ledger.killed", role, *arguments]
    process = subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while (said := process.stdout.readline()) != "ready\n":
        assert said, "it did not start"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def test_every_try_that_began_has_one_record_whoever_is_killed_and_when(
    postgres: Postgres, database_url: str, database: Database, tmp_path: Path
) -> None:
    chance = random.Random(20_261_121)
    root, name = tmp_path / "spool", make_url(database_url).database
    witnesses = [tmp_path / f"witness{number}" for number in range(_ROUNDS)]
    for witness in witnesses:
        running = [
            start("writer", database_url, str(root), str(witness)),
            start("drainer", database_url, str(root)),
        ]
        try:
            if witness == witnesses[-1] or chance.random() < 0.5:
                running.reverse()  # the drainer dies first: what the writer leaves, nobody takes
            time.sleep(chance.uniform(0.0, 0.5))
            if chance.random() < 0.5:
                postgres._execute(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                )
                time.sleep(chance.uniform(0.0, 0.1))
        finally:
            for process in running:
                kill(process)
                time.sleep(chance.uniform(0.0, 0.1))

    left = sum(len(list(folder.glob("*.spool"))) for folder in root.iterdir())
    assert left, "nothing was left over: the test kills too late"
    await Drain(database, root).drain_once()
    assert list(root.iterdir()) == []

    lines = [line.split() for witness in witnesses for line in witness.read_text().splitlines()]
    begun = {attempt for kind, attempt, _ in lines if kind == "b"}
    over = {attempt: int(number) for kind, attempt, number in lines if kind == "e"}
    async with database.begin() as connection:
        rows = (
            await connection.execute(text("SELECT attempt_id, outcome, usage FROM ledger_attempts"))
        ).all()
        sums = """SELECT attempt_id, count(*), sum(amount_pico) FILTER (WHERE account = 'tenant:client-a')
            FROM ledger_entries GROUP BY 1"""
        entries = {row[0]: (row[1], row[2]) for row in (await connection.execute(text(sums))).all()}
    there = {row[0]: row[1] for row in rows}

    assert len(begun) > 1000
    assert len(there) == len(rows)
    assert begun <= there.keys()
    # A writer may die between a call's return and the witness of it: one call each.
    assert len(there.keys() - begun) <= _ROUNDS
    assert all(there[attempt] == "answered" for attempt in over)
    assert sum(outcome == "answered" for outcome in there.values()) <= len(over) + _ROUNDS
    assert sum(outcome == "unknown" for outcome in there.values()) >= _ROUNDS
    assert entries.keys() == there.keys()
    assert all(entries[attempt] == (4, (100 + number) * 70_000) for attempt, number in over.items())
    assert all(entries[attempt] == (2, None) for attempt, outcome in there.items() if outcome == "unknown")
    assert await verify(database) == []
