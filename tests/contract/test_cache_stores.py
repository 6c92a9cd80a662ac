"""One suite over the shelf in memory, on Redis and on Valkey: one process keeps, another one finds and deletes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from passerelle.cache.entry import State
from passerelle.cache.secrets import Secrets
from passerelle.cache.shelf import LARGEST, Shelf
from passerelle.stores.redis import Redis
from tests.redis_server import SERVERS, RedisServer, running
from tests.unit.cache.entries import PEPPER, TENANT, Ears, kept, member, same, until


@dataclass
class Pair:
    """Two shelves as of two processes; of memory alone there is one, twice."""

    one: Shelf
    two: Shelf
    ears: Ears  # of the second
    server: RedisServer | None
    redis: Redis | None

    async def written(self) -> None:
        await self.one.settled()
        await self.two.settled()


@pytest.fixture(scope="module", params=("memory", *SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer | None]:
    if request.param == "memory":
        yield None
    else:
        with running(request.param) as found:
            yield found


@pytest.fixture
async def pair(server: RedisServer | None) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        shelves, clients, ears = [], [], Ears()
        if server is not None:
            with server.client() as client:
                client.flushall()
        for number in range(1 if server is None else 2):
            redis = None if server is None else Redis(server.url, timeout=20)
            shelf = Shelf(Secrets(PEPPER), redis, patience=20)  # the machine may be busy
            if server is None or number == 1:
                shelf.hear(ears)
            if redis is not None:
                stack.push_async_callback(redis.aclose)
                clients.append(redis)
            stack.push_async_callback(shelf.aclose)
            await shelf.start()
            shelves.append(shelf)
        await until(lambda: all(shelf.trusted for shelf in shelves))
        yield Pair(shelves[0], shelves[-1], ears, server, clients[0] if clients else None)


async def test_what_one_process_keeps_another_one_finds_whole(pair: Pair) -> None:
    answer = kept(
        tags=("été", "a"), subjects=("0f" * 16,), message={"role": "assistant", "content": "é\u2028🙂"}
    )
    pair.one.keep(answer)
    assert pair.one.here(answer.exact) == answer
    await pair.written()
    assert await pair.two.find(TENANT, answer.exact) == answer
    assert await pair.two.by_id(TENANT, answer.id) == answer
    assert pair.two.here(answer.exact) == answer
    assert await pair.one.size(TENANT) == 1


async def test_no_tenant_finds_what_another_one_keeps(pair: Pair) -> None:
    answer = kept()
    pair.one.keep(answer)
    await pair.written()
    for shelf in (pair.one, pair.two):
        assert await shelf.find("client-b", answer.exact) is None
        assert await shelf.by_id("client-b", answer.id) is None
        assert await shelf.purge("client-b", answer=answer.id) == 0
        assert await shelf.purge("client-b", everything=True) == 0
    assert await pair.two.find(TENANT, answer.exact) == answer


async def test_a_later_answer_takes_the_place_and_the_earlier_one_keeps_its_id(pair: Pair) -> None:
    first, second = kept(1, exact="b" * 64), kept(2, exact="b" * 64)
    pair.one.keep(first)
    pair.one.keep(second)
    await pair.written()
    assert await pair.two.find(TENANT, "b" * 64) == second
    assert await pair.two.by_id(TENANT, first.id) == first


@pytest.mark.parametrize("how", ["answer", "cluster", "tag", "subject", "everything"])
async def test_what_one_process_deletes_is_found_by_none(pair: Pair, how: str) -> None:
    mine, other = kept(1, tags=("x",), subjects=("s1",)), kept(2, tags=("y",), subjects=("s2",))
    question = member(tags=("x",), subjects=("s1",))
    for entry in (mine, other):
        pair.one.keep(entry)
    pair.two.save(question)
    await pair.written()
    assert await pair.two.find(TENANT, mine.exact)
    words = {"answer": mine.id, "cluster": mine.id, "tag": "x", "subject": "s1", "everything": True}
    assert await pair.one.purge(TENANT, **{how: words[how]}) == (3 if how == "everything" else 2)  # type: ignore[arg-type]
    await until(lambda: pair.two.here(mine.exact) is None and question.expires == 0.0)
    for shelf in (pair.one, pair.two):
        assert await shelf.find(TENANT, mine.exact) is None
        assert await shelf.by_id(TENANT, mine.id) is None
        assert await shelf.load(TENANT, mine.partition) in ((), [])
        assert await shelf.size(TENANT) == (0 if how == "everything" else 1)
    assert (await pair.two.find(TENANT, other.exact) is None) == (how == "everything")


async def test_what_was_begun_before_a_deletion_is_not_kept_after_it(pair: Pair) -> None:
    before = pair.two.mark()
    await pair.one.purge(TENANT, subject="s")
    late, question = kept(1, subjects=("s",)), member(1, subjects=("s",))
    pair.two.keep(late, before)
    pair.two.save(question, before)
    await pair.written()
    await until(lambda: pair.two.here(late.exact) is None and question.expires == 0.0)
    assert await pair.one.find(TENANT, late.exact) is None
    assert await pair.one.size(TENANT) == 0
    pair.two.keep(kept(2, subjects=("other",)), before)
    await until(lambda: pair.two.mark() == pair.one.mark())
    pair.two.keep(kept(3, subjects=("s",)))
    await pair.written()
    assert await pair.one.find(TENANT, kept(2).exact)
    assert await pair.one.find(TENANT, kept(3).exact)


async def test_a_deletion_in_many_parts_leaves_nothing(pair: Pair) -> None:
    for number in range(600):
        pair.one.keep(kept(number, tags=("all",)))
    for number in range(700):
        pair.one.save(member(number))
    await pair.written()
    assert await pair.one.purge(TENANT, tag="all") >= 600
    assert await pair.one.size(TENANT) == 0 or pair.server is None
    if pair.server is not None:
        with pair.server.client() as client:
            names = client.keys("*")
            assert not [name for name in names if ":a:" in name or ":q:" in name or ":x:" in name]


async def test_a_deletion_tells_the_index_of_questions_that_no_process_holds(pair: Pair) -> None:
    if pair.server is None:
        return  # without Redis the index is in this process, and holds them
    pair.one.save(member(1, subjects=("s",)))
    await pair.written()
    await until(lambda: member(1).id in pair.ears.members)
    pair.ears.members.clear()
    with pair.server.client() as client:
        assert client.delete(*client.keys("*:q:*")) == 1
    assert await pair.one.purge(TENANT, subject="s") == 0
    await until(lambda: member(1).id in pair.ears.dropped)


async def test_generations_change_for_everybody_and_only_for_their_label(pair: Pair) -> None:
    labels = ("tenant", "model:tiny")
    before, other = pair.two.generation(TENANT, labels), pair.two.generation(TENANT, ("model:big",))
    assert before == pair.one.generation(TENANT, labels)
    await pair.one.purge(TENANT, label="model:tiny")
    await until(lambda: pair.two.generation(TENANT, labels) != before)
    assert pair.two.generation(TENANT, labels) == pair.one.generation(TENANT, labels)
    assert pair.two.generation(TENANT, ("model:big",)) == other
    assert pair.two.generation("client-b", ("model:tiny",)) == pair.one.generation(
        "client-b", ("model:tiny",)
    )


async def test_counters_add_up(pair: Pair) -> None:
    pair.one.count(TENANT, {"strict.served": 2, "strict.wrong": 0.5})
    pair.two.count(TENANT, {"strict.served": 3})
    await pair.written()
    assert await pair.two.counts(TENANT) == {"strict.served": 5.0, "strict.wrong": 0.5}
    assert await pair.two.counts("client-b") == {}


async def test_what_is_too_large_or_no_text_is_not_kept(pair: Pair) -> None:
    large = kept(1, message={"role": "assistant", "content": "a" * LARGEST})
    half = kept(2, message={"role": "assistant", "content": "\ud83d"})
    nearly = kept(3, message={"role": "assistant", "content": "a" * (LARGEST - 2000)})
    for answer in (large, half, nearly):
        pair.one.keep(answer)
    await pair.written()
    assert await pair.two.find(TENANT, large.exact) is None
    assert await pair.two.find(TENANT, half.exact) is None
    assert await pair.two.find(TENANT, nearly.exact) == nearly


async def test_questions_are_told_changed_and_loaded(pair: Pair) -> None:
    if pair.server is None:
        assert await pair.one.load(TENANT, "a" * 64) == ()
        return
    questions = [member(number) for number in range(200)]
    for question in questions:
        pair.one.save(question)
    await until(lambda: len(pair.ears.members) == 200)
    assert all(same(pair.ears.members[question.id], question) for question in questions)
    loaded = await pair.two.load(TENANT, "a" * 64)
    assert {found.id for found in loaded} == {question.id for question in questions}
    pair.one.save(replace(questions[0], state=State.QUARANTINED))
    await until(lambda: pair.ears.members[questions[0].id].state is State.QUARANTINED)
    assert await pair.two.load(TENANT, "b" * 64) == []
    assert await pair.two.load("client-b", "a" * 64) == []
