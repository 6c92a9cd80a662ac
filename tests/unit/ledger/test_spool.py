"""What the spool took is in its file, whole; what it could not take, it said so of."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from passerelle.domain.errors import CannotRun, Unavailable
from passerelle.ledger import spool as room
from passerelle.ledger.spool import LOCK, Spool
from passerelle.ledger.spool_lines import HEADER, Event, decode
from passerelle.stores.locks import is_held
from tests.unit.ledger.events import began, ended


def events(spool: Spool) -> list[Event | None]:
    """Everything in its segments, None for what is not sound."""
    found: list[Event | None] = []
    for file in sorted(spool.folder.glob("*.spool")):
        content = file.read_bytes()
        assert content.startswith(HEADER)
        assert content.endswith(b"\n")
        found += [decode(each) for each in content.removeprefix(HEADER).splitlines()]
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", sync_seconds=0.01)
    yield opened
    opened.close()


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """The kernel lets no file of this process grow beyond that: writes come up short, then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_written_is_in_the_file_when_the_call_returns(spool: Spool) -> None:
    spool.begin(began(1))
    assert events(spool) == [began(1)]

    spool.end(ended(1))
    assert events(spool) == [began(1), ended(1)]


def test_a_try_that_is_over_as_it_begins_is_written_whole_or_not_at_all(spool: Spool) -> None:
    spool.both(began(1), ended(1))
    assert events(spool) == [began(1), ended(1)]

    size = (spool.folder / "00000001.spool").stat().st_size
    refused = 0
    with longest_file(size + 2_000):
        for number in range(2, 9):
            try:
                spool.both(began(number), ended(number))
            except Unavailable:
                refused += 1
    assert 0 < refused < 7
    written = events(spool)
    assert written == [
        event for number in range(1, 1 + len(written) // 2) for event in (began(number), ended(number))
    ]


def test_a_process_has_a_folder_of_its_own_that_nobody_else_reads_and_holds_its_lock(spool: Spool) -> None:
    assert spool.owner.startswith(f"{os.getpid()}-")
    assert spool.folder.stat().st_mode & 0o077 == 0
    assert (spool.folder / "00000001.spool").stat().st_mode & 0o077 == 0
    assert is_held(spool.folder / LOCK, exclusively=True)

    spool.close()
    spool.close()
    assert not is_held(spool.folder / LOCK, exclusively=True)
    with pytest.raises(Unavailable, match="closed"):
        spool.begin(began(1))


def test_segments_are_closed_at_their_size_and_hold_whole_lines(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=2000)
    for number in range(50):
        spool.begin(began(number))
    sizes = [file.stat().st_size for file in sorted(spool.folder.glob("*.spool"))]
    spool.close()

    assert len(sizes) > 5
    assert max(sizes) <= 2000
    assert events(spool) == [began(number) for number in range(50)]
    assert spool.waiting == sum(sizes)


def test_a_line_longer_than_a_segment_has_one_for_itself(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=100)
    spool.begin(began(1))
    spool.begin(began(2, model="m" * 70_000))
    spool.close()

    assert events(spool) == [began(1), began(2, model="m" * 70_000)]


def test_threads_that_write_together_do_not_mix_their_lines(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=20_000, sync_seconds=0.001)

    def write(first: int) -> None:
        for number in range(first, first + 200):
            spool.begin(began(number))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 200, 400, 600)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    spool.close()

    written = {event.attempt_id for event in events(spool) if event}
    assert written == {f"att_{number:08}" for number in range(800)}


@pytest.mark.parametrize("seconds", [0, 0.005])
def test_everything_is_synced_within_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    synced: dict[int, int] = {}
    happened = threading.Event()

    def fdatasync(handle: int) -> None:
        synced[os.fstat(handle).st_ino] = os.fstat(handle).st_size
        happened.set()

    monkeypatch.setattr(room.os, "fdatasync", fdatasync)
    spool = Spool(tmp_path, sync_seconds=seconds)
    try:
        for number in range(3):
            spool.begin(began(number))
            file = (spool.folder / "00000001.spool").stat()
            while synced.get(file.st_ino) != file.st_size:
                assert seconds, "the call returned before the disk had it"
                happened.clear()
                assert happened.wait(10)
    finally:
        spool.close()


def test_a_full_file_refuses_what_does_not_fit_and_stays_sound(spool: Spool) -> None:
    spool.begin(began(1))
    with longest_file(spool.waiting + 100), pytest.raises(Unavailable) as refused:
        spool.begin(began(2))

    assert refused.value.code == "ledger_full"
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.EFBIG
    assert events(spool) == [began(1)]


def test_an_end_that_does_not_fit_is_written_once_there_is_room_and_nothing_begins_before(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, sync_seconds=60)
    spool.begin(began(1))
    with longest_file(spool.waiting + 100):
        with pytest.raises(Unavailable) as refused:
            spool.end(ended(1))
        assert not spool.room()
        with pytest.raises(Unavailable):
            spool.begin(began(2))
        spool.sync()
        assert events(spool) == [began(1)]
    assert refused.value.code == "ledger_full"

    spool.sync()
    assert events(spool) == [began(1), ended(1)]
    spool.close()


_FILL = """
import sys
from pathlib import Path
from passerelle.domain.errors import Unavailable
from passerelle.ledger.spool import Spool
from passerelle.ledger.spool_lines import HEADER, decode
from tests.unit.ledger.events import began, ended

disk = Path(sys.argv[1])
filler = disk / "filler"
filler.write_bytes(b"x" * 100_000)
spool = Spool(disk / "spool", segment_bytes=16_384, least_free=0)
taken = []
try:
    for number in range(10_000):
        spool.begin(began(number))
        taken.append(began(number))
except Unavailable as error:
    assert error.code == "ledger_full", error.code
    assert error.__cause__.strerror == "No space left on device", error.__cause__
else:
    raise AssertionError("the disk is not full")
try:
    spool.end(ended(0))
except Unavailable:
    pass
filler.unlink()
spool.end(ended(1))
spool.close()
lines = []
for file in sorted(spool.folder.glob("*.spool")):
    lines += [decode(line) for line in file.read_bytes().removeprefix(HEADER).splitlines()]
assert lines == [*taken, ended(0), ended(1)], (len(lines), len(taken), lines[-3:])
print("whole", len(taken))
"""


def test_a_full_disk_loses_and_breaks_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=256k none "$1" && exec "$2" -c "$3" "$1"'
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run(
        [*space, "mount", "-t", "tmpfs", "none", str(disk)], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine lets nobody mount a small disk in a namespace")
    done = subprocess.run(
        [*space, "sh", "-c", script, "sh", str(disk), sys.executable, _FILL],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip

    assert not done.returncode, done.stdout + done.stderr
    assert "whole" in done.stdout


def test_new_tries_are_refused_before_the_disk_is_full_and_ends_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    free = 1000
    looks = 0

    class Space:
        f_frsize = 1

        @property
        def f_bavail(self) -> int:
            nonlocal looks
            looks += 1
            return free

    monkeypatch.setattr(room.os, "statvfs", lambda path: Space())
    spool = Spool(tmp_path, least_free=500, clock=lambda: now)
    spool.begin(began(1))
    free = 499
    assert spool.room()  # it has looked less than a second ago
    spool.begin(began(2))
    assert looks == 1

    now += 1
    assert not spool.room()
    with pytest.raises(Unavailable, match="no room"):
        spool.begin(began(3))
    spool.end(ended(1))
    assert looks == 2

    free, now = 500, now + 1
    assert spool.room()
    spool.begin(began(3))
    spool.close()
    assert events(spool) == [began(1), began(2), ended(1), began(3)]


def test_new_tries_are_refused_while_too_much_waits_to_be_drained(tmp_path: Path) -> None:
    now = 0.0
    spool = Spool(tmp_path, most_bytes=500, clock=lambda: now)
    spool.begin(began(1))
    spool.begin(began(2))
    now = 1.0
    assert not spool.room()
    spool.drained(spool.waiting)
    now = 2.0
    assert spool.room()
    spool.close()


def test_a_segment_the_disk_failed_to_sync_is_not_written_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, sync_seconds=60)
    spool.begin(began(1))
    spool.sync()

    def fails(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(room.os, "fdatasync", fails)
        spool.sync()
    spool.begin(began(2))
    spool.close()

    assert len(list(spool.folder.glob("*.spool"))) == 2
    assert events(spool) == [began(1), began(2)]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match=r"spool .* cannot be written: .*\. Free some space"):
        Spool(tmp_path / "file")


def test_closing_at_any_moment_of_a_sync_comes_to_an_end(tmp_path: Path) -> None:
    """The thread that syncs must not wait for a signal that it has cleared itself."""
    for number in range(400):
        spool = Spool(tmp_path, sync_seconds=0.001)
        spool.begin(began(number))
        time.sleep(0.0005 + 0.001 * (number % 20) / 20)  # around the end of the first wait
        closing = threading.Thread(target=spool.close, daemon=True)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()


def test_a_beginning_that_the_disk_failed_to_sync_is_not_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    spool = Spool(tmp_path / "spool", sync_seconds=0)
    with monkeypatch.context() as patch:
        patch.setattr(room.os, "fdatasync", broken)
        with pytest.raises(Unavailable):
            spool.begin(began(1))
    spool.end(ended(2))
    spool.close()

    assert events(spool) == [ended(2)]
