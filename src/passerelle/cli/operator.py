"""How verbs give orders: to the running service through its control socket, or in process when nothing runs.

Either way an order is a request to the same application.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, MutableMapping
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from passerelle.domain.errors import CannotRun, PasserelleError
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.build import build_app
from passerelle.http.front import App
from passerelle.parts import Parts, open_parts
from passerelle.settings import Settings
from passerelle.stores.folder import DataFolder, connect_to
from passerelle.wire.sse import Framer, data_of, events

_SECONDS = 300.0  # a year of entries takes a while to be summed
_JSON = "application/json"
_READ = 65_536  # bytes


class Operator(Protocol):
    """The application, asked with the operator's authority. Everything raises CannotRun in the service's own words.

    `body` is sent as JSON, or, with a `kind`, as the bytes that it is.
    """

    def fetch(self, method: str, path: str, body: Any = None, *, kind: str = _JSON) -> bytes:
        """The reply as it came."""

    def order(self, method: str, path: str, body: Any = None, *, kind: str = _JSON) -> Any:
        """The JSON of the reply; None for one without a body."""

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[tuple[str, Any]]:
        """The events of a reply as they come: name, and what it says. An event `error` is raised."""

    def work(self) -> None:
        """Have jobs worked on here for as long as this lasts, where no service runs that does it."""


def order(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The JSON of the reply to one request with the operator's authority.

    Raises CannotRun with the service's own words.
    """
    with operating(settings) as operator:
        return operator.order(method, path, body)


def fetch(settings: Settings, method: str, path: str, body: Any = None) -> bytes:
    """The reply as it came. Raises CannotRun with the service's own words."""
    with operating(settings) as operator:
        return operator.fetch(method, path, body)


@contextmanager
def operating(settings: Settings) -> Generator[Operator, None, None]:
    """The running service, or, where nothing runs, the application in this process until the block ends."""
    socket_path = DataFolder(settings.data).control_socket
    try:
        line = connect_to(socket_path, timeout=_SECONDS)
    except OSError:  # nothing runs
        pass
    else:
        with closing(line):
            yield _There(socket_path, line)
        return
    with asyncio.Runner() as runner:
        here = _Here(settings, runner)
        try:
            here.open()
            yield here
        finally:
            here.close()


class _Asking(ABC):
    """What is the same wherever the application is."""

    def fetch(self, method: str, path: str, body: Any = None, *, kind: str = _JSON) -> bytes:
        """The reply as it came."""
        return b"".join(self._reply(method, path, body, kind))

    def order(self, method: str, path: str, body: Any = None, *, kind: str = _JSON) -> Any:
        """The JSON of the reply."""
        reply = self.fetch(method, path, body, kind=kind)
        return orjson.loads(reply) if reply else None

    def follow(self, method: str, path: str, body: Any = None) -> Iterator[tuple[str, Any]]:
        """The events of the reply."""
        framer = Framer()
        for read in self._reply(method, path, body, _JSON):
            for event in events(framer.feed(read)):
                data = data_of(event)
                if data is None or data == b"[DONE]":
                    continue
                name, said = _name(event), orjson.loads(data)
                if name == "error":
                    raise CannotRun(_said(said, "the events broke off"))
                yield name, said

    def _reply(self, method: str, path: str, body: Any, kind: str) -> Iterator[bytes]:
        raw = b"" if body is None else body if kind != _JSON else orjson.dumps(body)
        reply = self._ask(method, path, raw, kind)
        status = next(reply)
        assert isinstance(status, int)  # the first is always that  # noqa: S101
        parts = (part for part in reply if isinstance(part, bytes))
        if status >= 400:
            raise CannotRun(_told(b"".join(parts), status))
        yield from parts

    @abstractmethod
    def _ask(self, method: str, path: str, body: bytes, kind: str) -> Iterator[int | bytes]:
        """The status, then the body as it comes."""


class _Connection(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("control", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock: socket.socket = connect_to(self._path, timeout=_SECONDS)


class _There(_Asking):
    """The running service."""

    def __init__(self, path: Path, line: socket.socket) -> None:
        """`line` leads there already, for the first order."""
        self._path = path
        self._line: socket.socket | None = line

    def work(self) -> None:
        """It does."""

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> Iterator[int | bytes]:
        connection = _Connection(self._path)
        try:
            if self._line is not None:
                connection.sock, self._line = self._line, None
            connection.request(method, path, body=body or None, headers={"content-type": kind})
            response = connection.getresponse()
            yield response.status
            while read := response.read1(_READ):
                yield read
            if response.length:  # of a reply that said how long it is
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            # Not asked again: what books money may have been done already.
            raise CannotRun(
                "The running service broke off before it had answered.",
                "See whether the order was carried out before you give it again.",
            ) from error
        finally:
            connection.close()


class _Here(_Asking):
    """The application in this process, under the folder's lock."""

    def __init__(self, settings: Settings, runner: asyncio.Runner) -> None:
        self._settings = settings
        self._runner = runner
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None

    def open(self) -> None:
        """Make its parts. Raises CannotRun."""
        self._parts = self._runner.run(self._stack.enter_async_context(open_parts(self._settings)))
        self._app: App = build_app(self._parts.services)

    def close(self) -> None:
        """Close them; what is under way of jobs is left for whoever works next."""
        if self._parts is not None:
            self._parts.working.hurry()
        self._runner.run(self._stack.aclose())

    def work(self) -> None:
        """Have jobs worked on here. Raises CannotRun where that cannot be."""
        assert self._parts is not None  # it is open  # noqa: S101
        try:
            self._runner.run(self._parts.working.open())
        except CannotRun:
            raise
        except PasserelleError as error:
            raise CannotRun(error.message) from error

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> Iterator[int | bytes]:
        call = _Call(self._app, _scope(method, path, kind), body)
        self._runner.run(call.begin())
        try:
            while (message := self._runner.run(call.next())) is not None:
                yield message["status"] if "status" in message else message.get("body", b"")
        finally:
            self._runner.run(call.end())


class _Call:
    """One request to an application, and its reply as it comes."""

    def __init__(self, app: App, scope: MutableMapping[str, Any], body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._sent: asyncio.Queue[MutableMapping[str, Any] | None] = asyncio.Queue()

    async def begin(self) -> None:
        """Ask."""
        self._task = asyncio.create_task(self._run())

    async def next(self) -> MutableMapping[str, Any] | None:
        """What the application sends next; None at its end. Raises what it raises."""
        message = await self._sent.get()
        if message is None:
            await self._task
        return message

    async def end(self) -> None:
        """Hang up, if it has not ended."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._sent.put_nowait(None)

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._body is None:
            await asyncio.Future()  # nobody hangs up before the end
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self._sent.put_nowait(message)


def _scope(method: str, path: str, kind: str) -> MutableMapping[str, Any]:
    route, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(route),
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"content-type", kind.encode()), (b"host", b"control")],
        "client": None,
        "server": ("control", None),
        OPERATOR_SCOPE: True,
    }


def _name(event: bytes) -> str:
    for line in event.split(b"\n"):
        if line.startswith(b"event:"):
            return line[6:].strip().decode()
    return "message"


def _told(reply: bytes, status: int) -> str:
    return _said(orjson.loads(reply) if reply else None, f"status {status}")


def _said(document: Any, otherwise: str) -> str:
    if isinstance(document, dict) and "error" in document:
        return str(document["error"]["message"])
    return otherwise
