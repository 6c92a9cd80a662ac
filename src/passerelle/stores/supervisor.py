"""Runs PostgreSQL for as long as anybody uses it; started by path, with the standard library only.

Arguments: the lock that every user of the server holds shared, the lock that this process holds for its life, the
user to become (0 = stay), then the server's command. The server is stopped when the last user has let go,
however it ended; started again when it crashes; and shut down by the kernel when this process is killed.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # prctl(2)
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# PostgreSQL's fast shutdown, its immediate one, and the end of patience; each with the seconds it is given.
_STOPPING = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
# This often in a row the server may end young: then something is wrong that another start does not mend.
_MOST_TRIES = 8
_YOUNG_SECONDS = 10.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Supervisor:
    """The parent of one server."""

    def __init__(self, users: int, user: int, command: "list[str]") -> None:
        self._users = users
        self._user = user or None
        self._command = command
        self._guard = threading.Lock()  # a server is started or the end is declared, never both at once
        self._unused = threading.Event()
        self._server: subprocess.Popen[bytes] | None = None
        self._libc = ctypes.CDLL(None)

    def run(self) -> int:
        """Keep the server up until nobody uses it; 1 when it would not stay up."""
        threading.Thread(target=self._stop_when_unused, daemon=True).start()
        tries, pause = 0, _SHORTEST_PAUSE
        while tries < _MOST_TRIES:
            with self._guard:
                if self._unused.is_set():
                    return 0
                server = self._server = self._start()
            began = time.monotonic()
            server.wait()
            if time.monotonic() - began > _YOUNG_SECONDS:
                tries, pause = 0, _SHORTEST_PAUSE
            tries += 1
            self._unused.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return 1

    def _start(self) -> "subprocess.Popen[bytes]":
        parent = os.getpid()

        def in_child() -> None:
            for number in _IGNORED:
                signal.signal(number, signal.SIG_DFL)
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:  # killed before the kernel was told
                os._exit(1)

        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            cwd="/",
            preexec_fn=in_child,  # noqa: PLW1509  # needs no lock that the other thread could hold
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def _stop_when_unused(self) -> None:
        fcntl.flock(self._users, fcntl.LOCK_EX)
        with self._guard:
            self._unused.set()
            server = self._server
        if server is None:
            return
        for number, seconds in _STOPPING:
            server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(seconds)
                return


def main(arguments: "list[str]") -> int:
    """Leave the process that started this one, and supervise."""
    life = os.open(arguments[1], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    users = os.open(arguments[0], os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(life, fcntl.LOCK_EX)
    # Nobody's child: whoever started it may end first, and has no dead child to collect if it does not.
    if os.fork():
        os._exit(0)
    # It ends when the last user is gone, and not because somebody pressed a key in a terminal.
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    return Supervisor(users, int(arguments[2]), arguments[3:]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
