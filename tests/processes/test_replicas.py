"""Several machines, as far as one can play them: own data folders, one database, one pepper."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.database import Postgres
from tests.e2e.processes import CONFIGURATION, Caller, until
from tests.e2e.service import Service, run, started
from tests.redis_server import RedisServer, one_redis

__all__ = ["one_redis"]

_PEPPER = "5e" * 32


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    """A database that nobody has used yet."""
    address = postgres.make(migrated=False)
    yield address
    postgres.drop(address)


def _machine(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "providers.yaml").write_text(CONFIGURATION)
    return folder


@contextmanager
def _replicas(tmp_path: Path, address: str, redis: RedisServer, **extra: str) -> Iterator[list[Service]]:
    """Two that start at the same moment."""
    given = {
        "DATABASE_URL": address,
        "REDIS_URL": redis.url,
        "PASSERELLE_PEPPER": _PEPPER,
        "PASSERELLE_NOTICE_SECONDS": "0.1",
        **extra,
    }
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starting = [
            started(folder / "providers.yaml", folder / "d", extra=given)
            for folder in (_machine(tmp_path, "one"), _machine(tmp_path, "two"))
        ]
        entered = [pool.submit(each.__enter__) for each in starting]
        for each in starting:
            stack.push(each)
        yield [each.result() for each in entered]


def _leads(service: Service) -> int:
    return service.output.read_text().count('"event":"leads"') or service.output.read_text().count(
        '"event": "leads"'
    )


def test_two_start_on_an_empty_database_at_once_and_know_each_others_keys(
    tmp_path: Path, empty_url: str, one_redis: RedisServer
) -> None:
    with _replicas(tmp_path, empty_url, one_redis) as (one, two):
        made = one.order("keys", "create", "--tenant", "acme")
        assert made.returncode == 0, made.stderr
        key = made.stdout.strip()
        listed = two.order("keys", "list", "--tenant", "acme")
        key_id = next(word for word in listed.stdout.split() if word.startswith("key_"))
        callers = [Caller(one), Caller(two)]
        try:
            assert [each.ask("/v1/models", key=key)[0] for each in callers] == [200, 200]
            assert two.order("keys", "revoke", key_id).returncode == 0
            for each in callers:
                until(lambda each=each: each.ask("/v1/models", key=key)[0] == 401, "it is revoked", within=10)
        finally:
            for each in callers:
                each.close()


def test_one_of_them_leads_and_the_other_takes_over_when_it_is_killed(
    tmp_path: Path, database_url: str, one_redis: RedisServer
) -> None:
    with _replicas(tmp_path, database_url, one_redis) as services:
        until(lambda: sum(map(_leads, services)) == 1, "one leads")
        (leader,) = [each for each in services if _leads(each)]
        (other,) = [each for each in services if not _leads(each)]
        leader.stop(signal.SIGKILL)
        until(lambda: _leads(other) == 1, "the other leads", within=10)
        assert other.stop() == 0


def test_another_pepper_is_refused_with_its_cure(tmp_path: Path, database_url: str) -> None:
    first, second = _machine(tmp_path, "one"), _machine(tmp_path, "two")
    given = {"DATABASE_URL": database_url}
    with started(first / "providers.yaml", first / "d", extra=given) as service:
        made = service.order("keys", "create", "--tenant", "acme")
    line = ("--config", str(second / "providers.yaml"), "--data", str(second / "d"))

    refused = run("serve", "--port", "0", *line, extra=given)

    assert refused.returncode == 2
    assert "another pepper" in refused.stderr
    assert "PASSERELLE_PEPPER_FILE" in refused.stderr
    assert "Traceback" not in refused.stderr
    shared = {**given, "PASSERELLE_PEPPER_FILE": str(first / "d" / "secrets" / "pepper")}
    with started(second / "providers.yaml", second / "d", extra=shared) as service:
        caller = Caller(service)
        assert caller.ask("/v1/models", key=made.stdout.strip())[0] == 200
        caller.close()
