"""Two small clients that hide nothing: one that reads HTTP, one that reads the bytes of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

_DATA = re.compile(rb"^data: ?(.*?)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer read to its end."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def data(self) -> list[bytes]:
        """What follows `data:` in each event of a stream."""
        return _DATA.findall(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON events of a stream, `[DONE]` left out."""
        return [json.loads(data) for data in self.data if data != b"[DONE]"]

    @property
    def content(self) -> str:
        """The text of a chat stream's deltas."""
        choices = [choice for event in self.events for choice in event.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


async def get(url: str, headers: Mapping[str, str] | None = None) -> Heard:
    """GET, read to the end. Errors of the connection are aiohttp's."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return await _heard(answer)


async def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> Heard:
    """POST JSON, read to the end. Errors of the connection are aiohttp's."""
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
        return await _heard(answer)


async def _heard(answer: aiohttp.ClientResponse) -> Heard:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Heard(answer.status, headers, await answer.read())


@contextlib.asynccontextmanager
async def connected(
    url: str, path: str, body: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a POST has been sent; what comes back is read as bytes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def chunks(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Head and HTTP chunks of an answer sent in chunks, exactly as they were cut.

    Raises IncompleteReadError or ConnectionError where the connection ends.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    found: list[bytes] = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        found.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return head, found
