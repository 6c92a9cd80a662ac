"""Workers of one machine as one page: what each counts is told apart, and who is gone is not shown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from passerelle.telemetry.metrics import Metrics
from passerelle.telemetry.siblings import Siblings, Text, page


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Machine:
    """Some workers over one folder."""

    folder: Path
    clock: Clock
    workers: int = 3

    def start(self, worker: int) -> tuple[Siblings, Metrics]:
        metrics = Metrics()
        made = Siblings(self.folder, metrics, worker=worker, workers=self.workers, clock=self.clock)
        return made, metrics


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "metrics", Clock())


def _requests(shown: bytes) -> dict[str, float]:
    """By worker."""
    return {
        sample.labels["worker"]: sample.value
        for family in text_string_to_metric_families(shown.decode())
        for sample in family.samples
        if sample.name == "passerelle_requests_total"
    }


def _count(metrics: Metrics, times: int) -> None:
    metrics.requests.labels("acme", "assistant", "answered").inc(times)


def test_each_sees_all_and_its_own_as_they_are_now(machine: Machine) -> None:
    (one, of_one), (other, of_other) = machine.start(0), machine.start(1)
    _count(of_one, 2)
    one.write()
    _count(of_other, 3)
    other.write()
    _count(of_one, 5)

    assert _requests(one.exposition()) == {"0": 7, "1": 3}
    assert _requests(other.exposition()) == {"0": 2, "1": 3}


def test_every_family_stands_once_and_every_series_too(machine: Machine) -> None:
    made = [machine.start(number) for number in range(3)]
    for number, (siblings, metrics) in enumerate(made):
        _count(metrics, number + 1)
        metrics.seconds.labels("assistant").observe(0.2)
        siblings.write()
    shown = made[2][0].exposition()

    lines = shown.decode().splitlines()
    for word in ("# HELP ", "# TYPE "):
        named = [line.split(" ")[2] for line in lines if line.startswith(word)]
        assert len(named) == len(set(named))
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert all('worker="' in each for each in series)
    families = list(text_string_to_metric_families(shown.decode()))
    assert len({family.name for family in families}) == len(families)
    seconds = next(family for family in families if family.name == "passerelle_request_seconds")
    assert seconds.type == "histogram"
    counts = [sample for sample in seconds.samples if sample.name.endswith("_count")]
    assert {sample.labels["worker"] for sample in counts} == {"0", "1", "2"}


def _parsed(text: bytes) -> dict[str, tuple[str, str, list[tuple[str, dict[str, str], float]]]]:
    def known(family: Metric) -> Iterator[tuple[str, dict[str, str], float]]:
        for sample in family.samples:
            yield sample.name, {k: v for k, v in sample.labels.items() if k != "worker"}, sample.value

    return {
        family.name: (family.type, family.documentation, list(known(family)))
        for family in text_string_to_metric_families(text.decode())
        if not family.name.startswith(("process_", "python_gc_"))  # which differ from one look to the next
    }


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.floats(min_value=0, allow_infinity=True),
)
def test_but_for_the_number_it_is_what_one_process_shows(model: str, value: float) -> None:
    metrics = Metrics()
    metrics.requests.labels('quo"ted\\n', model, "new\nline").inc(value)
    metrics.seconds.labels(model).observe(value)
    metrics.load.places.labels(model).set(float("inf"))
    metrics.money.spool_bytes.set(-value)

    shown = page([Text(7).families(metrics.collect())])

    assert _parsed(shown) == _parsed(metrics.exposition())


def test_who_wrote_nothing_for_long_is_not_shown_and_begins_anew(machine: Machine) -> None:
    (one, _), (other, of_other) = machine.start(0), machine.start(1)
    _count(of_other, 40)
    other.write()
    machine.clock.now += 9
    assert _requests(one.exposition()) == {"1": 40}
    machine.clock.now += 2
    assert _requests(one.exposition()) == {}

    again, of_again = machine.start(1)
    _count(of_again, 1)
    again.write()
    assert _requests(one.exposition()) == {"1": 1}


def test_what_a_start_of_the_machine_left_behind_is_not_shown(machine: Machine) -> None:
    (one, _), (other, of_other) = machine.start(0), machine.start(1)
    _count(of_other, 1)
    other.write()
    machine.clock.now = 5.0

    assert _requests(one.exposition()) == {}


def test_workers_beyond_the_configured_number_are_not_shown(machine: Machine) -> None:
    last, of_last = machine.start(2)
    _count(of_last, 1)
    last.write()
    machine.workers = 2

    assert _requests(machine.start(0)[0].exposition()) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"at": 1000.0}', b'{"at": "x", "families": []}',
                                     b'{"at": 1000.0, "families": [["a"]]}', b"\xff"])  # fmt: skip
def test_a_damaged_file_hides_one_worker_only(machine: Machine, content: bytes) -> None:
    (one, of_one), (other, of_other) = machine.start(0), machine.start(1)
    _count(of_one, 1)
    _count(of_other, 2)
    other.write()
    (machine.folder / "2.json").write_bytes(content)

    assert _requests(one.exposition()) == {"0": 1, "1": 2}


def test_nobody_else_may_read_them(machine: Machine) -> None:
    machine.folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        machine.start(0)[0].write()
    finally:
        os.umask(before)

    assert machine.folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in machine.folder.iterdir()} == {"0.json": 0o600}


def test_a_file_that_cannot_be_written_takes_nothing_from_ones_own_figures(machine: Machine) -> None:
    machine.folder.write_text("in the way")
    one, of_one = machine.start(0)
    _count(of_one, 4)
    one.write()

    assert _requests(one.exposition()) == {"0": 4}
    machine.folder.unlink()
    one.write()
    assert _requests(machine.start(1)[0].exposition()) == {"0": 4}


def test_an_orphan_does_not_write_over_its_successor(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan, of_orphan = machine.start(0)
    _count(of_orphan, 100)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    successor, of_successor = machine.start(0)
    _count(of_successor, 1)
    successor.write()
    orphan.write()

    assert _requests(machine.start(1)[0].exposition()) == {"0": 1}


async def test_a_running_worker_is_soon_seen_by_the_others(machine: Machine) -> None:
    (one, of_one), (other, _) = machine.start(0), machine.start(1)
    _count(of_one, 3)
    running = asyncio.ensure_future(one.run())
    try:
        async with asyncio.timeout(5):
            while _requests(other.exposition()) != {"0": 3}:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
