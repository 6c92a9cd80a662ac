"""A file that is made as it is read: whole or broken off, never half and taken for whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import NotFound
from passerelle.http.downloads import Download
from passerelle.http.vigil import HANG_UP_SCOPE, Vigil

_CALLER = Caller("key_m", "acme", Role.MEMBER)


class _Line:
    """A connection: what was sent on it, whether it was dropped, and whether the caller has hung up."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.dropped = False
        self.gone = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    def drop(self) -> None:
        self.dropped = True

    async def give(self, blocks: AsyncGenerator[bytes, None], **scope: Any) -> None:
        reply = Download(
            blocks, name="x.csv", media_type="text/csv", vigil=Vigil(lambda _: True), caller=_CALLER
        )
        await reply({"type": "http", HANG_UP_SCOPE: self.drop, **scope}, self.receive, self.send)


async def _blocks(*blocks: bytes, error: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for block in blocks:
        yield block
    if error is not None:
        raise error


async def test_a_file_is_sent_block_by_block_to_be_saved() -> None:
    line = _Line()
    await line.give(_blocks(b"a", b"", b"b"))
    head, *bodies = line.sent
    headers = dict(head["headers"])
    assert headers[b"content-disposition"] == b'attachment; filename="x.csv"'
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"content-length" not in headers
    assert [(each["body"], each.get("more_body", False)) for each in bodies] == [
        (b"a", True),
        (b"b", True),
        (b"", False),
    ]


async def test_an_empty_file_is_one_too() -> None:
    line = _Line()
    await line.give(_blocks())
    assert [each["type"] for each in line.sent] == ["http.response.start", "http.response.body"]


async def test_what_goes_wrong_first_is_a_reply_of_its_own() -> None:
    line = _Line()
    with pytest.raises(NotFound):
        await line.give(_blocks(error=NotFound("There is no such job.")))
    assert line.sent == []


async def test_what_goes_wrong_later_drops_the_connection() -> None:
    line = _Line()
    await line.give(_blocks(b"a", error=RuntimeError("secret words")))
    assert (line.dropped, [each.get("body") for each in line.sent]) == (True, [None, b"a"])
    with pytest.raises(RuntimeError):  # where there is no connection to drop
        await line.give(_blocks(b"a", error=RuntimeError()), **{HANG_UP_SCOPE: None})


async def test_nothing_more_is_made_for_a_caller_who_is_gone() -> None:
    line, closed = _Line(), asyncio.Event()

    async def forever() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"a"
                await asyncio.sleep(0)
                line.gone.set()
        finally:
            closed.set()

    await asyncio.wait_for(line.give(forever()), 5)
    assert closed.is_set()
    assert line.sent[-1].get("more_body") is True
