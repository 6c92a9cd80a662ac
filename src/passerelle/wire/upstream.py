"""`Upstream`: the only way to an engine over HTTP. Pools, connection limit, error mapping, event framing.

Nothing here retries, and nothing here decides how long to wait for content: that is the gateway's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import aiohttp
import orjson
from yarl import URL

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.errors import failure, failure_inside
from passerelle.wire.sse import Framer

LONGEST_BODY = 64 * 1_048_576  # bytes of a reply that is read whole
_LONGEST_ERROR = 65_536  # bytes of an error reply that are read

Rewrite = Callable[[bytes], bytes]  # a block of whole events to one in OpenAI's dialect


class Upstream:
    """One engine's HTTP server. Opened by its backend, closed with it.

    It follows no redirect, reads no proxy settings or netrc from the environment, keeps no cookies, and sends
    only the headers it was given: a caller's headers never travel on.
    """

    def __init__(self, base: str, *, headers: Mapping[str, str], connect: float) -> None:
        self._base = base
        self._headers = {"Content-Type": "application/json", "User-Agent": "passerelle", **headers}
        self._connect = connect
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: bytes, *, request_id: str) -> aiohttp.ClientResponse:
        """The engine's reply once its head is there, status 200 made sure.

        Raises UpstreamFailed. The caller of this method closes the reply.
        """
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path)
        session = self._session or self._open()
        try:
            response = await session.post(
                url, data=body, headers={**self._headers, "X-Request-Id": request_id}, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translate(error) from error
        if response.status >= 300:
            try:
                said = await response.content.read(_LONGEST_ERROR)
            except (aiohttp.ClientError, TimeoutError, OSError):
                said = b""
            finally:
                response.close()
            raise failure(response.status, response.headers, said)
        return response

    async def get(self, path: str, *, limit: float) -> bytes:
        """The body of a small GET, such as a health check; `limit` in seconds. Raises UpstreamFailed."""
        session = self._session or self._open()
        timeout = aiohttp.ClientTimeout(total=limit, connect=self._connect)
        try:
            async with session.get(
                URL(self._base + path), headers=self._headers, allow_redirects=False, timeout=timeout
            ) as response:
                body = await response.content.read(LONGEST_BODY)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translate(error) from error
        if response.status >= 300:
            raise failure(response.status, response.headers, body[:_LONGEST_ERROR])
        return body

    def _open(self) -> aiohttp.ClientSession:
        # Opened at the first call: it needs the running loop, which does not exist when parts are built.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect),  # resolving the name included
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding"),
            trust_env=False,
            read_bufsize=65_536,
        )
        return self._session

    async def aclose(self) -> None:
        """Close the pool; calls in flight break off, so the owner waits for them first."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


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


def translate(error: BaseException) -> UpstreamFailed:
    """An exception of the HTTP client as ours, most specific first. Its text may hold addresses, never a body."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamFailed(Fault.TIMEOUT_CONNECT, "No connection to the engine within the limit.")
    if isinstance(error, (aiohttp.ClientConnectorError, ssl.SSLError)):
        return UpstreamFailed(Fault.CONNECT, "The engine cannot be reached.")
    if isinstance(error, TimeoutError):
        return UpstreamFailed(Fault.TIMEOUT_TOTAL, "The engine did not answer within the limit.")
    return UpstreamFailed(Fault.BROKEN, "The connection to the engine broke off.")
