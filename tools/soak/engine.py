"""`python -m tools.soak.engine SLOTS SECONDS`: an engine that can do exactly so much, on a free port that it prints.

It speaks as vLLM does, its two gauges included. A call holds one of the slots for the given seconds, streamed or not; the
others wait in the order in which they came. One whose caller hangs up frees its slot at once.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import deque

import httptools
import orjson

MODEL = "acme/soak-7b"
PROMPT_TOKENS, COMPLETION_TOKENS = 10, 20
_PIECES = 5  # events with content in a stream
_JSON, _TEXT = b"application/json", b"text/plain; version=0.0.4"


class Engine:
    """The slots, who is in them and who waits."""

    def __init__(self, slots: int, seconds: float) -> None:
        self.slots = slots
        self.seconds = seconds
        self.running: set[Call] = set()
        self.waiting: deque[Call] = deque()
        self.numbers = itertools.count(1)
        self.served = 0  # answers that were sent to their end
        self.left = 0  # calls whose caller hung up before that
        self.most_running = self.most_waiting = 0

    def enter(self, call: Call) -> None:
        """A call that has come."""
        self.waiting.append(call)
        self._fill()
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def leave(self, call: Call, *, served: bool) -> None:
        """A call that is over."""
        if served:
            self.served += 1
        else:
            self.left += 1
        if call in self.running:
            self.running.discard(call)
            self._fill()
        else:
            self.waiting.remove(call)

    def _fill(self) -> None:
        while self.waiting and len(self.running) < self.slots:
            call = self.waiting.popleft()
            self.running.add(call)
            call.start()
        self.most_running = max(self.most_running, len(self.running))

    def gauges(self) -> bytes:
        """What vLLM says of its queue."""
        named = {"running": len(self.running), "waiting": len(self.waiting)}
        label = f'{{engine="0",model_name="{MODEL}"}}'
        return "".join(
            f"# TYPE vllm:num_requests_{name} gauge\nvllm:num_requests_{name}{label} {float(number)}\n"
            for name, number in named.items()
        ).encode()

    def tally(self) -> bytes:
        """What it has counted, for the report."""
        return orjson.dumps(
            {
                "served": self.served,
                "left": self.left,
                "most_running": self.most_running,
                "most_waiting": self.most_waiting,
            }
        )


class Call:
    """One generation on one connection."""

    def __init__(self, engine: Engine, connection: Connection, *, stream: bool) -> None:
        self._engine = engine
        self._connection = connection
        self._stream = stream
        self._ident = f"chatcmpl-{next(engine.numbers)}"
        self._handle: asyncio.TimerHandle | None = None
        self._sent = 0
        self._began = 0.0  # on the loop's clock

    def start(self) -> None:
        """It has a slot."""
        pieces = _PIECES if self._stream else 1
        self._began = asyncio.get_running_loop().time()
        if self._stream:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            self._connection.write(head)
        self._later(pieces)

    def gone(self) -> None:
        """Its caller hung up."""
        if self._handle is not None:
            self._handle.cancel()
        self._engine.leave(self, served=False)

    def _later(self, pieces: int) -> None:
        # By when it began, so that a timer that is late makes no call longer.
        due = self._began + self._engine.seconds * (self._sent + 1) / pieces
        self._handle = asyncio.get_running_loop().call_at(due, self._next, pieces)

    def _next(self, pieces: int) -> None:
        if not self._stream:
            self._connection.call = None
            self._connection.answer(200, orjson.dumps(self._whole()))
            self._engine.leave(self, served=True)
            return
        self._sent += 1
        self._event({"index": 0, "delta": {"content": "bonjour tout le monde "}, "finish_reason": None})
        if self._sent < pieces:
            self._later(pieces)
            return
        self._event({"index": 0, "delta": {"content": ""}, "finish_reason": "stop"})
        self._write(
            orjson.dumps({**self._opening("chat.completion.chunk"), "choices": [], "usage": _usage()})
        )
        self._write(b"[DONE]")
        self._connection.call = None
        self._connection.write(b"0\r\n\r\n")
        self._engine.leave(self, served=True)

    def _event(self, choice: dict[str, object]) -> None:
        self._write(orjson.dumps({**self._opening("chat.completion.chunk"), "choices": [choice]}))

    def _write(self, data: bytes) -> None:
        event = b"data: %b\n\n" % data
        self._connection.write(b"%x\r\n%b\r\n" % (len(event), event))

    def _opening(self, kind: str) -> dict[str, object]:
        return {"id": self._ident, "object": kind, "created": 1_700_000_000, "model": MODEL}

    def _whole(self) -> dict[str, object]:
        message = {"role": "assistant", "content": "bonjour tout le monde " * _PIECES}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._opening("chat.completion"), "choices": [choice], "usage": _usage()}


def _usage() -> dict[str, int]:
    total = PROMPT_TOKENS + COMPLETION_TOKENS
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": total,
    }


class Connection(asyncio.Protocol):
    """One connection of the service's, with one request at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP servers give
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        call, self.call = self.call, None
        if call is not None:
            call.gone()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._path, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self._path += url

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._path == b"/v1/chat/completions":
            stream = bool(orjson.loads(self._body).get("stream"))
            self.call = Call(self._engine, self, stream=stream)
            self._engine.enter(self.call)
        elif self._path == b"/metrics":
            self.answer(200, self._engine.gauges(), _TEXT)
        elif self._path == b"/tally":
            self.answer(200, self._engine.tally())
        elif self._path == b"/v1/models":
            card = {"id": MODEL, "object": "model", "created": 0, "owned_by": "vllm", "max_model_len": 8192}
            self.answer(200, orjson.dumps({"object": "list", "data": [card]}))
        else:
            self.answer(404, b"{}")

    def answer(self, status: int, body: bytes, kind: bytes = _JSON) -> None:
        """Send a whole answer."""
        head = b"HTTP/1.1 %d -\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body))
        self.write(head + body)

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if not self._transport.is_closing():
            self._transport.write(data)


async def main(slots: int, seconds: float) -> None:
    """Serve until the process is ended."""
    engine = Engine(slots, seconds)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(engine), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
