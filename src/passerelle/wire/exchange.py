"""`Exchange`: the requests that a provider's library makes for one call, sent over a session of ours.

The library builds the requests and reads the replies through httpx; the connection, its limits and what is made
of a failure are ours. httpx comes with such a library and is imported only when one is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Self, cast

import aiohttp
import orjson
from yarl import URL

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.errors import failure, failure_inside
from passerelle.wire.session import Session
from passerelle.wire.sse import Framer, data_of, events
from passerelle.wire.upstream import read_whole, translate

if TYPE_CHECKING:
    import httpx

_LONGEST_ERROR = 65_536  # bytes of an error reply that are read
# Ours to set (the connection, its encoding), or the mark of a library that asks.
_NOT_SENT = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "user-agent"}
)
# A body is handed on decoded and of a length of its own.
_NOT_READ = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid")
_READ_WHOLE = ("application/json", "text/html")


class Exchange:
    """One call's way over the wire.

    `failure` is what the engine or the connection failed with, in our words, whatever the library makes of it.
    `requests` is how many requests came this way. A stream that ends without any of `ends` has broken off, in an
    engine's protocol that says so.
    """

    __slots__ = (
        "_request_id",
        "_response",
        "_session",
        "_streams",
        "ends",
        "failure",
        "requests",
        "upstream_id",
    )

    def __init__(
        self,
        session: Session,
        *,
        request_id: str,
        streams: bool,
        ends: tuple[bytes, ...] = (),
    ) -> None:
        self._session = session
        self._request_id = request_id
        self._streams = streams
        self.ends = ends
        self._response: aiohttp.ClientResponse | None = None
        self.failure: UpstreamFailed | None = None
        self.upstream_id: str | None = None  # the engine's own request id
        self.requests = 0

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes | AsyncIterator[bytes]]:
        """Status, headers and body of the reply to one request; a stream's body comes as it arrives.

        Raises UpstreamFailed, which is also kept, when there is no reply.
        """
        self.close()
        self.failure = None
        self.requests += 1
        sent = {
            name: value
            for name, value in headers.items()
            if name.lower() not in _NOT_SENT and not name.lower().startswith("x-stainless-")
        }
        sent |= {"User-Agent": "passerelle", "X-Request-Id": self._request_id}
        try:
            response = self._response = await self._session.request(
                method, URL(url, encoded=True), data=body, headers=sent, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self.failed(translate(error, headless=True)) from error
        heard = {
            name.lower(): value for name, value in response.headers.items() if name.lower() not in _NOT_READ
        }
        self.upstream_id = next((heard[name] for name in _REQUEST_IDS if name in heard), None)
        if response.status >= 300:
            said = await self._error(response)
            self.failed(failure(response.status, response.headers, said))
            return response.status, heard, said
        if self._streams and response.content_type not in _READ_WHOLE:
            return response.status, heard, _Body(self, response)
        try:
            return response.status, heard, await read_whole(response)
        except UpstreamFailed as error:
            raise self.failed(error) from error

    async def _error(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            return await response.content.read(_LONGEST_ERROR)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return b""
        finally:
            response.close()

    def failed(self, failure: UpstreamFailed) -> UpstreamFailed:
        """Keep this failure; gives it back."""
        self.failure = failure
        return failure

    def close(self) -> None:
        """Hang up on an engine still at work. Idempotent, never waits."""
        response, self._response = self._response, None
        if response is not None:
            response.close()  # nothing to close where the body was read to its end


class _Body:
    """The body of a streamed reply; events are checked as those of every engine are.

    Events that came whole are given before the failure that arrived together with them is raised.
    """

    __slots__ = ("_exchange", "_failure", "_framer", "_open", "_over", "_ready", "_response")

    def __init__(self, exchange: Exchange, response: aiohttp.ClientResponse) -> None:
        self._exchange = exchange
        self._response = response
        self._framer = Framer() if response.content_type == "text/event-stream" else None
        self._ready: deque[bytes] = deque()
        self._failure: UpstreamFailed | None = None
        self._over = False
        self._open = bool(exchange.ends)  # what must come before the end has not come yet

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._ready:
            if self._failure is not None:
                raise self._exchange.failed(self._failure)
            if self._over:
                raise StopAsyncIteration
            try:
                data = await self._response.content.readany()
                self._take(data)
            except UpstreamFailed as error:
                self._failure = error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._failure = translate(error)
        return self._ready.popleft()

    def _take(self, data: bytes) -> None:
        if not data:
            self._over = True
            self._response.release()
        if self._framer is None:
            self._ready.extend([data] if data else [])
            return
        start = 0
        while start < len(data):  # event by event, so that what is wrong with one takes none before it along
            end = data.find(b"\n\n", start) + 2
            part = data[start : end if end > 1 else len(data)]
            self._look(self._framer.feed(part))
            start += len(part)
        if self._over:
            self._look(self._framer.flush())
            if self._open:
                raise UpstreamFailed(Fault.BROKEN, "The engine's stream ended before the answer did.")

    def _look(self, block: bytes) -> None:
        """Keep a block of whole events. Raises the UpstreamFailed that an event with an error tells of."""
        for event in events(block):
            if b'"error"' in event:
                _raise_for(event)
            if self._open and any(end in event for end in self._exchange.ends):
                self._open = False
            self._ready.append(event)


def _raise_for(event: bytes) -> None:
    try:
        payload = orjson.loads(data_of(event) or b"null")
    except orjson.JSONDecodeError:
        return  # the library says what it makes of it
    if isinstance(payload, dict) and payload.get("error"):
        raise failure_inside(payload)


def httpx_client(exchange: Exchange) -> httpx.AsyncClient:
    """An httpx client whose every request goes the way of this exchange. Closing it closes nothing."""
    import httpx  # noqa: PLC0415 - it comes with the library that needs it

    return httpx.AsyncClient(
        transport=cast("httpx.AsyncBaseTransport", _Transport(exchange)),
        trust_env=False,
        follow_redirects=False,
    )


class _Transport:
    """What httpx calls a transport; not of its class, which is not there unless httpx is."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        import httpx  # noqa: PLC0415

        status, headers, content = await self._exchange.send(
            request.method, str(request.url), headers=request.headers, body=await request.aread()
        )
        return httpx.Response(status, headers=headers, content=content)

    async def aclose(self) -> None:
        """The exchange is closed by whoever opened it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """The exchange is closed by whoever opened it."""
