"""`/metrics` of several workers: whichever answers, it shows all of them."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.processes import CONFIGURATION, MEMBER, Caller, kill, one_each, until, workers_of
from tests.e2e.service import started
from tests.redis_server import RedisServer, one_redis

__all__ = ["one_redis"]

_ASK = {"model": "assistant", "messages": [{"role": "user", "content": "Answer from this text: It is red."}]}


def _by_worker(caller: Caller, admin: str, name: str) -> dict[str, float]:
    status, said = caller.ask("/metrics", key=admin)
    assert status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(said.decode()):
        for sample in family.samples:
            if sample.name == name:
                worker = sample.labels["worker"]
                found[worker] = found.get(worker, 0) + sample.value
    return found


def test_metrics_show_all_workers_whichever_answers_and_a_new_one_begins_anew(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": one_redis.url,
        "API_KEYS": f"acme:{MEMBER}",
        "PASSERELLE_NOTICE_SECONDS": "0",
    }
    with started(config, tmp_path / "d", "--workers", "2", "--demo", extra=environment) as service:
        service.await_text("Try it")
        admin = (service.data / "admin.key").read_text().strip()
        pids = workers_of(service)
        with one_each(service, pids) as callers:
            first, second = (callers[pid] for pid in pids)
            for caller, times in ((first, 3), (second, 1)):
                for _ in range(times):
                    assert caller.ask("/v1/chat/completions", key=MEMBER, method="POST", body=_ASK)[0] == 200
            for caller in (first, second):
                until(
                    lambda caller=caller: (
                        sorted(_by_worker(caller, admin, "passerelle_requests_total").values()) == [1, 3]
                    ),
                    "both are shown",
                )
            memory = _by_worker(first, admin, "process_resident_memory_bytes")
            assert set(memory) == {"0", "1"}
            assert memory["0"] != memory["1"]
            open_ones = _by_worker(first, admin, "passerelle_connections")
            assert min(open_ones.values()) >= 1
            files = sorted((service.data / "metrics").glob("*.json"))
            assert [file.name for file in files] == ["0.json", "1.json"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

            counted = _by_worker(second, admin, "passerelle_requests_total")
            gone = next(number for number, value in counted.items() if value == 3)
            kill(pids[0], signal.SIGKILL)
            until(
                lambda: (
                    gone not in _by_worker(second, admin, "passerelle_requests_total")
                    and set(_by_worker(second, admin, "process_resident_memory_bytes")) == {"0", "1"}
                ),
                "it is replaced, and has counted nothing yet",
            )
        assert service.stop() == 0


def test_one_process_says_nothing_of_workers(tmp_path: Path, database_url: str) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)
    with started(config, tmp_path / "d", "--demo", extra={"DATABASE_URL": database_url}) as service:
        service.await_text("Try it")
        admin = (service.data / "admin.key").read_text().strip()
        caller = Caller(service)
        try:
            status, said = caller.ask("/metrics", key=admin)
        finally:
            caller.close()
        assert status == 200
        assert b"worker=" not in said
        assert not (service.data / "metrics").exists()
