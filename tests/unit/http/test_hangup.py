"""Who hangs up is heard, and nobody listens for an answer that was there at once."""

from __future__ import annotations

import asyncio
from typing import Any

from passerelle.http.hangup import Hangup


class Line:
    """A caller's connection, and how often it was listened to."""

    def __init__(self) -> None:
        self.listened = 0
        self.cut = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        self.listened += 1
        await self.cut.wait()
        return {"type": "http.disconnect"}


async def test_an_answer_that_is_there_at_once_listens_to_nobody() -> None:
    line = Line()
    with Hangup(line.receive) as hangup:
        hangup.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert line.listened == 0
    assert not hangup.gone


async def test_a_caller_that_hangs_up_cancels_what_it_waits_for_and_nothing_else() -> None:
    line = Line()
    asyncio.get_running_loop().call_later(0.01, line.cut.set)
    async with asyncio.timeout(5):
        with Hangup(line.receive) as hangup:
            await asyncio.Event().wait()
    assert hangup.gone
    assert line.listened == 1


async def test_a_caller_that_had_hung_up_before_is_heard_too() -> None:
    line = Line()
    line.cut.set()
    async with asyncio.timeout(5):
        with Hangup(line.receive) as hangup:
            await asyncio.Event().wait()
    assert hangup.gone


async def test_what_is_heard_after_the_end_is_no_news() -> None:
    line = Line()
    with Hangup(line.receive) as hangup:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hangup.stop()
        line.cut.set()
        await asyncio.sleep(0)
    assert not hangup.gone
