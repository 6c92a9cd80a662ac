"""The data folder has one owner, and its secrets are made once."""

from __future__ import annotations

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from passerelle.domain.errors import CannotRun
from passerelle.stores.folder import DataFolder, connect_to, short_path, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_private_with_all_its_parents_made(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "b")
    folder.open()

    assert mode(folder.path) == 0o700
    assert list(folder.path.iterdir()) == []


def test_an_empty_folder_becomes_private_and_a_used_one_keeps_its_mode(tmp_path: Path) -> None:
    empty, used = tmp_path / "empty", tmp_path / "used"
    for path in (empty, used):
        path.mkdir()
        path.chmod(0o755)
    (used / "file").write_text("")

    DataFolder(empty).open()
    DataFolder(used).open()

    assert mode(empty) == 0o700
    assert mode(used) == 0o755


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            CannotRun, match=r"The data folder .* cannot be written: .*\. Choose another with --data"
        ):
            DataFolder(path).open()


def test_the_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.open()
    first.lock()

    with pytest.raises(CannotRun, match=rf"in use by the process {os.getpid()}\. Stop that process"):
        second.lock()
    assert (tmp_path / "serve.lock").read_text() == str(os.getpid())

    first.close()
    second.lock()
    second.close()
    second.close()


def test_a_longer_number_of_an_earlier_owner_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").write_text("123456789012")
    folder = DataFolder(tmp_path)
    folder.lock()

    assert (tmp_path / "serve.lock").read_text() == str(os.getpid())
    folder.close()


def test_a_secret_is_random_private_and_always_the_same(tmp_path: Path) -> None:
    pepper, kek = (DataFolder(tmp_path).secret(name) for name in ("pepper", "kek"))

    assert len(pepper) == len(kek) == 32
    assert pepper != kek
    assert DataFolder(tmp_path).secret("pepper") == pepper
    assert mode(tmp_path / "secrets") == 0o700
    assert mode(tmp_path / "secrets" / "pepper") == 0o600


def test_everybody_who_asks_at_once_gets_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: DataFolder(tmp_path).secret("pepper"), range(8)))

    assert len(found) == 1


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_secret_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secrets" / "pepper"
    file.parent.mkdir()
    file.write_bytes(content)

    with pytest.raises(CannotRun, match=rf"holds {len(content)} bytes, not 32\. Restore it from a backup"):
        DataFolder(tmp_path).secret("pepper")
    assert file.read_bytes() == content


def test_a_secret_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "pepper").mkdir(parents=True)

    with pytest.raises(CannotRun, match=r"pepper cannot be used: is a directory\. Run as the owner"):
        DataFolder(tmp_path).secret("pepper")


def test_a_private_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "demo.key"
    file.write_text("an old and much longer content")
    file.chmod(0o644)

    write_private(file, b"new")

    assert file.read_bytes() == b"new"
    assert mode(file) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["demo.key"]


def test_a_private_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("depth", [0, 60], ids=["short", "long"])
def test_a_socket_is_reached_at_a_path_of_any_length(tmp_path: Path, depth: int) -> None:
    path = DataFolder(tmp_path / ("d" * depth) / ("e" * depth)).control_socket
    path.parent.mkdir(parents=True, exist_ok=True)
    address, handle = short_path(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        connect_to(path, timeout=5).close()
    if handle is not None:
        os.close(handle)


def test_a_socket_that_nobody_listens_on_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        connect_to(tmp_path / "control.sock", timeout=1)
