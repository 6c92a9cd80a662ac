"""What a program and all its processes have used, read from the kernel: CPU to the nanosecond, memory in bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/<pid>/stat that are needed here; CPU in seconds, counted by the kernel in ticks."""

    pid: int
    parent: int
    name: str
    state: str
    user_s: float
    system_s: float
    reaped_s: float
    """User and system time of children that ended and were waited for."""

    @classmethod
    def parse(cls, line: str) -> Stat:
        """From the text of a stat file; the command name may hold spaces and brackets."""
        head, _, tail = line.rpartition(")")
        pid, _, name = head.partition(" (")
        rest = tail.split()
        ticks = [int(word) for word in rest[11:15]]
        return cls(
            pid=int(pid),
            name=name,
            state=rest[0],
            parent=int(rest[1]),
            user_s=ticks[0] * _TICK_S,
            system_s=ticks[1] * _TICK_S,
            reaped_s=(ticks[2] + ticks[3]) * _TICK_S,
        )


def snapshot() -> Iterator[Stat]:
    """Every process of the machine; one that ends meanwhile is left out."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield Stat.parse((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue


def descendants(root: int, stats: Sequence[Stat]) -> list[Stat]:
    """`root` and everything below it, parents first; empty when `root` is gone."""
    by_parent: dict[int, list[Stat]] = {}
    for stat in stats:
        by_parent.setdefault(stat.parent, []).append(stat)
    tree = [stat for stat in stats if stat.pid == root]
    for stat in tree:
        tree.extend(by_parent.get(stat.pid, ()))
    return tree


def mentioning(text: str) -> list[Stat]:
    """Every living process whose command line holds `text`."""
    return [stat for stat in snapshot() if text.encode() in _command_line(stat.pid)]


def _command_line(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@dataclass(frozen=True, slots=True)
class Family:
    """The processes of one program: the one that was started, and whatever it set apart to outlive or survive it.

    A database with a supervisor of its own is no descendant of the gateway, but its command line names the
    gateway's `folder`; None: the tree under `root` is all there is.
    """

    root: int
    folder: Path | None = None

    def tree(self) -> list[Stat]:
        """`root` and all below it (zombies included: their time counts until they are reaped)."""
        return descendants(self.root, list(snapshot()))

    def members(self) -> list[Stat]:
        """The tree, then the trees set apart."""
        stats = list(snapshot())
        found = {stat.pid: stat for stat in descendants(self.root, stats)}
        if self.folder is not None:
            name = str(self.folder).encode()
            for apart in [stat for stat in stats if name in _command_line(stat.pid)]:
                found.update((stat.pid, stat) for stat in descendants(apart.pid, stats))
        return list(found.values())


def cpu_clock_s(pid: int) -> float | None:
    """CPU seconds of a whole process, ended threads included, in nanosecond resolution; None when it is gone.

    The number is clock_getcpuclockid(3)'s: the kernel encodes "CPU clock of process pid" as ~pid << 3 | 2.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds a family has used since it began, with its descendants that already ended."""

    total_s: float
    ticks_s: float
    """The same counted in ticks of 10 ms by /proc/<pid>/stat: a cross-check of `total_s`."""
    user_s: float
    by_name: dict[str, float]

    def since(self, earlier: Cpu) -> Cpu:
        """What was used between `earlier` and this reading."""
        names = self.by_name.keys() | earlier.by_name.keys()
        spent = {name: self.by_name.get(name, 0.0) - earlier.by_name.get(name, 0.0) for name in names}
        return Cpu(
            total_s=self.total_s - earlier.total_s,
            ticks_s=self.ticks_s - earlier.ticks_s,
            user_s=self.user_s - earlier.user_s,
            by_name=spent,
        )


def cpu_of(family: Family) -> Cpu:
    """A reading for all members.

    A child that ends and is waited for moves its time into its parent's `reaped_s`, so the sum never falls.
    """
    total = ticks = user = 0.0
    by_name: dict[str, float] = {}
    for stat in family.members():
        own = cpu_clock_s(stat.pid)
        counted = stat.user_s + stat.system_s
        spent = (counted if own is None else own) + stat.reaped_s
        total += spent
        ticks += counted + stat.reaped_s
        user += stat.user_s
        by_name[stat.name] = by_name.get(stat.name, 0.0) + spent
    return Cpu(total_s=total, ticks_s=ticks, user_s=user, by_name=by_name)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes held by a family: proportional (shared pages split), resident, and each process's resident peak."""

    pss: int
    rss: int
    peak_rss: int
    pss_without_postgres: int
    """`pss` of the tree under the root, processes of PostgreSQL in it left out."""


def _kib_fields(text: str) -> dict[str, int]:
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            fields[name] = int(value.split()[0]) * 1024
    return fields


def memory_of(family: Family) -> Memory:
    """A reading for all members; a process that ends meanwhile is left out."""
    pss = rss = peak = own = 0
    below_root = {stat.pid for stat in family.tree()}
    for stat in family.members():
        try:
            rollup = _kib_fields((_PROC / str(stat.pid) / "smaps_rollup").read_text())
            status = _kib_fields((_PROC / str(stat.pid) / "status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        pss += rollup.get("Pss", 0)
        rss += status.get("VmRSS", 0)
        peak += status.get("VmHWM", 0)
        # PostgreSQL names its processes itself, and the kernel may cut the last letter.
        if stat.pid in below_root and not stat.name.startswith("postgre"):
            own += rollup.get("Pss", 0)
    return Memory(pss=pss, rss=rss, peak_rss=peak, pss_without_postgres=own)


def machine_busy_s() -> float:
    """CPU seconds all processes of the machine have used since boot (steal and waiting not counted)."""
    words = (_PROC / "stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _wait, irq, softirq = (int(word) for word in words[1:8])
    return (user + nice + system + irq + softirq) * _TICK_S


def load_average() -> float:
    """Runnable processes averaged over the last minute."""
    return os.getloadavg()[0]
