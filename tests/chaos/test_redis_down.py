"""Redis away, silent, slow or talking nonsense: each process admits its own share of a limit, and nobody waits twice."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from passerelle.tenancy import keys
from tests.chaos.program import (
    Fault,
    Program,
    Told,
    all_running,
    asked_for,
    blackhole,
    configuration,
    deaf,
    healed,
    held,
    key_of,
    refused,
    reset,
    running,
    socket_of,
    stage,
    through,
    together,
    until,
)
from tests.chaos.proxy import Proxy
from tests.database import Postgres
from tests.redis_server import SERVERS, RedisServer
from tests.redis_server import running as redis_running

_RPM = 40
_PLACES = 6
_SILENCE = 0.15  # seconds: the time limit of one question to Redis
# Tenants for each test, so that nobody has used their limits before.
_FAULTS: dict[str, Fault] = {"refused": refused, "reset": reset, "blackhole": blackhole, "deaf": deaf}
_TENANTS = [*_FAULTS, "slow", "corrupt", "emptied", "restarted", "both"]


@dataclass
class Lab:
    """Two machines that share limits, and the ways to what they share."""

    programs: list[Program]
    redis: RedisServer
    proxy: Proxy
    database: Proxy
    address: str

    def apply(self, fault: Fault, *, to: Proxy | None = None) -> None:
        async def applied() -> None:
            await fault(to or self.proxy)

        self.programs[0].stage.run(applied())

    def heal(self) -> None:
        for proxy in (self.proxy, self.database):
            self.apply(healed, to=proxy)

    def says(self, *names: str) -> bool:
        """Do all of them say that just this does not work?"""
        return all(each.degraded() == list(names) for each in self.programs)

    def away(self) -> set[float]:
        return {each.metric("passerelle_redis_away") for each in self.programs}


async def _slow(proxy: Proxy) -> None:
    """Slower than any Redis, and sooner than the time limit."""
    proxy.down.latency = 0.02


async def _corrupt(proxy: Proxy) -> None:
    proxy.down.corrupt = 0.1


def _tenants() -> dict[str, Any]:
    """Of each name one that is limited a minute, one for when Redis is back, and one that is limited at once."""
    tenants: dict[str, Any] = {"silent": {"limits": {"rpm": 1_000_000}}}
    for name in _TENANTS:
        tenants[name] = tenants[f"{name}-back"] = {"limits": {"rpm": _RPM}}
        tenants[f"{name}-places"] = {"limits": {"concurrency": _PLACES}}
    return tenants


@pytest.fixture(scope="module")
def lab(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("redis-down")
    address = postgres.make()
    try:
        with (
            stage() as own,
            redis_running(SERVERS[0]) as redis,
            own.before(redis.socket) as proxy,
            own.before(socket_of(address)) as database,
        ):
            config = configuration(own, _tenants())
            given = {
                "DATABASE_URL": through(address, database),
                "REDIS_URL": f"redis://127.0.0.1:{proxy.port}",
            }
            starting = [running(own, folder / name, config, **given) for name in ("one", "two")]
            with all_running(starting) as programs:
                _meet(redis)
                yield Lab(programs, redis, proxy, database, address)
    finally:
        postgres.drop(address)


def _meet(redis: RedisServer) -> None:
    """Wait until each of the two has shown itself after both were there, and so has seen the other."""
    with redis.client() as client:

        def beats() -> dict[str, float]:
            return dict(client.zrange("passerelle:{roll}", 0, -1, withscores=True))  # type: ignore[arg-type]

        until(lambda: len(beats()) == 2, "both are there")
        first = beats()
        until(lambda: all(beats()[name] > score for name, score in first.items()), "they have met")


def _admitted(told: Sequence[Told]) -> int:
    """How many were; all others were told that they are over a limit, and when to come again."""
    others = [each for each in told if each.status != 200]
    assert {each.code for each in others} <= {"rate_limit_exceeded"}, {each.code for each in others}
    assert all(each.status == 429 and float(each.headers["retry-after"]) > 0 for each in others)
    return len(told) - len(others)


def _exactly(admitted: int, share: int, told: Sequence[Told]) -> None:
    """The share at once, and what of it came back meanwhile: no fewer and no more."""
    lasted = max(each.began + each.seconds for each in told) - min(each.began for each in told)
    assert share <= admitted <= share + share * lasted / 60, (admitted, share, lasted)


def _shared(lab: Lab, tenant: str) -> None:
    """All processes together admit exactly what the limit allows."""
    told = together(lab.programs, 2 * _RPM, key=key_of(tenant))
    _exactly(_admitted(told), _RPM, told)


def _apart(lab: Lab, tenant: str) -> None:
    """Each process admits exactly its share."""
    for program in lab.programs:
        told = program.calls(_RPM, key=key_of(tenant))
        _exactly(_admitted(told), _RPM // len(lab.programs), told)


@pytest.mark.parametrize("name", _FAULTS)
def test_each_process_admits_its_share_while_redis_is_away_and_all_share_when_it_is_back(
    lab: Lab, name: str
) -> None:
    lab.apply(_FAULTS[name])
    try:
        _apart(lab, name)
        until(lambda: lab.says("redis"), "they say what is away")
        assert lab.away() == {1.0}
        for program in lab.programs:
            assert held([program], 2 * _PLACES, key=key_of(f"{name}-places")) == _PLACES // 2
    finally:
        lab.heal()
    until(lab.says, "they are well again")
    assert lab.away() == {0.0}
    _shared(lab, f"{name}-back")
    assert held(lab.programs, 4 * _PLACES, key=key_of(f"{name}-places")) == _PLACES


def test_a_slow_redis_still_counts_for_all(lab: Lab) -> None:
    lab.apply(_slow)
    try:
        _shared(lab, "slow")
        assert lab.says()
    finally:
        lab.heal()


def test_nonsense_from_redis_reaches_no_caller_and_lifts_no_limit(lab: Lab) -> None:
    lab.apply(_corrupt)
    try:
        told = [each for _ in range(5) for each in together(lab.programs, 2 * _RPM, key=key_of("corrupt"))]
        lasted = max(each.began + each.seconds for each in told) - told[0].began
        # What all have taken from it before they gave it up, and then the share of each.
        assert _RPM // 2 <= _admitted(told) <= 2 * (_RPM + _RPM * lasted / 60)
    finally:
        lab.heal()
    until(lab.says, "they are well again")
    _shared(lab, "corrupt-back")


def test_a_redis_that_was_emptied_counts_from_nothing(lab: Lab) -> None:
    _shared(lab, "emptied")
    with lab.redis.client() as client:
        client.flushall()
        client.script_flush()
    assert lab.says()
    _shared(lab, "emptied")


def test_a_redis_that_is_started_again_is_used_again(lab: Lab) -> None:
    _shared(lab, "restarted")
    lab.redis.kill()
    _apart(lab, "restarted-back")
    until(lambda: lab.says("redis"), "they say what is away")
    lab.redis.start()
    until(lab.says, "they are well again")
    _shared(lab, "restarted")


def test_nobody_waits_twice_for_a_silent_redis(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    key = key_of("silent")
    for program in lab.programs:
        usual = [program.call(key=key).seconds for _ in range(40)]
        lab.apply(blackhole)
        try:
            told = [program.call(key=key) for _ in range(60)]
        finally:
            lab.heal()
        assert [each.status for each in told] == [200] * 60
        added = sorted(each.seconds - statistics.median(usual) for each in told)
        with capsys.disabled():
            print(f"\nadded by a silent Redis: p50 {added[30] * 1000:.1f} ms, max {added[-1] * 1000:.1f} ms")
        # One has waited; whoever waited as well would be one of many, and a busy machine slows a few.
        waited = sum(each >= _SILENCE for each in added)
        assert waited <= 1 + sum(each >= _SILENCE for each in usual) + 2, added
        until(lab.says, "they are well again")


def test_without_redis_and_postgresql_who_is_known_is_answered_within_the_share(lab: Lab) -> None:
    for proxy in (lab.proxy, lab.database):
        lab.apply(refused, to=proxy)
    try:
        _apart(lab, "both")
        for program in lab.programs:
            stranger = program.call(key=keys.mint())
            assert (stranger.status, stranger.code) == (503, "keys_unavailable")
        until(lambda: lab.says("database", "redis"), "they say what is away")
    finally:
        lab.heal()
    until(lab.says, "they are well again")
    _shared(lab, "both-back")
    asked = lab.programs[0].stage.asked
    question = "SELECT count(*), count(DISTINCT attempt_id) FROM ledger_attempts WHERE ended_at IS NOT NULL"
    until(lambda: asked_for(lab.address, question) == [(asked, asked)], f"{asked} tries are in the ledger")


def test_they_end_well_with_and_without_what_they_depend_on(lab: Lab) -> None:
    for program, fault in zip(lab.programs, (healed, refused), strict=True):
        for proxy in (lab.proxy, lab.database):
            lab.apply(fault, to=proxy)
        assert program.service.stop() == 0
        assert "Traceback" not in program.service.output.read_text()
