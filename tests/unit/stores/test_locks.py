"""A lock is held by one process or shared by several, and waiting for it ends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.stores.locks import is_held, take


def test_an_exclusive_lock_keeps_everybody_out_until_it_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    held = take(file, exclusive=True, seconds=0)

    for exclusive in (True, False):
        with pytest.raises(TimeoutError, match="the lock lock is held by another process"):
            take(file, exclusive=exclusive, seconds=0)
    assert is_held(file, exclusively=True)
    os.close(held)

    assert not is_held(file, exclusively=False)
    os.close(take(file, exclusive=True, seconds=0))


def test_a_shared_lock_lets_others_share(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    held = [take(file, exclusive=False, seconds=0) for _ in range(2)]

    assert is_held(file, exclusively=False)
    assert not is_held(file, exclusively=True)
    with pytest.raises(TimeoutError):
        take(file, exclusive=True, seconds=0.05)
    for handle in held:
        os.close(handle)


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from passerelle.stores.locks import take;"
        "take(Path(sys.argv[1]), exclusive=True, seconds=0); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(file, exclusively=True)
        holder.kill()
        os.close(take(file, exclusive=True, seconds=30))


def test_a_lock_that_nobody_made_is_not_held_and_not_made_by_asking(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock", exclusively=True)
    assert not (tmp_path / "lock").exists()


def test_only_its_owner_may_open_a_lock(tmp_path: Path) -> None:
    os.close(take(tmp_path / "lock", exclusive=True, seconds=0))

    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
