"""One engine's HTTP session: how every connection to an engine is made, whoever builds the request."""

from __future__ import annotations

from collections.abc import Collection

import aiohttp

from passerelle.wire.destinations import NamedConnector

Session = aiohttp.ClientSession


def open_session(*, connect: float, only: Collection[str] | None) -> Session:
    """A pool that keeps no cookies and reads no proxy settings or netrc from the environment.

    `connect` bounds, in seconds, making a connection, resolving the name included; nothing else is timed here.
    `only` are the hosts that it may connect to, as in `wire/destinations`; None where a library alone knows them.
    Redirects are refused by whoever sends. Called inside the running loop; the caller closes it.
    """
    return Session(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        if only is None
        else NamedConnector(only),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding"),
        trust_env=False,
        read_bufsize=65_536,
    )
