"""A running service whose tenants have documents full of canaries, beside a model that says all it was shown.

A canary is a word that names whose it is: tenant, group and where it stands. Whoever meets one that is not theirs has
found a leak, wherever it was.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import yaml

from tests.e2e.replies import Reply
from tests.e2e.service import Service, started
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Answer
from tests.fakes.wire import Received

SOURCE = re.compile(r'<source n="(\d+)"[^>]*>\n(.*?)\n</source>', re.DOTALL)
CANARY = re.compile(rb"canary(\d\d)(open|hr|sales)[a-z]+", re.IGNORECASE)


def canary(tenant: int, group: str, where: str) -> str:
    """The word that stands there and nowhere else."""
    return f"canary{tenant:02}{group}{where}"


def all_it_was_shown(received: Received) -> Answer:
    """Every sentence of every passage, with its marker: the least discreet of models."""
    system = received.body["messages"][0]["content"]
    said = [f"{text.strip().rstrip('.')} [{number}]." for number, text in SOURCE.findall(system)]
    return Answer(" ".join(said) or "Nothing.")


@dataclass
class Model:
    """An engine in a thread of its own. `answer` may be changed between calls."""

    url: str
    fake: OpenAiLike

    def prompts(self, since: int = 0) -> bytes:
        """All that it was sent."""
        return b"\n".join(each.raw for each in self.fake.requests[since:])


@contextmanager
def model(answer: Callable[[Received], str | Answer], kind: type[OpenAiLike] = OpenAiLike) -> Iterator[Model]:
    """Runs until the block ends."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    fake = kind(answer=answer, model="m")
    end = asyncio.Event()

    async def run() -> None:
        async with fake:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="model")
    thread.start()
    assert ready.wait(10)
    try:
        yield Model(fake.url, fake)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()


@dataclass
class Client:
    """A key on one connection, kept."""

    url: str
    key: str
    _connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request; what is not bytes is sent as JSON."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        sent = {**({"authorization": f"Bearer {self.key}"} if self.key else {}), **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
            sent.setdefault("content-type", "application/json")
        try:
            self._connection.request(method, path, body, sent)
            reply = self._connection.getresponse()
            raw = reply.read()
            return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, raw)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def upload(self, collection: str, files: Sequence[tuple[str, bytes, str]], **fields: str) -> Reply:
        """Hand files in: names, contents and types."""
        body, media = form(files, fields)
        path = f"/v1/rag/collections/{quote(collection, safe='')}/documents"
        return self.ask("POST", path, body, headers={"content-type": media})

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def form(files: Sequence[tuple[str, bytes, str]], fields: Mapping[str, str]) -> tuple[bytes, str]:
    """A form and its content type; names of files are sent as they are."""
    mark = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(head.encode() + value.encode() + b"\r\n")
    for name, content, media in files:
        escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        typed = f"Content-Type: {media}\r\n" if media else ""
        parts.append((head + typed + "\r\n").encode("utf-8", "surrogatepass") + content + b"\r\n")
    return b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


@dataclass
class House:
    """A running service and the keys of its tenants: `keys[tenant][who]`."""

    service: Service
    model: Model
    admin: Client  # the operator
    keys: dict[str, dict[str, Client]] = field(default_factory=dict)

    def make(self, tenant: str, who: str, *, groups: Sequence[str] = (), role: str = "member") -> Client:
        """Another key."""
        wanted = {"tenant": tenant, "role": role, "name": who, "groups": list(groups)}
        made = self.admin.ask("POST", "/admin/keys", wanted)
        assert made.status == 201, made.raw
        client = Client(self.service.url, made.json["key"])
        self.keys.setdefault(tenant, {})[who] = client
        return client

    def over(self, client: Client, job: str, within: float = 60.0) -> dict[str, Any]:
        """A job, once nothing of it waits or works any more."""
        deadline = time.monotonic() + within
        while (card := client.ask("GET", f"/v1/jobs/{job}").json)["finished_at"] is None:
            assert time.monotonic() < deadline, card
            time.sleep(0.05)
        found: dict[str, Any] = card
        return found

    def close(self) -> None:
        """Hang up everywhere."""
        self.admin.close()
        for clients in self.keys.values():
            for client in clients.values():
                client.close()


@contextmanager
def house(
    folder: Path,
    config: Callable[[str], Mapping[str, Any]],
    *,
    answer: Callable[[Received], str | Answer] = all_it_was_shown,
    extra: Mapping[str, str] | None = None,
    models: Path | None = None,
    engine: type[OpenAiLike] = OpenAiLike,
) -> Iterator[House]:
    """The service, logging all it can; `config` is made from the model's address."""
    data = folder / "d"
    data.mkdir()
    if models is not None:
        models.mkdir(parents=True, exist_ok=True)
        (data / "models").symlink_to(models)
    with model(answer, engine) as asked:
        file = folder / "providers.yaml"
        file.write_text(yaml.safe_dump(config(asked.url), sort_keys=False, allow_unicode=True))
        more = {"PASSERELLE_LOG_LEVEL": "debug", "PASSERELLE_NOTICE_SECONDS": "0", **(extra or {})}
        with started(file, data, "--demo", extra=more) as service:
            service.await_text("admin key")
            admin = Client(service.url, (data / "admin.key").read_text().strip())
            running = House(service, asked, admin)
            try:
                yield running
            finally:
                running.close()
