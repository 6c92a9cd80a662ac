"""TGI's native API for the completions its OpenAI routes cannot give, through Hugging Face's own client.

Each prompt of a request is a call of its own, a few of them at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import time

import orjson

from passerelle.backends.base import Reply
from passerelle.backends.http_backend import usage_of
from passerelle.backends.tgi_completion import Chunks, Wanted, closing, completion, wanted
from passerelle.domain.ask import Ask
from passerelle.domain.catalog import Target
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.hub import Asked, Generated, HubClient, TokenStream
from passerelle.wire.upstream import Upstream

_TOGETHER = 4  # prompts of one request in flight; TGI's own limit for a batch, unless it is told another
_AHEAD = 32  # blocks of several prompts that wait to be read
_LINGER = (
    0.1  # seconds an engine is given to close a finished stream, so that its connection can be used again
)


class Native:
    """Native calls of one backend, which closes it before its `Upstream`."""

    def __init__(self) -> None:
        self._hub = HubClient()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self,
        ask: Ask,
        target: Target,
        *,
        upstream: Upstream,
        provider: Callable[[Mapping[str, str]], str],
        adapters: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """See `Backend.start`; for requests that `needs_native` is true of. `headers` are sent with each call."""
        asked = wanted(ask, target, adapters=adapters, created=int(time()))
        url = upstream.base.removesuffix("/v1") + ("/generate_stream" if ask.stream else "/generate")
        calls = [
            Asked(url, prompt, asked.parameters, ask.request_id, headers or {}) for prompt in asked.prompts
        ]
        if not ask.stream:
            answers = await _together([partial(self._hub.generate, upstream, call) for call in calls])
            return _whole(asked, answers, provider(answers[0].headers))
        strands = [
            _Strand(partial(self._hub.stream, upstream, call), Chunks(asked, index))
            for index, call in enumerate(calls)
        ]
        stream = _Lone(asked, strands[0]) if len(strands) == 1 else _Braid(asked, strands, self._tasks)
        said = await stream.open()
        return Reply(
            provider(said), stream=stream, upstream_id=said.get("x-request-id"), ignored=asked.ignored
        )

    async def aclose(self) -> None:
        """Break off what is still read, and wait until every stream has been given back."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await self._hub.aclose()


async def _together(calls: Sequence[Callable[[], Awaitable[Generated]]]) -> list[Generated]:
    """Every call's answer, in order. The first failure cancels the others and is raised."""
    if len(calls) == 1:
        return [await calls[0]()]
    gate = asyncio.Semaphore(_TOGETHER)

    async def one(call: Callable[[], Awaitable[Generated]]) -> Generated:
        async with gate:
            return await call()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in calls]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def _whole(asked: Wanted, answers: Sequence[Generated], provider: str) -> Reply:
    payload = completion(
        asked, [(answer.output, answer.headers.get("x-prompt-tokens")) for answer in answers]
    )
    return Reply(
        provider,
        orjson.dumps(payload),
        usage=usage_of(payload),
        upstream_id=answers[0].headers.get("x-request-id"),
        ignored=asked.ignored,
    )


class _Strand:
    """The chunks of one prompt."""

    def __init__(self, begin: Callable[[], Awaitable[TokenStream]], chunks: Chunks) -> None:
        self._begin = begin
        self._chunks = chunks
        self._tokens: TokenStream | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """Tokens of the prompt and of the completion, once that is complete."""
        return self._chunks.counts or (0, 0)

    async def open(self) -> Mapping[str, str]:
        """Begin; the headers of the reply. Raises UpstreamFailed."""
        self._tokens = await self._begin()
        return self._tokens.headers

    async def read(self) -> bytes:
        """The next chunk, b"" once the answer is complete. Raises UpstreamFailed."""
        while self._chunks.counts is None and self._tokens is not None:
            event = await self._tokens.read()
            if event is None:
                raise UpstreamFailed(Fault.BROKEN, "The engine's stream ended before the answer did.")
            if chunk := self._chunks.take(event):
                return chunk
        return b""

    async def drain(self) -> None:
        """Let the engine close its finished stream."""
        while self._tokens is not None and await self._tokens.read() is not None:
            pass

    def close(self) -> None:
        """Hang up on an engine still at work. Idempotent, never waits."""
        if self._tokens is not None:
            self._tokens.close()


class _Lone:
    """The stream of one prompt."""

    def __init__(self, asked: Wanted, strand: _Strand) -> None:
        self._asked = asked
        self._strand = strand
        self._ended = False

    async def open(self) -> Mapping[str, str]:
        """Begin; the headers of the reply. Raises UpstreamFailed."""
        return await self._strand.open()

    async def read(self) -> bytes:
        """See `Stream.read`."""
        if block := await self._strand.read():
            return block
        if not self._ended:
            self._ended = True
            return closing(self._asked, [self._strand.counts])
        await self._strand.drain()
        return b""

    def close(self) -> None:
        """See `Stream.close`."""
        self._strand.close()


class _Braid:
    """The streams of several prompts as one: their chunks come as they come, each with its prompt's index."""

    def __init__(self, asked: Wanted, strands: Sequence[_Strand], tasks: set[asyncio.Task[None]]) -> None:
        self._asked = asked
        self._strands = strands
        self._waiting = deque(strands)
        self._left = len(strands)
        self._blocks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)
        self._tasks = tasks  # of the backend, which waits for them when it is closed
        self._own: list[asyncio.Task[None]] = []
        self._first = b""
        self._ended = False

    async def open(self) -> Mapping[str, str]:
        """Begin with the first few; none of their headers speaks for all. Raises UpstreamFailed."""
        for _ in range(min(_TOGETHER, len(self._strands))):
            task = asyncio.ensure_future(self._work())
            self._own.append(task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            self._first = await self._next()
        except BaseException:
            self.close()
            await asyncio.wait(self._own)
            raise
        return {}

    async def read(self) -> bytes:
        """See `Stream.read`."""
        block, self._first = self._first or await self._next(), b""
        if block or self._ended:
            return block
        self._ended = True
        return closing(self._asked, [strand.counts for strand in self._strands])

    def close(self) -> None:
        """See `Stream.close`."""
        self._waiting.clear()
        for task in self._own:
            task.cancel()
        for strand in self._strands:
            strand.close()

    async def _next(self) -> bytes:
        while self._left:
            block = await self._blocks.get()
            if isinstance(block, Exception):
                raise block
            if block is not None:
                return block
            self._left -= 1
        return b""

    async def _work(self) -> None:
        """Answer waiting prompts, one after the other."""
        while self._waiting:
            strand = self._waiting.popleft()
            try:
                await strand.open()
                while block := await strand.read():
                    await self._blocks.put(block)
                await self._blocks.put(None)
                with suppress(TimeoutError, UpstreamFailed):
                    async with asyncio.timeout(_LINGER):
                        await strand.drain()
            except Exception as error:  # noqa: BLE001 - whatever it was, the reader must hear of it
                await self._blocks.put(error)
            finally:
                strand.close()
