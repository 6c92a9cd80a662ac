"""Inputs cut into the batches an engine takes, a few of them in flight, answered in order or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

AT_ONCE = 4  # batches of one request in flight

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class TooMany(Exception):
    """An engine takes at most `most` inputs at once, and was sent more."""

    def __init__(self, most: int) -> None:
        super().__init__(f"at most {most} inputs at once")
        self.most = most


def split(items: Sequence[_Item], most: int) -> list[Sequence[_Item]]:
    """The items in order, in batches of at most `most`; as few as possible, and none of them empty."""
    return [items[start : start + most] for start in range(0, len(items), most)]


async def in_batches(
    items: Sequence[_Item], send: Callable[[Sequence[_Item]], Awaitable[_Answer]], *, most: int
) -> list[_Answer]:
    """The answers to all batches, in the order of the items.

    `send` may raise TooMany for fewer than it was given: that batch is cut again. When a batch fails, the others
    are cancelled, and the first failure is raised.
    """
    batches = split(items, most)
    if len(batches) == 1:
        return await _sent(batches[0], send)
    answers: list[list[_Answer]] = [[] for _ in batches]
    left = iter(enumerate(batches))

    async def work() -> None:
        for index, batch in left:
            answers[index] = await _sent(batch, send)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(batches))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [answer for answered in answers for answer in answered]


async def _sent(
    batch: Sequence[_Item], send: Callable[[Sequence[_Item]], Awaitable[_Answer]]
) -> list[_Answer]:
    try:
        return [await send(batch)]
    except TooMany as refused:
        smaller = split(batch, refused.most)
    return [answer for part in smaller for answer in await _sent(part, send)]
