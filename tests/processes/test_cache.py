"""Answers that are kept, in the program as it is run: clients, two workers on one Redis, orders, and a restart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
import yaml
from langchain_openai import ChatOpenAI

from tests.database import Postgres
from tests.e2e.money import Done, engine, until, verb
from tests.e2e.processes import Caller, one_each, workers_of
from tests.e2e.service import Service, started
from tests.redis_server import SERVERS, RedisServer
from tests.redis_server import running as redis_running

_KEYS = {"acme": "tmMQ9xV2cR7pLw4KzHs8dYbE", "other": "wR4kPz8sLq2nVb6yTd0hXc3G"}
_PATH = "/v1/chat/completions"
_PEPPER = "5e" * 32


def _configuration(url: str) -> dict[str, Any]:
    return {
        "version": 1,
        "backends": {"hosted": {"kind": "openai", "url": url}},
        "models": {"assistant": {"task": "chat", "targets": [{"backend": "hosted", "model": "m"}]}},
        "tenants": {"acme": {"cache": {"ttl": "1h"}}, "other": {"cache": True}},
    }


@contextmanager
def _service(folder: Path, url: str, *words: str, **extra: str) -> Iterator[Service]:
    config = folder / "providers.yaml"
    config.write_text(yaml.safe_dump(_configuration(url), sort_keys=False))
    given = {
        "API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in _KEYS.items()),
        "PASSERELLE_PEPPER": _PEPPER,
        "PASSERELLE_NOTICE_SECONDS": "0",
        **extra,
    }
    with started(config, folder / "d", "--demo", *words, extra=given) as service:
        service.await_text("admin key")
        yield service


@dataclass
class _Pair:
    """Two workers behind one port, and a connection with each."""

    service: Service
    one: Caller
    other: Caller
    redis: RedisServer

    @property
    def admin(self) -> str:
        return (self.service.data / "admin.key").read_text().strip()

    def order(self, *words: str) -> Done:
        """A verb on the running service."""
        folders = ("--config", str(self.service.config), "--data", str(self.service.data))
        return verb("cache", *words, *folders)


@pytest.fixture(scope="module")
def pair(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pair]:
    address = postgres.make()
    try:
        with (
            engine() as url,
            redis_running(SERVERS[0]) as redis,
            _service(
                tmp_path_factory.mktemp("pair"), url, "--workers", "2",
                DATABASE_URL=address, REDIS_URL=redis.url,
            ) as service,
            one_each(service, workers_of(service)) as callers,
        ):  # fmt: skip
            yield _Pair(service, *callers.values(), redis)
    finally:
        postgres.drop(address)


def _ask(caller: Caller, said: str, *, key: str = _KEYS["acme"], **more: Any) -> tuple[str, str]:
    """How the cache took it, and the id of a kept answer."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": said}], **more}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    caller.connection.request("POST", _PATH, body=orjson.dumps(body), headers=headers)
    with caller.connection.getresponse() as response:
        raw = response.read()
        assert response.status == 200, raw
        named = response.headers
        return str(named["x-passerelle-cache"]), named.get("x-passerelle-cache-id", "")


def _shared(pair: _Pair, said: str, **more: Any) -> str:
    """Ask one worker, until the other gives the same answer; its id."""
    _ask(pair.one, said, **more)
    until(lambda: _ask(pair.other, said, **more)[0] == "hit")
    for caller in (pair.one, pair.other):
        assert _ask(caller, said, **more)[0] == "hit"
    return _ask(pair.other, said, **more)[1]


def test_what_one_worker_was_answered_the_other_gives_to_its_tenant_only(pair: _Pair) -> None:
    _ask(pair.one, "Who painted this?")
    until(lambda: bool(_answers(pair.redis)))
    assert _ask(pair.other, "Who painted this?")[0] == "hit"
    assert _ask(pair.other, "Who painted this?", key=_KEYS["other"])[0] == "miss"


def _answers(redis: RedisServer) -> list[str]:
    """Under which names answers are in Redis."""
    with redis.client() as client:
        return [str(name) for name in client.scan_iter("*ca_*") if client.type(name) == "string"]


def _spoil(redis: RedisServer, answer: str) -> None:
    """Change the last byte of one."""
    (name,) = [name for name in _answers(redis) if answer in name]
    with redis.client() as client:
        size = client.strlen(name)
        client.eval(
            "local v = redis.call('GET', KEYS[1]) "
            "local last = string.char(bit.bxor(string.byte(v, -1), 1)) "
            "return redis.call('SETRANGE', KEYS[1], ARGV[1], last)",
            1, name, str(size - 1),
        )  # fmt: skip


@pytest.mark.parametrize("how", ["subject", "feedback", "tag", "one", "all", "verb"])
def test_what_is_deleted_in_one_worker_is_gone_in_the_other(pair: _Pair, how: str) -> None:
    said = f"What is meant by {how}?"
    more: dict[str, Any] = {"user": "jean@exemple.fr", "cache": {"tags": ["spring"]}}
    answer = _shared(pair, said, **more)
    kept = _shared(pair, said, user="somebody-else")
    admin, member = pair.admin, _KEYS["acme"]
    if how == "verb":
        done = pair.order("purge", "--tenant", "acme", "--user", "jean@exemple.fr")
        assert done.returncode == 0, done.stderr
    elif how == "feedback":
        path = f"/v1/cache/{answer}/feedback"
        assert pair.one.ask(path, key=member, method="POST", body={"verdict": "wrong"})[0] == 200
    else:
        path = {
            "subject": "/subjects/jean@exemple.fr?tenant=acme",
            "tag": "?tenant=acme&tag=spring",
            "one": f"/{answer}?tenant=acme",
            "all": "?tenant=acme&all=true",
        }[how]
        assert pair.one.ask(f"/v1/cache{path}", key=admin, method="DELETE")[0] in {200, 204}

    assert _only_kept(pair.one, said, **more) == 504
    # It hears of it as fast as Redis tells: a request may be read before that.
    assert any(_only_kept(pair.other, said, **more) == 504 for _ in range(200))
    assert _only_kept(pair.other, said, **more) == 504
    assert pair.other.ask(f"/v1/cache/{answer}?tenant=acme", key=admin)[0] == 404
    others = 504 if how == "all" else 200
    assert [_only_kept(each, said, user="somebody-else") for each in (pair.one, pair.other)] == [others] * 2
    assert pair.other.ask(f"/v1/cache/{kept}?tenant=acme", key=admin)[0] == (404 if how == "all" else 200)


def _only_kept(caller: Caller, said: str, *, key: str = _KEYS["acme"], **more: Any) -> int:
    body = {"model": "assistant", "messages": [{"role": "user", "content": said}], **more}
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {key}",
        "cache-control": "only-if-cached",
    }
    caller.connection.request("POST", _PATH, body=orjson.dumps(body), headers=headers)
    with caller.connection.getresponse() as response:
        response.read()
        return response.status


def test_clients_read_kept_streams_as_they_read_others(pair: _Pair) -> None:
    address = f"{pair.service.url}/v1"
    asked: Any = {"model": "assistant", "messages": [{"role": "user", "content": "What do clients read?"}]}
    with openai.OpenAI(base_url=address, api_key=_KEYS["acme"], max_retries=0) as client:
        fresh = client.chat.completions.create(**asked).choices[0].message.content
        until(lambda: _only_kept(pair.one, "What do clients read?") == 200)
        with client.chat.completions.with_streaming_response.create(
            **asked, stream=True, stream_options={"include_usage": True}
        ) as response:
            assert response.headers["x-passerelle-cache"] == "hit"
            chunks = list(response.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == fresh
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None

    chat = ChatOpenAI(
        base_url=address, api_key=_KEYS["acme"], model="assistant", max_retries=0, stream_usage=True
    )
    pieces = list(chat.stream("What does a chain read?"))
    again = list(chat.stream("What does a chain read?"))
    assert "".join(str(piece.content) for piece in again) == "".join(str(piece.content) for piece in pieces)
    assert sum(1 for piece in again if piece.usage_metadata) == 1


def test_orders_tell_of_both_workers_answers(pair: _Pair) -> None:
    _shared(pair, "What is told of this?", user="marie")
    cards = orjson.loads(pair.order("stats", "--tenant", "acme", "--json").stdout)
    assert cards[0]["answers"] >= 1
    told = pair.order("explain", "--tenant", "acme", "--model", "nothing", "What is told of this?")
    assert told.returncode == 2
    assert "nothing" in told.stderr
    assert "Traceback" not in told.stderr


def _killed(service: Service) -> None:
    service.process.send_signal(signal.SIGKILL)
    service.process.wait(30)


def test_after_a_kill_only_what_can_be_verified_is_given(
    tmp_path: Path, postgres: Postgres, one_redis: RedisServer
) -> None:
    """Without Redis nothing; with it what it kept under our seal, and not what was changed there meanwhile."""
    address = postgres.make()
    shared = {"DATABASE_URL": address, "REDIS_URL": one_redis.url}
    try:
        with engine() as url:
            with _service(tmp_path, url, DATABASE_URL=address) as service, _calling(service) as caller:
                _ask(caller, "What is forgotten?")
                assert _only_kept(caller, "What is forgotten?") == 200
                _killed(service)
            with _service(tmp_path, url, **shared) as service, _calling(service) as caller:
                assert _only_kept(caller, "What is forgotten?") == 504
                for said in ("What is kept?", "What is changed?"):
                    assert _ask(caller, said)[0] == "miss"
                answer = _ask(caller, "What is changed?")[1]
                until(lambda: len(_answers(one_redis)) == 2)
                _killed(service)
            _spoil(one_redis, answer)
            with _service(tmp_path, url, **shared) as service, _calling(service) as caller:
                until(lambda: _only_kept(caller, "What is kept?") == 200)
                assert [_only_kept(caller, "What is changed?") for _ in range(5)] == [504] * 5
                assert _ask(caller, "What is changed?")[0] == "miss"
    finally:
        postgres.drop(address)


@contextmanager
def _calling(service: Service) -> Iterator[Caller]:
    caller = Caller(service)
    try:
        yield caller
    finally:
        caller.close()
