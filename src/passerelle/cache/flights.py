"""One upstream call for identical questions that are asked at the same time: the first asks, the others wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from passerelle.cache.entry import Kept

if TYPE_CHECKING:
    from passerelle.cache.semantics import Sight


class Flight:
    """A question that somebody is asking."""

    __slots__ = ("_flights", "_future", "_key", "alone", "sight")

    def __init__(self, flights: Flights, key: str) -> None:
        self._flights = flights
        self._key = key
        self._future: asyncio.Future[Kept | None] = asyncio.get_running_loop().create_future()
        self.alone = False  # its answer is nobody else's: who waited asks for an own one
        self.sight: Sight | None = (
            None  # by which its answer was found, where its question only meant the same
        )

    async def wait(self, seconds: float | None) -> Kept | None:
        """What was answered; None where it failed, may not be shared, or took longer than that."""
        done, _ = await asyncio.wait([self._future], timeout=seconds)
        return self._future.result() if done else None

    def land(self, kept: Kept, sight: Sight | None = None) -> None:
        """Everybody who waits is given this, which was found by that sight where it was asked by other words."""
        if not self._future.done():
            self.sight = sight
        self._end(kept)

    def fail(self, *, alone: bool) -> None:
        """Nobody is given anything. `alone`: asking the same together again would end the same way.

        What has landed has landed.
        """
        if not self._future.done():
            self.alone = alone
        self._end(None)

    def _end(self, kept: Kept | None) -> None:
        if not self._future.done():
            self._future.set_result(kept)
            self._flights.over(self._key, self)


class Flights:
    """The questions that are being asked now, by their exact key."""

    def __init__(self) -> None:
        self._under_way: dict[str, Flight] = {}

    def board(self, key: str) -> tuple[Flight, bool]:
        """The flight of a question, and whether it is for the caller to ask."""
        flight = self._under_way.get(key)
        if flight is not None:
            return flight, False
        flight = self._under_way[key] = Flight(self, key)
        return flight, True

    def over(self, key: str, flight: Flight) -> None:
        """It has landed or failed."""
        if self._under_way.get(key) is flight:
            del self._under_way[key]

    def __len__(self) -> int:
        return len(self._under_way)
