"""Users of an embedded server: this process and others, watched and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

import passerelle
from passerelle.domain.errors import CannotRun
from passerelle.stores.embedded import EmbeddedPostgres
from tests.database import driver_address

_USER = """
import sys
from pathlib import Path
from passerelle.domain.errors import CannotRun
from passerelle.stores.embedded import EmbeddedPostgres
try:
    embedded = EmbeddedPostgres(Path(sys.argv[1]))
    print(embedded.start(), flush=True)
except CannotRun as error:
    print("CannotRun", error, flush=True)
    sys.exit(2)
sys.stdin.read()
embedded.close()
"""


@dataclass
class User:
    """Another process that uses the server until it is told to stop, or is killed."""

    process: subprocess.Popen[str]
    address: str

    def stop(self) -> None:
        """Let it close its use and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        """SIGKILL: it closes nothing."""
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def using(
    data: Path,
    *,
    user: int | None = None,
    prefix: Sequence[str] = (),
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Iterator[User]:
    """A process that uses the server in a data folder; killed at the end if it still runs. Raises CannotRun."""
    paths = [
        str(Path(passerelle.__file__).parents[1]),
        *(path for path in sys.path if "site-packages" in path),
    ]
    process = subprocess.Popen(
        [*prefix, python, "-c", _USER, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths), **(environment or {})},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = process.stdout.readline().strip()
        if not said.startswith("postgresql"):
            process.wait(10)
            raise CannotRun(said.removeprefix("CannotRun "))
        yield User(process, said)
    finally:
        process.kill()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


@contextlib.contextmanager
def embedded(data: Path) -> Iterator[str]:
    """The server, used by this process."""
    opened = EmbeddedPostgres(data)
    try:
        yield opened.start()
    finally:
        opened.close()


def write(address: str, value: int) -> None:
    with psycopg.connect(driver_address(address)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def read(address: str) -> list[int]:
    with psycopg.connect(driver_address(address)) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


@contextlib.contextmanager
def folder_open_to_all() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own is closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def until(condition: Callable[[], bool], *, within: float = 30.0) -> None:
    """Wait for a condition; fails when it does not come true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def server_id(data: Path) -> int:
    """The server's process id."""
    return int((data / "pg" / "postmaster.pid").read_text().split("\n")[0])


def supervisor_id(data: Path) -> int:
    """The supervisor's process id: the parent of the server."""
    stat = Path(f"/proc/{server_id(data)}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


def lives(pid: int) -> bool:
    """Does this process run? One that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def processes_of(data: Path) -> list[int]:
    """Every living process that names the data folder, except users of it."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and lives(int(folder.name)):
                command = (folder / "cmdline").read_bytes()
                if os.fsencode(data / "pg") in command and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
    return found


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)


def select_one(address: str) -> bool:
    """Does the database answer a query?"""
    try:
        with psycopg.connect(driver_address(address), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
