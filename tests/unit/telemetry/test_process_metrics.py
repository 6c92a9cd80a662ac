"""An operator sees what the process holds: a leak shows before it hurts."""

from __future__ import annotations

import asyncio
import re

from passerelle.telemetry.metrics import Metrics


def _figure(metrics: Metrics, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", metrics.exposition().decode(), re.M)
    assert found is not None
    return float(found[1])


async def test_tasks_are_counted_when_they_are_asked_for() -> None:
    metrics = Metrics()
    before = _figure(metrics, "passerelle_tasks")
    waiting = asyncio.create_task(asyncio.Event().wait())
    assert _figure(metrics, "passerelle_tasks") == before + 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert _figure(metrics, "passerelle_tasks") == before


def test_outside_of_a_loop_there_are_none() -> None:
    assert _figure(Metrics(), "passerelle_tasks") == 0


def test_memory_and_descriptors_are_those_of_the_process() -> None:
    metrics = Metrics()
    assert _figure(metrics, "process_resident_memory_bytes") > 1_000_000
    assert _figure(metrics, "process_open_fds") > 2
