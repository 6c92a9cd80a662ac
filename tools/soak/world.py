"""The world of a soak: PostgreSQL, an engine, the real service as a process of its own, and what they are told."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Family, cpu_of, machine_busy_s
from passerelle.stores.embedded import EmbeddedPostgres
from tools.soak.engine import MODEL
from tools.soak.loads import FORBIDDEN

_SECONDS = 60.0
_OURS = ("PASSERELLE_", "API_KEYS", "DATABASE_URL", "REDIS_URL", "HF_TOKEN", "HTTP_PROXY", "http_proxy")
NOTICE = 3.0  # seconds after SIGTERM in which calls are answered at least
TENANTS = ("north", "south", "limited", "spender", "guarded")


def configuration(engine: int, *, slots: int, seconds: float, edition: int = 0) -> str:
    """The file, in one of two editions: a reload from one to the other opens the backend anew.

    `seconds` of the soak: the spender's budget is used up on the way.
    """
    return f"""# Written by `make soak`.
version: 1
operator: {{name: Soak, country: FR, currency: EUR}}
backends:
  engine:
    kind: vllm
    url: "http://localhost:{engine}"
    location: {{country: FR, operator: self}}
    timeouts: {{connect: {3 + edition % 2}s}}
    cost: {{input_per_million: 100, output_per_million: 100, currency: EUR}}
    concurrency: {slots + 1}
models:
  assistant: {{targets: [{{backend: engine, model: {MODEL}}}]}}
tenants:
  north: {{}}
  south: {{}}
  limited: {{limits: {{rpm: {900 + edition % 2}, concurrency: 4, tokens_per_second: 400}}}}
  spender: {{budget: {{amount: {max(0.05, seconds * 0.008):.2f}, currency: EUR, on_exceed: block}}}}
  guarded: {{guardrails: [{{name: confidential, kind: words, phrases: ["{FORBIDDEN}"]}}]}}
"""


def key() -> str:
    """A key that nobody else has."""
    while True:
        text = secrets.token_urlsafe(32)
        if len(set(text)) >= 16:
            return text


@dataclass(slots=True)
class World:
    """Everything that runs. `pids`: of the service's own processes."""

    folder: Path
    service: subprocess.Popen[bytes]
    engine_port: int
    database: str
    url: str
    keys: Mapping[str, str]
    environment: Mapping[str, str]
    workers: int
    slots: int
    seconds: float
    pids: Sequence[int] = field(default_factory=list)
    editions: int = 0

    @property
    def port(self) -> int:
        """The service's."""
        return int(self.url.rpartition(":")[2])

    def cpu(self) -> float:
        """Seconds of CPU that the service has used."""
        # clock_getcpuclockid(3): the kernel encodes "CPU clock of process pid" as ~pid << 3 | 2.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids)

    def waited(self) -> float:
        """Seconds for which the service could have run and had no core, because others did."""
        return sum(_waited(pid) for pid in self.pids)

    def others(self) -> float:
        """Seconds of CPU that programs which are not of this soak have used on this machine."""
        return machine_busy_s() - cpu_of(Family(os.getpid(), self.folder)).total_s

    def reload(self) -> None:
        """Write the other edition of the file; the service has to see that by itself."""
        self.editions += 1
        text = configuration(self.engine_port, slots=self.slots, seconds=self.seconds, edition=self.editions)
        new = self.folder / "providers.yaml.new"
        new.write_text(text, "utf-8")
        new.replace(self.folder / "providers.yaml")

    def order(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line on this configuration and data."""
        places = ("--config", str(self.folder / "providers.yaml"), "--data", str(self.folder / "data"))
        return subprocess.run(
            [sys.executable, "-m", "passerelle", *arguments, *places],
            capture_output=True,
            text=True,
            timeout=600,
            env=dict(self.environment),
            check=False,
        )

    def said(self) -> str:
        """What the service has printed."""
        return (self.folder / "service.log").read_text("utf-8", errors="replace")

    def stop(self) -> None:
        """Ask the service to stop."""
        self.service.send_signal(signal.SIGTERM)


@contextmanager
def running(
    folder: Path, *, workers: int, slots: int, service_seconds: float, seconds: float, engine_cores: set[int]
) -> Iterator[World]:
    """Start all of it on the cores that this process may use now; ended by their ids with the block."""
    with ExitStack() as stack:
        engine_port = _start_engine(stack, slots, service_seconds, engine_cores)
        postgres = EmbeddedPostgres(folder)
        database = postgres.start()
        stack.callback(postgres.close)
        keys = {tenant: key() for tenant in TENANTS}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            "PYTHONUNBUFFERED": "1",
            # Longer than callers go on asking after SIGTERM, as whoever runs a balancer sets it.
            "PASSERELLE_NOTICE_SECONDS": str(NOTICE),
            "DATABASE_URL": database,
            "API_KEYS": ",".join(f"{tenant}:{text}" for tenant, text in keys.items()),
        }
        if workers > 1:
            environment["REDIS_URL"] = _start_redis(stack, folder)
        (folder / "providers.yaml").write_text(
            configuration(engine_port, slots=slots, seconds=seconds), "utf-8"
        )
        service = _start_service(stack, folder, environment, workers)
        url = _address(service, folder / "service.log")
        world = World(
            folder, service, engine_port, database, url, keys, environment, workers, slots, seconds
        )  # fmt: skip
        world.pids = [service.pid] if workers == 1 else _children(service.pid, workers)
        yield world


def _waited(pid: int) -> float:
    # proc(5), schedstat: nanoseconds on a core, then on a run queue.
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _start_engine(stack: ExitStack, slots: int, seconds: float, cores: set[int]) -> int:
    engine = subprocess.Popen(
        [sys.executable, "-m", "tools.soak.engine", str(slots), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(_end, engine)
    os.sched_setaffinity(engine.pid, cores)  # an engine has a machine of its own
    assert engine.stdout is not None  # noqa: S101 - a pipe was asked for
    return int(engine.stdout.readline())


def _start_redis(stack: ExitStack, folder: Path) -> str:
    program = Path(sys.executable).with_name("redis-server")
    if not program.exists():
        sys.exit("SOAK_WORKERS above 1 needs a redis-server beside Python; `make install` brings one.")
    socket = folder / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no")
    server = subprocess.Popen([str(program), *options], stdout=subprocess.DEVNULL, cwd=folder)
    stack.callback(_end, server)
    until = time.monotonic() + _SECONDS
    while not socket.exists():
        if server.poll() is not None or time.monotonic() > until:
            sys.exit("redis-server did not start.")
        time.sleep(0.02)
    return f"unix://{socket}"


def _start_service(
    stack: ExitStack, folder: Path, environment: Mapping[str, str], workers: int
) -> subprocess.Popen[bytes]:
    places = ("--config", str(folder / "providers.yaml"), "--data", str(folder / "data"))
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "passerelle", "serve", "--port", "0", "--workers", str(workers), *places],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
        )
    stack.callback(_end, service)
    return service


def _address(service: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _SECONDS
    while (found := re.search(r"answers on (\S+)", log.read_text("utf-8"))) is None:
        if service.poll() is not None or time.monotonic() > until:
            sys.exit(f"The service did not start:\n{log.read_text('utf-8')[-2000:]}")
        time.sleep(0.02)
    return found[1]


def _children(parent: int, count: int) -> list[int]:
    until = time.monotonic() + _SECONDS
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "stat").read_text().rpartition(") ")[2].split()
                except OSError:
                    continue
                if int(words[1]) == parent:
                    found.append(int(entry.name))
        if len(found) >= count or time.monotonic() > until:
            return sorted(found)
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
