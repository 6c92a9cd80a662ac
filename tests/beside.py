"""An event loop in a thread beside the test's own: where a service lives that plain functions call and wait for."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

import pytest

Made = TypeVar("Made")


class Beside:
    """The loop. What runs in it is waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, Made]) -> Made:
        """Its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @contextmanager
    def entered(self, opened: AbstractAsyncContextManager[Made]) -> Iterator[Made]:
        """What is opened there, and closed there at the end."""
        made = self.run(opened.__aenter__())
        try:
            yield made
        finally:
            self.run(opened.__aexit__(None, None, None))


@contextmanager
def beside() -> Iterator[Beside]:
    """A loop that runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="beside")
    thread.start()
    try:
        yield Beside(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def is_async(request: pytest.FixtureRequest) -> bool:
    """Whether the test that asks for a fixture runs in the test's own loop."""
    return inspect.iscoroutinefunction(request.function)
