"""The application in this process, asked with the operator's authority. Imported late: all of the service comes with it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, MutableMapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any
from urllib.parse import unquote

from passerelle.cli.operator_replies import Asking
from passerelle.domain.errors import CannotRun, PasserelleError
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.build import build_app
from passerelle.http.front import App
from passerelle.parts import Parts, open_parts
from passerelle.settings import Settings


@contextmanager
def operating_here(settings: Settings) -> Generator[Here, None, None]:
    """The application until the block ends. Raises CannotRun."""
    with asyncio.Runner() as runner:
        here = Here(settings, runner)
        try:
            here.open()
            yield here
        finally:
            here.close()


class Here(Asking):
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
