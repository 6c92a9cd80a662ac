"""SIGKILL those who read documents, and those who answer: every document is found, and hardly one is paid for twice."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from tests.chaos.documents import House, Reader, around, house, word
from tests.chaos.program import asked_for, stage, until
from tests.redis_server import RedisServer, one_redis

__all__ = ["one_redis"]

_DOCUMENTS = 200
_AT_ONCE = 2  # items of each process
_NUMBERS = range(_DOCUMENTS)
_SEEDS = [int(seed) for seed in os.environ.get("PASSERELLE_KILL_SEEDS", "").split(",") if seed] or [7]
_RECLAIMED = "SELECT max(extract(epoch FROM at)) FROM job_event WHERE what = 'item-lost'"


@pytest.mark.timeout(300)  # beside three others on two cores
@pytest.mark.parametrize("seed", _SEEDS)
def test_200_documents_survive_their_workers_and_their_service(
    seed: int, database_url: str, tmp_path: Path, one_redis: RedisServer
) -> None:
    chance = Random(seed)
    with stage() as own, around(own) as among:
        given = {
            "DATABASE_URL": database_url,
            "REDIS_URL": one_redis.url,
            "QDRANT_URL": f"http://127.0.0.1:{among.to_qdrant.port}",
            "PASSERELLE_JOB_CONCURRENCY": str(_AT_ONCE),
        }
        with house(among, tmp_path / "h", among.configuration({"acme": {}}), **given) as lab:
            lab.serve()
            for name in ("one", "two"):
                lab.work(name)
            jobs = lab.hand_in("acme", _NUMBERS)
            began = time.monotonic()
            readers = [Reader(lab, "acme", job) for job in jobs]
            kills = _kill_all(lab, jobs, chance)
            last = time.time()
            until(lambda: lab.over("acme", jobs), "all documents are read", within=100)
            took = time.monotonic() - began
            for reader in readers:
                reader.wait(10)

            assert lab.states("acme") == {"ready": _DOCUMENTS}
            assert lab.lost("acme", _NUMBERS) == []
            times = among.embedded
            assert set(times) == {word(number) for number in _NUMBERS}
            twice = times.total() - _DOCUMENTS
            lost = asked_for(database_url, "SELECT count(*) FROM job_event WHERE what = 'item-lost'")[0][0]
            assert twice <= lost <= kills * _AT_ONCE, (seed, times.most_common(5))
            for job, reader in zip(jobs, readers, strict=True):
                card = lab.job("acme", job)
                assert card["state"] == "done"
                assert (
                    card["progress"]["done"]
                    == card["progress"]["total"]
                    == card["progress"]["fraction"] * card["progress"]["total"]
                )
                numbers = [number for number, _ in reader.events]
                assert numbers == list(range(1, card["events"] + 1)), seed
                assert sum(what == "item-done" for _, what in reader.events) == card["progress"]["total"]
            reclaimed = asked_for(database_url, _RECLAIMED)[0][0]
            print(
                f"seed {seed}: {kills} kills, {lost} items lost, {twice} embedded twice, {took:.1f} s in all; "
                f"the last was given on {float(reclaimed or last) - last:.1f} s after the last kill; "
                f"readers came back {[reader.returns for reader in readers]}"
            )
        assert "Traceback" not in lab.said()


def _kill_all(lab: House, jobs: list[str], chance: Random) -> int:
    """Each of the three, and one of the workers again, at points of the work that chance has chosen."""
    victims = ["one", "two", "serve"]
    chance.shuffle(victims)
    victims.append(chance.choice(["one", "two"]))
    points = sorted(chance.sample(range(5, _DOCUMENTS * 8 // 10), len(victims)))
    for point, victim in zip(points, victims, strict=True):
        until(lambda point=point: lab.done("acme", jobs) >= point, f"{point} documents are read", within=100)  # type: ignore[misc]
        time.sleep(chance.random() * 0.2)
        if victim == "serve":
            lab.stop(9)
            lab.serve()
        else:
            lab.end(victim)
            lab.work(victim)
    return len(victims)
