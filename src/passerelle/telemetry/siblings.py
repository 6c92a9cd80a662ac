"""The metrics of all workers of one machine as one page: each writes its own down, whoever is asked reads the others'.

A worker's samples carry its number in the label `worker`. Files and not shared memory: counting stays as cheap as in
one process, and a gauge stays what that process says.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import orjson
import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from passerelle.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_FRESH_SECONDS = 10.0  # who wrote nothing for longer is gone, or so stuck that old figures would deceive


class Family(NamedTuple):
    """Samples of one name, as text."""

    name: str
    head: str  # HELP and TYPE
    lines: str


class Siblings:
    """One worker's view of itself and the others.

    `clock` is one that all processes of the machine read alike, as CLOCK_MONOTONIC is.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        *,
        worker: int,
        workers: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._folder = folder
        self._metrics = metrics
        self._worker = worker
        self._others = [number for number in range(workers) if number != worker]
        self._clock = clock
        self._text = Text(worker)
        self._parent = os.getppid()
        self._writing = threading.Lock()
        self._failed = False

    def exposition(self) -> bytes:
        """The samples of every worker in Prometheus' text format, each family once."""
        return page([self._own(), *(self._read(number) for number in self._others)])

    async def run(self) -> None:
        """Write down this worker's samples again and again."""
        while True:
            families = []
            for family in self._own():
                families.append(family)
                await asyncio.sleep(0)  # thousands of series at once would hold up every stream
            # Where others wait for the disk, a rename may take long.
            await asyncio.to_thread(self._write, families)
            await asyncio.sleep(_EVERY_SECONDS)

    def write(self) -> None:
        """Write them down now: the last figures of a worker that stops."""
        self._write(list(self._own()))

    def _own(self) -> Iterator[Family]:
        return self._text.families(self._metrics.collect())

    def _write(self, families: list[Family]) -> None:
        if os.getppid() != self._parent:
            return  # by now the number may belong to a worker of another parent
        content = orjson.dumps({"at": self._clock(), "families": [[*family] for family in families]})
        try:
            with self._writing:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._folder.chmod(0o700)
                _replace(self._file(self._worker), content)
        except OSError as error:
            if not self._failed:
                _log.warning("metrics_not_shared", worker=self._worker, error=error.strerror)
            self._failed = True
            return
        self._failed = False

    def _read(self, number: int) -> list[Family]:
        """What a sibling wrote lately; nothing where there is no such worker now, or its file is damaged."""
        try:
            told = orjson.loads(self._file(number).read_bytes())
            fresh = 0 <= self._clock() - told["at"] <= _FRESH_SECONDS
            return [Family(*family) for family in told["families"]] if fresh else []
        except (OSError, ValueError, LookupError, TypeError):
            return []

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.json"


class Text:
    """Samples as lines with the label `worker`. What does not change of a line is made once."""

    def __init__(self, worker: int) -> None:
        self._label = f'worker="{worker}"'
        self._starts: dict[tuple[str, ...], str] = {}

    def families(self, metrics: Iterable[Metric]) -> Iterator[Family]:
        """As prometheus_client writes them: the times of creation are gauges of their own."""
        for metric in metrics:
            created = f"{metric.name}_created"
            lines: dict[str, list[str]] = {"": [], created: []}
            for sample in metric.samples:
                lines[created if sample.name == created else ""].append(self._line(sample))
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            yield _family(name, metric.type, metric.documentation, lines[""])
            if lines[created]:
                yield _family(created, "gauge", metric.documentation, lines[created])

    def _line(self, sample: Sample) -> str:
        key = (sample.name, *sample.labels, *sample.labels.values())
        start = self._starts.get(key)
        if start is None:
            labels = [f'{name}="{_escaped(value)}"' for name, value in sample.labels.items()]
            start = self._starts[key] = f"{sample.name}{{{','.join([*labels, self._label])}}} "
        return f"{start}{floatToGoString(sample.value)}\n"  # type: ignore[no-untyped-call]


def page(workers: Iterable[Iterable[Family]]) -> bytes:
    """One text of what several workers told, in which every family stands once."""
    heads: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    for families in workers:
        for family in families:
            heads.setdefault(family.name, family.head)
            lines.setdefault(family.name, []).append(family.lines)
    return "".join(head + "".join(lines[name]) for name, head in heads.items()).encode()


def _family(name: str, kind: str, documentation: str, lines: list[str]) -> Family:
    told = documentation.replace("\\", r"\\").replace("\n", r"\n")
    return Family(name, f"# HELP {name} {told}\n# TYPE {name} {kind}\n", "".join(lines))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _replace(file: Path, content: bytes) -> None:
    """Whoever reads it meets the old or the new, whole; what power takes away would be old anyway."""
    fresh = file.with_name(f".{file.name}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
    fresh.replace(file)
