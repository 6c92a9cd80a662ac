"""The part all fake engines share: a real server on a free port, a script of answers and faults, and a log.

    async with TgiFake(answer="Bonjour.") as tgi:
        tgi.script(Reset(after=2))          # the next inference request
        ...                                 # call tgi.url
        await tgi.until(lambda: tgi.live == 0)
        assert tgi.requests[-1].body["stream"] is True

A dialect is a subclass with routes, and pure functions from a request and its plan to a `Reply`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tests.fakes import script
from tests.fakes.script import END, HEAD, Answer, Cut, Fail, Plan, Touch, Until
from tests.fakes.wire import SSE, Line, Received, Reply, dump, text_reply

DONE = b"data: [DONE]\n\n"
HOST = "127.0.0.1"

Answers = str | Answer | Callable[[Received], str | Answer]


@dataclass(frozen=True, slots=True)
class HungUp:
    """A client left before its answer was complete."""

    request: Received
    at: float  # the event loop's clock
    frames: int  # frames that had been written by then


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the engine would send it, before the script touches it. Everything is whole frames."""

    content: tuple[bytes, ...]
    role: bytes  # a chunk with nothing but the role
    empty: bytes  # a chunk with an empty delta
    fail: Callable[
        [Fail], tuple[bytes, ...]
    ]  # how the engine reports a failure inside the stream, its end included
    opening: tuple[bytes, ...] = ()  # what this engine sends before any content
    closing: tuple[bytes, ...] = ()
    done: bytes = DONE  # empty if the engine sends none


@dataclass(slots=True)
class _Flight:
    request: Received
    frames: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    plan: Plan
    path: str | None


class Engine:
    """Base of all fakes.

    `requests`, `hung_up` and `connections` only grow; `live` is the number of requests not yet answered.
    A mistake inside the fake is raised when its `async with` ends, so that no test passes on a broken engine.
    """

    server: str = ""  # the Server header, empty for none
    routes: ClassVar[Mapping[tuple[str, str], str]] = {}  # (method, path) -> name of the method that answers

    def __init__(self, answer: Answers = "Bonjour le monde.") -> None:
        self.answer = answer
        self.healthy = True
        self.requests: list[Received] = []
        self.hung_up: list[HungUp] = []
        self.connections = 0
        self.port = 0
        self._scripts: list[_Entry] = []
        self._always = Plan()
        self._flights: dict[Line, _Flight] = {}
        self._lines: set[Line] = set()
        self._changed = asyncio.Event()
        self._errors: list[BaseException] = []
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None

    # life

    async def __aenter__(self) -> Self:
        self._socket = _bound(0)
        self.port = self._socket.getsockname()[1]
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        if self._socket:
            self._socket.close()
        if self._errors:
            raise self._errors[0]

    async def up(self) -> None:
        """Listen (again) on the same port."""
        free, self._socket = self._socket, None
        if free is None:
            raise RuntimeError("already up")
        self._server = await asyncio.get_running_loop().create_server(lambda: Line(self), sock=free)

    async def down(self) -> None:
        """The process is gone: connections are reset, the port refuses new ones until `up`."""
        if self._server is None:
            return
        self._server.close()
        for line in list(self._lines):
            line.reset()
        await self.until(lambda: not self._lines and not self._flights)
        self._server = None
        self._socket = _bound(self.port)

    @property
    def url(self) -> str:
        """Base address, without a path."""
        return f"http://{HOST}:{self.port}"

    # script and observation

    def script(self, *touches: Touch, path: str | None = None) -> None:
        """What happens to the next POST that has no script yet, or to the next request of `path`."""
        self._scripts.append(_Entry(Plan(touches), path))

    def always(self, *touches: Touch) -> None:
        """What happens to every POST without a script of its own."""
        self._always = Plan(touches)

    @property
    def live(self) -> int:
        """Requests in flight: read whole, not answered whole."""
        return len(self._flights)

    @property
    def working(self) -> int:
        """Requests in flight that ask the model for something."""
        return sum(flight.request.method == "POST" for flight in self._flights.values())

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._lines)

    async def until(self, condition: Callable[[], object], within: float = 5.0) -> None:
        """Return as soon as the condition holds; it is looked at whenever something happens here.

        Raises TimeoutError after `within` seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # what a dialect provides

    async def reply(self, request: Received, plan: Plan) -> Reply:
        """The answer of this engine; faults of the wire come later."""
        name = self.routes.get((request.method, request.path))
        if name is None:
            return self.no_route(request)
        handler: Callable[[Received, Plan], Reply | Awaitable[Reply]] = getattr(self, name)
        answer = handler(request, plan)
        return answer if isinstance(answer, Reply) else await answer

    def no_route(self, request: Received) -> Reply:
        """A path or a method this engine does not have."""
        known = any(path == request.path for _, path in self.routes)
        return text_reply("", 405 if known else 404)

    def said(self, request: Received, plan: Plan) -> Answer:
        """What the model has to say to this request."""
        scripted = plan.get(Answer)
        answer = scripted or (self.answer(request) if callable(self.answer) else self.answer)
        return Answer(answer) if isinstance(answer, str) else answer

    # the server's side

    def opened(self, line: Line) -> int:
        """A client connected."""
        self.connections += 1
        self._lines.add(line)
        self._changed.set()
        return self.connections

    def lost(self, line: Line) -> None:
        """A connection is gone."""
        self._lines.discard(line)
        flight = self._flights.get(line)
        if flight and not line.ours:
            self.hung_up.append(HungUp(flight.request, asyncio.get_running_loop().time(), flight.frames))
        self._changed.set()

    def crashed(self, error: BaseException) -> None:
        """The fake has a mistake: kept for the end of the block."""
        self._errors.append(error)
        self._changed.set()

    async def exchange(self, line: Line, request: Received) -> None:
        """Answer one request as its plan says."""
        flight = self._flights[line] = _Flight(request)
        self.requests.append(request)
        self._changed.set()
        try:
            plan = self._plan(request)
            if plan.get(script.Silent):
                await asyncio.Event().wait()
            status = plan.get(script.Status)
            reply = _as_told(status) if status else await self.reply(request, plan)
            await self._play(line, reply, plan=plan, flight=flight)
        finally:
            del self._flights[line]
            self._changed.set()

    def _plan(self, request: Received) -> Plan:
        for entry in self._scripts:
            if entry.path == request.path or (entry.path is None and request.method == "POST"):
                self._scripts.remove(entry)
                return entry.plan
        return self._always if request.method == "POST" else Plan()

    async def _play(self, line: Line, reply: Reply, *, plan: Plan, flight: _Flight) -> None:
        cut, frames, body = plan.cut, reply.frames, _Body(line, plan)
        if cut and not reply.stream and _way(cut) == "end":
            frames, cut = _shortened(frames, cut), None
        length = None if reply.stream else sum(map(len, frames))
        await _pause(plan, HEAD)
        if not reply.stream:
            await _pause(plan, 0)  # an engine that computes first has no head to send either
        if cut and cut.after == HEAD:
            _end(line, cut)
            return
        line.write_head(reply, length=length)
        for index, frame in enumerate(frames):
            if cut and cut.after <= index:
                await body.flush_before(plan, index)
                break
            if reply.stream or index:
                await body.flush_before(plan, index)
            await body.send(frame)
            flight.frames += 1
            self._changed.set()
        if cut is None:
            await body.flush_before(plan, END)
            line.finish()
            return
        if isinstance(cut, script.HalfFrame) and cut.after < len(frames):
            await body.send(frames[cut.after][: len(frames[cut.after]) // 2])
        await body.flush()
        _end(line, cut)


class _Body:
    """The way of a body to the wire, cut anew if the script says so."""

    def __init__(self, line: Line, plan: Plan) -> None:
        cutter = plan.get(script.Slice)
        self._line, self._size, self._rest = line, cutter.size if cutter else 0, b""

    async def send(self, frame: bytes) -> None:
        self._rest += frame
        if not self._size:
            await self.flush()
        while self._size and len(self._rest) >= self._size:
            await self._line.write(self._rest[: self._size])
            self._rest = self._rest[self._size :]

    async def flush(self) -> None:
        await self._line.write(self._rest)
        self._rest = b""

    async def flush_before(self, plan: Plan, position: int) -> None:
        """Wait where the plan says so; what was sent before the wait is on the wire by then."""
        if position == END or _pauses(plan, position):
            await self.flush()
        await _pause(plan, position)


def stream_reply(stream: Stream, plan: Plan, headers: Mapping[str, str] | None = None) -> Reply:
    """A stream with the script's touches: what is inserted, left out, or failed inside it."""
    role = (stream.role,) if plan.get(script.RoleFirst) and not stream.opening else ()
    empty = plan.get(script.EmptyFirst)
    frames = [*stream.opening, *role, *(stream.empty,) * (empty.count if empty else 0)]
    frames += [*stream.content, *stream.closing]
    fail = plan.get(Fail)
    if fail:
        frames = [*frames[: fail.after], *stream.fail(fail)]
    elif stream.done and not plan.get(script.NoDone):
        frames.append(stream.done)
    for insert in plan.every(script.Insert):
        frames.insert(insert.before, insert.raw)
    if plan.get(script.Crlf):
        frames = [frame.replace(b"\n", b"\r\n") for frame in frames]
    return Reply(
        200, tuple(frames), {"content-type": SSE, "cache-control": "no-cache", **(headers or {})}, stream=True
    )


def _as_told(status: script.Status) -> Reply:
    plain = isinstance(status.body, str | bytes)
    body = (
        status.body.encode() if isinstance(status.body, str) else status.body if plain else dump(status.body)
    )
    kind = status.content_type or ("text/plain; charset=utf-8" if plain else "application/json")
    return Reply(status.status, (body,) if body else (), {"content-type": kind, **status.headers})


def _pauses(plan: Plan, position: int) -> list[Until]:
    paces = [pace.until for pace in plan.every(script.Pace) if position not in (HEAD, END)]
    return [wait.until for wait in plan.every(script.Wait) if wait.before == position] + paces


async def _pause(plan: Plan, position: int) -> None:
    for until in _pauses(plan, position):
        await (until.wait() if isinstance(until, asyncio.Event) else asyncio.sleep(until))


_WAYS: Mapping[type[Cut], str] = {script.Close: "close", script.Reset: "reset", script.Truncate: "end"}


def _way(cut: Cut) -> str:
    return cut.then if isinstance(cut, script.HalfFrame) else _WAYS[type(cut)]


def _end(line: Line, cut: Cut) -> None:
    {"end": line.finish, "close": line.close, "reset": line.reset}[_way(cut)]()


def _shortened(frames: tuple[bytes, ...], cut: Cut) -> tuple[bytes, ...]:
    """What is left of a body that is not streamed and says its shortened length."""
    whole, rest = frames[: cut.after], b"".join(frames[cut.after : cut.after + 1])
    return (*whole, rest[: len(rest) // 2]) if isinstance(cut, script.HalfFrame) else whole


def _bound(port: int) -> socket.socket:
    """A socket that owns a port and does not listen: connections to it are refused."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    bound.setblocking(False)
    return bound


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port that refuses connections and that nobody else can take meanwhile."""
    with _bound(0) as bound:
        yield f"http://{HOST}:{bound.getsockname()[1]}"


@contextlib.contextmanager
def unanswered_port() -> Iterator[str]:
    """The URL of a port whose connections are never completed: its accept queue is full, SYNs are dropped."""
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(_bound(0))
        bound.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(bound.getsockname())
        yield f"http://{HOST}:{bound.getsockname()[1]}"
