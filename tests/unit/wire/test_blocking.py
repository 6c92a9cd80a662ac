"""A call that blocks is made once for all who wait, never holds the process, and is given up past its limit."""

from __future__ import annotations

import asyncio
import threading

import pytest

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.blocking import Blocking


class _Work:
    """Counts its calls; each waits until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self) -> int:
        self.calls += 1
        self.threads.append(threading.current_thread())
        self.go.wait(10)
        return self.calls


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_two_hundred_who_ask_at_once_hear_one_answer() -> None:
    work = _Work()
    blocking = Blocking(seconds=5, late="late")
    asking = [asyncio.ensure_future(blocking.call("a", work)) for _ in range(200)]
    await _until(lambda: work.calls)
    work.go.set()

    assert await asyncio.gather(*asking) == [1] * 200
    assert await blocking.call("a", work) == 2  # an answer is not kept


async def test_a_caller_that_goes_leaves_the_call_to_the_others() -> None:
    work = _Work()
    blocking = Blocking(seconds=5, late="late")
    first, second = (asyncio.ensure_future(blocking.call("a", work)) for _ in range(2))
    await _until(lambda: work.calls)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go.set()

    assert await second == 1


async def test_a_failure_is_told_to_all_and_lost_to_none() -> None:
    def fail() -> None:
        raise UpstreamFailed(Fault.CONNECT, "away")

    blocking = Blocking(seconds=5, late="late")
    told = await asyncio.gather(*(blocking.call("a", fail) for _ in range(5)), return_exceptions=True)

    assert {type(each) for each in told} == {UpstreamFailed}


async def test_a_call_that_hangs_is_given_up_and_holds_neither_the_next_one_nor_the_process() -> None:
    hangs, works = _Work(), _Work()
    works.go.set()
    blocking = Blocking(seconds=0.05, late="It did not answer within the limit.")
    with pytest.raises(UpstreamFailed) as late:
        await blocking.call("a", hangs)

    assert (late.value.fault, late.value.message) == (
        Fault.TIMEOUT_CONNECT,
        "It did not answer within the limit.",
    )
    assert all(thread.daemon for thread in hangs.threads)
    assert await blocking.call("a", works) == 1
    hangs.go.set()  # its answer comes too late for anybody
    await _until(lambda: not hangs.threads[0].is_alive())
