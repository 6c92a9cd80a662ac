"""What is done at times, once over all processes that run workers.

Each process notes that a time has come; the first note counts (a unique row), and whichever worker is free does it.
One that was missed by less than ten minutes, while nothing ran, is made up for. Two runs of a task never overlap. A task
whose worker was killed is run again, so it must bear that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from passerelle.jobs.tables import CLOCK

if TYPE_CHECKING:
    from procrastinate import App

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task, and when: `cron` in UTC (minute, hour, day, month, weekday, and seconds where there are six).

    `run` is given the time it is run for. What it raises is logged by its type; the next time is another try.
    """

    name: str
    cron: str
    run: Callable[[datetime], Awaitable[None]]


def install(app: App, tasks: Sequence[Periodic]) -> None:
    """Have the workers of this app run them. Raises ValueError for a `cron` that is none."""
    for task in tasks:
        _install(app, task)


def _install(app: App, task: Periodic) -> None:
    async def run(timestamp: int) -> None:
        try:
            await task.run(datetime.fromtimestamp(timestamp, UTC))
        except Exception as error:  # noqa: BLE001 - the next time is another try, and nobody waits for this one
            _log.error("periodic_task_failed", task=task.name, error=type(error).__name__)

    name = f"{CLOCK}.{task.name}"
    made = app.task(name=name, queue=CLOCK, lock=name, queueing_lock=name, retry=True)(run)
    app.periodic(cron=task.cron, periodic_id=task.name)(made)
