"""One runs, the others wait for it; nobody waits for what has been given up."""

from __future__ import annotations

import asyncio

import pytest

from passerelle.domain.errors import Conflict, Unavailable
from passerelle.idempotency import flights as room
from passerelle.idempotency.flights import Flight, Flights, InProgress
from passerelle.idempotency.seal import Reply, Sealer, Slot
from passerelle.idempotency.store import AnswerStore
from passerelle.stores.database import Database

_REPLY = Reply(200, [(b"content-type", b"text/plain")], b"Bonjour", "req_1")


def slot(body: bytes = b"{}", *, tenant: str = "acme", key: bytes = b"k1", size: int = 2) -> Slot:
    return Sealer(b"p" * 32).slot(
        tenant=tenant, role="member", route=b"POST /x", key=key, asked=[body], size=size
    )


@pytest.fixture
def both(stores: tuple[AnswerStore, AnswerStore]) -> tuple[Flights, Flights]:
    return Flights(stores[0]), Flights(stores[1])


async def boarded(flights: Flights, wanted: Slot | None = None) -> Flight:
    found = await flights.board(wanted or slot())
    assert isinstance(found, Flight), found
    return found


async def until_waiting(flights: Flights, number: int) -> None:
    async with asyncio.timeout(10):
        while (crowd := flights._crowds.get("acme")) is None or crowd.number < number:
            await asyncio.sleep(0.002)


async def test_fifty_at_once_over_two_processes_run_once(both: tuple[Flights, Flights]) -> None:
    runs = 0

    async def request(flights: Flights) -> Reply:
        nonlocal runs
        found = await flights.board(slot())
        if isinstance(found, Reply):
            return found
        runs += 1
        await asyncio.sleep(0.05)
        await found.land(_REPLY)
        return _REPLY

    replies = await asyncio.gather(*(request(both[number % 2]) for number in range(50)))

    assert runs == 1
    assert replies == [_REPLY] * 50
    for flights in both:
        assert (flights._turns, flights._crowds, flights.store._turns, flights.store._held) == (
            {},
            {},
            {},
            {},
        )


@pytest.mark.parametrize("second", [0, 1], ids=["in the same process", "in another"])
async def test_who_waits_takes_over_what_was_given_up(both: tuple[Flights, Flights], second: int) -> None:
    first = await boarded(both[0])
    waiter = asyncio.ensure_future(boarded(both[second]))
    await until_waiting(both[second], 1)
    first.leave()
    first.leave()

    async with asyncio.timeout(10):
        await (await waiter).land(_REPLY)
    assert await both[0].board(slot()) == _REPLY


async def test_another_body_does_not_wait(both: tuple[Flights, Flights]) -> None:
    await boarded(both[0])
    for flights in both:
        with pytest.raises(Conflict) as refused:
            await flights.board(slot(b"other"))
        assert refused.value.code == "idempotency_conflict"


async def test_an_answer_that_was_too_long_is_a_conflict(both: tuple[Flights, Flights]) -> None:
    await (await boarded(both[0])).land(None)

    with pytest.raises(Conflict) as refused:
        await both[1].board(slot())
    assert refused.value.code == "idempotency_not_replayable"


@pytest.mark.parametrize("second", [0, 1], ids=["in the same process", "in another"])
async def test_nobody_waits_longer_than_its_patience(both: tuple[Flights, Flights], second: int) -> None:
    first = await boarded(both[0])
    with pytest.raises(InProgress):
        await both[second].board(slot(), patience=0.1)
    await first.land(_REPLY)

    assert await both[second].board(slot()) == _REPLY


@pytest.mark.parametrize("second", [0, 1], ids=["in the same process", "in another"])
async def test_a_waiter_that_leaves_holds_nobody_up(both: tuple[Flights, Flights], second: int) -> None:
    first = await boarded(both[0])
    waiters = [asyncio.ensure_future(both[second].board(slot())) for _ in range(3)]
    await until_waiting(both[second], 3 if second == 0 else 1)
    waiters[1].cancel()
    await asyncio.wait({waiters[1]})
    first.leave()

    taken = await waiters[0]
    assert isinstance(taken, Flight)
    await taken.land(_REPLY)
    assert await waiters[2] == _REPLY


async def test_who_is_cancelled_while_claiming_leaves_no_claim(both: tuple[Flights, Flights]) -> None:
    # A cancellation may come before, within or after the statement: none of them may leave a lease behind.
    for turns in range(12):
        wanted = slot(key=b"key-%d" % turns)
        one = asyncio.ensure_future(both[0].board(wanted))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        one.cancel()
        await asyncio.wait({one})
        if not one.cancelled():
            assert isinstance(one.result(), Flight)
            continue
        if both[0].store._leaving:
            await asyncio.wait(both[0].store._leaving)
        async with asyncio.timeout(5):
            assert isinstance(await both[1].board(wanted), Flight)
    assert both[0]._crowds == {}


async def test_one_tenants_crowd_turns_away_its_own_only(
    both: tuple[Flights, Flights], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_MOST_WAITING", 2)
    flights = both[0]
    for tenant in ("acme", "globex"):
        await boarded(flights, slot(tenant=tenant))
    waiters = [asyncio.ensure_future(flights.board(slot())) for _ in range(2)]
    await until_waiting(flights, 2)

    with pytest.raises(InProgress):
        await flights.board(slot())
    with pytest.raises(InProgress):
        await flights.board(slot(tenant="globex"), patience=0.05)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)


async def test_bodies_that_wait_have_room_for_so_many_bytes(both: tuple[Flights, Flights]) -> None:
    big = slot(size=40 * 1_048_576)
    await boarded(both[0], big)

    with pytest.raises(InProgress):
        await both[0].board(big)
    assert both[0]._crowds == {}


async def test_an_outage_is_told_to_who_waits(
    both: tuple[Flights, Flights], monkeypatch: pytest.MonkeyPatch
) -> None:
    await boarded(both[0])
    waiter = asyncio.ensure_future(both[1].board(slot()))
    await until_waiting(both[1], 1)
    with monkeypatch.context() as away:
        away.setattr(Database, "begin", lambda _: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(Unavailable) as refused:
            await waiter

    assert refused.value.code == "idempotency_unavailable"
    assert both[1]._turns == {}
