"""The process that works on jobs and answers nobody: settings -> parts -> work, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import structlog

from passerelle.domain.errors import CannotRun, PasserelleError
from passerelle.parts import Parts, open_parts
from passerelle.routing.live import Reloaded
from passerelle.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _End:
    """The first signal asks for the end, the second one hastens it."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, parts: Parts) -> None:
        """Take no more items; at the second time, give back those under way."""
        if self.asked.is_set():
            parts.working.hurry()
        parts.working.leave()
        self.asked.set()


def check(settings: Settings) -> None:
    """Raises CannotRun where this process could not share its work with others."""
    missing = [
        name
        for name, given in (
            ("DATABASE_URL", settings.database_url),
            ("REDIS_URL", settings.redis_url),
            ("QDRANT_URL", settings.qdrant_url),
        )
        if given is None
    ]
    if missing:
        raise CannotRun(
            f"A worker needs {' and '.join(missing)}: it shares jobs, limits and passages with those who serve.",
            f"Set {' and '.join(missing)} as they have them; without, `passerelle serve` works on jobs itself.",
        )


async def work(settings: Settings, *, started: Callable[[int], None]) -> None:
    """Work until SIGTERM or SIGINT; `started` hears how many items at once. Raises CannotRun when it cannot begin.

    It never owns the data folder, so that it may share that of a service on the same machine.
    """
    check(settings)
    end = _End()
    async with open_parts(settings, shares_folder=True) as parts:
        with _signals(end, parts):
            try:
                await parts.working.open()
            except CannotRun:
                raise
            except PasserelleError as error:
                raise CannotRun(f"Jobs cannot be worked on: {error.message}") from error
            await parts.working.expect()
            started(settings.job_concurrency)
            await end.asked.wait()
            _log.info("drains", seconds=settings.drain_seconds)
            await parts.working.aclose()
            _log.info("drained")


@contextlib.contextmanager
def _signals(end: _End, parts: Parts) -> Generator[None, None, None]:
    """Listen to signals. They stay listened to: nothing may cut short what closes."""
    loop = asyncio.get_running_loop()

    def reload() -> None:
        asyncio.ensure_future(parts.services.reload()).add_done_callback(_tell_reload)

    loop.add_signal_handler(signal.SIGTERM, end.ask, parts)
    loop.add_signal_handler(signal.SIGINT, end.ask, parts)
    loop.add_signal_handler(signal.SIGHUP, reload)
    yield


def _tell_reload(done: asyncio.Future[Reloaded]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        _log.error("reload_failed", error=type(error).__name__)
