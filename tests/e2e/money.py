"""A service that counts money, beside an engine with known prices; asked by HTTP and on its command line."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import orjson
import psycopg
import structlog
import yaml

from passerelle.cli import main
from passerelle.stores.database import Database
from passerelle.stores.embedded import EmbeddedPostgres
from tests.database import driver_address
from tests.e2e.replies import Reply
from tests.e2e.service import Service, started
from tests.fakes.openai_like import OpenAiLike

KEYS = {
    "acme": "tmMQ9xV2cR7pLw4KzHs8dYbE",
    "resold": "wR4kPz8sLq2nVb6yTd0hXc3G",
    "idle": "Jf7uKm1aZe5oCi9rNg2tSv8B",
}


@contextmanager
def engine() -> Iterator[str]:
    """An OpenAI-like engine in a thread of its own; its address."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    fake = OpenAiLike(model="m")
    end = asyncio.Event()

    async def run() -> None:
        async with fake:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="engine")
    thread.start()
    assert ready.wait(10)
    try:
        yield fake.url
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()


def configuration(url: str, **more: Any) -> dict[str, Any]:
    """Two tenants at an engine that is paid by the token in dollars, one of them charged with a markup, and a third."""
    cost = {"input_per_million": 0.1, "output_per_million": 0.4, "currency": "USD"}
    target = {"backend": "hosted", "model": "m"}
    return {
        "version": 1,
        "operator": {"name": "Formation SAS", "currency": "EUR", "time_zone": "Europe/Paris"},
        "backends": {
            "hosted": {
                "kind": "openai",
                "url": url,
                "cost": cost,
                "location": {"country": "FR", "operator": "Hosted SA"},
            }
        },
        "models": {
            "assistant": {"task": "chat", "targets": [target]},
            "embeddings": {"task": "embed", "targets": [target]},
        },
        "tenants": {
            "acme": {"tags": ["course"], "tax": {"name": "TVA", "percent": 20}},
            "resold": {"resale": {"markup_percent": 50}},
            "idle": {},
        },
        **more,
    }


@dataclass
class Shop:
    """A running service, and the keys of its tenants by role."""

    service: Service
    config: dict[str, Any]
    chiefs: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> str:
        """The operator's key."""
        return (self.service.data / "admin.key").read_text().strip()

    def order(self, *words: str) -> Done:
        """A verb in this process, on the same configuration and data."""
        return verb(*words, "--config", str(self.service.config), "--data", str(self.service.data))

    def chief(self, tenant: str) -> str:
        """A key that administers a tenant."""
        if tenant not in self.chiefs:
            done = self.order("keys", "create", "--tenant", tenant, "--role", "tenant-admin", "--json")
            assert done.returncode == 0, done.stderr
            self.chiefs[tenant] = orjson.loads(done.stdout)["key"]
        return self.chiefs[tenant]

    def call(
        self, path: str, *, key: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request."""
        return asked(self.service.url + path, key=key, body=body, headers=headers)

    def chat(self, tenant: str, *, stream: bool = False, **more: Any) -> Decimal:
        """One call for a tenant; what its header, or a stream's last comment, says that it is charged."""
        body = {
            "model": "assistant",
            "messages": [{"role": "user", "content": "Dis bonjour."}],
            "stream": stream,
            **more,
        }
        return self.spend("/v1/chat/completions", tenant, body)

    def embed(self, tenant: str) -> Decimal:
        """One call for embeddings; what it is charged."""
        return self.spend(
            "/v1/embeddings", tenant, {"model": "embeddings", "input": ["une phrase", "une autre phrase"]}
        )

    def spend(self, path: str, tenant: str, body: Any) -> Decimal:
        """A call that is answered; what it is charged."""
        answered = self.call(path, key=KEYS[tenant], body=body)
        assert answered.status == 200, answered.raw
        told = answered.headers.get("x-passerelle-cost") or ""
        if body.get("stream"):
            told = re.findall(r"^: passerelle .*cost=(.+)$", answered.raw.decode(), re.MULTILINE)[-1]
        amount, currency = told.split()
        assert currency == "EUR"
        return Decimal(amount)

    def report(self, query: str = "", *, key: str) -> dict[str, Any]:
        """`GET /v1/costs` as JSON."""
        answered = self.call(f"/v1/costs{query}", key=key)
        assert answered.status == 200, answered.raw
        document: dict[str, Any] = answered.json
        return document

    def await_requests(self, tenant: str, count: int) -> dict[str, Any]:
        """Wait until so many answers of a tenant are in its report; the report."""
        key = self.chief(tenant)
        until(lambda: self.report(key=key)["requests"]["answered"] >= count)
        return self.report(key=key)

    def write(self, **more: Any) -> None:
        """Write another configuration to the file."""
        self.config.update(more)
        self.service.config.write_text(yaml.safe_dump(self.config, sort_keys=False))


def asked(url: str, *, key: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """One request with a key."""
    sent = {"content-type": "application/json", "authorization": f"Bearer {key}", **(headers or {})}
    data = orjson.dumps(body) if body is not None else None
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data=data, headers=sent), timeout=60
        ) as reply:
            return Reply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Poll until it holds; fails when it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def shop(folder: Path, config: dict[str, Any], *, extra: Mapping[str, str] | None = None) -> Iterator[Shop]:
    """A service with the configuration, on the data that the folder may have from before."""
    file = folder / "providers.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    keys = ",".join(f"{tenant}:{key}" for tenant, key in KEYS.items())
    with started(file, folder / "d", "--demo", extra={"API_KEYS": keys, **(extra or {})}) as service:
        service.await_text("admin key")
        yield Shop(service, config)


@dataclass(frozen=True)
class Done:
    """How a verb ended."""

    returncode: int
    stdout: str
    stderr: str


def verb(*words: str) -> Done:
    """A verb in this process, as the program runs it: a service takes its orders all the same."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    status, before = 0, sys.argv
    sys.argv = ["passerelle", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    out.flush()
    err.flush()
    told = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Done(status, *told)


@contextmanager
def superuser(data: Path) -> Iterator[psycopg.Connection[Any]]:
    """The database in a data folder, opened as who owns it."""
    embedded = EmbeddedPostgres(data)
    try:
        with psycopg.connect(driver_address(embedded.start()), autocommit=True) as connection:
            yield connection
    finally:
        embedded.close()


@asynccontextmanager
async def books(data: Path) -> AsyncIterator[Database]:
    """The same as the service itself uses it."""
    embedded = EmbeddedPostgres(data)
    database = Database(await asyncio.to_thread(embedded.start))
    try:
        yield database
    finally:
        await database.aclose()
        await asyncio.to_thread(embedded.close)
