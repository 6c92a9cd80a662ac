"""A pool connects to hosts that were named to it, and a connection to any other is never opened."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
import pytest

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.destinations import NotNamed, is_named, origin
from passerelle.wire.session import open_session
from passerelle.wire.upstream import Upstream


class Listener:
    """Counts connections; answers the first bytes of each with a redirect elsewhere."""

    def __init__(self, location: str = "") -> None:
        self.connections = 0
        self._location = location

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.read(65_536)
        status = f"307 Elsewhere\r\nLocation: {self._location}" if self._location else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    ("host", "port", "permitted"),
    [
        ("api.example.org", 443, True),
        ("api.example.org", 8443, False),
        ("any.example.net", 1, True),
        ("a.b.clouds.example", 443, True),
        ("clouds.example", 443, False),
        ("evilclouds.example", 443, False),
        ("example.org", 443, False),
        ("", None, False),
    ],
)
def test_hosts_ports_and_domains(host: str, port: int | None, permitted: bool) -> None:
    names = {"api.example.org:443", "any.example.net", "*.clouds.example"}

    assert is_named(host, port, names) is permitted


def test_the_origin_of_a_url() -> None:
    assert origin("https://api.example.org/v1") == "api.example.org:443"
    assert origin("http://Host:8000") == "host:8000"
    assert origin("") == ""
    assert origin("https://h:x/") == ""


async def test_a_host_that_is_not_named_hears_nothing() -> None:
    async with Listener() as here, Listener() as there:
        upstream = Upstream(here.url, headers={}, connect=3.0)
        try:
            assert await upstream.get("/v1", limit=5) == b"{}"
            with pytest.raises(UpstreamFailed) as refused:
                await upstream.get(f"{there.url}/v1", limit=5)
            with pytest.raises(UpstreamFailed) as posted:
                await upstream.post(f"{there.url}/v1", b"{}", request_id="r")
        finally:
            await upstream.aclose()

    assert (here.connections, there.connections) == (1, 0)
    assert {refused.value.fault, posted.value.fault} == {Fault.PLACE}
    assert str(there.port) not in refused.value.message


async def test_an_upstream_without_a_base_goes_where_it_is_told_to_and_nowhere_without() -> None:
    async with Listener() as here:
        for names, connections in ((frozenset({origin(here.url)}), 1), (None, 0)):
            here.connections = 0
            upstream = Upstream("", headers={}, connect=3.0, names=names)
            try:
                if names:
                    await upstream.get(f"{here.url}/x", limit=5)
                else:
                    with pytest.raises(UpstreamFailed):
                        await upstream.get(f"{here.url}/x", limit=5)
            finally:
                await upstream.aclose()
            assert here.connections == connections


async def test_a_redirect_leads_to_no_other_host_even_where_one_is_followed() -> None:
    async with Listener() as there, Listener(f"{there.url}/stolen") as here:
        async with open_session(connect=3.0, only={origin(here.url)}) as session:
            with pytest.raises(NotNamed):
                async with session.get(here.url, allow_redirects=True, timeout=aiohttp.ClientTimeout(5)):
                    raise AssertionError("it was followed")

        assert (here.connections, there.connections) == (1, 0)
