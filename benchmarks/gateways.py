"""Starts a gateway on its core, knows when it answers, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.targets import Launch
from benchmarks.tools import HERE

_POLL_S = 0.01
_STOP_S = 20.0
_LINGER_S = 5.0


class NotStarted(Exception):
    """The target never answered 200; the text says what it printed last."""


def pinned(core: int | None) -> tuple[str, ...]:
    """The command prefix that keeps a program on `core`; nothing without a core or without taskset."""
    if core is None or not shutil.which("taskset"):
        return ()
    return ("taskset", "-c", str(core))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask_once(*, port: int, key: str, body: bytes, path: str = "/v1/chat/completions") -> int | None:
    """The status of one request on a connection of its own; None when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    else:
        return response.status
    finally:
        connection.close()


@dataclass(slots=True)
class Running:
    """A started target; `left_behind` is filled when it has been stopped."""

    process: subprocess.Popen[bytes]
    family: processes.Family
    port: int
    start_s: float
    argv: Sequence[str]
    left_behind: list[str] = field(default_factory=list)


def _environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """A bare one: nothing of the caller's settings (a DATABASE_URL, say) may change what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {**kept, "HOME": str(folder), **extra}


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-5:])[-800:] or "nothing printed"


def _wait_for_200(
    process: subprocess.Popen[bytes], *, port: int, key: str, body: bytes, until: float
) -> None:
    status: int | None = None
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NotStarted(f"it ended with exit code {process.returncode}")
        status = ask_once(port=port, key=key, body=body)
        if status == 200:
            return
        time.sleep(_POLL_S)
    raise NotStarted(f"no 200 in time, last status {status}")


def _stop(running: Running) -> None:
    """SIGTERM to the root, then SIGKILL to what is still there of its family, which is noted."""
    known = running.family.members()
    running.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.process.wait(_STOP_S)
    until = time.monotonic() + _LINGER_S
    while (alive := _still_alive(known)) and time.monotonic() < until:
        time.sleep(_POLL_S)
    for stat in {stat.pid: stat for stat in alive}.values():
        running.left_behind.append(stat.name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(stat.pid, signal.SIGKILL)
    running.process.wait(_STOP_S)


def _still_alive(known: Sequence[processes.Stat]) -> list[processes.Stat]:
    now = {stat.pid: stat for stat in processes.snapshot()}
    return [stat for stat in known if (it := now.get(stat.pid)) and it.name == stat.name and it.state != "Z"]


@contextlib.contextmanager
def started(
    launch: Launch, *, folder: Path, port: int, key: str, body: bytes, core: int | None, timeout_s: float
) -> Iterator[Running]:
    """The target answering on `port`, stopped at the end. Raises NotStarted with the cause and its last words."""
    for name, text in launch.files.items():
        (folder / name).write_text(text)
    log = folder / "log.txt"
    argv = [*pinned(core), *launch.argv]
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(folder, launch.env),
            cwd=HERE.parent,
            start_new_session=True,
        )
    family = processes.Family(root=process.pid, folder=folder)
    running = Running(process=process, family=family, port=port, start_s=0.0, argv=argv)
    try:
        try:
            _wait_for_200(process, port=port, key=key, body=body, until=began + timeout_s)
        except NotStarted as why:
            raise NotStarted(f"{why}; last words: {_last_words(log)}") from None
        running.start_s = time.monotonic() - began
        yield running
    finally:
        _stop(running)


@contextlib.contextmanager
def upstream(command: Sequence[str], *, core: int | None) -> Iterator[Running]:
    """The static upstream on its core, with the port it announced."""
    argv = [*pinned(core), *command]
    began = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=HERE.parent, start_new_session=True)
    assert process.stdout is not None
    try:
        words = process.stdout.readline().split()
        if not words:
            raise RuntimeError(f"the static upstream ended at once: {' '.join(argv)}")
        family = processes.Family(root=process.pid)
        yield Running(
            process=process, family=family, port=int(words[1]), start_s=time.monotonic() - began, argv=argv
        )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
