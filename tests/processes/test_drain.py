"""What is asked to stop stops in order: no call is lost, nobody is left without a word, everything is written down."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml
from sqlalchemy import text

from passerelle.stores.database import Database
from tests.e2e.processes import MEMBER, workers_of
from tests.e2e.service import Service, started
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.script import Wait
from tests.redis_server import RedisServer, one_redis

__all__ = ["one_redis"]

_HEADERS = {"authorization": f"Bearer {MEMBER}"}


def _body(*, stream: bool) -> dict[str, Any]:
    return {"model": "assistant", "stream": stream, "messages": [{"role": "user", "content": "Bonjour"}]}


@asynccontextmanager
async def _service(
    tmp_path: Path, database_url: str, engine: OpenAiLike, *arguments: str, **extra: str
) -> AsyncIterator[Service]:
    config = tmp_path / "providers.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "backends": {"engine": {"kind": "openai", "url": f"http://127.0.0.1:{engine.port}/v1"}},
                "models": {"assistant": {"targets": [{"backend": "engine", "model": engine.model}]}},
                "tenants": {"acme": {}},
            }
        )
    )
    environment = {"DATABASE_URL": database_url, "API_KEYS": f"acme:{MEMBER}", **extra}
    running = started(config, tmp_path / "d", *arguments, extra=environment)
    service = await asyncio.to_thread(running.__enter__)
    try:
        yield service
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@asynccontextmanager
async def _session(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps its connections, unless it is told not to."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(service.url, headers=_HEADERS, timeout=timeout) as session:
        yield session


async def _until(condition: Any, what: str, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.02)


async def _call(session: aiohttp.ClientSession, *, stream: bool) -> tuple[int, bytes]:
    async with session.post("/v1/chat/completions", json=_body(stream=stream)) as reply:
        return reply.status, await reply.read()


async def _unready(session: aiohttp.ClientSession) -> bool:
    async with session.get("/health/ready") as reply:
        return reply.status == 503


async def _ended(service: Service) -> int:
    return await asyncio.to_thread(service.process.wait, 60)


async def _outcomes(database_url: str) -> Mapping[str, int]:
    database = Database(database_url)
    try:
        async with database.begin() as connection:
            query = text("SELECT outcome, count(*) AS number FROM ledger_attempts GROUP BY 1")
            return {row.outcome: row.number for row in await connection.execute(query)}
    finally:
        await database.aclose()


def _spooled(service: Service) -> list[Path]:
    return list((service.data / "spool").iterdir())


async def test_while_a_stream_runs_new_calls_are_answered_and_each_says_goodbye(
    tmp_path: Path, database_url: str
) -> None:
    gate = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.script(Wait(gate, before=2))
        async with (
            _service(tmp_path, database_url, engine, PASSERELLE_NOTICE_SECONDS="0.1") as service,
            _session(service) as session,
        ):
            async with session.post("/v1/chat/completions", json=_body(stream=True)) as streaming:
                assert streaming.status == 200
                assert "connection" not in {name.lower() for name in streaming.headers}
                service.process.send_signal(signal.SIGTERM)
                await _until(lambda: _unready(session), "readiness is off")
                for _ in range(20):
                    async with session.post("/v1/chat/completions", json=_body(stream=False)) as reply:
                        assert reply.status == 200
                        assert reply.headers["connection"] == "close"
                    async with session.get("/health/live") as alive:
                        assert alive.status == 200
                    await asyncio.sleep(0.02)
                assert service.process.poll() is None
                gate.set()
                assert b"data: [DONE]" in await streaming.read()
            assert await _ended(service) == 0
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get("/health/live")
            assert _spooled(service) == []
    assert await _outcomes(database_url) == {"answered": 21}


async def test_what_outlives_the_budget_is_told_and_paid(tmp_path: Path, database_url: str) -> None:
    never = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Wait(never, before=3))
        extra = {"PASSERELLE_DRAIN_SECONDS": "5", "PASSERELLE_NOTICE_SECONDS": "0.1"}
        async with (
            _service(tmp_path, database_url, engine, **extra) as service,
            _session(service) as session,
        ):
            streams = [asyncio.create_task(_call(session, stream=True)) for _ in range(4)]
            await _until(_of(lambda: engine.live == 4), "the streams run")
            engine.always(Wait(never, before=0))
            wholes = [asyncio.create_task(_call(session, stream=False)) for _ in range(2)]
            await _until(_of(lambda: engine.live == 6), "the others wait")
            service.process.send_signal(signal.SIGTERM)
            ended = asyncio.create_task(_ended(service))
            for status, said in await asyncio.gather(*streams):
                assert status == 200
                assert b"[DONE]" not in said
                last = said.strip().split(b"\n\n")[-1]
                assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "stopping"
            for status, said in await asyncio.gather(*wholes):
                assert status == 503
                assert orjson.loads(said)["error"]["code"] == "stopping"
            assert await ended == 0
            assert _spooled(service) == []
            assert "Traceback" not in service.output.read_text()
            assert "drain_ends_calls" in service.output.read_text()
    outcomes = await _outcomes(database_url)
    assert sum(outcomes.values()) == 6
    assert "unknown" not in outcomes


async def test_a_second_signal_hastens_and_still_tells_everybody(tmp_path: Path, database_url: str) -> None:
    never = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Wait(never, before=3))
        extra = {"PASSERELLE_DRAIN_SECONDS": "600"}
        async with (
            _service(tmp_path, database_url, engine, **extra) as service,
            _session(service) as session,
        ):
            stream = asyncio.create_task(_call(session, stream=True))
            await _until(_of(lambda: engine.live == 1), "the stream runs")
            service.process.send_signal(signal.SIGTERM)
            await _until(lambda: _unready(session), "readiness is off")
            service.process.send_signal(signal.SIGINT)
            assert b'"code":"stopping"' in (await stream)[1].replace(b": ", b":")
            assert await _ended(service) == 0
            assert _spooled(service) == []
    assert sum((await _outcomes(database_url)).values()) == 1


async def test_without_a_call_a_balancer_is_given_notice_and_a_terminal_is_not(
    tmp_path: Path, database_url: str
) -> None:
    async with OpenAiLike(OPENAI) as engine:
        extra = {"PASSERELLE_NOTICE_SECONDS": "300", "PASSERELLE_DRAIN_SECONDS": "600"}
        async with _service(tmp_path, database_url, engine, **extra) as service, _session(service) as session:
            service.process.send_signal(signal.SIGTERM)
            await _until(lambda: _unready(session), "readiness is off")
            assert (await _call(session, stream=True))[0] == 200
            assert service.process.poll() is None
            service.process.send_signal(signal.SIGTERM)
            assert await _ended(service) == 0
        async with _service(tmp_path, database_url, engine, **extra) as service:
            service.process.send_signal(signal.SIGINT)
            assert await _ended(service) == 0


async def test_workers_drain_together(tmp_path: Path, database_url: str, one_redis: RedisServer) -> None:
    gate = asyncio.Event()
    async with OpenAiLike(OPENAI) as engine:
        engine.always(Wait(gate, before=2))
        extra = {"REDIS_URL": one_redis.url, "PASSERELLE_NOTICE_SECONDS": "0.1"}
        async with (
            _service(tmp_path, database_url, engine, "--workers", "2", **extra) as service,
            _session(service) as session,
        ):
            assert len(workers_of(service)) == 2
            streams = [asyncio.create_task(_call(session, stream=True)) for _ in range(8)]
            await _until(_of(lambda: engine.live == 8), "the streams run")
            service.process.send_signal(signal.SIGTERM)
            await _until(lambda: _unready(session), "readiness is off")
            gate.set()
            for status, said in await asyncio.gather(*streams):
                assert status == 200
                assert b"[DONE]" in said
            assert await _ended(service) == 0
            assert _spooled(service) == []
    assert await _outcomes(database_url) == {"answered": 8}


def _of(condition: Any) -> Any:
    async def asked() -> bool:
        return bool(condition())

    return asked
