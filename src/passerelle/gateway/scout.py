"""Asks the backends of the configuration in force about themselves, in the background and when an operator asks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection

import structlog

from passerelle.domain.facts import State, Survey
from passerelle.gateway.edition import Edition, Editions

_log = structlog.get_logger(__name__)

_SECONDS = 20.0  # for one backend to answer


class Scout:
    """Keeps what is known of backends fresh: `every` seconds, a new configuration at once."""

    def __init__(self, editions: Editions, *, every: float) -> None:
        self._editions = editions
        self._every = every
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A new configuration is in force: what is not known of it is asked now."""
        self._changed.set()

    async def run(self) -> None:
        """Ask for ever; several processes do not ask at the same moment."""
        while True:
            self._changed.clear()
            await self.look(only_new=False)
            try:
                async with asyncio.timeout(self._every * random.uniform(0.9, 1.1)):  # noqa: S311 - not a secret
                    while True:
                        await self._changed.wait()
                        self._changed.clear()
                        await self.look(only_new=True)
            except TimeoutError:
                pass

    async def look(
        self, *, only_new: bool = False, names: Collection[str] | None = None
    ) -> dict[str, Survey | None]:
        """Ask the backends, or those of these names, all at once; gives what is known of each afterwards.

        What one says counts as soon as it says it: nobody waits for the slowest.
        """
        edition = self._editions.enter()
        try:
            asked = edition.stale() if only_new else list(edition.surveys())
            await asyncio.gather(
                *(self._learn(edition, name) for name in asked if names is None or name in names)
            )
            return edition.surveys()
        finally:
            self._editions.leave(edition)

    async def _learn(self, edition: Edition, name: str) -> None:
        asked = edition.models_of(name)
        survey = await _ask(edition, name, asked)
        _tell(name, edition.surveys()[name], survey)
        edition.learn(name, survey, asked)
        if self._editions.current is not edition:  # replaced meanwhile: some backends may be shared
            self._editions.current.refresh()


async def _ask(edition: Edition, name: str, models: Collection[str]) -> Survey:
    try:
        async with asyncio.timeout(_SECONDS):
            return await edition.backend(name).survey(models)
    except TimeoutError:
        return Survey(State.DOWN, problems=(f"It did not answer within {_SECONDS:.0f} s.",))
    except Exception as error:  # noqa: BLE001 - whatever an engine says of itself, requests go on
        _log.warning("survey_failed", backend=name, error=type(error).__name__)
        return Survey(State.UNKNOWN, problems=("What it said of itself was not understood.",))


def _tell(name: str, before: Survey | None, now: Survey) -> None:
    if before is None or before.state is not now.state:
        quiet = now.state in (State.READY, State.UNKNOWN)
        log = _log.info if quiet else _log.warning
        log("backend_state", backend=name, state=now.state.value, problems=list(now.problems))
