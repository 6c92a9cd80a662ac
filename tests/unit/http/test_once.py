"""`Idempotency-Key` on a real socket and a real database, in front of an application that counts its runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog, Tenant
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Limits, Receive
from passerelle.http.once import Once
from passerelle.idempotency.flights import Flights
from passerelle.idempotency.seal import Sealer
from passerelle.idempotency.store import AnswerStore
from passerelle.serving import make_server
from passerelle.stores.database import Database
from passerelle.subjects.people import People
from tests.serving import FixedKeys

_CALLERS = {
    b"acme": Caller("key_1", "acme", Role.MEMBER),
    b"acme-2": Caller("key_2", "acme", Role.MEMBER),
    b"acme-admin": Caller("key_3", "acme", Role.TENANT_ADMIN),
    b"globex": Caller("key_4", "globex", Role.MEMBER),
}
_STREAM = (b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n")


@dataclass
class Counting:
    """Answers with the number of the run; what it is told to, when it is told to."""

    status: int = 200
    stream: tuple[bytes, ...] = ()
    padding: int = 0
    breaks: bool = False
    runs: int = 0
    bodies: list[bytes] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.runs += 1
        run = self.runs
        message = await receive()
        self.bodies.append(message["body"])
        leaving = asyncio.ensure_future(receive())
        going = asyncio.ensure_future(self.go.wait())
        await asyncio.wait({leaving, going}, return_when=asyncio.FIRST_COMPLETED)
        going.cancel()
        if leaving.done():
            return  # the caller hung up
        leaving.cancel()
        if self.breaks:
            raise ValueError("broken")
        kind = b"text/event-stream" if self.stream else b"text/plain"
        headers = [
            (b"content-type", kind),
            (b"x-request-id", b"req_%d" % run),
            (b"x-passerelle-cost", b"0.1"),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in self.stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        last = b"" if self.stream else b"run %d" % run + b"." * self.padding
        await send({"type": "http.response.body", "body": last})


@dataclass
class Heard:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(orjson.loads(self.body)["error"]["code"])

    @property
    def replayed(self) -> bool:
        return self.headers.get("idempotency-replayed") == "true"


@dataclass
class Site:
    """Two processes' worth of service over one database and one application."""

    app: Counting
    urls: list[str]
    stores: list[AnswerStore]

    async def post(
        self,
        body: bytes = b"{}",
        *,
        key: str | None = "k1",
        caller: str = "acme",
        path: str = "/v1/x",
        at: int = 0,
        **more: str,
    ) -> Heard:
        headers = {"authorization": f"Bearer {caller}", **{n.replace("_", "-"): v for n, v in more.items()}}
        if key is not None:
            headers["idempotency-key"] = key
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.urls[at] + path, data=body, headers=headers) as reply,
        ):
            return Heard(reply.status, reply.headers, await reply.read())

    async def until_runs(self, number: int) -> None:
        async with asyncio.timeout(10):
            while self.app.runs < number:
                await asyncio.sleep(0.002)


@asynccontextmanager
async def running(app: Once) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app)
    await server.open(listener)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close_listener()
        async with asyncio.timeout(5):
            while not server.empty:
                await asyncio.sleep(0.002)
        listener.close()


def front_of(app: Counting, store: AnswerStore, people: People | None = None) -> Once:
    keys, limits = FixedKeys(_CALLERS), Limits(body=1000)
    catalog = Catalog("v", {}, {}, {name: Tenant(name, ()) for name in ("acme", "globex")})
    return Once(
        app,
        keys=keys,
        limits=limits,
        flights=Flights(store),
        sealer=Sealer(b"p" * 32),
        catalog=lambda: catalog,
        people=people,
    )


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    app = Counting()
    databases = [Database(database_url), Database(database_url)]
    stores = [AnswerStore(database) for database in databases]
    fronts = [front_of(app, store) for store in stores]
    async with running(fronts[0]) as one, running(fronts[1]) as two:
        yield Site(app, [one, two], stores)
    for store, database in zip(stores, databases, strict=True):
        await store.aclose()
        await database.aclose()


async def test_without_the_header_every_request_runs(site: Site) -> None:
    assert [(await site.post(key=None)).body for _ in range(2)] == [b"run 1", b"run 2"]


async def test_a_repeat_gets_the_first_answer_and_says_so(site: Site) -> None:
    first = await site.post(b'{"a":1}')
    again = [await site.post(b'{"a":1}', at=at, x_request_id="mine") for at in (0, 1)]

    assert (first.status, first.body, first.replayed, site.app.runs) == (200, b"run 1", False, 1)
    assert site.app.bodies == [b'{"a":1}']
    for heard in again:
        assert (heard.status, heard.body, heard.replayed) == (200, b"run 1", True)
        assert heard.headers["x-passerelle-original-request-id"] == "req_1"
        assert heard.headers["x-request-id"] == "mine"
        assert heard.headers["x-passerelle-cost"] == "0.1"
        assert heard.headers["content-type"] == "text/plain"


async def test_fifty_at_once_over_two_processes_run_once(site: Site) -> None:
    heard = await asyncio.gather(*(site.post(at=number % 2) for number in range(50)))

    assert site.app.runs == 1
    assert {each.body for each in heard} == {b"run 1"}
    assert sum(each.replayed for each in heard) == 49


async def test_a_stream_is_given_again_byte_for_byte(site: Site) -> None:
    site.app.stream = _STREAM
    first, again = await site.post(), await site.post(at=1)

    assert first.body == again.body == b"".join(_STREAM)
    assert again.headers["content-type"] == "text/event-stream"
    assert site.app.runs == 1


async def test_a_stream_without_its_end_runs_again(site: Site) -> None:
    site.app.stream = _STREAM[:-1]
    await site.post()
    site.app.stream = _STREAM
    assert (await site.post(at=1)).body.endswith(b"[DONE]\n\n")
    assert site.app.runs == 2


@pytest.mark.parametrize(("status", "runs"), [(201, 1), (400, 1), (404, 1), (429, 2), (500, 2), (503, 2)])
async def test_an_error_is_given_again_unless_it_may_pass(site: Site, status: int, runs: int) -> None:
    site.app.status = status

    assert {(await site.post(at=at)).status for at in (0, 1)} == {status}
    assert site.app.runs == runs


async def test_an_application_that_breaks_runs_again(site: Site) -> None:
    site.app.breaks = True
    assert (await site.post()).status == 500
    site.app.breaks = False
    assert (await site.post(at=1)).body == b"run 2"


@pytest.mark.parametrize(
    "changed",
    [{"body": b"{ }"}, {"path": "/v1/x?a=1"}, {"content_type": "text/csv"}, {"content_encoding": "identity"}],
    ids=str,
)
async def test_another_request_under_the_same_key_is_a_conflict(
    site: Site, changed: dict[str, object]
) -> None:
    await site.post()
    refused = await site.post(**changed)  # type: ignore[arg-type]

    assert (refused.status, refused.code, site.app.runs) == (409, "idempotency_conflict", 1)
    assert refused.headers["x-should-retry"] == "false"


async def test_tenants_roles_and_routes_have_nothing_in_common(site: Site) -> None:
    bodies = [
        (await site.post()).body,
        (await site.post(caller="globex")).body,
        (await site.post(caller="acme-admin")).body,
        (await site.post(path="/v1/y")).body,
        (await site.post(path="/v1%2Fx")).body,
    ]

    assert bodies == [b"run %d" % run for run in range(1, 6)]
    assert (await site.post(caller="acme-2")).body == b"run 1", "another key of the same tenant and role"


async def test_the_operators_socket_has_slots_of_its_own(site: Site) -> None:
    answers = []
    once = front_of(site.app, site.stores[0])

    async def operated(scope: Scope, receive: Receive, send: Send) -> None:
        scope[OPERATOR_SCOPE] = True
        await once(scope, receive, send)

    async with running(operated) as url:  # type: ignore[arg-type]
        for _ in range(2):
            async with aiohttp.ClientSession(url) as http:
                async with http.post("/x", data=b"{}", headers={"idempotency-key": "k"}) as reply:
                    answers.append(await reply.read())
    assert answers == [b"run 1", b"run 1"]


@pytest.mark.parametrize(
    "key", ["", "a b", "é", "k" * 256, "two"], ids=["empty", "space", "accent", "long", "two"]
)
async def test_a_key_that_is_none_is_refused(site: Site, key: str) -> None:
    headers = [("authorization", "Bearer acme"), ("idempotency-key", key), ("idempotency-key", key)]
    async with aiohttp.ClientSession() as http:
        url = site.urls[0] + "/v1/x"
        async with http.post(url, data=b"{}", headers=headers[: 3 if key == "two" else 2]) as reply:
            heard = Heard(reply.status, reply.headers, await reply.read())

    assert (heard.status, heard.code, site.app.runs) == (400, "invalid_idempotency_key", 0)


async def test_strangers_and_long_bodies_are_refused_before_anything_is_claimed(site: Site) -> None:
    stranger = await site.post(caller="nobody")
    long = await site.post(b"x" * 1001)

    assert (stranger.status, stranger.code) == (401, "invalid_api_key")
    assert (long.status, long.code) == (413, "request_too_large")
    assert site.app.runs == 0
    assert (await site.post()).body == b"run 1"


@pytest.mark.parametrize("at", [0, 1], ids=["in the same process", "in another"])
async def test_who_waits_takes_over_when_the_first_hangs_up(site: Site, at: int) -> None:
    site.app.go.clear()
    first = asyncio.ensure_future(site.post())
    await site.until_runs(1)
    second = asyncio.ensure_future(site.post(at=at))
    await asyncio.sleep(0.05)
    first.cancel()
    await site.until_runs(2)
    site.app.go.set()

    assert (await second).body == b"run 2"
    assert (await site.post()).body == b"run 2"
    assert site.app.bodies == [b"{}", b"{}"]


async def test_a_waiter_that_hangs_up_leaves_nothing_behind(site: Site) -> None:
    site.app.go.clear()
    first = asyncio.ensure_future(site.post())
    await site.until_runs(1)
    second = asyncio.ensure_future(site.post())
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait({second})
    site.app.go.set()

    assert (await first).body == b"run 1"
    assert (await site.post()).replayed


async def test_who_has_no_more_patience_is_told_to_come_back(site: Site) -> None:
    site.app.go.clear()
    first = asyncio.ensure_future(site.post())
    await site.until_runs(1)
    refused = await site.post(x_stainless_read_timeout="0.1")
    site.app.go.set()

    assert (refused.status, refused.code) == (409, "idempotency_in_progress")
    assert (refused.headers["x-should-retry"], refused.headers["retry-after"]) == ("true", "1")
    await first


async def test_an_answer_too_long_to_keep_is_sent_once(site: Site) -> None:
    site.app.padding = 5 * 1_048_576
    first, again = await site.post(), await site.post()

    assert len(first.body) > 5 * 1_048_576
    assert (again.status, again.code, site.app.runs) == (409, "idempotency_not_replayable", 1)


async def test_without_the_database_only_requests_with_a_key_are_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(Database, "begin", lambda _: (_ for _ in ()).throw(OSError("gone")))
        refused = await site.post()
        assert (refused.status, refused.code) == (503, "idempotency_unavailable")
        assert refused.headers["retry-after"] == "2"
        assert site.app.runs == 0
        assert (await site.post(key=None)).status == 200


async def test_an_answer_whose_keeping_fails_is_sent_all_the_same_and_given_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.app.go.clear()
    first = asyncio.ensure_future(site.post())
    await site.until_runs(1)
    with monkeypatch.context() as away:
        away.setattr(Database, "begin", lambda _: (_ for _ in ()).throw(OSError("gone")))
        site.app.go.set()
        assert (await first).body == b"run 1"
        assert (await site.post()).replayed
    await site.stores[0].write_waiting()

    assert (await site.post(at=1)).replayed


async def test_who_waits_when_the_service_stops_is_told_so(site: Site) -> None:
    site.app.go.clear()
    told = asyncio.Event()
    waiting: list[asyncio.Task[None]] = []
    once = front_of(site.app, site.stores[0])

    async def remembered(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        waiting.append(task)
        told.set()
        await once(scope, receive, send)

    first = asyncio.ensure_future(site.post())
    await site.until_runs(1)
    async with running(remembered) as url:  # type: ignore[arg-type]
        site.urls.append(url)
        second = asyncio.ensure_future(site.post(at=2))
        await told.wait()
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        refused = await second
    site.app.go.set()

    assert (refused.status, refused.code) == (503, "stopping")
    assert (await first).body == b"run 1"
