"""Addresses of Redis, and what is said of those that are none."""

from __future__ import annotations

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.stores.redis import TIMEOUT, Outage, Redis
from tests.redis_server import RedisServer


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:6379",
        "http://:pass-word@host:6379",
        "redis://",
        "redis://:pass-word@",
        "redis://:pass-word@host:port",
        "redis://:pass-word@host:99999",
        "redis://:pass-word@host/first",
        "redis://:pass-word@host?db=pass-word",
        "redis://:pass-word@[host",
        "redis://:pass-word@host?socket_timeout=60",
        "unix://",
    ],
)
def test_a_wrong_address_is_told_with_its_cure_and_without_its_password(address: str) -> None:
    with pytest.raises(CannotRun) as caught:
        Redis(address)
    assert "REDIS_URL" in caught.value.cause
    assert caught.value.cure
    assert "pass-word" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://host", {"host": "host"}),
        ("redis://user:p%40ss@host:7000/3", {"username": "user", "password": "p@ss", "port": 7000, "db": 3}),
        ("rediss://host:6380/0?ssl_ca_certs=/ca.pem", {"host": "host", "ssl_ca_certs": "/ca.pem"}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
    ],
)
def test_an_address_is_read_and_the_time_limits_are_ours(address: str, expected: dict[str, object]) -> None:
    redis = Redis(address)
    settings = redis.client.connection_pool.connection_kwargs
    assert {name: settings[name] for name in expected} == expected
    assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (TIMEOUT, TIMEOUT)
    assert settings["retry"].get_retries() == 0
    assert "p@ss" not in repr(redis)


async def test_a_server_that_is_not_there_is_no_error(one_redis: RedisServer) -> None:
    redis = Redis(one_redis.url)
    assert await redis.check()
    one_redis.kill()
    assert not await redis.check()
    await redis.aclose()


async def test_a_subscription_hears_what_is_published_and_tells_quiet_from_silence(
    one_redis: RedisServer,
) -> None:
    redis = Redis(one_redis.url, timeout=20)
    subscription = await redis.subscribe("channel")
    try:
        with one_redis.client() as client:
            for number in range(3):
                client.publish("channel", f"{number} é")
            client.publish("another", "x")
        assert [await subscription.next(20) for _ in range(3)] == [
            f"{number} é".encode() for number in range(3)
        ]
        assert await subscription.next(0.05) is None
        one_redis.stop()
        with pytest.raises(Outage):
            await subscription.next(0.05)
        one_redis.go_on()
    finally:
        await subscription.aclose()
        await redis.aclose()


async def test_a_subscription_that_is_cut_or_cannot_be_had_is_one_of_outage(one_redis: RedisServer) -> None:
    redis = Redis(one_redis.url, timeout=20)
    assert len(await redis.run_id()) == 40
    subscription = await redis.subscribe("channel")
    one_redis.kill()
    with pytest.raises(Outage):
        await subscription.next(20)
    await subscription.aclose()
    with pytest.raises(Outage):
        await redis.subscribe("channel")
    with pytest.raises(Outage):
        await redis.run_id()
    await redis.aclose()
