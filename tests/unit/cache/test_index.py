"""The tiers as one index: loading, bounds, moving over to a server, and what is dropped meanwhile.

Qdrant's engine answers, behind a stand-in for its REST routes; a real server was not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.cache.entry import Member, State
from passerelle.cache.index import Tiers
from passerelle.cache.qdrant import Large
from passerelle.cache.secrets import Secrets
from passerelle.stores.qdrant import Outage, Qdrant
from tests.fakes.qdrant import QdrantFake
from tests.fakes.script import Fail, Status, Wait
from tests.unit.cache.members import NOW, WIDTH, Clock, Shared, member, until, vector

COLLECTION = f"passerelle-cache-{WIDTH}"
POINTS = f"/collections/{COLLECTION}/points"
Make = Callable[..., Tiers]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[QdrantFake]:
    async with QdrantFake() as server:
        yield server


@pytest.fixture
async def large(server: QdrantFake, clock: Clock) -> AsyncIterator[Large]:
    client = Qdrant(server.url)
    large = Large(client, Secrets(b"p" * 32), clock=clock, patience=5.0)
    yield large
    await large.aclose()
    await client.aclose()


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    made: list[Tiers] = []

    def one(shared: Shared | None = None, **given: object) -> Tiers:
        made.append(Tiers(shared or Shared(), clock=clock, **given))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for tiers in made:
        await tiers.aclose(within=0.0)


async def _found(tiers: Tiers, tenant: str = "a", partition: str = "p", *, most: int = 99) -> set[str]:
    return {near.member.id for near in await tiers.near(tenant, partition, vector(1), most=most)}


def _ids(*numbers: int) -> set[str]:
    return {member(number).id for number in numbers}


async def _fill(tiers: Tiers, members: Sequence[Member]) -> None:
    for one in members:
        tiers.add(one)
    await until(lambda: _found(tiers, members[0].tenant, members[0].partition))


async def test_a_partition_is_loaded_whole_at_its_first_question_and_empty_until_then(make: Make) -> None:
    shared = Shared([member(n) for n in range(5)])
    shared.hold = asyncio.Event()
    tiers = make(shared)
    assert await _found(tiers) == set()
    tiers.add(member(7))
    tiers.drop("a", members=[member(2).id, member(3).id])
    tiers.add(member(3))
    assert await _found(tiers) == set()
    shared.hold.set()
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(0, 1, 3, 4, 7)
    assert shared.loads == 1


async def test_a_partition_that_is_dropped_while_it_is_loaded_comes_back_without_it(make: Make) -> None:
    shared = Shared([member(1)])
    shared.hold = asyncio.Event()
    tiers = make(shared)
    await _found(tiers)
    await until(lambda: shared.loads)
    tiers.drop("a", partition="p")
    shared.members.clear()
    tiers.add(member(2))
    shared.hold.set()
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(2)


async def test_what_is_learned_while_the_store_is_away_is_there_when_it_is_back(make: Make) -> None:
    shared = Shared([member(1)])
    shared.away = True
    tiers = make(shared)
    tiers.add(member(2))
    await until(lambda: shared.loads and tiers._places["a", "p"].loading is None)
    assert await _found(tiers) == set()
    shared.away = False
    tiers._places["a", "p"].again = 0.0
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(1, 2)


async def test_drops_are_by_member_partition_and_tenant(make: Make) -> None:
    tiers = make()
    for tenant in "ab":
        for partition in "pq":
            await _fill(tiers, [member(n, tenant=tenant, partition=partition) for n in (1, 2)])
    tiers.drop("a", members=[member(1).id])
    assert await _found(tiers, "a", "p") == await _found(tiers, "a", "q") == _ids(2)
    tiers.drop("a", partition="p")
    assert await _found(tiers, "a", "q") == _ids(2)
    tiers.drop("b")
    assert await _found(tiers, "b", "p") == await _found(tiers, "b", "q") == await _found(tiers) == set()
    assert await tiers.dropped(within=0.0)
    assert tiers.held == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "member", "partition", "tenant"]),
        st.sampled_from("ab"),
        st.sampled_from("pq"),
        st.integers(0, 4),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_no_tenant_finds_or_drops_what_is_anothers(steps: list[tuple[str, str, str, int]]) -> None:
    async def run() -> None:
        tiers = Tiers(Shared(), clock=Clock())
        known: set[tuple[str, str, str]] = set()
        for what, tenant, partition, number in steps:
            one = member(number, tenant=tenant, partition=partition)
            if what == "add":
                tiers.add(one)
                known.add((tenant, partition, one.id))
            elif what == "member":
                tiers.drop(tenant, members=[one.id])
                known = {key for key in known if (key[0], key[2]) != (tenant, one.id)}
            else:
                tiers.drop(tenant, partition=partition if what == "partition" else None)
                known = {
                    key for key in known if key[0] != tenant or (what == "partition" and key[1] != partition)
                }
        for tenant, partition in [(tenant, partition) for tenant in "ab" for partition in "pq"]:
            await _found(tiers, tenant, partition)
            await until(lambda: all(place.here is not None for place in tiers._places.values()))
            expected = {key[2] for key in known if key[:2] == (tenant, partition)}
            assert await _found(tiers, tenant, partition) == expected
        await tiers.aclose()

    asyncio.run(run())


async def test_without_a_server_the_oldest_leave_a_full_partition(make: Make) -> None:
    tiers = make(bound=3)
    await _fill(tiers, [member(n) for n in range(5)])
    assert await _found(tiers) == _ids(2, 3, 4)


async def test_partitions_used_longest_ago_make_room(make: Make) -> None:
    shared = Shared([member(n, partition=f"{n}") for n in range(6)])
    tiers = make(shared, held=4, places=3)
    for number in range(6):
        await until(lambda n=number: _found(tiers, partition=f"{n}"))  # type: ignore[misc]
    assert (tiers.held, list(tiers._places)) == (3, [("a", "3"), ("a", "4"), ("a", "5")])
    for number in range(10, 14):
        tiers.add(member(number, partition="5"))
    assert list(tiers._places) == [("a", "5")]
    assert tiers.held == 5


async def test_news_of_a_partition_that_is_not_here_are_left_to_its_loading(make: Make) -> None:
    shared = Shared()
    tiers = make(shared)
    tiers.hear(member(1))
    assert (shared.loads, tiers.held) == (0, 0)
    await _fill(tiers, [member(2)])
    tiers.hear(member(3))
    assert await _found(tiers) == _ids(2, 3)
    tiers.clear()
    assert (await _found(tiers), tiers.held) == (set(), 0)


async def test_the_expired_leave_memory_though_nobody_asks_for_their_partition(
    make: Make, clock: Clock
) -> None:
    tiers = make()
    await _fill(tiers, [member(n) for n in range(4)])
    clock.now = NOW + 4000
    await _found(tiers, partition="another")
    assert tiers.held == 0


async def test_a_partition_over_the_bound_moves_to_the_server_and_none_is_lost_meanwhile(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=300)
    await _fill(tiers, [member(n) for n in range(300)])
    assert not server.points(COLLECTION)
    go = asyncio.Event()
    server.script(path=POINTS)  # the first batch passes, the second waits
    server.script(Wait(go), path=POINTS)
    tiers.add(member(300))
    await until(lambda: 0 < tiers.held < 301 and server.live)
    assert await _found(tiers, most=999) == _ids(*range(301))
    tiers.add(member(301))
    tiers.drop("a", members=[member(5).id, member(200).id])
    assert await _found(tiers, most=999) == _ids(*range(302)) - _ids(5, 200)
    go.set()
    await until(lambda: tiers.held == 0)
    assert await tiers.dropped(within=5.0)
    assert len(server.points(COLLECTION)) == 300
    assert await _found(tiers, most=999) == _ids(*range(302)) - _ids(5, 200)
    assert (await tiers.near("a", "p", vector(77)))[0].member.id == member(77).id


async def test_while_the_server_is_away_a_growing_partition_is_searched_here(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=4)
    await _fill(tiers, [member(0)])
    await server.down()
    for number in range(1, 7):
        tiers.add(member(number))
    assert await _found(tiers) == _ids(*range(7))
    for number in range(7, 12):
        tiers.add(member(number))
    assert await _found(tiers) == _ids(*range(4, 12))  # twice the bound is the most
    await server.up()
    await until(lambda: tiers.held == 0)
    assert await _found(tiers) == _ids(*range(4, 12))


async def test_a_large_partition_is_not_searched_in_part(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=2)
    await _fill(tiers, [member(n) for n in range(3)])
    await until(lambda: tiers.held == 0)
    tiers.add(member(4))
    server.script(Fail("server"), path=f"{POINTS}/query")
    with pytest.raises(Outage):
        await tiers.near("a", "p", vector(4))


async def test_a_demotion_counts_at_once_though_the_server_does_not_know_it(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=2)
    await _fill(tiers, [member(n) for n in range(3)])
    await until(lambda: tiers.held == 0)
    server.script(Fail("server"), path=POINTS)
    tiers.add(member(1, state=State.QUARANTINED))
    nearest = (await tiers.near("a", "p", vector(1)))[0].member
    assert (nearest.id, nearest.state) == (member(1).id, State.QUARANTINED)
    await until(lambda: tiers.held == 0)
    nearest = (await tiers.near("a", "p", vector(1)))[0].member
    assert (nearest.id, nearest.state) == (member(1).id, State.QUARANTINED)


async def test_what_is_dropped_during_a_search_is_not_in_its_answer(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=2)
    await _fill(tiers, [member(n) for n in range(3)])
    await until(lambda: tiers.held == 0)
    go = asyncio.Event()
    server.script(Wait(go), path=f"{POINTS}/query")
    search = asyncio.create_task(_found(tiers))
    await server.until(lambda: any(each.path.endswith("/query") for each in server.requests))
    tiers.drop("a", members=[member(1).id])
    assert await tiers.dropped(within=5.0)
    go.set()
    assert await search == set()
    assert await _found(tiers) == _ids(0, 2)


async def test_what_is_dropped_while_the_server_is_away_is_not_found_and_leaves_it_later(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=2)
    await _fill(tiers, [member(n) for n in range(4)])
    await until(lambda: tiers.held == 0)
    server.script(Fail("server"), path=f"{POINTS}/delete")
    tiers.drop("a", members=[member(1).id])
    assert not await tiers.dropped(within=0.05)
    assert await _found(tiers) == _ids(0, 2, 3)
    assert len(server.points(COLLECTION)) == 4
    assert await tiers.dropped(within=10.0)
    assert len(server.points(COLLECTION)) == 3
    tiers.drop("a")
    assert await tiers.dropped(within=10.0)
    assert not server.points(COLLECTION)
    tiers.add(member(9))
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(9)


async def test_a_process_that_never_saw_a_partition_erases_it_from_the_server(
    make: Make, large: Large, server: QdrantFake
) -> None:
    first, second = make(large=large, bound=2), make(large=large, bound=2)
    await _fill(first, [member(n) for n in range(4)])
    await until(lambda: first.held == 0)
    second.drop("a", partition="p")
    assert await second.dropped(within=10.0)
    assert not server.points(COLLECTION)


async def test_after_a_restart_a_large_partition_is_found_on_the_server(make: Make, large: Large) -> None:
    before = make(large=large, bound=2)
    await _fill(before, [member(n) for n in range(4)])
    await until(lambda: before.held == 0)
    shared = Shared([member(50)])
    after = make(shared, large=large, bound=2)
    await until(lambda: _found(after))
    assert (await _found(after), shared.loads) == (_ids(0, 1, 2, 3), 0)


async def test_a_move_that_was_broken_off_is_finished_after_a_restart(
    make: Make, large: Large, server: QdrantFake
) -> None:
    await large.write([member(n) for n in range(2)])
    tiers = make(Shared([member(n) for n in range(6)]), large=large, bound=5)
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(*range(6))
    await until(lambda: tiers.held == 0)
    assert len(server.points(COLLECTION)) == 6


async def test_small_partitions_do_without_a_server_that_is_away(
    make: Make, large: Large, server: QdrantFake
) -> None:
    await server.down()
    tiers = make(Shared([member(1)]), large=large)
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(1)
    await server.up()


async def test_a_server_that_has_lost_everything_is_filled_again_from_what_is_shared(
    make: Make, large: Large, server: QdrantFake
) -> None:
    shared = Shared([member(n) for n in range(4)])
    tiers = make(shared, large=large, bound=3)
    await until(lambda: tiers.near("a", "p", vector(1)))
    await until(lambda: tiers.held == 0)
    server.empty()
    with pytest.raises(Outage):
        await tiers.near("a", "p", vector(1))
    await until(lambda: _found(tiers))
    assert await _found(tiers) == _ids(0, 1, 2, 3)
    await until(lambda: len(server.points(COLLECTION)) == 4)


async def test_one_that_the_server_refuses_keeps_no_other_waiting(
    make: Make, large: Large, server: QdrantFake
) -> None:
    tiers = make(large=large, bound=1)
    await _fill(tiers, [member(0)])
    for _ in range(2):  # the batch, and the first of it alone
        server.script(Status(422, {"status": {"error": "payload too deep"}}), path=POINTS)
    tiers.add(member(1))
    await until(lambda: tiers.held == 0)
    assert await _found(tiers) == _ids(1)


async def test_closing_ends_everything_and_tells_the_server_what_waits(
    large: Large, server: QdrantFake, clock: Clock
) -> None:
    tiers = Tiers(Shared(), clock=clock, large=large, bound=2)
    await _fill(tiers, [member(n) for n in range(4)])
    await until(lambda: tiers.held == 0)
    tiers.drop("a", members=[member(1).id, member(2).id])
    tiers.add(member(9))
    running = asyncio.all_tasks()
    await tiers.aclose(within=5.0)
    assert len(server.points(COLLECTION)) == 3
    assert {near.member.id for near in await large.near("a", "p", vector(1), most=9)} == _ids(0, 3, 9)
    assert len(asyncio.all_tasks()) < len(running)
