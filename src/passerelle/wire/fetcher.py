"""The one way to a URL that a caller or a document names: guarded, so that nobody has us ask our own network.

A name is resolved once, every address it has must be public, and the socket goes to such an address; TLS and the
`Host` header keep the name. Redirects are followed by hand, each judged like the first URL. Size on the wire, size
decompressed, time, media type and number of redirects are bounded. No cookies, no credentials, no referrer, and no
proxy or netrc from the environment. What remains is the network's: a rule there is the only complete guard.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from passerelle.domain.errors import UpstreamFailed
from passerelle.wire.blocking import Blocking
from passerelle.wire.errors import retry_after_of
from passerelle.wire.fetched import Fetched, FetchFailed, FetchLimits, FetchRefused, NotModified, Seen
from passerelle.wire.foreign_urls import Rules, Target, read_redirect, read_url
from passerelle.wire.inflating import Inflating, Undecodable
from passerelle.wire.public_addresses import Network, reachable_as

Resolver = Callable[[str], Awaitable[Sequence[str]]]  # a name to all its addresses; raises OSError

ANYWHERE_PUBLIC = Rules()
_MOST_ADDRESSES = 8  # of one name that are tried
_LOOKUP = 10.0  # seconds for which a lookup is joined by others
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,256}")
_ENCODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# Codecs that are no character sets of documents, or take quadratic time.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


class SystemResolver:
    """The machine's resolver, asked for the absolute name: no search domain is appended to it."""

    def __init__(self) -> None:
        self._calls = Blocking(seconds=_LOOKUP, late="The name was not resolved in time.")

    async def __call__(self, host: str) -> Sequence[str]:
        """All addresses of a name. Raises OSError."""
        ask = partial(socket.getaddrinfo, host + ".", None, type=socket.SOCK_STREAM)
        try:
            found = await self._calls.call(host, ask)
        except UpstreamFailed as late:
            raise TimeoutError(late.message) from late
        return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches documents. Holds no connection between two fetches, so there is nothing to close.

    `exceptions` opens networks that are not public, for tests and for an operator who knows them to be harmless;
    link-local and metadata addresses stay closed. `trust` replaces the usual authorities of certificates.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        resolver: Resolver | None = None,
        exceptions: Sequence[Network] = (),
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._resolve = resolver or SystemResolver()
        self._exceptions = tuple(exceptions)
        self._trust = trust

    async def fetch(
        self, url: str, *, rules: Rules = ANYWHERE_PUBLIC, seen: Seen | None = None
    ) -> Fetched | NotModified:
        """The document at a URL, or the word that it is what it was when it was `seen`.

        Raises FetchRefused when these rules or limits forbid it, or the answer is final; FetchFailed when another
        time may do better.
        """
        target = read_url(url, rules)
        try:
            async with asyncio.timeout(self._limits.total):
                for hop in range(self._limits.redirects + 1):
                    answer = await self._visit(target, url, rules, seen, redirected=hop > 0)
                    if not isinstance(answer, Target):
                        return answer
                    target = answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _translate(error, target.host) from error
        raise FetchRefused(
            "url_redirect",
            f"It redirects more than {self._limits.redirects} times.",
            "Give the URL where it ends.",
        )

    async def _visit(
        self, target: Target, url: str, rules: Rules, seen: Seen | None, *, redirected: bool
    ) -> Fetched | NotModified | Target:
        """One request: a document, none needed, or where to go on."""
        addresses = await self._addresses(target, rules, redirected=redirected)
        # What was seen elsewhere says nothing here.
        if seen is not None and seen.final_url != target.url:
            seen = None
        async with self._open(target, addresses) as session:
            response = await session.get(_built(target), headers=self._headers(seen), allow_redirects=False)
            try:
                if response.status in _REDIRECTS:
                    return read_redirect(target, response.headers.get("Location"), rules)
                if response.status == 304 and seen is not None:
                    return NotModified(url, _validators(response, target, seen))
                _expect(response, target, self._limits)
                content = await self._body(response)
            finally:
                response.close()
        now = _validators(response, target, Seen(target.url))
        return Fetched(
            url=url,
            final_url=target.url,
            content=content,
            content_type=response.content_type,
            charset=_charset(response),
            etag=now.etag,
            last_modified=now.last_modified,
        )

    async def _addresses(self, target: Target, rules: Rules, *, redirected: bool) -> Sequence[str]:
        """The addresses to connect to: all that the name has, or none of them."""
        found: Sequence[str] = [target.host]
        if not target.literal:
            try:
                async with asyncio.timeout(self._limits.connect):
                    found = await self._resolve(target.host)
            except (OSError, UnicodeError) as error:
                if isinstance(error, socket.gaierror) and error.errno in _UNKNOWN:
                    found = ()
                else:
                    raise FetchFailed(
                        "url_unresolved", f"The name {target.host} cannot be resolved now."
                    ) from error
        if not found:
            raise FetchRefused(
                "url_unknown_host",
                f"The host {target.host} does not exist.",
                "Correct the URL.",
                redirected=redirected,
            )
        checked = [
            reachable_as(address, denied=rules.denied, exceptions=self._exceptions) for address in found
        ]
        public = list(dict.fromkeys(address for address in checked if address is not None))
        if None in checked:
            raise FetchRefused(
                "url_address",
                f"The host {target.host} has an address that is not public, or that is denied.",
                "Give a public URL, or upload the document.",
                redirected=redirected,
            )
        return public[:_MOST_ADDRESSES]

    def _open(self, target: Target, addresses: Sequence[str]) -> aiohttp.ClientSession:
        """A session for one request, whose sockets go to these addresses and to no other."""
        connector = aiohttp.TCPConnector(
            resolver=_Checked(target, addresses),
            use_dns_cache=False,
            force_close=True,
            limit=1,
            ssl=self._trust or True,
            socket_factory=partial(_socket_to, frozenset(addresses)),
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._limits.connect, sock_read=self._limits.stall
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=65_536,
        )

    def _headers(self, seen: Seen | None) -> dict[str, str]:
        headers = {
            "Accept": ", ".join(sorted(self._limits.types)),
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "passerelle",
        }
        if seen is not None and seen.etag and _VALIDATOR.fullmatch(seen.etag):
            headers["If-None-Match"] = seen.etag
        if seen is not None and seen.last_modified and _VALIDATOR.fullmatch(seen.last_modified):
            headers["If-Modified-Since"] = seen.last_modified
        return headers

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, decompressed; both sizes bounded."""
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if len(response.headers.getall("Content-Encoding", [])) > 1 or encoding not in _ENCODINGS:
            raise FetchRefused(
                "url_encoding",
                "The document is compressed in a way that was not asked for.",
                "Upload the document.",
            )
        if (response.content_length or 0) > self._limits.size:
            raise self._too_large()
        inflating = Inflating(_ENCODINGS[encoding]) if _ENCODINGS[encoding] else None
        content = bytearray()
        arrived = 0
        while data := await response.content.readany():
            arrived += len(data)
            if arrived > self._limits.size:
                raise self._too_large()
            for piece in inflating.feed(data) if inflating else (data,):
                content += piece
                if len(content) > self._limits.size:
                    raise self._too_large()
                await asyncio.sleep(0)  # others may go on, and the time limit is seen
        if inflating:
            inflating.finish()
        return bytes(content)

    def _too_large(self) -> FetchRefused:
        return FetchRefused(
            "url_too_large",
            f"The document is longer than {self._limits.size} bytes.",
            "Give a smaller document, or raise the limit.",
        )


class _Checked(AbstractResolver):
    """Gives one name the addresses that were checked, and knows no other name."""

    def __init__(self, target: Target, addresses: Sequence[str]) -> None:
        self._target = target
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses, with the families that are theirs."""
        if (host, port) != (self._target.host, self._target.port):
            raise OSError("another name than the one that was checked")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _socket_to(addresses: frozenset[str], info: tuple[Any, ...]) -> socket.socket:
    """A socket, unless it is for another address than those: a second lock, whatever the HTTP client does."""
    family, kind, protocol, _, where = info
    if where[0] not in addresses:
        raise PermissionError("another address than those that were checked")
    return socket.socket(family, kind, protocol)


_UNKNOWN = frozenset(
    {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
)  # the name system has answered: there is none


def _built(target: Target) -> URL:
    """The URL for the HTTP client, which must read the same host and port in it. Raises FetchRefused."""
    url = URL(target.url, encoded=True)
    if (url.scheme, url.raw_host, url.port, url.user) != (target.scheme, target.host, target.port, None):
        raise FetchRefused("url_invalid", "The URL can be read in two ways.", "Write it in another form.")
    return url


def _expect(response: aiohttp.ClientResponse, target: Target, limits: FetchLimits) -> None:
    """Status and media type are such that the body is worth reading. Raises FetchRefused or FetchFailed."""
    status = response.status
    if status in _LATER:
        raise FetchFailed(
            "url_status",
            f"The host {target.host} answers {status}.",
            status=status,
            retry_after=retry_after_of(response.headers),
        )
    if status not in (200, 203):
        raise FetchRefused(
            "url_status", f"The host {target.host} answers {status}.", "Correct the URL.", status=status
        )
    if response.content_type not in limits.types:
        said = response.content_type if len(response.content_type) <= 100 else "something"
        raise FetchRefused(
            "url_type",
            f"The document is {said}, which is not read.",
            f"Permitted are: {', '.join(sorted(limits.types))}.",
        )


def _validators(response: aiohttp.ClientResponse, target: Target, before: Seen) -> Seen:
    """What the answer says of the document's state, or else what was known before."""
    etag = response.headers.get("ETag", "").strip()
    modified = response.headers.get("Last-Modified", "").strip()
    return replace(
        before,
        final_url=target.url,
        etag=etag if _VALIDATOR.fullmatch(etag) else before.etag,
        last_modified=modified if _VALIDATOR.fullmatch(modified) else before.last_modified,
    )


def _charset(response: aiohttp.ClientResponse) -> str | None:
    """The character set the server names, if Python reads it as one."""
    name = (response.charset or "").strip().lower()
    if not name or name.replace("-", "_") in _NO_CHARSETS:
        return None
    try:
        b"a".decode(name)
    except (LookupError, ValueError):  # unknown, not one of text, or not a name at all
        return None
    return name


def _translate(error: BaseException, host: str) -> FetchRefused | FetchFailed:
    """An exception of the HTTP client as ours, most specific first."""
    if isinstance(error, Undecodable):
        return FetchRefused("url_encoding", "The document cannot be decompressed.", "Upload the document.")
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return FetchRefused(
            "url_tls", f"The host {host} does not prove by TLS that it is this host.", "Correct the URL."
        )
    if isinstance(error, (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError)):
        return FetchFailed("url_unreachable", f"The host {host} cannot be reached.")
    if isinstance(error, TimeoutError):
        return FetchFailed("url_timeout", f"The host {host} does not send the document in time.")
    return FetchFailed(
        "url_broken", f"The host {host} breaks its answer off, or sends none that can be read."
    )
