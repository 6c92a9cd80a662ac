"""What operators watch of the process itself: memory, CPU, descriptors, the garbage collector, asyncio tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector


def watch_process(registry: CollectorRegistry) -> Callable[[], None]:
    """Add them to a registry; gives what sets those that are only looked up, from within the event loop."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    tasks = Gauge("passerelle_tasks", "Tasks of the event loop that are not done.", registry=registry)

    def look() -> None:
        try:
            tasks.set(len(asyncio.all_tasks()))
        except RuntimeError:  # asked for outside of a loop, where no task is
            tasks.set(0)

    return look
