"""What lies in Redis: sealed, ending when it expires, refused when it was deleted, forgotten when the server starts anew."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from passerelle.cache.secrets import Secrets
from passerelle.cache.shelf import Shelf
from passerelle.domain.errors import Unavailable
from passerelle.stores.redis import Redis
from tests.redis_server import RedisServer
from tests.unit.cache.entries import PEPPER, TENANT, kept, member, until


@asynccontextmanager
async def opened(server: RedisServer, *, skew: float = 0.0, pepper: bytes = PEPPER) -> AsyncIterator[Shelf]:
    """A shelf whose clock is off by so many seconds."""
    redis = Redis(server.url, timeout=20)
    shelf = Shelf(Secrets(pepper), redis, clock=lambda: time.time() + skew, patience=20)
    try:
        await shelf.start()
        await until(lambda: shelf.trusted)
        yield shelf
    finally:
        await shelf.aclose()
        await redis.aclose()


async def test_redis_sees_neither_question_nor_answer_nor_tag(one_redis: RedisServer) -> None:
    async with opened(one_redis) as shelf:
        shelf.keep(kept(tags=("Dupont",), message={"role": "assistant", "content": "Le secret"}))
        shelf.save(member(tags=("Dupont",), text="Quel secret ?"))
        await shelf.settled()
    with one_redis.client() as client:
        client.connection_pool.connection_kwargs["decode_responses"] = False
        dump = b"".join(name + (client.dump(name) or b"") for name in client.keys("*"))
    assert len(dump) > 2000
    assert not [word for word in (b"secret", b"Dupont", b"assistant", b"cluster") if word in dump]


async def test_everything_of_an_entry_ends_with_it(one_redis: RedisServer) -> None:
    async with opened(one_redis) as shelf:
        answer, question = kept(1, tags=("t",), subjects=("s",)), member(1, subjects=("s",))
        shelf.keep(answer)
        shelf.save(question)
        await shelf.settled()
        with one_redis.client() as client:
            left = {name: client.pttl(name) for name in client.keys("*") if not name.endswith(":now")}
    assert (
        len(left) == 8
    )  # two entries, a pointer, a partition, all of the tenant, a tag, a subject, an answer's questions
    assert all(80_000 < life <= 90_000 for life in left.values()), left


async def test_a_short_lived_entry_does_not_shorten_a_set(one_redis: RedisServer) -> None:
    async with opened(one_redis) as shelf:
        shelf.keep(kept(1, tags=("t",)))
        shelf.keep(kept(2, tags=("t",), expires=time.time() + 0.05))
        await shelf.settled()
        with one_redis.client() as client:
            [name] = client.keys("*:of:*")
            assert client.pttl(name) > 80_000

        async def ended() -> bool:
            return await shelf.size(TENANT) == 1

        await until(ended)
        assert await shelf.find(TENANT, kept(2).exact) is None
        assert await shelf.purge(TENANT, tag="t") == 1


@pytest.mark.parametrize("skew", [-7200.0, 7200.0])
async def test_clocks_that_differ_by_hours_change_neither_life_nor_age(
    one_redis: RedisServer, skew: float
) -> None:
    async with opened(one_redis) as writer, opened(one_redis, skew=skew) as reader:
        answer, question = kept(), member()
        writer.keep(answer)
        writer.save(question)
        await writer.settled()
        found = await reader.find(TENANT, answer.exact)
        assert found is not None
        assert 80 < found.expires - (time.time() + skew) <= 90.1
        assert found.expires - found.created == pytest.approx(90)
        [known] = await reader.load(TENANT, question.partition)
        assert 80 < known.expires - (time.time() + skew) <= 90.1
        assert await reader.purge(TENANT, everything=True) == 2
        await until(lambda: writer.here(answer.exact) is None)


async def test_what_somebody_wrote_into_redis_is_not_believed(one_redis: RedisServer) -> None:
    async with opened(one_redis) as writer, opened(one_redis) as reader:
        for number in (1, 2):
            writer.keep(kept(number))
        writer.save(member())
        await writer.settled()
        with one_redis.client() as client:
            client.connection_pool.connection_kwargs["decode_responses"] = False
            [one, two] = sorted(name for name in client.keys("*") if b":a:" in name)
            client.copy(two, one, replace=True)  # another answer under this id
            client.append(two, b"x")
            [question] = [name for name in client.keys("*") if b":q:" in name]
            client.set(question, b"\x80\x04cos\nsystem\n(S'true'\ntR.", keepttl=True)
        assert await reader.find(TENANT, kept(1).exact) is None
        assert await reader.find(TENANT, kept(2).exact) is None
        assert await reader.load(TENANT, "a" * 64) == []


async def test_under_another_pepper_nothing_is_read(one_redis: RedisServer) -> None:
    async with opened(one_redis) as writer, opened(one_redis, pepper=b"q" * 32) as other:
        writer.keep(kept())
        await writer.settled()
        assert await other.find(TENANT, kept().exact) is None


async def test_an_answer_deleted_in_part_is_not_believed_by_who_comes_later(one_redis: RedisServer) -> None:
    """The sets that find an entry may be lost before it is: the deletion's number is asked as well."""
    async with opened(one_redis) as first:
        first.keep(kept(subjects=("s",)))
        await first.settled()
        with one_redis.client() as client:
            assert client.delete(*client.keys("*:of:*"), *client.keys("*:all:*")) == 2
        assert await first.purge(TENANT, subject="s") == 0
        async with opened(one_redis) as later:
            assert await later.find(TENANT, kept().exact) is None
    with one_redis.client() as client:
        assert client.delete(*client.keys("*:graves:*")) == 1
    async with opened(one_redis) as last:
        assert await last.find(TENANT, kept().exact) is None


async def test_a_server_that_was_emptied_is_another_epoch(one_redis: RedisServer) -> None:
    async with opened(one_redis) as one, opened(one_redis) as two:
        one.keep(kept())
        await one.settled()
        assert await two.find(TENANT, kept().exact)
        before = one.generation(TENANT, ("tenant",))
        with one_redis.client() as client:
            client.flushall()
        await until(lambda: one.here(kept().exact) is None and two.here(kept().exact) is None)
        await until(lambda: one.trusted and two.trusted)
        await until(lambda: one.generation(TENANT, ()) == two.generation(TENANT, ()))
        assert one.generation(TENANT, ("tenant",)) != before
        one.keep(kept(2))
        await one.settled()
        assert await two.find(TENANT, kept(2).exact)


async def test_what_a_restarted_server_has_kept_is_not_believed(one_redis: RedisServer) -> None:
    """It may be older than a deletion."""
    async with opened(one_redis) as one:
        one.keep(kept())
        await one.settled()
        with one_redis.client() as client:
            [state] = client.keys("*:now")
            client.hset(state, "run", "another")
    async with opened(one_redis) as two:
        assert await two.find(TENANT, kept().exact) is None


async def test_a_deletion_that_reaches_nobody_says_so(one_redis: RedisServer) -> None:
    async with opened(one_redis) as shelf:
        shelf.keep(kept())
        await shelf.settled()
        one_redis.kill()
        with pytest.raises(Unavailable):
            await shelf.purge(TENANT, everything=True)
        with pytest.raises(Unavailable):
            await shelf.bump(TENANT, "tenant")
        assert shelf.here(kept().exact) is None
