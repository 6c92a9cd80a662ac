"""Deletions win every race, whoever is on the way: a write, a read, a question being judged, a cancelled caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cache.graves import EVERYTHING, Graves
from passerelle.cache.secrets import Secrets
from passerelle.cache.shelf import Shelf
from passerelle.stores.redis import Call, Redis, Script
from tests.redis_server import RedisServer
from tests.unit.cache.entries import PEPPER, TENANT, Ears, kept, member, until


class Gate(Redis):
    """A Redis whose answers to one verb can be held back: the server has done it, nobody knows yet."""

    def __init__(self, address: str) -> None:
        super().__init__(address, timeout=20)
        self.held = ""
        self.open = asyncio.Event()
        self.waiting = asyncio.Event()

    async def run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        answers = await super().run(script, calls)
        if any(call.arguments[0] == self.held for call in calls):
            self.waiting.set()
            await self.open.wait()
        return answers


@pytest.fixture
async def two(one_redis: RedisServer) -> AsyncIterator[tuple[Shelf, Shelf, Gate]]:
    """Two processes; the second one's answers can be held back."""
    plain, gate = Redis(one_redis.url, timeout=20), Gate(one_redis.url)
    shelves = [Shelf(Secrets(PEPPER), redis, patience=20) for redis in (plain, gate)]
    for shelf in shelves:
        await shelf.start()
    await until(lambda: all(shelf.trusted for shelf in shelves))
    yield shelves[0], shelves[1], gate
    gate.open.set()
    for shelf in shelves:
        await shelf.aclose()
    await plain.aclose()
    await gate.aclose()


async def test_an_answer_on_its_way_is_not_given_once_it_is_deleted(two: tuple[Shelf, Shelf, Gate]) -> None:
    one, other, gate = two
    one.keep(kept(subjects=("s",)))
    await one.settled()
    gate.held = "find"
    finding = asyncio.ensure_future(other.find(TENANT, kept().exact))
    await gate.waiting.wait()
    before = other.mark()
    await one.purge(TENANT, subject="s")
    await until(lambda: other.mark() != before)
    gate.open.set()
    assert await finding is None
    assert other.here(kept().exact) is None


async def test_questions_on_their_way_are_not_loaded_once_they_are_deleted(
    two: tuple[Shelf, Shelf, Gate],
) -> None:
    one, other, gate = two
    one.save(member(1, subjects=("s",)))
    one.save(member(2))
    await one.settled()
    gate.held = "members"
    loading = asyncio.ensure_future(other.load(TENANT, "a" * 64))
    await gate.waiting.wait()
    before = other.mark()
    await one.purge(TENANT, subject="s")
    await until(lambda: other.mark() != before)
    gate.open.set()
    assert [found.id for found in await loading] == [member(2).id]


async def test_who_was_given_a_question_before_its_deletion_holds_one_that_has_expired(
    two: tuple[Shelf, Shelf, Gate],
) -> None:
    one, other, _ = two
    one.save(member(1, subjects=("s",)))
    await one.settled()
    [found] = await other.load(TENANT, "a" * 64)
    await one.purge(TENANT, subject="s")
    await until(lambda: found.expires == 0.0)


async def test_a_question_that_was_loaded_twice_is_deleted_wherever_it_is_held(
    two: tuple[Shelf, Shelf, Gate],
) -> None:
    one, other, _ = two
    one.save(member(1, subjects=("s",)))
    await one.settled()
    [first] = await other.load(TENANT, "a" * 64)
    assert len(await other.load(TENANT, "a" * 64)) == 1  # and nobody keeps this one
    await one.purge(TENANT, subject="s")
    await until(lambda: first.expires == 0.0)


async def test_a_deletion_goes_on_when_its_caller_is_gone(two: tuple[Shelf, Shelf, Gate]) -> None:
    one, other, gate = two
    for number in range(600):
        one.keep(kept(number, tags=("t",)))
    await one.settled()
    gate.held = "purge"
    deleting = asyncio.ensure_future(other.purge(TENANT, tag="t"))
    await gate.waiting.wait()
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    gate.open.set()

    async def done() -> bool:
        return await one.size(TENANT) == 0

    await until(done)


async def test_a_cancelled_reader_takes_nobody_elses_answer(two: tuple[Shelf, Shelf, Gate]) -> None:
    one, other, _ = two
    for number in range(64):
        one.keep(kept(number))
    await one.settled()
    asked = [asyncio.ensure_future(other.find(TENANT, kept(number).exact)) for number in range(64)]
    await asyncio.sleep(0)
    for task in asked[::2]:
        task.cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    for number in range(1, 64, 2):
        answer = found[number]
        assert not isinstance(answer, BaseException)
        assert answer is not None
        assert answer.id == kept(number).id


async def test_without_redis_a_deletion_reaches_what_is_held() -> None:
    shelf, ears = Shelf(Secrets(PEPPER)), Ears()
    shelf.hear(ears)
    await shelf.start()
    mark = shelf.mark()
    question = member(subjects=("s",))
    ears.hear(question)
    shelf.save(question)
    shelf.keep(kept(subjects=("s",)))
    assert await shelf.size(TENANT) == 2
    assert await shelf.purge(TENANT, subject="s") == 2
    assert (ears.members, question.expires) == ({}, 0.0)
    late = member(2, subjects=("s",))
    shelf.save(late, mark)
    shelf.keep(kept(2, subjects=("s",)), mark)
    assert late.expires == 0.0
    assert await shelf.find(TENANT, kept(2).exact) is None
    shelf.keep(kept(3, subjects=("s",)))
    assert shelf.here(kept(3).exact)
    await shelf.aclose()


async def test_an_expired_answer_is_not_kept() -> None:
    shelf = Shelf(Secrets(PEPPER))
    shelf.keep(kept(expires=time.time() - 1))
    assert shelf.here(kept().exact) is None


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", EVERYTHING]), st.integers(1, 50)), max_size=30),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 50),
)
def test_what_is_begun_after_the_last_deletion_of_its_labels_is_not_in_a_grave(
    deletions: list[tuple[str, int]], label: str, since: int
) -> None:
    graves = Graves()
    for deleted, seq in deletions:
        graves.note(TENANT, deleted, seq)
    expected = any(deleted in {label, EVERYTHING} and seq > since for deleted, seq in deletions)
    assert graves.holds(TENANT, [label], since) == expected
    assert not graves.holds("client-b", [label], 0)
    assert graves.seq == max((seq for _, seq in deletions), default=0)


def test_graves_are_bounded_and_what_they_forget_is_gone_all_the_more() -> None:
    graves = Graves()
    for seq in range(1, 6_000):
        graves.note(TENANT, f"i:{seq}", seq)
    assert all(graves.holds(TENANT, [f"i:{seq}"], seq - 1) for seq in range(1, 6_000))
    assert graves.holds(TENANT, ["i:never"], 500)
    assert not graves.holds(TENANT, ["i:never"], 5_999)
