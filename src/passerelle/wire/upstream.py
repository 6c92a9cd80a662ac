"""`Upstream`: the only way to an engine over HTTP. Pools, connection limit, error mapping, event framing.

Nothing here retries, and nothing here decides how long to wait for content: that is the gateway's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping

import aiohttp
import orjson
from yarl import URL

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.destinations import NotNamed, origin
from passerelle.wire.errors import failure, failure_inside
from passerelle.wire.session import open_session
from passerelle.wire.sse import Framer

LONGEST_BODY = 64 * 1_048_576  # bytes of a reply that is read whole
_MOST_URLS = 1_000  # remembered in their parsed form
_LONGEST_ERROR = 65_536  # bytes of an error reply that are read

Rewrite = Callable[[bytes], bytes]  # a block of whole events to one in OpenAI's dialect


class Upstream:
    """One engine's HTTP server. Opened by its backend, closed with it.

    It connects to hosts that were named to it and to no others, follows no redirect, reads no proxy settings or netrc from the environment, keeps no cookies, and sends
    only the headers it was given: a caller's headers never travel on.
    """

    def __init__(
        self, base: str, *, headers: Mapping[str, str], connect: float, names: Collection[str] | None = None
    ) -> None:
        """`names`: the hosts it may connect to, as in `wire/destinations`; that of the base, if unsaid."""
        self._base = base
        self._headers = {"Content-Type": "application/json", "User-Agent": "passerelle", **headers}
        self._connect = connect
        self._names = frozenset({origin(base)}) if names is None else frozenset(names)
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def base(self) -> str:
        """Where relative paths begin."""
        return self._base

    async def post(
        self, path: str, body: bytes, *, request_id: str, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """The engine's reply once its head is there, status 200 made sure.

        `path` follows the base, unless it is a whole URL; `headers` are those of this request alone. Raises
        UpstreamFailed. The caller of this method closes the reply.
        """
        url = self._urls.get(path)
        if url is None:
            if len(self._urls) >= _MOST_URLS:
                self._urls.clear()
            url = self._urls[path] = URL(self._whole(path))
        session = self._session or self._open()
        sent = {**self._headers, "X-Request-Id": request_id}
        if headers:
            sent.update(headers)
        try:
            response = await session.post(url, data=body, headers=sent, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translate(error, headless=True) from error
        if response.status >= 300:
            try:
                said = await _read_up_to(response.content, _LONGEST_ERROR)
            except (aiohttp.ClientError, TimeoutError, OSError):
                said = b""
            finally:
                response.close()
            raise failure(response.status, response.headers, said)
        return response

    def _whole(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else self._base + path

    async def get(self, path: str, *, limit: float, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of a small GET, such as a health check; `limit` in seconds. Raises UpstreamFailed."""
        session = self._session or self._open()
        timeout = aiohttp.ClientTimeout(total=limit, connect=self._connect)
        try:
            async with session.get(
                URL(self._whole(path)),
                headers={**self._headers, **(headers or {})},
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                body = await _read_up_to(response.content, LONGEST_BODY)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translate(error) from error
        if response.status >= 300:
            raise failure(response.status, response.headers, body[:_LONGEST_ERROR])
        return body

    def _open(self) -> aiohttp.ClientSession:
        # Opened at the first call: it needs the running loop, which does not exist when parts are built.
        self._session = open_session(connect=self._connect, only=self._names)
        return self._session

    async def aclose(self) -> None:
        """Close the pool; calls in flight break off, so the owner waits for them first."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _read_up_to(content: aiohttp.StreamReader, most: int) -> bytes:
    """The body as far as it is read: `read(n)` alone gives what has arrived so far."""
    parts: list[bytes] = []
    left = most
    while left > 0 and (part := await content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    """The whole body of a reply, which is closed or given back to the pool. Raises UpstreamFailed."""
    if (response.content_length or 0) > LONGEST_BODY:
        response.close()
        raise UpstreamFailed(Fault.BROKEN, f"The engine's answer is longer than {LONGEST_BODY} bytes.")
    parts: list[bytes] = []
    size = 0
    try:
        while part := await response.content.readany():
            parts.append(part)
            size += len(part)
            if size > LONGEST_BODY:
                raise UpstreamFailed(
                    Fault.BROKEN, f"The engine's answer is longer than {LONGEST_BODY} bytes."
                )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        response.close()
        raise translate(error) from error
    except BaseException:
        response.close()  # cancelled: hang up on the engine
        raise
    response.release()
    return parts[0] if len(parts) == 1 else b"".join(parts)


class HttpStream:
    """A streamed reply as blocks of whole events in OpenAI's dialect."""

    __slots__ = ("_content", "_ended", "_framer", "_response", "_rewrite")

    def __init__(self, response: aiohttp.ClientResponse, rewrite: Rewrite | None = None) -> None:
        self._response = response
        self._content = response.content
        self._framer = Framer()
        self._rewrite = rewrite
        self._ended = False

    async def read(self) -> bytes:
        """The next block; b"" at the end. Raises UpstreamFailed."""
        while not self._ended:
            try:
                data = await self._content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise translate(error) from error
            if data:
                block = self._framer.feed(data)
            else:
                self._ended = True
                self._response.release()
                block = self._framer.flush()
            if block and self._rewrite is not None:
                block = self._rewrite(block)
            if block:
                return block
        return b""

    def close(self) -> None:
        """Hang up unless the reply was read to its end."""
        if not self._ended:
            self._ended = True
            self._response.close()


def expect_events(response: aiohttp.ClientResponse) -> bool:
    """True when the reply to a streamed request is a stream, as it should be."""
    return response.content_type == "text/event-stream"


def not_a_stream(body: bytes) -> UpstreamFailed:
    """The failure of an engine that answered a streamed request with something else."""
    from_json = _loads(body)
    if isinstance(from_json, dict) and from_json.get("error"):
        return failure_inside(from_json)
    return UpstreamFailed(
        Fault.BROKEN, "The engine answered a streamed request with something that is not a stream."
    )


def _loads(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def translate(error: BaseException, *, headless: bool = False) -> UpstreamFailed:
    """An exception of the HTTP client as ours, most specific first. Its text may hold addresses, never a body.

    `headless`: it came before the head of a reply.
    """
    if isinstance(error, NotNamed):
        return UpstreamFailed(Fault.PLACE, f"Nothing was sent: {error}.")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamFailed(Fault.TIMEOUT_CONNECT, "No connection to the engine within the limit.")
    if isinstance(error, (aiohttp.ClientConnectorError, ssl.SSLError)):
        return UpstreamFailed(Fault.CONNECT, "The engine cannot be reached.")
    if isinstance(error, TimeoutError):
        return UpstreamFailed(Fault.TIMEOUT_TOTAL, "The engine did not answer within the limit.")
    return UpstreamFailed(Fault.BROKEN, "The connection to the engine broke off.", headless=headless)
