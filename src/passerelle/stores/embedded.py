"""PostgreSQL 18 from the binaries of a Python package, for a service without a database server.

Every process that uses it holds a shared lock on one file; a supervisor, which is the server's parent, stops it
when the last of them is gone. It is reached through a unix socket in a folder of mode 0700, with a random
password, and changes nothing above the data folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from passerelle.domain.errors import CannotRun
from passerelle.stores.folder import sync_folder, write_private
from passerelle.stores.locks import is_held, take
from passerelle.stores.programs import ENVIRONMENT, find_programs

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0  # longer than the supervisor's own patience
_WATCH_SECONDS = 1.0
_POLL_SECONDS = 0.01
# PostgreSQL's fast shutdown, then its immediate one, each with the seconds it is given.
_STOPPING = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 10.0))
_LONGEST_LOG = 10 * 1_048_576
_LONGEST_ADDRESS = 100  # bytes; the kernel takes 107
_NO_PROCESS = 2**31 - 1  # above every possible process id
_SOCKET = ".s.PGSQL.5432"
_LIST_MARKS = frozenset(',"')
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "io_method": "sync",
    # Its log never quotes a statement or a value.
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """One process's use of the server in a data folder; other processes may use it at the same time.

    Making one raises CannotRun when PostgreSQL is not installed.
    """

    def __init__(self, data: Path) -> None:
        self._root = data.resolve()
        self._cluster = self._root / "pg"
        self._programs = find_programs(self._cluster)
        self._users: int | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> str:
        """Use the server, starting it if nobody does; its address as an SQLAlchemy URL.

        Blocks, about half a second the first time. Raises CannotRun.
        """
        if self._users is not None:
            raise RuntimeError("It is started already.")
        try:
            return self._start()
        except OSError as error:
            self.close()
            raise CannotRun(
                f"PostgreSQL cannot be started in {self._root}: {(error.strerror or str(error)).lower()}.",
                "Check the folder's owner and free space, or set DATABASE_URL.",
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop using the server, and wait until it is gone if nobody else uses it. Blocks; idempotent."""
        users, self._users = self._users, None
        if users is None:
            return
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
        os.close(users)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._is_supervised() and not self._has_users() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _start(self) -> str:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._closing.clear()
        # Waits while a supervisor stops the server for its last user.
        self._users = take(self._root / "pg.users", exclusive=False, seconds=_START_SECONDS)
        with self._gate():
            self._let_in()
            if not (self._cluster / "PG_VERSION").exists():
                self._create()
            server = self._bring_up()
            password = self._password()
        self._watcher = threading.Thread(target=self._watch, name="embedded-postgres", daemon=True)
        self._watcher.start()
        return (
            f"postgresql+psycopg://passerelle:{password}@/postgres?host={quote(os.fsencode(server.folder))}"
        )

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        """One process at a time makes or starts the server."""
        gate = take(self._root / "pg.start", exclusive=True, seconds=_START_SECONDS)
        try:
            yield
        finally:
            os.close(gate)

    def _watch(self) -> None:
        """A killed supervisor takes its server along: start both again, as long as this process uses them."""
        while not self._closing.wait(_WATCH_SECONDS):
            with contextlib.suppress(CannotRun, OSError):  # then the next look is another try
                if not self._is_supervised():
                    with self._gate():
                        self._bring_up()

    def _create(self) -> None:
        """A new cluster, whole or not at all: a killed attempt leaves only `pg.new`."""
        fresh, words = self._root / "pg.new", self._root / "pg.new.password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = secrets.token_hex(24).encode()
        write_private(words, password)
        self._give(fresh)
        self._give(words)
        self._programs.run(
            "initdb", "--auth=scram-sha-256", f"--pwfile={words}", "--username=passerelle", "--encoding=UTF8",
            "--locale=C.UTF-8", "--sync-method=syncfs", f"--pgdata={fresh}",
        )  # fmt: skip
        words.unlink()
        write_private(self._root / "pg.password", password)
        fresh.rename(self._cluster)
        sync_folder(self._root)

    def _password(self) -> str:
        file = self._root / "pg.password"
        try:
            return file.read_text(encoding="ascii").strip()
        except FileNotFoundError as error:
            raise CannotRun(
                f"{file} is missing; the database beside it opens with it only.", "Restore it from a backup."
            ) from error

    def _bring_up(self) -> _Server:
        """The server, ready for connections. Raises CannotRun."""
        deadline = time.monotonic() + _START_SECONDS
        launched = False
        while True:
            if self._is_supervised():
                server = _read_server(self._cluster)
                if server is not None and server.ready and _answers(server.folder):
                    return server
            elif launched:
                raise CannotRun(f"PostgreSQL does not stay up: {self._last_words()}.", f"Read {self._log}.")
            else:
                folder = self._socket_folder()
                self._end_orphan(folder)
                self._launch(folder)
                launched = True
            if self._closing.wait(_POLL_SECONDS) or time.monotonic() > deadline:
                raise CannotRun(
                    f"PostgreSQL was not ready within {_START_SECONDS:.0f} s.", f"Read {self._log}."
                )

    def _socket_folder(self) -> Path:
        name = f"passerelle-{os.geteuid()}-{hashlib.sha256(os.fsencode(self._root)).hexdigest()[:16]}"
        places = (self._root / "run", Path(tempfile.gettempdir()) / name, Path("/tmp") / name)  # noqa: S108 - checked
        folder = next((place for place in places if _fits(place)), places[-1])
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.lstat().st_uid not in {os.geteuid(), self._programs.user}:
            raise CannotRun(f"The folder {folder} belongs to somebody else.", "Remove it, or shorten --data.")
        self._give(folder)
        folder.chmod(0o700)
        return folder

    def _end_orphan(self, folder: Path) -> None:
        """Stop a server without a supervisor; disarm the traces of a dead one, whoever has its process id now."""
        server = _read_server(self._cluster)
        if server is not None:
            self._stop(server.pid)
        file = self._cluster / "postmaster.pid"
        (folder / f"{_SOCKET}.lock").unlink(missing_ok=True)
        if _read_server(self._cluster) is None:
            file.unlink(missing_ok=True)
            return
        # The other lines stay: by them PostgreSQL notices backends that outlived their server.
        rest = file.read_bytes().partition(b"\n")[2]
        write_private(file, b"%d\n%b" % (_NO_PROCESS, rest))
        self._give(file)

    def _stop(self, pid: int) -> None:
        for number, seconds in _STOPPING:
            if not _is_alive(pid, self._cluster):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while _is_alive(pid, self._cluster) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        if _is_alive(pid, self._cluster):
            raise CannotRun(f"The PostgreSQL server {pid} in {self._root} does not stop.", "Stop it by hand.")

    def _launch(self, folder: Path) -> None:
        if self._log.exists() and self._log.stat().st_size > _LONGEST_LOG:
            self._log.replace(self._log.with_name("pg.log.old"))
        programs, options = self._programs, {**_OPTIONS, "unix_socket_directories": str(folder)}
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            done = subprocess.run(
                [
                    *programs.prefix, sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")),
                    str(self._root / "pg.users"), str(self._life), str(programs.user or 0),
                    programs.path("postgres"), "-D", str(self._cluster),
                    *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
                ],
                start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=ENVIRONMENT,
                check=False,
            )  # fmt: skip
        finally:
            os.close(log)
        if done.returncode:
            raise CannotRun("The supervisor of PostgreSQL could not be started.", f"Read {self._log}.")

    @property
    def _log(self) -> Path:
        return self._root / "pg.log"

    @property
    def _life(self) -> Path:
        """Locked by the supervisor for as long as it lives."""
        return self._root / "pg.life"

    def _is_supervised(self) -> bool:
        return is_held(self._life, exclusively=True)

    def _has_users(self) -> bool:
        """Does another process use the server? Asked one at a time, so that nobody takes the question for a user."""
        try:
            gate = take(self._root / "pg.start", exclusive=True, seconds=0)
        except OSError:
            return False
        try:
            users = self._root / "pg.users"
            return is_held(users, exclusively=False) and not is_held(users, exclusively=True)
        finally:
            os.close(gate)

    def _last_words(self) -> str:
        """The last line of the log that says why, or else simply the last."""
        lines = self._log.read_bytes()[-8192:].decode("utf-8", "replace").splitlines() or ["its log is empty"]
        why = [line for line in lines if "FATAL:" in line or "PANIC:" in line] or lines
        return why[-1].split(":  ", 1)[-1][:300]

    def _give(self, path: Path) -> None:
        if self._programs.user is not None:
            os.chown(path, self._programs.user, self._programs.user, follow_symlinks=False)

    def _let_in(self) -> None:
        """Where the server's user is another, it owns the cluster and may enter the data folder, and nothing else.

        A cluster made where root could stay itself becomes that user's. Nothing above the folder is changed.
        """
        user = self._programs.user
        if user is None:
            return
        if self._root.stat().st_uid != user:
            os.chown(self._root, -1, user)
            self._root.chmod(0o710)
        if self._cluster.exists() and self._cluster.stat().st_uid != user:
            for folder, _, files in os.walk(self._cluster, topdown=False):
                for name in files:
                    self._give(Path(folder) / name)
                self._give(Path(folder))


@dataclass(frozen=True, slots=True)
class _Server:
    """What a server says about itself in `postmaster.pid`."""

    pid: int
    folder: Path  # of its socket
    ready: bool


def _read_server(cluster: Path) -> _Server | None:
    """None when there is no such file, or it is empty. Lines: process, data, start, port, socket, ..., status."""
    try:
        lines = (cluster / "postmaster.pid").read_bytes().split(b"\n")
        pid = int(lines[0])
    except (OSError, ValueError):
        return None
    lines += [b""] * 8  # the last ones come while it starts
    return _Server(pid, Path(os.fsdecode(lines[4])), b"ready" in lines[7])


def _fits(folder: Path) -> bool:
    """May a socket in this folder have an address? PostgreSQL's server and its clients read lists of folders."""
    return len(os.fsencode(folder / _SOCKET)) <= _LONGEST_ADDRESS and not _LIST_MARKS & set(str(folder))


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(folder / _SOCKET))
        except OSError:
            return False
        return True


def _is_alive(pid: int, cluster: Path) -> bool:
    """Is this process the cluster's server? One that died stays as a zombie where nobody collects it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return state not in b"ZX" and command[0].endswith(b"postgres") and os.fsencode(cluster) in command
