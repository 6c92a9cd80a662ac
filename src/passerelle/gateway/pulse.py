"""Asks engines how long their own queues are, each second in the background, and tells the places.

An engine that does not tell is not asked again until long after; one that fails is asked less and less often. Neither
holds up the others, and no request waits for any of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import monotonic

import structlog

from passerelle.backends.base import Backend
from passerelle.domain.errors import UpstreamFailed
from passerelle.domain.facts import Load
from passerelle.gateway.edition import Edition, Editions
from passerelle.limits.places import Places

_log = structlog.get_logger(__name__)

_EVERY = 1.0  # seconds
_SECONDS = 0.8  # for one engine to answer
_SELDOM = (
    300.0  # seconds until one is asked again that did not tell: an endpoint may run another engine by then
)
_LONGEST = 60.0  # seconds between tries of one that fails


class _Habit:
    """How one open backend has answered, and when it is asked next."""

    __slots__ = ("backend", "due", "failures", "tells")

    def __init__(self, backend: Backend) -> None:
        self.backend = backend  # another one of the same name starts afresh
        self.due = float("-inf")
        self.failures = 0
        self.tells = False


class Pulse:
    """Keeps what is known of engines' queues fresh, over every reload."""

    def __init__(
        self,
        editions: Editions,
        places: Places,
        *,
        every: float = _EVERY,
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._editions = editions
        self._places = places
        self._every = every
        self._clock = clock
        self._draw = draw
        self._habits: dict[str, _Habit] = {}

    async def run(self) -> None:
        """Ask for ever; several processes do not ask at the same moment."""
        while True:
            await self.beat()
            await asyncio.sleep(self._every * (0.9 + 0.2 * self._draw()))

    async def beat(self) -> None:
        """Ask every backend that is due, all at once, for less than the time between two beats."""
        edition = self._editions.enter()
        try:
            await asyncio.gather(*(self._ask(name, habit) for name, habit in self._due(edition)))
        finally:
            self._editions.leave(edition)

    def _due(self, edition: Edition) -> list[tuple[str, _Habit]]:
        names = edition.surveys()
        self._places.keep(names)
        for name in self._habits.keys() - names.keys():
            del self._habits[name]
        now = self._clock()
        due = []
        for name in names:
            if not edition.catalog.backends[name].concurrency.adaptive:
                continue  # what it says would change nothing
            backend = edition.backend(name)
            habit = self._habits.get(name)
            if habit is None or habit.backend is not backend:
                habit = self._habits[name] = _Habit(backend)
            if habit.due <= now:
                due.append((name, habit))
        return due

    async def _ask(self, name: str, habit: _Habit) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                load = await habit.backend.load()
        except (UpstreamFailed, TimeoutError) as error:
            self._failed(name, habit, error)
        except Exception as error:  # noqa: BLE001 - whatever an engine says of itself, the others are asked
            self._failed(name, habit, error)
        else:
            habit.failures = 0
            if load is None:
                habit.due = self._clock() + self._later(_SELDOM)
            else:
                self._tell(name, habit, load)

    def _tell(self, name: str, habit: _Habit, load: Load) -> None:
        if not habit.tells:
            _log.info("load_known", backend=name)
        habit.tells = True
        habit.due = float("-inf")
        self._places.heard(name, load)

    def _failed(self, name: str, habit: _Habit, error: Exception) -> None:
        """Not known for now: what was learned stays, and it is asked less often."""
        habit.failures += 1
        habit.due = self._clock() + self._later(min(_LONGEST, self._every * 2.0**habit.failures))
        if habit.tells:
            _log.warning("load_unknown", backend=name, error=type(error).__name__)
        habit.tells = False
        self._places.heard(name, None)

    def _later(self, seconds: float) -> float:
        return seconds * (0.9 + 0.2 * self._draw())
