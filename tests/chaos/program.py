"""The real program, in processes of its own, between dependencies that a test takes away: everything it needs is
reached through a chaos proxy, which lives with the engine on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psycopg
import yaml
from sqlalchemy import make_url

from tests.chaos.proxy import Address, Proxy
from tests.database import driver_address
from tests.e2e.service import Service, started
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Wait

PATH = "/v1/chat/completions"
PEPPER = "5e" * 32
_T = TypeVar("_T")
_PATIENCE = 60.0
Fault = Callable[[Proxy], Awaitable[None]]


class Stage:
    """A loop in a thread, and what the program is among: an engine, and proxies before what it depends on."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine = OpenAiLike(model="m")
        self._session: aiohttp.ClientSession | None = None

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE)

    @property
    def asked(self) -> int:
        """How often the engine was asked for an answer."""
        return sum(each.method == "POST" for each in self.engine.requests)

    async def open(self) -> None:
        """Start the engine."""
        await self.engine.__aenter__()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(_PATIENCE)
        )

    async def close(self) -> None:
        """End what `open` started."""
        assert self._session is not None
        await self._session.close()
        await self.engine.__aexit__(None, None, None)

    @contextmanager
    def before(self, target: Address) -> Iterator[Proxy]:
        """A proxy before a dependency."""
        proxy = Proxy(target)
        self.run(proxy.accept())
        try:
            yield proxy
        finally:
            self.run(proxy.aclose())

    async def ask(self, url: str, *, method: str, headers: Mapping[str, str], body: Any) -> Told:
        """One request, read to its end."""
        assert self._session is not None
        began = time.monotonic()
        async with self._session.request(method, url, headers=headers, json=body) as reply:
            raw = await reply.read()
            named = {name.lower(): value for name, value in reply.headers.items()}
            return Told(reply.status, named, raw, began, time.monotonic() - began)


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage whose thread runs until the block ends."""
    made = Stage()
    thread = threading.Thread(target=made.loop.run_forever, name="stage")
    thread.start()
    try:
        made.run(made.open())
        try:
            yield made
        finally:
            made.run(made.close())
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(10)
        made.loop.close()


@dataclass(frozen=True)
class Told:
    """What a caller was told; names of headers in lower case, times in seconds."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    began: float
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str | None:
        """Of an error; all its four keys are there."""
        if self.status < 400:
            return None
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return str(error["code"])


@dataclass
class Program:
    """A running service and who asks it."""

    service: Service
    stage: Stage
    url: str = ""
    _admin: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.service.url

    @property
    def admin(self) -> str:
        """The operator's key."""
        if not self._admin:
            self._admin.append((self.service.data / "admin.key").read_text().strip())
        return self._admin[0]

    def asking(
        self,
        path: str = PATH,
        *,
        key: str | None = None,
        method: str | None = None,
        body: Any = None,
        stream: bool = False,
        tokens: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Coroutine[Any, Any, Told]:
        """A request that is still to be sent; without a path, a call of the model."""
        if path == PATH and body is None:
            body = {
                "model": "assistant",
                "messages": [{"role": "user", "content": "Bonjour"}],
                "stream": stream,
            }
            body |= {"max_tokens": tokens} if tokens else {}
        sent = {**({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        how = method or ("GET" if body is None else "POST")
        return self.stage.ask(self.url + path, method=how, headers=sent, body=body)

    def call(self, path: str = PATH, **more: Any) -> Told:
        """One request."""
        return self.stage.run(self.asking(path, **more))

    def calls(self, count: int, **more: Any) -> list[Told]:
        """So many at once."""
        return together([self], count, **more)

    def degraded(self) -> list[str]:
        """What it says does not work although requests are answered."""
        told = self.call("/health/ready")
        assert told.status == 200
        assert told.json["status"] == ("degraded" if told.json["degraded"] else "ok")
        return sorted(told.json["degraded"])

    def metric(self, name: str) -> float:
        """One of its gauges."""
        found = re.search(
            rf"^{name} (\S+)$", self.call("/metrics", key=self.admin).raw.decode(), re.MULTILINE
        )
        assert found is not None, name
        return float(found[1])


def together(programs: Sequence[Program], count: int, **more: Any) -> list[Told]:
    """So many calls at once, dealt out to the programs in turn."""

    async def all_of_them() -> list[Told]:
        return await asyncio.gather(*(programs[i % len(programs)].asking(**more) for i in range(count)))

    return programs[0].stage.run(all_of_them())


def held(programs: Sequence[Program], count: int, **more: Any) -> int:
    """How many of so many calls, dealt out in turn, are under way at once; the others were told 429."""
    engine = programs[0].stage.engine

    async def counted() -> int:
        gate = asyncio.Event()
        engine.always(Wait(gate))
        tasks = [asyncio.ensure_future(programs[i % len(programs)].asking(**more)) for i in range(count)]
        try:
            async with asyncio.timeout(_PATIENCE):
                # Each one is either answered or with the engine: nothing is undecided.
                while sum(not task.done() for task in tasks) != engine.working:
                    await asyncio.sleep(0.01)
            under_way = engine.working
        finally:
            gate.set()
            engine.always()
        told = await asyncio.gather(*tasks)
        assert sum(each.status == 200 for each in told) == under_way
        assert {each.status for each in told} <= {200, 429}
        return under_way

    return programs[0].stage.run(counted())


def configuration(stage: Stage, tenants: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """One model on the engine, which is paid by the token."""
    cost = {"input_per_million": 0.1, "output_per_million": 0.4, "currency": "EUR"}
    return {
        "version": 1,
        "backends": {"engine": {"kind": "openai", "url": stage.engine.url, "cost": cost}},
        "models": {"assistant": {"task": "chat", "targets": [{"backend": "engine", "model": "m"}]}},
        "tenants": dict(tenants),
        **more,
    }


def key_of(tenant: str) -> str:
    """The key of a tenant that the program has from its environment."""
    return f"{tenant}-tmMQ9xV2cR7pLw4KzHs8dYbE"


@contextmanager
def running(
    stage: Stage, folder: Path, config: Mapping[str, Any], *arguments: str, **given: str
) -> Iterator[Program]:
    """The program on a folder of its own; what is given goes into its environment."""
    folder.mkdir(exist_ok=True)
    file = folder / "providers.yaml"
    file.write_text(yaml.safe_dump(dict(config)))
    environment = {
        "API_KEYS": ",".join(f"{tenant}:{key_of(tenant)}" for tenant in config["tenants"]),
        "PASSERELLE_PEPPER": PEPPER,
        "PASSERELLE_KEY_REFRESH_SECONDS": "0.3",
        "PASSERELLE_NOTICE_SECONDS": "0",
        "PASSERELLE_LOG_FORMAT": "json",
        **given,
    }
    with started(file, folder / "d", "--demo", *arguments, extra=environment) as service:
        service.await_text("admin key")
        yield Program(service, stage)


@contextmanager
def all_running(starting: Sequence[Any]) -> Iterator[list[Program]]:
    """Several, started at the same moment."""
    with ExitStack() as stack, ThreadPoolExecutor(len(starting)) as pool:
        entered = [pool.submit(each.__enter__) for each in starting]
        for each, future in zip(starting, entered, strict=True):
            future.exception()
            if future.exception() is None:
                stack.push(each)
        yield [future.result() for future in entered]


def socket_of(address: str) -> Path:
    """The unix socket of an embedded PostgreSQL."""
    host = make_url(address).query.get("host")
    assert isinstance(host, str)
    return Path(host) / ".s.PGSQL.5432"


def through(address: str, proxy: Proxy) -> str:
    """The address of the same database by way of a proxy."""
    url = make_url(address).set(query={}, host="127.0.0.1", port=proxy.port, drivername="postgresql")
    return url.render_as_string(hide_password=False)


def asked_for(address: str, question: str) -> list[tuple[Any, ...]]:
    """What a database says, asked directly."""
    with psycopg.connect(driver_address(address), autocommit=True) as connection:
        return connection.execute(question.encode()).fetchall()


def until(condition: Callable[[], object], what: str, *, within: float = 30.0) -> None:
    """Wait for a condition; fails when it does not come true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.05)


async def refused(proxy: Proxy) -> None:
    """Nothing listens any more, and what was open is reset."""
    await proxy.refuse()
    proxy.cut()


async def reset(proxy: Proxy) -> None:
    """Every connection ends with RST as soon as it is used."""
    proxy.reset = True


async def blackhole(proxy: Proxy) -> None:
    """Everything is swallowed and nothing is closed."""
    proxy.up.blackhole = proxy.down.blackhole = True


async def deaf(proxy: Proxy) -> None:
    """What is asked arrives; what is answered does not."""
    proxy.down.blackhole = True


async def healed(proxy: Proxy) -> None:
    """All well again; the connections that have lost bytes are gone."""
    await proxy.heal()
    proxy.cut()
