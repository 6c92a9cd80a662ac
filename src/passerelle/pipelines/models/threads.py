"""LangChain's methods that wait, for other threads than the one whose event loop the gateway lives in.

In that thread they would wait for themselves, for ever: there they are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from threading import Event
from typing import Any, TypeVar, cast

Result = TypeVar("Result")

_HEARTBEAT = 10.0  # seconds in which a loop that is not blocked takes a turn


def running() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread, if there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wait_for(
    work: Coroutine[Any, Any, Result],
    loop: asyncio.AbstractEventLoop | None,
    *,
    heartbeat: float = _HEARTBEAT,
) -> Result:
    """Its result, worked out in that loop while this thread waits.

    Raises RuntimeError in the loop's own thread, and where the loop takes no turn: a `batch` that was called in its
    thread blocks it until threads are done which wait for it.
    """
    if loop is None or loop is running() or loop.is_closed():
        work.close()
        raise RuntimeError(
            "This is for threads beside the gateway's event loop; in it, use the methods named `a…`."
        )
    alive = Event()
    loop.call_soon_threadsafe(alive.set)
    if not alive.wait(heartbeat):
        work.close()
        raise RuntimeError(
            "The gateway's event loop takes no turn: something in its thread waits for this. Use the methods named `a…`."
        )
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def each_of(
    stream: AsyncGenerator[Result, None], loop: asyncio.AbstractEventLoop | None
) -> Generator[Result, None, None]:
    """What it gives, each waited for as `wait_for` does. Whoever leaves before the end closes it. Raises RuntimeError."""
    over = object()

    async def step() -> Result | object:
        return await anext(stream, over)

    async def close() -> None:
        await stream.aclose()

    begun = False
    try:
        while (given := wait_for(step(), loop)) is not over:
            begun = True
            yield cast("Result", given)
    finally:
        if begun:  # where nothing was given, it has ended itself or never began
            wait_for(close(), loop)
