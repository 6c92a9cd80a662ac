"""The process that serves: settings -> parts -> run, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import structlog
import uvicorn

from passerelle.domain.errors import CannotRun
from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.build import build_app
from passerelle.http.front import App
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Receive
from passerelle.http.protocol import BoundedProtocol
from passerelle.http.services import Reloaded
from passerelle.parts import Parts, open_parts
from passerelle.settings import Settings
from passerelle.stores.folder import short_path

_log = structlog.get_logger(__name__)

Started = Callable[[Parts, int], Awaitable[None]]  # told the parts and the port once requests are answered


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling: two of them share this process and its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to `serve`."""
        yield


async def serve(settings: Settings, *, started: Started) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotRun when it cannot begin."""
    with contextlib.ExitStack() as stack:
        public = stack.enter_context(_listen(settings.host, settings.port))
        async with open_parts(settings) as parts:
            front = build_app(parts.services)
            control_path = parts.folder.control_socket
            control = stack.enter_context(_listen_privately(control_path))
            servers = [
                _server(front, drain=settings.drain_seconds),
                _server(_as_operator(front), drain=settings.drain_seconds),
            ]
            await _run(servers, [public, control], parts=parts, started=started)


async def _run(
    servers: list[_Server], sockets: list[socket.socket], *, parts: Parts, started: Started
) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        parts.draining()
        for server in servers:
            server.should_exit = True

    def reload() -> None:
        asyncio.ensure_future(parts.services.reload()).add_done_callback(_tell_reload)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    running = [
        asyncio.ensure_future(server.serve(sockets=[sock]))
        for server, sock in zip(servers, sockets, strict=True)
    ]
    try:
        while not all(server.started for server in servers):
            if any(task.done() for task in running):
                break
            await asyncio.sleep(0.01)
        else:
            await started(parts, sockets[0].getsockname()[1])
            _rest_memory()
        await asyncio.gather(*running)
    finally:
        stop()
        await asyncio.gather(*running, return_exceptions=True)


def _tell_reload(done: asyncio.Future[Reloaded]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        _log.error("reload_failed", error=type(error).__name__)


def _rest_memory() -> None:
    """Take what was made at start out of the garbage collector's rounds, and make those rarer.

    A full round over a hundred thousand objects that never die stops every stream for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _server(app: App, *, drain: int) -> _Server:
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=drain,
        backlog=2048,
    )
    return _Server(config)


def _as_operator(app: App) -> App:
    """The application for the control socket: who can open it owns the data folder."""

    async def operated(scope: Scope, receive: Receive, send: Send) -> None:
        scope[OPERATOR_SCOPE] = True
        await app(scope, receive, send)

    return operated


@contextlib.contextmanager
def _listen(host: str, port: int) -> Generator[socket.socket, None, None]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048, reuse_port=False)
    except OSError as error:
        # Its number may be a failed look-up's, which the system has no words for; after the words comes the address.
        said = (error.strerror or "it cannot be said why").partition(" (while")[0]
        raise CannotRun(
            f"{host}:{port} cannot be listened on: {said.lower()}.",
            "Stop what uses it, or choose another address with --host and --port.",
        ) from error
    with listener:
        yield listener


@contextlib.contextmanager
def _listen_privately(path: Path) -> Generator[socket.socket, None, None]:
    path.unlink(missing_ok=True)  # left behind by a killed process; the folder's lock says that it is ours
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        address, handle = short_path(path)
        before = os.umask(0o177)
        try:
            listener.bind(address)
        finally:
            os.umask(before)
            if handle is not None:
                os.close(handle)
        listener.listen(64)
        yield listener
    path.unlink(missing_ok=True)
