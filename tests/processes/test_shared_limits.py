"""Three processes on two machines, two of them workers behind one port, share exactly one of everything."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.chaos.program import (
    PATH,
    Program,
    Told,
    all_running,
    configuration,
    held,
    key_of,
    running,
    stage,
    together,
    until,
)
from tests.database import Postgres
from tests.e2e.processes import Caller, kill, one_each, workers_of
from tests.fakes.script import Wait
from tests.redis_server import SERVERS, RedisServer
from tests.redis_server import running as redis_running

_RPM, _CALLS = 100, 300
_PLACES = 7
_TPM, _TOKENS = 60_000, 2_000  # a call's input is a few tokens besides
_TENANTS: dict[str, Any] = {
    "rates": {"limits": {"rpm": _RPM}},
    "headers": {"limits": {"rpm": _RPM, "tpm": _TPM}},
    "tokens": {"limits": {"tpm": _TPM}},
    "places": {"limits": {"concurrency": _PLACES}},
    "single": {"limits": {"concurrency": 1}},
    "killed": {"limits": {"concurrency": _PLACES}},
    "free": {},
}


@dataclass
class Fleet:
    """The programs, and what they share."""

    programs: list[Program]
    redis: RedisServer
    config: dict[str, Any]

    def settled(self, tenant: str) -> None:
        """Wait until all processes have told Redis that the calls of a tenant have ended: they do so a moment later."""
        with self.redis.client() as client:

            def open_calls() -> int:
                names = client.scan_iter(f"passerelle:{{{tenant}}}:call:*")
                return sum(not client.hexists(name, "done") for name in names)

            until(lambda: open_calls() == 0, "all is settled")

    def write(self, **more: Any) -> None:
        """Another configuration for all of them."""
        for program in self.programs:
            program.service.config.write_text(yaml.safe_dump({**self.config, **more}))


@pytest.fixture(scope="module")
def fleet(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    address = postgres.make()
    try:
        with stage() as own, redis_running(SERVERS[0]) as redis:
            config = configuration(own, _TENANTS)
            given = {"DATABASE_URL": address, "REDIS_URL": redis.url}
            starting = [
                running(own, folder / "one", config, "--workers", "2", **given),
                running(own, folder / "two", config, **given),
            ]
            with all_running(starting) as programs:
                yield Fleet(programs, redis, config)
    finally:
        postgres.drop(address)


def _lasted(told: Sequence[Told]) -> float:
    return max(each.began + each.seconds for each in told) - min(each.began for each in told)


def _admitted(told: Sequence[Told]) -> int:
    others = [each for each in told if each.status != 200]
    assert {(each.status, each.code) for each in others} <= {(429, "rate_limit_exceeded")}
    return len(told) - len(others)


def test_a_hundred_requests_a_minute_are_a_hundred_of_all_processes_together(fleet: Fleet) -> None:
    told = together(fleet.programs, _CALLS, key=key_of("rates"))
    admitted = _admitted(told)
    assert _RPM <= admitted <= _RPM + _RPM * _lasted(told) / 60
    for each in told:
        if each.status == 429:
            assert int(each.headers["retry-after"]) >= 1
            assert float(each.headers["retry-after-ms"]) > 0
            assert each.headers["x-ratelimit-remaining-requests"] == "0"


def test_tokens_a_minute_are_shared_too(fleet: Fleet) -> None:
    """What is reserved counts while calls are under way, and what is not used is given back."""
    programs, engine = fleet.programs, fleet.programs[0].stage.engine
    under_way = held(programs, 60, key=key_of("tokens"), tokens=_TOKENS)
    # Each reserves its output and some for its input.
    assert _TPM // (_TOKENS + 200) <= under_way <= _TPM // _TOKENS
    assert engine.working == 0
    # They have said little: nearly all of it is there again.
    fleet.settled("tokens")
    assert held(programs, 60, key=key_of("tokens"), tokens=_TOKENS) >= _TPM // (_TOKENS + 200) - 2


def test_calls_at_once_are_shared_too(fleet: Fleet) -> None:
    for stream in (False, True, False):
        assert held(fleet.programs, 60, key=key_of("places"), stream=stream) == _PLACES
        fleet.settled("places")


def test_one_call_at_once_is_enough_for_calls_one_after_another(fleet: Fleet) -> None:
    told = [fleet.programs[1].call(key=key_of("single"), stream=index % 2 == 0) for index in range(40)]
    assert [each.status for each in told] == [200] * 40


def test_what_is_left_is_told_and_only_falls_while_calls_come(fleet: Fleet) -> None:
    key = key_of("headers")
    told = [program.call(key=key, tokens=50) for _ in range(10) for program in fleet.programs]
    assert {each.status for each in told} == {200}
    for meter, limit in (("requests", _RPM), ("tokens", _TPM)):
        assert {each.headers[f"x-ratelimit-limit-{meter}"] for each in told} == {str(limit)}
        assert all(0 < int(each.headers[f"x-ratelimit-remaining-{meter}"]) < limit for each in told)
        assert all(each.headers[f"x-ratelimit-reset-{meter}"].endswith("s") for each in told)
    # Each is told what all before it have left, whoever answered them; a minute gives the whole back.
    left = [int(each.headers["x-ratelimit-remaining-requests"]) for each in told]
    back = _RPM * _lasted(told) / 60
    assert left[0] >= _RPM - 2
    assert _RPM - len(told) <= left[-1] <= _RPM - len(told) + back + 1
    assert left == sorted(left, reverse=True) or back >= 1


def test_what_a_killed_worker_held_is_free_when_its_leases_end(fleet: Fleet) -> None:
    one, engine, key = fleet.programs[0], fleet.programs[0].stage.engine, key_of("killed")
    before = workers_of(one.service)
    with _held_up(one), one_each(one.service, before) as callers:
        _begin(callers[before[0]], key)
        until(lambda: engine.working == 1, "the engine has it")
        kill(before[0], signal.SIGKILL)
        until(lambda: engine.working == 0, "the engine hears that nobody waits")
    assert held(fleet.programs, 30, key=key) == _PLACES - 1
    until(lambda: _places(fleet, "killed") == 1, "only what is orphaned is left")
    with fleet.redis.client() as client:
        (name,) = client.scan_iter("passerelle:{killed}:*calls")
        (orphan,) = client.zrange(name, 0, -1)
        seconds, micros = client.time()
        left = client.zscore(name, orphan) / 1e6 - seconds - micros / 1e6
        assert 0 < left <= 60
        client.zincrby(name, -left * 1e6, orphan)  # as much time passes
    assert held(fleet.programs, 30, key=key) == _PLACES
    until(lambda: len(workers_of(one.service)) == 2 and before[0] not in workers_of(one.service), "a new one")


def test_a_key_that_is_revoked_on_one_machine_ends_on_all_also_under_way(fleet: Fleet) -> None:
    one, two = fleet.programs
    made = two.call("/admin/keys", key=two.admin, body={"tenant": "free"}).json
    key, pids = made["key"], workers_of(one.service)
    with (
        _held_up(one, at=3),
        one_each(one.service, pids) as callers,
        one_each(two.service, [_only(two)]) as more,
    ):
        streams = [*callers.values(), *more.values()]
        for each in streams:
            _begin(each, key, stream=True)
        answers = [each.connection.getresponse() for each in streams]
        assert [each.status for each in answers] == [200] * 3
        revoked = two.call(f"/admin/keys/{made['card']['id']}", key=two.admin, method="DELETE")
        assert revoked.status == 204
        for program in fleet.programs:
            until(lambda program=program: program.call("/v1/models", key=key).status == 401, "it is refused")
        for answer in answers:
            said = answer.read()
            assert b"[DONE]" not in said
            last = [line for line in said.split(b"\n") if line.startswith(b"data: ")][-1]
            assert json.loads(last[6:])["error"]["code"] == "key_revoked"


def test_an_edit_of_the_configuration_reaches_every_process(fleet: Fleet) -> None:
    one, two = fleet.programs
    with (
        one_each(one.service, workers_of(one.service)) as callers,
        one_each(two.service, [_only(two)]) as more,
    ):
        each_process = [*callers.values(), *more.values()]

        def versions() -> set[str]:
            return {each.ask("/health")[1]["configuration"] for each in each_process}

        (first,) = versions()
        fleet.write(models={**fleet.config["models"], "helper": fleet.config["models"]["assistant"]})
        until(lambda: len(versions()) == 1 and first not in versions(), "the edit is live everywhere")
        body = {"model": "helper", "messages": [{"role": "user", "content": "Bonjour"}]}
        for each in each_process:
            assert each.ask(PATH, key=key_of("free"), method="POST", body=body)[0] == 200


def test_they_end_well(fleet: Fleet) -> None:
    for program in fleet.programs:
        assert program.service.stop() == 0
        assert "Traceback" not in program.service.output.read_text()


@contextmanager
def _held_up(program: Program, *, at: int = 0) -> Iterator[None]:
    """The engine goes on with nothing before the block ends; `at` so many frames are out by then."""
    engine, gates = program.stage.engine, []

    async def shut() -> None:
        gates.append(asyncio.Event())
        engine.always(Wait(gates[0], before=at))

    async def opened() -> None:
        gates[0].set()
        engine.always()

    program.stage.run(shut())
    try:
        yield
    finally:
        program.stage.run(opened())


def _begin(caller: Caller, key: str, *, stream: bool = False) -> None:
    """A call on this connection whose answer is not waited for."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Bonjour"}], "stream": stream}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    caller.connection.request("POST", PATH, body=json.dumps(body), headers=headers)


def _places(fleet: Fleet, tenant: str) -> int:
    """How many leases of a tenant there are."""
    with fleet.redis.client() as client:
        return sum(client.zcard(name) for name in client.scan_iter(f"passerelle:{{{tenant}}}:*calls"))


def _only(program: Program) -> int:
    """The process of a program without workers."""
    return program.service.process.pid
