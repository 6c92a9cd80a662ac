"""`serve --workers`: one port, one data folder, several processes, none of which the others depend on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import CONFIGURATION, MEMBER, kill, one_each, until, workers_of
from tests.e2e.service import Service, of_folder, run, started
from tests.embedded import lives
from tests.redis_server import RedisServer, one_redis

__all__ = ["one_redis"]

_ASK = {"model": "assistant", "messages": [{"role": "user", "content": "Answer from this text: It is red."}]}


@contextmanager
def _workers(
    tmp_path: Path, database_url: str, redis: RedisServer, *arguments: str, count: int = 2, **extra: str
) -> Iterator[Service]:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "API_KEYS": f"acme:{MEMBER}",
        "PASSERELLE_NOTICE_SECONDS": "0.2",
        **extra,
    }
    with started(config, tmp_path / "d", "--workers", str(count), *arguments, extra=environment) as service:
        yield service


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "DATABASE_URL and REDIS_URL"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "need REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "need DATABASE_URL"),
    ],
)
def test_several_workers_without_what_they_share_are_refused_in_one_line(
    tmp_path: Path, given: dict[str, str], missing: str
) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)

    done = run("serve", "--workers", "2", "--config", str(config), "--data", str(tmp_path / "d"), extra=given)

    assert done.returncode == 2
    assert missing in done.stderr
    assert "or run one worker" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


def test_workers_that_cannot_start_end_the_parent_with_their_reason(
    tmp_path: Path, one_redis: RedisServer
) -> None:
    config = tmp_path / "providers.yaml"
    config.write_text(CONFIGURATION)
    given = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x", "REDIS_URL": one_redis.url}

    done = run(
        "serve", "--workers", "2", "--port", "0", "--config", str(config), "--data", str(tmp_path / "d"),
        extra=given,
    )  # fmt: skip

    assert done.returncode == 2
    assert "The database cannot be used" in done.stderr
    assert of_folder(tmp_path / "d") == []


def test_both_answer_learn_of_keys_and_of_an_edit(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    with _workers(tmp_path, database_url, one_redis, "--demo") as service:
        service.await_text("Try it")
        admin = (service.data / "admin.key").read_text().strip()
        pids = workers_of(service)
        assert len(pids) == 2
        with one_each(service, pids) as callers:
            one, other = callers.values()
            status, made = one.ask("/admin/keys", key=admin, method="POST", body={"tenant": "acme"})
            assert status == 201
            key = made["key"]
            assert [each.ask("/v1/models", key=key)[0] for each in (other, one)] == [200, 200]
            assert other.ask("/v1/chat/completions", key=key, method="POST", body=_ASK)[0] == 200
            assert one.ask(f"/admin/keys/{made['card']['id']}", key=admin, method="DELETE")[0] == 204
            assert one.ask("/v1/models", key=key)[0] == 401
            until(lambda: other.ask("/v1/models", key=key)[0] == 401, "the other hears of it", within=10)

            first = one.ask("/health")[1]["configuration"]
            service.config.write_text(CONFIGURATION.replace("assistant", "helper"))
            for each in callers.values():
                until(lambda each=each: each.ask("/health")[1]["configuration"] != first, "the edit is live")
            service.config.write_text("version: 1\nnonsense: true\n")
            for each in callers.values():
                until(lambda each=each: "configuration" in each.ask("/health")[1]["degraded"], "it is told")
            service.config.write_text(CONFIGURATION)
            service.process.send_signal(signal.SIGHUP)
            for each in callers.values():
                until(lambda each=each: each.ask("/health")[1]["configuration"] == first, "it is reloaded")
        assert service.stop() == 0
        assert "Traceback" not in service.output.read_text()
    assert of_folder(service.data) == []
    assert not (service.data / "control.sock").exists()


def test_sigkill_of_one_loses_no_call_of_the_other_and_a_new_one_comes(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    with _workers(tmp_path, database_url, one_redis) as service:
        pids = workers_of(service)
        with one_each(service, pids) as callers:
            dead, alive = pids
            kill(dead, signal.SIGKILL)
            for _ in range(20):
                assert callers[alive].ask("/v1/models", key=MEMBER)[0] == 200
            until(lambda: not lives(dead), "it is dead")
            with one_each(service, [alive]) as others:  # nothing waits in a queue that died with it
                assert others[alive].ask("/v1/models", key=MEMBER)[0] == 200
            until(lambda: len(workers_of(service)) == 2 and dead not in workers_of(service), "a new one")
            assert "worker_died" in service.output.read_text()
            with one_each(service, workers_of(service)) as again:
                assert len(again) == 2
        assert service.stop() == 0


def test_orders_reach_workers_that_come_and_go(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    with _workers(tmp_path, database_url, one_redis) as service:
        for pid in workers_of(service):
            made = service.order("keys", "create", "--tenant", "acme")
            assert made.returncode == 0, made.stderr
            with one_each(service, workers_of(service)) as callers:
                assert {each.ask("/v1/models", key=made.stdout.strip())[0] for each in callers.values()} == {
                    200
                }
            kill(pid, signal.SIGKILL)
            until(
                lambda pid=pid: pid not in workers_of(service) and len(workers_of(service)) == 2, "a new one"
            )
        second = run("serve", "--port", "0", "--config", str(service.config), "--data", str(service.data))
        assert second.returncode == 2
        assert str(service.process.pid) in second.stderr
        assert service.stop() == 0


def test_a_parent_that_is_killed_leaves_no_orphan_and_no_port(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    with _workers(tmp_path, database_url, one_redis) as service:
        port = service.url.rpartition(":")[2]
        service.stop(signal.SIGKILL)
        until(lambda: of_folder(service.data) == [], "the workers end")
    with _workers(tmp_path, database_url, one_redis, "--port", port) as again:
        assert again.url.endswith(f":{port}")
        assert again.stop(signal.SIGINT) == 0
