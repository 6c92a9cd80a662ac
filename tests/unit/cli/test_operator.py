"""Orders reach the running service, or the application in this process where nothing runs: the same words, the same errors."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from passerelle.cli.operator import fetch, operating, order
from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.settings import Settings

EVENTS = (
    b': silence\n\nid: 1\nevent: created\ndata: {"items":2}\n\nevent: finished\ndata: {"state":"done"}\n\n'
)


@dataclass
class Here:
    """What runs in this process, and what was asked of it."""

    heard: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    deeds: list[str] = field(default_factory=list)
    status: int = 200
    blocks: Sequence[bytes] = (b'{"said":', b'"yes"}')
    error: Exception | None = None

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope[OPERATOR_SCOPE]
        message = await receive()
        kind = dict(scope["headers"])[b"content-type"].decode()
        self.heard.append((scope["method"], scope["path"], kind, message["body"]))
        if self.error is not None:
            raise self.error
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        for block in self.blocks:
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})

    async def open(self) -> None:
        self.deeds.append("works")
        if self.error is not None:
            raise self.error

    def hurry(self) -> None:
        self.deeds.append("hurries")

    @asynccontextmanager
    async def parts(self, settings: Settings) -> AsyncIterator[Any]:
        yield SimpleNamespace(services=None, working=self)
        self.deeds.append("closed")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    found = Here()
    module = import_module("passerelle.cli.operator_here")
    monkeypatch.setattr(module, "open_parts", found.parts)
    monkeypatch.setattr(module, "build_app", lambda _: found.app)
    return found


@contextmanager
def _service(folder: Path, reply: bytes) -> Iterator[list[bytes]]:
    """A control socket that gives every request this reply; the requests."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen(8)

        def answer() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    request = connection.recv(65_536)
                    if request == b"end":
                        return
                    while b"content-length" in request.lower() and not request.endswith((b"}", b"raw")):
                        request += connection.recv(65_536)
                    if request:
                        heard.append(request)
                        connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.connect(str(folder / "control.sock"))
                last.sendall(b"end")
            thread.join(10)


def _chunked(*blocks: bytes, status: str = "200 OK") -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks)
    return f"HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"


def test_orders_go_to_what_runs(settings: Settings) -> None:
    with _service(settings.data, _chunked(b'{"said":"yes"}')) as heard:
        assert order(settings, "POST", "/v1/x", {"a": 1}) == {"said": "yes"}
        with operating(settings) as operator:
            operator.work()  # it does
            assert operator.fetch("POST", "/v1/x", b"raw", kind="multipart/form-data; boundary=b")
    assert heard[0].startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert heard[0].endswith(b'{"a":1}')
    assert b"content-type: multipart/form-data; boundary=b\r\n" in heard[1]


def test_events_come_from_what_runs(settings: Settings) -> None:
    with _service(settings.data, _chunked(EVENTS[:50], EVENTS[50:])), operating(settings) as operator:
        assert list(operator.follow("GET", "/v1/jobs/j/events")) == [
            ("created", {"items": 2}),
            ("finished", {"state": "done"}),
        ]


def test_what_runs_may_break_off(settings: Settings) -> None:
    with (
        _service(settings.data, b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"),
        pytest.raises(CannotRun, match="broke off"),
    ):
        order(settings, "GET", "/v1/x")


def test_orders_are_carried_out_here_where_nothing_runs(settings: Settings, here: Here) -> None:
    assert order(settings, "POST", "/v1/a%20b?c=d", {"a": 1}) == {"said": "yes"}
    assert here.heard == [("POST", "/v1/a b", "application/json", b'{"a":1}')]
    assert here.deeds == ["hurries", "closed"]


def test_one_application_carries_out_all_orders_of_a_verb(settings: Settings, here: Here) -> None:
    with operating(settings) as operator:
        operator.work()
        operator.order("GET", "/v1/x")
        here.blocks = [EVENTS[:20], EVENTS[20:]]
        assert [event for event, _ in operator.follow("GET", "/v1/y")] == ["created", "finished"]
    assert here.deeds == ["works", "hurries", "closed"]


@pytest.mark.parametrize("there", [True, False])
def test_a_refusal_is_the_service_s_own_words(settings: Settings, here: Here, there: bool) -> None:
    said = orjson.dumps({"error": {"message": "There is no job 'x'."}})
    here.status, here.blocks = 404, [said]
    asks: list[Callable[[], object]] = [
        lambda: fetch(settings, "GET", "/v1/x"),
        lambda: _followed(settings),
    ]
    for ask in asks:
        if there:
            with _service(settings.data, _chunked(said, status="404 Not Found")):
                _refused(ask)
            (settings.data / "control.sock").unlink()
        else:
            _refused(ask)


def _refused(ask: Callable[[], object]) -> None:
    with pytest.raises(CannotRun, match=r"There is no job 'x'\."):
        ask()


def _followed(settings: Settings) -> list[tuple[str, Any]]:
    with operating(settings) as operator:
        return list(operator.follow("GET", "/v1/x"))


def test_an_error_in_a_stream_is_raised(settings: Settings, here: Here) -> None:
    here.blocks = [
        b'event: delta\ndata: {"text":"a"}\n\nevent: error\ndata: {"error":{"message":"It stops."}}\n\n'
    ]
    with pytest.raises(CannotRun, match="It stops"):
        _followed(settings)


def test_what_jobs_need_is_said_where_it_is_away(settings: Settings, here: Here) -> None:
    here.error = Unavailable("QDRANT_URL is not set.")
    with operating(settings) as operator, pytest.raises(CannotRun, match="QDRANT_URL"):
        operator.work()


def test_a_reader_that_leaves_early_hangs_up(settings: Settings, here: Here) -> None:
    here.blocks = [EVENTS] * 3
    with operating(settings) as operator:
        assert next(operator.follow("GET", "/v1/y"))[0] == "created"
    assert here.deeds == ["hurries", "closed"]


def test_a_defect_here_is_not_hidden(settings: Settings, here: Here) -> None:
    here.error = RuntimeError("defect")
    with pytest.raises(RuntimeError, match="defect"):
        order(settings, "GET", "/v1/x")
