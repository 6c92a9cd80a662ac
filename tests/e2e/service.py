"""The service as its operator runs it: a process of its own, started, talked to, killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

_SECONDS = 60.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without anything that is Passerelle's."""
    ours = ("PASSERELLE_", "API_KEYS", "DATABASE_URL", "HF_TOKEN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, **(extra or {})}


def command(*arguments: str) -> list[str]:
    """The command line of a verb."""
    return [sys.executable, "-m", "passerelle", *arguments]


def run(*arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A verb, run to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=environment(extra),
        check=False,
    )


@dataclass
class Service:
    """A running `passerelle serve`."""

    process: subprocess.Popen[str]
    output: Path
    config: Path
    data: Path
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it answers, from what it printed."""
        found = re.search(r"answers on (\S+)", self.output.read_text())
        assert found is not None
        return found[1]

    def await_text(self, text: str) -> None:
        """Wait until it has printed something. Fails when it ends first."""
        deadline = time.monotonic() + _SECONDS
        while text not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.02)

    def order(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb on the same configuration and data."""
        return run(*arguments, "--config", str(self.config), "--data", str(self.data))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(_SECONDS)


@contextmanager
def started(
    config: Path, data: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service on a free port, ended when the block does."""
    output = data.parent / f"{data.name}.out"
    with output.open("w") as file:
        process = subprocess.Popen(
            command("serve", "--port", "0", "--config", str(config), "--data", str(data), *arguments),
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment(extra), "PYTHONUNBUFFERED": "1"},
        )
    service = Service(process, output, config, data)
    try:
        service.await_text("answers on")
        yield service
    finally:
        if process.poll() is None:
            service.stop()


def of_folder(folder: Path) -> Sequence[int]:
    """The processes whose command line names a folder, this one excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(") ")[2][:1]
            except OSError:
                continue
            if os.fsencode(folder) in line and state not in "ZX":
                found.append(int(entry.name))
    return found


def json_of(done: subprocess.CompletedProcess[str]) -> object:
    """What a verb printed with --json."""
    return orjson.loads(done.stdout)
