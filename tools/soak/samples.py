"""What a process holds, read from outside every few seconds, and whether that grows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

_TASKS = re.compile(rb"^passerelle_tasks ([0-9.e+]+)", re.M)
_CONNECTED = "01"  # TCP_ESTABLISHED in /proc/net/tcp


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at all processes of the service together; `rss` in MiB."""

    at: float  # seconds since the beginning
    rss: float
    fds: int
    threads: int
    tasks: int | None  # None with several processes: each knows its own
    callers: int  # connections of callers
    engine: int  # connections to the engine
    postgres: int

    def plain(self) -> dict[str, float | int | None]:
        """For a JSON report."""
        return asdict(self)


def tasks_in(exposition: bytes) -> int | None:
    """The number of asyncio tasks that `/metrics` tells."""
    found = _TASKS.search(exposition)
    return int(float(found[1])) if found else None


def look(
    pids: Sequence[int], *, at: float, port: int, engine: int, tasks: int | None, postgres: int
) -> Sample:
    """A sample of these processes, whose own port and engine's port these are."""
    rss = threads = fds = 0
    sockets: set[str] = set()
    for pid in pids:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        rss += int(status["VmRSS"].split()[0])
        threads += int(status["Threads"])
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            fds += 1
            try:
                target = str(handle.readlink())
            except OSError:
                continue  # closed meanwhile
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    ours, theirs = _connections(sockets, port, engine)
    return Sample(at, rss / 1024, fds, threads, tasks, ours, theirs, postgres)


def _connections(sockets: set[str], port: int, engine: int) -> tuple[int, int]:
    ours = theirs = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in sockets and fields[3] == _CONNECTED:
            ours += fields[1].endswith(f":{port:04X}")
            theirs += fields[2].endswith(f":{engine:04X}")
    return ours, theirs


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The Theil-Sen estimate: the median of the slopes between all pairs of points; 0 of fewer than three."""
    if len(points) < 3:
        return 0.0
    return median((y - x[1]) / (t - x[0]) for x, (t, y) in combinations(points, 2) if t != x[0])


@dataclass(frozen=True, slots=True)
class Growth:
    """How one figure went: its median, its slope over ten minutes, and how much of that is allowed."""

    name: str
    middle: float
    least: float
    most: float
    per_ten_minutes: float
    allowed: float | None  # over ten minutes; None = too few samples to judge

    @property
    def grows(self) -> bool:
        """Is it more than is allowed?"""
        return self.allowed is not None and self.per_ten_minutes > self.allowed


def growths(samples: Sequence[Sample], allowed: dict[str, float], *, judged: bool) -> list[Growth]:
    """Each figure over the samples; with too few of them nothing is `judged`."""
    found = []
    for name, bound in allowed.items():
        points = [(each.at, float(value)) for each in samples if (value := getattr(each, name)) is not None]
        if points:
            values = [value for _, value in points]
            found.append(
                Growth(
                    name,
                    median(values),
                    min(values),
                    max(values),
                    slope(points) * 600,
                    bound if judged else None,
                )
            )
    return found
