"""The embedded server never runs as root, and whoever starts it needs no home, no name and no help from root."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.stores import programs
from tests.embedded import (
    embedded,
    end,
    folder_open_to_all,
    lives,
    processes_of,
    read,
    select_one,
    server_id,
    supervisor_id,
    until,
    using,
    write,
)

_NOBODY, _NAMELESS = 65534, 54321
_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(autouse=True)
def _leave_no_clusters(tmp_path: Path) -> Iterator[None]:
    """Each is forty megabytes, and pytest would keep three runs of them."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with folder_open_to_all() as folder:
        yield folder


@_needs_root
def test_root_keeps_its_files_and_changes_nothing_above(tmp_path: Path) -> None:
    data = tmp_path / "data"
    above = [(path, path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, *tmp_path.parents)]
    with embedded(data) as address:
        assert select_one(address)
        if programs.find_programs(data / "pg").prefix:
            assert {path.stat().st_uid for path in data.rglob("*")} == {0}

    assert [(path, path.stat().st_mode, path.stat().st_uid) for path, _, _ in above] == above


@_needs_root
def test_root_without_user_namespaces_becomes_nobody(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_folder / "data"
    with embedded(data) as address:  # as it is on a machine with namespaces
        write(address, 1)
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert programs.find_programs(open_folder / "fresh").user == _NOBODY

    for folder, kept in ((data, [1]), (open_folder / "fresh", [])):
        with embedded(folder) as address, using(folder) as user:
            assert Path(f"/proc/{server_id(folder)}").stat().st_uid == _NOBODY
            assert user.address == address
            write(address, 2)
            end(server_id(folder))
            until(lambda address=address: select_one(address))  # type: ignore[misc]
            assert read(address) == [*kept, 2]
        assert processes_of(folder) == []
        assert (folder / "pg.password").stat().st_uid == 0
        assert stat.S_IMODE(open_folder.stat().st_mode) == 0o755

    monkeypatch.undo()
    with embedded(data) as address:  # and back on the first machine
        assert read(address) == [1, 2]


def _python_for(user: int) -> str:
    """An interpreter that this user may run: the tests' own can lie in a closed home folder."""
    for python in dict.fromkeys(
        [sys.executable, *filter(None, map(shutil.which, ("python3", "/usr/bin/python3")))]
    ):
        with contextlib.suppress(PermissionError):
            works = subprocess.run(
                [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
                user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False,
            )  # fmt: skip
            if works.returncode == 0:
                return python
    pytest.skip("no Python 3.11 that another user may run")


@_needs_root
@pytest.mark.parametrize("user", [_NOBODY, _NAMELESS], ids=["nobody", "without-a-name"])
def test_an_unprivileged_user_needs_no_home_and_no_name(open_folder: Path, user: int) -> None:
    if user == _NAMELESS and not programs.find_programs(open_folder / "pg").prefix:
        pytest.skip("user namespaces are forbidden here, and PostgreSQL wants a named user")
    python, data = _python_for(user), open_folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, user, user)

    with using(data, user=user, python=python) as first:
        write(first.address, 1)
        ours = {server_id(data), supervisor_id(data)}
        first.kill()
        with using(data, user=user, python=python) as second:
            assert read(second.address) == [1]
            second.stop()
    assert not any(lives(pid) for pid in ours)
    assert processes_of(data) == []
    assert {path.stat().st_uid for path in data.rglob("*")} == {user}

    with embedded(data) as address:  # root afterwards: the server runs as the owner of its files
        assert read(address) == [1]
        assert Path(f"/proc/{server_id(data)}").stat().st_uid == user


@_needs_root
@pytest.mark.parametrize("owner", [_NOBODY, _NAMELESS], ids=["nobody", "without-a-name"])
def test_root_leaves_a_closed_folder_to_its_owner(open_folder: Path, owner: int) -> None:
    data = open_folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, owner, owner)

    with embedded(data) as address:
        assert select_one(address)
        assert Path(f"/proc/{server_id(data)}").stat().st_uid == _NOBODY
    assert data.stat().st_uid == owner
    assert stat.S_IMODE(data.stat().st_mode) & 0o007 == 0


@_needs_root
def test_a_folder_that_may_only_be_read_is_one_clear_error(open_folder: Path) -> None:
    python = _python_for(_NOBODY)

    with pytest.raises(CannotRun, match=r"cannot be started in .*: permission denied\."):
        using(open_folder, user=_NOBODY, python=python).__enter__()
