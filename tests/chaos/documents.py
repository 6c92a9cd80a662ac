"""Documents among failing dependencies and dying processes: who reads them, what they are embedded by, and how each is
asked for by words that no other one holds."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.chaos.program import PEPPER, Program, Stage, Told, key_of, until
from tests.chaos.proxy import Proxy
from tests.e2e.service import Service, command, environment, started
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.qdrant import QdrantFake

COLLECTION = "dossiers"
_BATCH = 200  # documents of one request


def word(number: int) -> str:
    """That only the document of that number holds."""
    letters = "".join(chr(ord("a") + number // 26**place % 26) for place in (2, 1, 0))
    return f"q{letters}xbrok"


def text(number: int, tenant: str) -> str:
    """A document."""
    return f"Le dossier {word(number)} de {tenant} est livré en {number + 2} jours ouvrés."


@dataclass
class Around:
    """What the program is among: engines for chats and for vectors, a vector database, and the ways to them."""

    stage: Stage
    vectors: OpenAiLike
    qdrant: QdrantFake
    to_vectors: Proxy
    to_qdrant: Proxy

    def configuration(self, tenants: Mapping[str, Any], **backend: Any) -> dict[str, Any]:
        """A model for chats and one for vectors, each on its own engine; tenants whose documents are embedded."""
        cost = {"input_per_million": 0.1, "output_per_million": 0.4, "currency": "EUR"}
        way = f"http://127.0.0.1:{self.to_vectors.port}"
        return {
            "version": 1,
            "backends": {
                "engine": {"kind": "openai", "url": self.stage.engine.url, "cost": cost},
                "embedder": {"kind": "openai", "url": way, "cost": cost, **backend},
            },
            "models": {
                "assistant": {"task": "chat", "targets": [{"backend": "engine", "model": "m"}]},
                "vectors": {"task": "embed", "targets": [{"backend": "embedder", "model": "v"}]},
            },
            "tenants": {
                name: {"rag": {"embedder": "vectors", "model": "assistant"}, **more}
                for name, more in tenants.items()
            },
        }

    @property
    def embedded(self) -> Counter[str]:
        """How often each word of a document was in what the engine was asked to embed."""
        times: Counter[str] = Counter()
        for each in list(self.vectors.requests):
            if each.method == "POST":
                given = each.body["input"]
                for some in given if isinstance(given, list) else [given]:
                    times += Counter(
                        some[at : at + 9] for at in range(len(some)) if some[at + 4 : at + 9] == "xbrok"
                    )
        return times


@contextmanager
def around(stage: Stage) -> Iterator[Around]:
    """All of it, running on the stage."""

    async def opened() -> tuple[OpenAiLike, QdrantFake]:
        return await OpenAiLike(model="v").__aenter__(), await QdrantFake().__aenter__()

    async def closed() -> None:
        await vectors.__aexit__(None, None, None)
        await qdrant.__aexit__(None, None, None)

    vectors, qdrant = stage.run(opened())
    try:
        with (
            stage.before(("127.0.0.1", vectors.port)) as first,
            stage.before(("127.0.0.1", qdrant.port)) as other,
        ):
            yield Around(stage, vectors, qdrant, first, other)
    finally:
        stage.run(closed())


@dataclass
class House:
    """A folder with a configuration, in which a service and workers are started, killed and started again."""

    around: Around
    folder: Path
    given: Mapping[str, str]
    program: Program | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _serving: ExitStack = field(default_factory=ExitStack)
    _lives: int = 0

    @property
    def running(self) -> Program:
        assert self.program is not None
        return self.program

    @property
    def service(self) -> Service:
        return self.running.service

    @property
    def data(self) -> Path:
        return self.folder / "d"

    def serve(self, **more: str) -> Program:
        """Start the service, again perhaps."""
        self._serving = ExitStack()
        extra = {**self.given, **more}
        self.program = Program(
            self._serving.enter_context(started(self.folder / "providers.yaml", self.data, extra=extra)),
            self.around.stage,
        )
        return self.program

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the service by a signal; its exit status."""
        status = self.service.stop(number)
        self._lives += 1
        (self.folder / f"life-{self._lives}.out").write_text(self.service.output.read_text())
        self._serving.close()
        self.program = None
        return status

    def work(self, name: str, **more: str) -> None:
        """Start a worker, again perhaps."""
        line = command("worker", "--config", str(self.folder / "providers.yaml"), "--data", str(self.data))
        with (self.folder / f"{name}.out").open("a") as out:
            self.workers[name] = subprocess.Popen(
                line,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment({**self.given, **more}), "PYTHONUNBUFFERED": "1"},
            )

    def end(self, name: str, number: int = signal.SIGKILL) -> int:
        """End a worker by a signal; its exit status."""
        process = self.workers.pop(name)
        process.send_signal(number)
        return process.wait(40)

    def close(self) -> None:
        for name in list(self.workers):
            self.end(name)
        if self.program is not None:
            self.stop(signal.SIGKILL)

    def said(self) -> str:
        """Everything that its processes have printed."""
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("*.out")))

    # what tenants do

    def call(self, path: str, tenant: str, **more: Any) -> Told:
        return self.running.call(path, key=key_of(tenant), **more)

    def hand_in(self, tenant: str, numbers: Sequence[int], *, collection: str = COLLECTION) -> list[str]:
        """Documents, by the route that everybody uses; the ids of their jobs."""
        jobs: list[str] = []
        for start in range(0, len(numbers), _BATCH):
            body = {
                "documents": [
                    {"key": f"d{number}", "text": text(number, tenant)}
                    for number in numbers[start : start + _BATCH]
                ]
            }
            told = self.call(f"/v1/rag/collections/{collection}/documents", tenant, body=body)
            assert told.status == 202, told.raw
            if told.json["job"] not in jobs:
                jobs.append(told.json["job"])
        return jobs

    def job(self, tenant: str, job: str) -> Any:
        told = self.call(f"/v1/jobs/{job}", tenant)
        assert told.status == 200, told.raw
        return told.json

    def done(self, tenant: str, jobs: Sequence[str]) -> int:
        """How many items of these jobs are."""
        return sum(int(self.job(tenant, job)["progress"]["done"]) for job in jobs)

    def over(self, tenant: str, jobs: Sequence[str]) -> bool:
        """Are all of these jobs?"""
        return all(self.job(tenant, job)["finished_at"] is not None for job in jobs)

    def documents(self, tenant: str, *, collection: str = COLLECTION) -> list[Any]:
        told = self.call(f"/v1/rag/collections/{collection}/documents?limit=500", tenant)
        assert told.status == 200, told.raw
        return list(told.json["data"])

    def states(self, tenant: str, *, collection: str = COLLECTION) -> Counter[str]:
        return Counter(str(each["state"]) for each in self.documents(tenant, collection=collection))

    def lost(self, tenant: str, numbers: Sequence[int], *, collection: str = COLLECTION) -> list[int]:
        """The documents that their own words do not find."""

        async def found(number: int) -> bool:
            body = {"collection": collection, "query": word(number), "mode": "text", "k": 1}
            told = await self.running.asking("/v1/rag/search", key=key_of(tenant), body=body)
            assert told.status == 200, told.raw
            return [each["text"] for each in told.json["data"]] == [text(number, tenant)]

        async def all_of_them() -> list[int]:
            gate = asyncio.Semaphore(8)

            async def one(number: int) -> bool:
                async with gate:
                    return await found(number)

            told = await asyncio.gather(*(one(number) for number in numbers))
            return [number for number, there in zip(numbers, told, strict=True) if not there]

        return self.around.stage.run(all_of_them())


@contextmanager
def house(around: Around, folder: Path, config: Mapping[str, Any], **given: str) -> Iterator[House]:
    """A folder of its own; whatever is started there ends with the block."""
    folder.mkdir(exist_ok=True)
    (folder / "providers.yaml").write_text(yaml.safe_dump(dict(config)))
    kept = {
        "API_KEYS": ",".join(f"{tenant}:{key_of(tenant)}" for tenant in config["tenants"]),
        "PASSERELLE_PEPPER": PEPPER,
        "PASSERELLE_NOTICE_SECONDS": "0",
        "PASSERELLE_LOG_FORMAT": "json",
        **given,
    }
    made = House(around, folder, kept)
    try:
        yield made
    finally:
        made.close()


class Reader:
    """Follows a job as a browser does: it comes back after every loss, and names the last event that it has seen."""

    def __init__(self, house: House, tenant: str, job: str) -> None:
        self._house, self._tenant, self._job = house, tenant, job
        self.events: list[tuple[int, str]] = []
        self.returns = 0
        self._reading = asyncio.run_coroutine_threadsafe(self._read(), house.around.stage.loop)

    def wait(self, within: float = 60.0) -> None:
        """Until the job is over."""
        self._reading.result(within)

    async def _read(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=20)) as http:
            while not (self.events and self.events[-1][1] == "finished"):
                program = self._house.program
                try:
                    if program is not None:
                        await self._stream(http, program.url)
                except (aiohttp.ClientError, TimeoutError, OSError):
                    pass
                self.returns += 1
                await asyncio.sleep(0.1)

    async def _stream(self, http: aiohttp.ClientSession, url: str) -> None:
        headers = {"authorization": f"Bearer {key_of(self._tenant)}"}
        if self.events:
            headers["last-event-id"] = str(self.events[-1][0])
        number = what = ""
        async with http.get(f"{url}/v1/jobs/{self._job}/events", headers=headers) as reply:
            async for raw in reply.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "id":
                    number = value
                elif name == "event":
                    what = value
                elif not name and number:  # only what arrived whole counts
                    self.events.append((int(number), what))
                    number = ""


def timed(condition: Any, what: str, *, within: float = 60.0) -> float:
    """The seconds until a condition holds."""
    began = time.monotonic()
    until(condition, what, within=within)
    return time.monotonic() - began
