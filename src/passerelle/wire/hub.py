"""TGI's native API through Hugging Face's own client, `huggingface_hub.AsyncInferenceClient`, on our transport.

The library words the request (`text_generation`), reads the events and names TGI's errors. Its bytes travel through
`Upstream`: our pool, our token and limits, no redirect, no proxy of the environment, no login stored on the machine.
What the library would do with a connection of its own (wait for ever, carry a token along a redirect, keep each
stream until the client is closed) cannot happen to one of ours. So one client is opened for each call and closed in
every case.

The transport is given to that one client, not to `huggingface_hub.set_async_client_factory`: the factory is the whole
process's, whoever sets it last wins, and a token would then follow redirects without anybody noticing. The price is
one private attribute, checked before each request: where it moves, calls fail and nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from typing_extensions import override

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.errors import failure, failure_inside
from passerelle.wire.upstream import HttpStream, Upstream, expect_events, not_a_stream, read_whole

# The library wants a token, else it reads the one stored on the machine. Ours is added by `Upstream`; this one stays here.
_NO_LOGIN = "unused"

# Ends of lines for the library's HTTP client, plain characters for JSON, which may hold them as they are.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


@dataclass(frozen=True, slots=True)
class Asked:
    """One call. `url` is the whole route's; `parameters` are keyword arguments of `text_generation`."""

    url: str
    prompt: str
    parameters: Mapping[str, Any]
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generated:
    """A whole answer: the output as TGI's OpenAPI document has it, absent fields None; and the reply's headers."""

    output: dict[str, Any]
    headers: Mapping[str, str]


class HubClient:
    """Opens a library client for each call. Its owner closes it after its calls and before their `Upstream`."""

    def __init__(self) -> None:
        self._library: Any = None
        self._closing: set[asyncio.Task[None]] = set()

    async def generate(self, upstream: Upstream, asked: Asked) -> Generated:
        """A whole answer. Raises UpstreamFailed; a cancelled call has hung up when it returns."""
        wire = _Wire(upstream, asked, streams=False)
        client = await self._open(wire)
        try:
            output = await client.text_generation(asked.prompt, details=True, **asked.parameters)
            return Generated(_checked(output), wire.headers)
        except _FAILURES as error:
            raise translate_hub(error) from error
        finally:
            await client.close()

    async def stream(self, upstream: Upstream, asked: Asked) -> TokenStream:
        """A stream whose head is there, which its holder closes. Raises UpstreamFailed as `generate` does."""
        wire = _Wire(upstream, asked, streams=True)
        client = await self._open(wire)
        try:
            events = await client.text_generation(asked.prompt, details=True, stream=True, **asked.parameters)
        except BaseException as error:
            wire.hang_up()
            await client.close()
            if isinstance(error, _FAILURES):
                raise translate_hub(error) from error
            raise
        return TokenStream(wire, client, events, self._closing)

    async def _open(self, wire: _Wire) -> Any:
        """A library client that speaks through `wire` and through nothing else."""
        if self._library is None:
            self._library = await asyncio.to_thread(_load)
        client = self._library(model=wire.url, token=_NO_LOGIN)
        # How long to wait is the gateway's to say: it cancels.
        ours = httpx2.AsyncClient(transport=wire, trust_env=False, follow_redirects=False, timeout=None)
        client._async_client = await client.exit_stack.enter_async_context(ours)
        taken = getattr(client, "_get_async_client", None)
        if taken is None or await taken() is not ours:
            await client.close()
            raise UpstreamFailed(Fault.UNSUPPORTED, "This huggingface_hub takes no transport of ours.")
        return client

    async def aclose(self) -> None:
        """Wait until every client of a stream that was let go is closed."""
        while self._closing:
            await asyncio.gather(*self._closing)


class TokenStream:
    """The events of one stream as TGI's OpenAPI document has them. Closing hangs up at once and never waits."""

    __slots__ = ("_client", "_closed", "_closing", "_events", "_wire")

    def __init__(
        self, wire: _Wire, client: Any, events: AsyncIterator[Any], closing: set[asyncio.Task[None]]
    ) -> None:
        self._wire = wire
        self._client = client
        self._events = events
        self._closing = closing
        self._closed = False

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the reply."""
        return self._wire.headers

    async def read(self) -> dict[str, Any] | None:
        """The next event, None at the end. Raises UpstreamFailed, also for an error inside the stream."""
        try:
            return _checked(await anext(self._events))
        except StopAsyncIteration:
            return None
        except _FAILURES as error:
            raise translate_hub(error) from error

    def close(self) -> None:
        """Hang up on an engine still at work; what the library keeps is given back in the background. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._wire.hang_up()
        task = asyncio.ensure_future(self._give_back())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _give_back(self) -> None:
        # Hung up, the stream is at its end: read on, so that none of the library's generators is left half-way.
        with contextlib.suppress(UpstreamFailed, *_FAILURES):
            async for _ in self._events:
                pass
        await self._client.close()


class _Wire(httpx2.AsyncBaseTransport):
    """Carries the one request of one library client. Of what the library would send, only the body leaves."""

    def __init__(self, upstream: Upstream, asked: Asked, *, streams: bool) -> None:
        self._upstream = upstream
        self._asked = asked
        self._streams = streams
        self.url = asked.url
        self._stream: HttpStream | None = None
        self.headers: Mapping[str, str] = {}

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The reply once its head is there, or whole where that was asked for."""
        asked = self._asked
        response = await self._upstream.post(
            asked.url, await request.aread(), request_id=asked.request_id, headers=asked.headers
        )
        self.headers = response.headers
        if self._streams and expect_events(response):
            self._stream = HttpStream(response, _keep_lines)
            return httpx2.Response(200, stream=_Events(self._stream))
        raw = await read_whole(response)
        if self._streams:
            raise not_a_stream(raw)
        return httpx2.Response(200, content=raw)

    def hang_up(self) -> None:
        """Close the connection unless its reply was read to the end."""
        if self._stream is not None:
            self._stream.close()


class _Events(httpx2.AsyncByteStream):
    """The blocks of a stream, for the library to cut into lines."""

    def __init__(self, stream: HttpStream) -> None:
        self._stream = stream

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while block := await self._stream.read():
            yield block

    @override
    async def aclose(self) -> None:
        self._stream.close()


def _keep_lines(block: bytes) -> bytes:
    """The same JSON with no character in it that the library's HTTP client would end a line at."""
    if not block.isascii():
        for character, escaped in _LINE_ENDS:
            block = block.replace(character, escaped)
    return block


def _load() -> Any:
    """The library's class; the first import takes most of a second, which is why it happens in a thread."""
    from huggingface_hub import AsyncInferenceClient  # noqa: PLC0415 - only where it is used

    return AsyncInferenceClient


def _checked(output: Any) -> dict[str, Any]:
    """An output of the library as plain dicts. Raises UpstreamFailed for one that is none of TGI's."""
    if not isinstance(output, dict):
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer is not a JSON object.")
    if output.get("error"):
        raise failure_inside(dict(output))
    return dict(output)


# What the library and its HTTP client raise, and what parsing a reply that is not TGI's runs into.
_FAILURES = (
    httpx2.HTTPError,  # the library's own errors among them
    httpx2.StreamError,
    httpx2.InvalidURL,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)

# The library's classes by TGI's `error_type`: the fault, and the status TGI gives it outside a stream.
_BY_TYPE = {
    "ValidationError": (Fault.REQUEST, 422, "validation"),
    "OverloadedError": (Fault.OVERLOADED, 429, "overloaded"),
    "GenerationError": (Fault.SERVER, 424, "generation"),
    "IncompleteGenerationError": (Fault.SERVER, 500, "incomplete_generation"),
}


def translate_hub(error: BaseException) -> UpstreamFailed:
    """An exception of the library or its HTTP client as ours, most specific first."""
    from huggingface_hub import errors  # noqa: PLC0415 - long imported by whatever raised

    if isinstance(error, errors.TextGenerationError):
        return _told_by_tgi(error)
    if isinstance(error, errors.HfHubHTTPError):
        said = (error.server_message or "").encode()
        return failure(error.response.status_code, error.response.headers, said)
    if isinstance(error, httpx2.ConnectTimeout) or isinstance(error.__cause__, httpx2.ConnectTimeout):
        return UpstreamFailed(Fault.TIMEOUT_CONNECT, "No connection to the engine within the limit.")
    if isinstance(error, (errors.InferenceTimeoutError, httpx2.TimeoutException)):
        return UpstreamFailed(Fault.TIMEOUT_TOTAL, "The engine did not answer within the limit.")
    if isinstance(error, httpx2.ConnectError):
        return UpstreamFailed(Fault.CONNECT, "The engine cannot be reached.")
    if isinstance(error, (httpx2.HTTPError, httpx2.StreamError, OSError)):
        return UpstreamFailed(Fault.BROKEN, "The connection to the engine broke off.")
    return UpstreamFailed(Fault.BROKEN, "The engine's answer was not understood.")


def _told_by_tgi(error: Exception) -> UpstreamFailed:
    """What TGI says of its own failure. Only what the caller can mend is told in TGI's words."""
    said = error.args[0] if error.args else ""
    known = _BY_TYPE.get(type(error).__name__)
    if known is None:  # a type the library does not know, or the error of an OpenAI route
        return failure_inside({"error": said})
    fault, status, code = known
    words = str(said)[:_LONGEST_MESSAGE] if fault is Fault.REQUEST else ""
    return UpstreamFailed(
        fault, "The engine answered 200 with an error inside.", told=Told(status, words, code=code)
    )


_LONGEST_MESSAGE = 500  # characters of TGI's own words that a caller is shown
