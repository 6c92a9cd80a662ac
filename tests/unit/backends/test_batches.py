"""However inputs are cut, each is answered once, in its place; and one failure ends everything."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.batches import AT_ONCE, TooMany, in_batches, split
from passerelle.domain.errors import Fault, UpstreamFailed

_MOST = st.integers(1, 40)


@given(st.lists(st.integers(), max_size=300), _MOST)
def test_a_split_keeps_order_and_count_and_makes_no_batch_too_many(items: list[int], most: int) -> None:
    batches = split(items, most)

    assert [item for batch in batches for item in batch] == items
    assert all(1 <= len(batch) <= most for batch in batches)
    assert len(batches) == -(-len(items) // most)


@given(
    st.lists(st.integers(), min_size=1, max_size=300),
    _MOST,
    _MOST,
    st.randoms(use_true_random=False),
)
def test_answers_stand_in_the_order_of_the_items_whatever_an_engine_takes_at_once(
    items: list[int], most: int, really: int, random: object
) -> None:
    flying = highest = 0

    async def send(batch: Sequence[int]) -> list[int]:
        nonlocal flying, highest
        if len(batch) > really:
            raise TooMany(really)
        flying += 1
        highest = max(highest, flying)
        for _ in range(random.randint(0, 3)):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        flying -= 1
        return [item + 1 for item in batch]

    answers = asyncio.run(in_batches(items, send, most=most))

    assert [answer for batch in answers for answer in batch] == [item + 1 for item in items]
    assert highest <= AT_ONCE


async def test_when_a_batch_fails_the_others_are_cancelled_and_no_more_are_sent() -> None:
    begun: list[int] = []
    cancelled: list[int] = []

    async def send(batch: Sequence[int]) -> None:
        begun.append(batch[0])
        if batch[0] == 2:
            await asyncio.sleep(0)
            raise UpstreamFailed(Fault.SERVER, "two")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(batch[0])
            raise

    with pytest.raises(UpstreamFailed, match="two"):
        await in_batches(range(9), send, most=1)

    assert begun == [0, 1, 2, 3]
    assert sorted(cancelled) == [0, 1, 3]


async def test_a_cancelled_call_has_cancelled_every_batch_when_it_returns() -> None:
    cancelled: list[int] = []
    ready = asyncio.Event()

    async def send(batch: Sequence[int]) -> None:
        try:
            if batch[0] == AT_ONCE - 1:
                ready.set()
            await asyncio.Event().wait()
        finally:
            cancelled.append(batch[0])

    call = asyncio.create_task(in_batches(range(9), send, most=1))
    await ready.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert sorted(cancelled) == list(range(AT_ONCE))
