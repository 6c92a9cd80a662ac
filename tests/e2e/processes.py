"""Several processes behind one port: which of them a connection is with, and what each of them says."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.service import Service, of_folder

MEMBER = "tmMQ9xV2cR7pLw4KzHs8dYbE"
CONFIGURATION = """\
version: 1
backends:
  offline: {kind: builtin}
models:
  assistant: {targets: [{backend: offline, model: extractive}]}
tenants:
  demo: {}
  acme: {}
"""


def until(condition: Callable[[], bool], what: str, *, within: float = 30.0) -> None:
    """Wait for a condition; fails when it does not come true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.02)


class Caller:
    """One kept connection, and so one process that answers on it."""

    def __init__(self, service: Service) -> None:
        host, _, port = service.url.removeprefix("http://").partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.connection.connect()
        ours: int = self.connection.sock.getsockname()[1]
        self.inode = _inode_of(int(port), ours)

    def ask(
        self, path: str, *, key: str | None = None, method: str = "GET", body: Any = None
    ) -> tuple[int, Any]:
        """The status, and the document."""
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        raw = orjson.dumps(body) if body is not None else None
        self.connection.request(method, path, body=raw, headers=headers)
        with self.connection.getresponse() as response:
            said = response.read()
            return response.status, orjson.loads(said) if said[:1] in (b"{", b"[") else said

    def of(self, pid: int) -> bool:
        """Is the connection with this process?"""
        ours = f"socket:[{self.inode()}]"
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(handle.readlink()) == ours:
                    return True
            except OSError:
                continue
        return False

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def _inode_of(server: int, client: int) -> Callable[[], int]:
    """The server's end of a connection on this machine: 0 until it is accepted."""
    ends = (f":{server:04X}", f":{client:04X}")

    def inode() -> int:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
                return int(fields[9])
        return 0

    return inode


def workers_of(service: Service) -> list[int]:
    """The ids of the workers, oldest first."""
    parent = service.process.pid
    return sorted(pid for pid in of_folder(service.data) if _parent(pid) == parent)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def one_each(service: Service, pids: Sequence[int]) -> Iterator[dict[int, Caller]]:
    """A connection with each of these processes."""
    found: dict[int, Caller] = {}
    opened: list[Caller] = []
    deadline = time.monotonic() + 60
    try:
        while len(found) < len(pids):
            assert time.monotonic() < deadline, f"only {sorted(found)} of {pids} take connections"
            caller = Caller(service)
            opened.append(caller)
            assert caller.ask("/health/live")[0] == 200
            owner = next(pid for pid in pids if caller.of(pid))
            found.setdefault(owner, caller)
        yield found
    finally:
        for caller in opened:
            caller.close()


def kill(pid: int, number: int) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)
