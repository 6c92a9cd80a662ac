"""Listening and leaving: sockets of our own or inherited, uvicorn's server, and how it stops without losing a call.

A drain keeps the listener open while calls are in flight, so that balancers have time to notice; every answer says
`connection: close` meanwhile. What is still in flight near the end of the budget is told that the service stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.http.front import App
from passerelle.http.inference import Scope, Send
from passerelle.http.intake import Receive
from passerelle.http.problems import problem_of
from passerelle.http.protocol import BoundedProtocol
from passerelle.stores.folder import short_path

_log = structlog.get_logger(__name__)

_BACKLOG = 2048
_LOOK_SECONDS = 0.02
_LONGEST_RESERVE = 3.0
_LAST_SECONDS = 0.5  # from an aborted connection to the end of its task
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds that a drain may take. `listens`: are new calls answered meanwhile?"""

    seconds: float
    notice: float
    listens: bool = True

    @property
    def reserve(self) -> float:
        """What is kept of it for telling callers and writing everything down."""
        return min(_LONGEST_RESERVE, self.seconds / 5)


class Server(uvicorn.Server):
    """uvicorn's server, opened and closed step by step. Signals are its owner's."""

    async def open(self, listener: socket.socket) -> None:
        """Answer what comes in on a socket that is listened on."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[listener])

    @property
    def busy(self) -> bool:
        """Is a call in flight?"""
        return bool(self.server_state.tasks)

    @property
    def empty(self) -> bool:
        """Is there neither a call nor a connection?"""
        return not (self.server_state.tasks or self.server_state.connections)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server_state.connections)

    def take_leave(self) -> None:
        """From here on each connection ends with its next answer."""
        # In place: calls that have begun hold this list too.
        self.server_state.default_headers.append(_CLOSE)

    def close_listener(self) -> None:
        """Accept nothing more, and close the connections that no call is on."""
        for accepting in self.servers:
            accepting.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def tell(self) -> int:
        """Have every call in flight end with the news that the service stops; how many there were."""
        running = list(self.server_state.tasks)
        for task in running:
            task.cancel()
        return len(running)

    def abort(self) -> None:
        """Cut every connection, also where somebody does not read what is sent."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.tell()


def make_server(app: App) -> Server:
    """A server for an application; nothing is opened yet."""
    config = uvicorn.Config(
        _to_the_last(app),
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
        backlog=_BACKLOG,
    )
    return Server(config)


async def drain(servers: Sequence[Server], budget: Budget, *, hurry: asyncio.Event) -> None:
    """Stop without losing a call: returns when all have ended, at the latest at the end of the budget.

    `hurry` ends the waiting: who is in flight then is told at once.
    """
    began = asyncio.get_running_loop().time()
    for server in servers:
        server.take_leave()
        if not budget.listens:
            server.close_listener()
    notice = budget.notice if budget.listens else 0.0
    last = max(budget.seconds - budget.reserve, 0.0)
    while (passed := _since(began)) < last and not hurry.is_set():
        if passed >= notice and not any(server.busy for server in servers):
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), _LOOK_SECONDS)
    for server in servers:
        server.close_listener()
    await asyncio.sleep(0)  # what was accepted has its task by now
    if told := sum(server.tell() for server in servers):
        _log.warning("drain_ends_calls", calls=told, seconds=round(_since(began), 1))
    # Half of the reserve for telling, the other half for what is written down afterwards.
    await _emptied(servers, max(budget.reserve / 2, _LAST_SECONDS))
    if not all(server.empty for server in servers):
        for server in servers:
            server.abort()
        await _emptied(servers, _LAST_SECONDS)


async def _emptied(servers: Sequence[Server], seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    while not all(server.empty for server in servers) and _since(began) < seconds:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_LOOK_SECONDS)


def _since(began: float) -> float:
    return asyncio.get_running_loop().time() - began


def _to_the_last(app: App) -> App:
    """The application, with an answer for calls that a drain cancels and that have none of their own."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            problem = problem_of(Unavailable("The service stops.", code="stopping"))
            body = problem.body()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                *problem.headers(),
            ]
            with contextlib.suppress(RuntimeError):  # uvicorn's word for: an answer has begun
                await send({"type": "http.response.start", "status": problem.status, "headers": headers})
                await send({"type": "http.response.body", "body": body})

    return answered


@contextlib.contextmanager
def listen(host: str, port: int) -> Generator[socket.socket, None, None]:
    """A socket that is listened on, closed with the block. Raises CannotRun."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=False)
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
def listen_privately(path: Path) -> Generator[socket.socket, None, None]:
    """A unix socket for whoever may open the folder that it is in; gone with the block. For the folder's owner."""
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


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from its parent: two sockets to accept on, and one whose other end is the parent.

    The worker writes a byte there once it answers; the parent's end closes with the parent, however that ended.
    """

    public: socket.socket
    control: socket.socket
    parent: socket.socket

    @classmethod
    def of(cls, handles: str) -> Inherited:
        """From the handles' numbers, as `numbers` wrote them. Raises CannotRun."""
        try:
            public, control, parent = (socket.socket(fileno=int(number)) for number in handles.split(","))
        except (ValueError, OSError) as error:
            raise CannotRun(
                "These are no sockets of a parent.", "Start workers with `passerelle serve --workers`."
            ) from error
        parent.settimeout(0)
        return cls(public, control, parent)

    @property
    def numbers(self) -> str:
        """For a worker's command line."""
        return ",".join(str(number) for number in self.handles)

    @property
    def handles(self) -> tuple[int, int, int]:
        """The handles to be passed on."""
        return self.public.fileno(), self.control.fileno(), self.parent.fileno()
