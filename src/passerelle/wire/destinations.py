"""Where a pool may connect: only to hosts that were named to it, and that is asked before a connection is opened.

Names are `host`, `host:port`, or `*.domain` for every host below a domain; hosts are compared as they are written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from typing_extensions import override

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_PORTS = {"http": 80, "https": 443}


class NotNamed(aiohttp.ClientConnectionError):
    """A host that the configuration does not name; nothing was sent to it. Its text quotes no address."""


def origin(url: str) -> str:
    """The host and port of a URL, as a name; "" for what has no host."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname else ""


def is_named(host: str, port: int | None, names: Collection[str]) -> bool:
    """Whether a host and port are among the names."""
    if f"{host}:{port}" in names or host in names:
        return True
    domain = host
    while "." in domain:
        domain = domain.partition(".")[2]
        if f"*.{domain}" in names:
            return True
    return False


class NamedConnector(aiohttp.TCPConnector):
    """A pool of connections to named hosts; every request asks it, one that follows a redirect too."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(limit=0, keepalive_timeout=30)
        self._names = names

    @override
    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        url = req.url
        if not is_named(url.host or "", url.port, self._names):
            raise NotNamed("the address is not one that the configuration names")
        return await super().connect(req, traces, timeout)
