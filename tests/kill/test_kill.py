"""The promise of the whole service: SIGKILL its gateway and its PostgreSQL at any moment, and the ledger adds up.

`PASSERELLE_KILL_ROUNDS` and `PASSERELLE_KILL_SEEDS` (numbers, separated by commas) make it longer.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path
from random import Random

import pytest

from tests.e2e.service import of_folder
from tests.kill.audit import audit, read
from tests.kill.scene import WORKERS, Scene, end_under_load, go_on_without_database, open_scene, settled, some
from tests.kill.victim import until

_ROUNDS = int(os.environ.get("PASSERELLE_KILL_ROUNDS", "2"))
_SEEDS = [int(seed) for seed in os.environ.get("PASSERELLE_KILL_SEEDS", "20261121").split(",")]


async def _hurt(scene: Scene, chance: Random) -> None:
    """Kill parts of what stands behind the gateway, under load."""
    victim, traffic = scene.victim, scene.traffic
    what = chance.choice(("nothing", "backend", "backends", "server", "supervisor", "down"))
    if what == "backend":
        await victim.kill_backend(chance)
    elif what == "backends":
        for _ in range(3):
            await victim.kill_backend(chance)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
    elif what == "server":
        await victim.kill_server()
    elif what == "supervisor":
        await victim.kill_supervisor()
    elif what == "down":
        await go_on_without_database(scene)
        if chance.random() < 0.5:
            victim.let_go()
    await some(traffic, chance.randint(0, 10))


async def _lose_the_database_for_a_while(scene: Scene) -> None:
    """Until it was missed by who drains the spool, and is there again."""
    service = scene.victim.service
    assert service is not None
    await go_on_without_database(scene)
    await until(lambda: "ledger_waits" in service.output.read_text(), "the database is missed")
    scene.victim.let_go()
    await until(lambda: "ledger_goes_on" in service.output.read_text(), "the spool is drained again")


async def _round(scene: Scene, chance: Random, *, down: bool) -> None:
    """A life of the service: started, used, hurt, killed."""
    victim, traffic = scene.victim, scene.traffic
    traffic.at(await victim.start())
    await some(traffic, chance.randint(1, 15))
    if down:
        await go_on_without_database(scene)
    else:
        await _hurt(scene, chance)
    await asyncio.sleep(chance.uniform(0.0, 0.1))  # anywhere in what comes next
    await victim.end(signal.SIGKILL)
    traffic.at(None)
    if chance.random() < 0.3:
        await victim.kill_server()
    victim.let_go()


@pytest.mark.timeout(60 + 30 * _ROUNDS)
@pytest.mark.parametrize("seed", _SEEDS)
async def test_whatever_is_killed_and_when_every_answer_is_paid_once_and_the_accounts_add_up(
    tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)
    async with open_scene(tmp_path, seed) as scene:
        victim, traffic = scene.victim, scene.traffic
        running = asyncio.create_task(traffic.run())
        for number in range(_ROUNDS):
            await _round(scene, chance, down=number == 0)
        # This life takes over what all others have left, and is told to end under load.
        traffic.at(await victim.start())
        await some(traffic, 10)
        await _lose_the_database_for_a_while(scene)
        assert await end_under_load(traffic, victim) == 0
        left = list((victim.data / "spool").iterdir())
        await until(lambda: scene.quiet, "engines have nothing to do")
        taken = await read(victim.data)
        assert audit(taken, scene.witness.heard, traffic.told) == []
        # And this one goes on from what the ledger says was spent, until there is nothing to do any more.
        url = await victim.start()
        restored = await settled(victim)
        traffic.at(url)
        await some(traffic, 10)
        traffic.end()
        await running
        await until(lambda: scene.quiet, "engines have nothing to do")
        live = await settled(victim)
        metrics = await victim.ask("/metrics")
        assert await victim.end() == 0
        books = await read(victim.data)
        await until(lambda: not of_folder(victim.data), "nothing is left behind")

    assert audit(books, scene.witness.heard, traffic.told) == []
    assert left == []
    assert restored == taken.billed("tenant:acme") > 0
    assert live == books.billed("tenant:acme") > restored
    assert books.unknown <= 2 * WORKERS * _ROUNDS  # clients', and those whose client has left
    assert len(books.sightings) >= 2, "nothing was seen of people"
    assert books.unknown, "it was killed while it did nothing: the test kills too late"
    assert "Traceback" not in victim.output
    assert re.search(r"^passerelle_holds_expired_total 0\.0$", metrics, re.MULTILINE)
    outcomes = {row["outcome"] for row in books.attempts}
    assert {"answered", "failed", "hung_up", "unknown"} <= outcomes, outcomes
