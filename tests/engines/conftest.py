"""`transformers serve` as it is released, on a free port, serving a model that was made a moment ago.

It runs in an environment of its own (`make test-engines` installs it), and is ended by its process id.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

_ROOT = Path(__file__).parents[2]
_BIN = _ROOT / ".engines" / "venv" / "bin"
_START = 100.0  # seconds; it takes 6 on an idle core
_END = 10.0  # seconds until a server that was asked to end is killed


@dataclass(frozen=True)
class Python:
    """The engines' own environment."""

    folder: Path  # where it may write
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """What a program of this environment prints; fails with what it said when it fails."""
        done = subprocess.run(
            [_BIN / "python", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@dataclass(frozen=True)
class Server:
    """A running server and the one model it serves, by the name it knows."""

    url: str
    model: str


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    if not (_BIN / "transformers").exists():
        pytest.fail("The engines are not installed; run `make test-engines`.")
    folder = tmp_path_factory.mktemp("engines")
    (folder / "hub" / "hub").mkdir(parents=True)  # without it, its list of models is an error
    # Its modules were compiled when it was installed: it need not do so again for every run.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    settings = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return Python(folder, {**kept, **settings})


@pytest.fixture(scope="session")
def server(python: Python) -> Iterator[Server]:
    model = python.folder / "tiny"
    python.run(str(Path(__file__).with_name("tiny_model.py")), str(model))
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}", str(model))
    log = python.folder / "serve.log"
    options = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_BIN / "transformers", "serve", model, *options, "--log-level", "error"],
            env=python.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(server, process, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers and is the one that was started: no other is pinned to our folder."""
    end = time.monotonic() + _START
    wrong = {"model": "", "messages": [{"role": "user", "content": "x"}]}
    while time.monotonic() < end and process.poll() is None:
        try:
            said = httpx.post(f"{server.url}/v1/chat/completions", json=wrong, timeout=5).text
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        assert server.model in said, f"another server answers at {server.url}: {said[:200]}"
        return
    how = "is not there in time" if process.poll() is None else f"ended with {process.returncode}"
    pytest.fail(f"transformers serve {how}:\n{log.read_text(errors='replace')[-4000:]}")
