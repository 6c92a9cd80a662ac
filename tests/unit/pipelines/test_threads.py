"""What waits is for other threads, and nobody waits for himself; nothing of a chain leaves for a tracing service."""

from __future__ import annotations

import asyncio
import threading

import pytest
from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.tracers import LangChainTracer
from langsmith.run_helpers import tracing_context

from passerelle.pipelines.models.threads import running, wait_for
from passerelle.pipelines.models.untraced import untraced


async def _seven() -> int:
    await asyncio.sleep(0)
    return 7


async def test_another_thread_gets_what_the_loop_works_out() -> None:
    loop = running()

    assert await asyncio.to_thread(lambda: wait_for(_seven(), loop)) == 7


async def test_the_loops_own_thread_and_no_loop_are_refused() -> None:
    for loop in (running(), None):
        with pytest.raises(RuntimeError, match="methods named"):
            wait_for(_seven(), loop)


async def test_a_loop_that_waits_for_its_own_threads_is_told_and_not_waited_for() -> None:
    loop, caught = running(), list[BaseException]()

    def work() -> None:
        try:
            wait_for(_seven(), loop, heartbeat=0.05)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()  # as a `batch` of a chain does in the loop's thread

    assert "takes no turn" in str(caught[0])


async def test_no_chain_is_traced_whatever_the_environment_says() -> None:
    def traced() -> bool:
        handlers = AsyncCallbackManager.configure().handlers
        return any(isinstance(handler, LangChainTracer) for handler in handlers)

    with tracing_context(enabled=True), untraced():
        inside = await asyncio.ensure_future(_of(traced))
        assert not inside
        assert not traced()


async def _of(ask: object) -> bool:
    assert callable(ask)
    return bool(ask())
