"""One asks, the others wait, and nobody waits in vain."""

from __future__ import annotations

import asyncio

from passerelle.cache.flights import Flights
from tests.unit.cache.answers import kept_of


async def test_the_first_asks_and_all_others_are_given_its_answer() -> None:
    flights, kept = Flights(), kept_of("Paris.")
    first, leads = flights.board("key")
    others = [flights.board("key") for _ in range(50)]
    waiting = [asyncio.ensure_future(flight.wait(None)) for flight, _ in others]
    await asyncio.sleep(0)

    first.land(kept)

    assert leads
    assert not any(leading for _, leading in others)
    assert await asyncio.gather(*waiting) == [kept] * 50
    assert len(flights) == 0


async def test_one_that_waits_may_leave_and_the_others_are_still_answered() -> None:
    flights, kept = Flights(), kept_of("Paris.")
    first, _ = flights.board("key")
    leaving = asyncio.ensure_future(first.wait(None))
    staying = asyncio.ensure_future(first.wait(None))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    first.land(kept)

    assert leaving.cancelled()
    assert await staying == kept


async def test_a_flight_that_fails_leaves_the_question_to_the_next() -> None:
    flights = Flights()
    first, _ = flights.board("key")
    second, _ = flights.board("key")
    waiting = asyncio.ensure_future(second.wait(None))
    await asyncio.sleep(0)

    first.fail(alone=False)

    assert await waiting is None
    assert not second.alone
    assert flights.board("key")[1]


async def test_an_answer_that_is_nobody_elses_says_so() -> None:
    flights = Flights()
    first, _ = flights.board("key")

    first.fail(alone=True)
    first.fail(alone=False)

    assert first.alone


async def test_nobody_waits_longer_than_he_says() -> None:
    flights = Flights()
    first, _ = flights.board("key")

    assert await first.wait(0) is None
    assert not flights.board("key")[1]


async def test_an_old_flight_that_ends_twice_does_not_end_the_new_one() -> None:
    flights = Flights()
    first, _ = flights.board("key")
    first.fail(alone=False)
    second, leads = flights.board("key")

    first.fail(alone=False)

    assert leads
    assert flights.board("key")[0] is second
