"""CPU and memory are those of the whole process tree, ended children included."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.processes import Family, Stat, cpu_of, descendants, memory_of

_BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
_CHILD_OF_A_CHILD = f"""
import subprocess, sys
{_BURN}
subprocess.run([sys.executable, "-c", {_BURN!r}], check=True)
kept = bytearray(50_000_000)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def busy_tree() -> Iterator[int]:
    """A process that used 0.2 s of CPU, had a child that used as much and ended, and holds 50 MB."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD_OF_A_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid


def test_cpu_counts_children_that_ended(busy_tree: int) -> None:
    cpu = cpu_of(Family(busy_tree))

    # Ended children are counted in ticks of 10 ms, each of user and system time rounded down.
    assert cpu.total_s >= 0.4 - 0.02
    assert cpu.ticks_s == pytest.approx(cpu.total_s, abs=0.05)
    assert sum(cpu.by_name.values()) == pytest.approx(cpu.total_s)


def test_cpu_since_an_earlier_reading_is_only_what_was_added(busy_tree: int) -> None:
    earlier = cpu_of(Family(busy_tree))

    assert cpu_of(Family(busy_tree)).since(earlier).total_s == pytest.approx(0.0, abs=0.05)


def test_memory_is_at_least_what_is_held(busy_tree: int) -> None:
    memory = memory_of(Family(busy_tree))

    assert memory.peak_rss >= memory.rss >= 50_000_000
    assert memory.pss >= 50_000_000
    assert memory.pss_without_postgres == pytest.approx(memory.pss, rel=0.01)


def test_what_was_set_apart_but_names_the_folder_belongs_to_the_family(
    busy_tree: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _CHILD_OF_A_CHILD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as apart:
        assert apart.stdout is not None
        assert apart.stdout.readline() == b"ready\n"
        family = Family(busy_tree, folder=tmp_path)

        assert [stat.pid for stat in family.tree()] == [busy_tree]
        assert [stat.pid for stat in family.members()] == [busy_tree, apart.pid]
        assert cpu_of(family).total_s >= 0.8 - 0.04
        memory = memory_of(family)
        assert memory.pss >= 100_000_000
        assert memory.pss - memory.pss_without_postgres >= 50_000_000


def test_a_name_with_spaces_and_brackets_is_read_whole() -> None:
    numbers = " ".join(str(number) for number in range(1, 50))
    stat = Stat.parse(f"42 (a (strange) name) S 7 {numbers}")

    assert (stat.pid, stat.parent, stat.name, stat.state) == (42, 7, "a (strange) name", "S")
    assert (stat.user_s, stat.system_s, stat.reaped_s) == (0.10, 0.11, 0.25)


def test_descendants_are_those_below_the_root_only() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1}
    stats = [Stat(pid, parent, "x", "S", 0.0, 0.0, 0.0) for pid, parent in parents.items()]

    assert [stat.pid for stat in descendants(10, stats)] == [10, 11, 12]
    assert descendants(99, stats) == []
