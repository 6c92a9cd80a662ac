"""The process that serves: settings -> parts -> run, until told to stop; alone, or as one of several workers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass, field

import structlog

from passerelle.http.access import OPERATOR_SCOPE
from passerelle.http.build import build_app
from passerelle.http.front import App
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Receive
from passerelle.parts import Parts, open_parts
from passerelle.routing.live import Reloaded
from passerelle.serving import Budget, Inherited, Server, drain, listen, listen_privately, make_server
from passerelle.settings import Settings

_log = structlog.get_logger(__name__)

Started = Callable[[Parts, int], Awaitable[None]]  # told the parts and the port once requests are answered


@dataclass(slots=True)
class _End:
    """Why and how this process is to stop."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    notice: bool = True  # may others have to notice first?
    listens: bool = True

    def ask(self, *, notice: bool, listens: bool = True) -> None:
        """The first time begins a drain, the second one hastens it."""
        if self.asked.is_set():
            self.hurry.set()
            return
        self.notice, self.listens = notice, listens
        self.asked.set()


async def serve(settings: Settings, *, started: Started, inherited: Inherited | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotRun when it cannot begin.

    A worker accepts on what it has inherited, and stops when its parent is gone.
    """
    with contextlib.ExitStack() as stack:
        public = inherited.public if inherited else stack.enter_context(listen(settings.host, settings.port))
        async with open_parts(settings, shares_folder=inherited is not None) as parts:
            front = build_app(parts.services)
            control = (
                inherited.control
                if inherited
                else stack.enter_context(listen_privately(parts.folder.control_socket))
            )
            end = _End()
            with _signals(end, parts, inherited):
                async with _open({public: front, control: _as_operator(front)}) as servers:
                    parts.metrics.connections.set_function(lambda: sum(each.connections for each in servers))
                    await started(parts, public.getsockname()[1])
                    if inherited is not None:
                        inherited.parent.send(b"\n")
                    await parts.working.expect()
                    _rest_memory()
                    await end.asked.wait()
                    _log.info("drains", seconds=settings.drain_seconds)
                    parts.draining()
                    notice = settings.notice_seconds if end.notice else 0.0
                    budget = Budget(settings.drain_seconds, notice, listens=end.listens)
                    await drain(servers, budget, hurry=end.hurry)
                    _log.info("drained")
                # Signals change nothing from here on: what was answered is being written down.


@contextlib.asynccontextmanager
async def _open(apps: dict[socket.socket, App]) -> AsyncIterator[list[Server]]:
    """A server for each application, all of them closed with the block."""
    servers: list[Server] = []
    try:
        for listener, app in apps.items():
            server = make_server(app)
            await server.open(listener)
            servers.append(server)
        yield servers
    finally:
        for server in servers:
            server.close_listener()
            server.abort()
        for listener in apps:
            listener.close()


@contextlib.contextmanager
def _signals(end: _End, parts: Parts, inherited: Inherited | None) -> Generator[None, None, None]:
    """Listen to signals, and to the end of the parent. They stay listened to: nothing may cut short what closes."""
    loop = asyncio.get_running_loop()

    def reload() -> None:
        asyncio.ensure_future(parts.services.reload()).add_done_callback(_tell_reload)

    # Balancers need to notice; somebody at a terminal does not.
    loop.add_signal_handler(signal.SIGTERM, lambda: end.ask(notice=True))
    loop.add_signal_handler(signal.SIGINT, lambda: end.ask(notice=False))
    loop.add_signal_handler(signal.SIGHUP, reload)
    if inherited is None:
        yield
        return

    def orphaned() -> None:
        loop.remove_reader(inherited.parent)
        _log.error("parent_gone")
        # The port is free for the parent's successor at once.
        end.ask(notice=False, listens=False)

    loop.add_reader(inherited.parent, orphaned)
    try:
        yield
    finally:
        loop.remove_reader(inherited.parent)


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


def _as_operator(app: App) -> App:
    """The application for the control socket: who can open it owns the data folder."""

    async def operated(scope: Scope, receive: Receive, send: Send) -> None:
        scope[OPERATOR_SCOPE] = True
        await app(scope, receive, send)

    return operated
