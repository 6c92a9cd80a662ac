"""The rounds: each target alone on its core, every case, alternating; and what was read around each load."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import payloads, processes
from benchmarks.figures import per_unit
from benchmarks.gateways import NotStarted, Running, ask_once, free_port, pinned, started, upstream
from benchmarks.targets import Place, Programs, Target
from benchmarks.tools import Tools
from benchmarks.workload import EVENT_INTERVAL_US, Case, Generator, Load

_SETTLE_S = 0.5
_IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure and for how long; cores are None where pinning is impossible."""

    targets: Sequence[Target]
    cases: Sequence[Case]
    rounds: int
    seconds: float
    programs: Programs
    tools: Tools
    folder: Path
    gateway_core: int | None
    load_core: int | None


@dataclass(frozen=True, slots=True)
class Start:
    """One start of one target. Memory is read idle, `idle_cpu_ms_per_s` over two idle seconds of the whole family."""

    target: str
    round: int
    command: str
    start_s: float
    idle: processes.Memory
    idle_cpu_ms_per_s: float
    wrong_key_status: int | None
    left_behind: Sequence[str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One case on one target in one round. CPU is of all the target's processes from first byte to settled records.

    `others_cores`: how many cores the rest of the machine kept busy meanwhile (None of our processes counted).
    `load_core_share`: how busy load generator and upstream kept their core; near 1 they are the bottleneck.
    """

    target: str
    round: int
    case: str
    clients: int
    load: Load
    cpu: processes.Cpu
    cpu_per_work_us: float | None
    gateway_share: float
    load_core_share: float
    others_cores: float
    load_average: float
    memory: processes.Memory

    @property
    def valid(self) -> bool:
        return self.load.errors == 0 and self.load.work > 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A target that could not be started in a round."""

    target: str
    round: int
    why: str


@dataclass(frozen=True, slots=True)
class Bench:
    """The running test bench: upstream, generator and the key that targets accept."""

    plan: Plan
    engine: Running
    generator: Generator
    key: str

    @property
    def upstream_command(self) -> tuple[str, ...]:
        return (*self.plan.tools.upstream, str(self.generator.payload_folder), str(EVENT_INTERVAL_US))

    def small_body(self) -> bytes:
        return (self.generator.payload_folder / "small.json").read_bytes()


@contextlib.contextmanager
def bench(plan: Plan) -> Iterator[Bench]:
    """Writes the payloads and starts the upstream on the load core."""
    folder = plan.folder / "payloads"
    payloads.write_all(folder, events=max(1, round(plan.seconds * 1e6 / EVENT_INTERVAL_US)))
    key = f"sk-{secrets.token_urlsafe(24)}"
    generator = Generator(command=(*pinned(plan.load_core), *plan.tools.load), payload_folder=folder, key=key)
    command = (*plan.tools.upstream, str(folder), str(EVENT_INTERVAL_US))
    with upstream(command, core=plan.load_core) as engine:
        yield Bench(plan=plan, engine=engine, generator=generator, key=key)


@contextlib.contextmanager
def _running(bench: Bench, target: Target) -> Iterator[Running]:
    if target.launch is None:
        yield bench.engine
        return
    plan, folder = bench.plan, bench.plan.folder / target.name
    folder.mkdir(exist_ok=True)
    place = Place(
        folder=folder,
        port=free_port(),
        upstream_port=bench.engine.port,
        key=bench.key,
        upstream_command=bench.upstream_command,
    )
    with started(
        target.launch(plan.programs, place),
        folder=folder,
        port=place.port,
        key=bench.key,
        body=bench.small_body(),
        core=plan.gateway_core,
        timeout_s=target.start_timeout_s,
    ) as running:
        yield running


def _cpu_between(before: float, after: float, *, ours: float, elapsed: float) -> float:
    return max(0.0, after - before - ours) / elapsed


def measure(bench: Bench, running: Running, *, target: Target, case: Case, round_number: int) -> Measurement:
    """Warms up, loads, waits until deferred work is done, and reads the counters around all of it but the warming."""
    plan, generator = bench.plan, bench.generator
    clients = min(case.clients, target.streams) if case.streaming else case.clients
    generator.run(case, port=running.port, clients=clients, seconds=min(1.0, plan.seconds / 4), warming=True)
    time.sleep(_SETTLE_S)
    load_average = processes.load_average()
    engine_before, own_before = processes.cpu_of(bench.engine.family), time.process_time()
    busy_before, before = processes.machine_busy_s(), processes.cpu_of(running.family)
    began = time.monotonic()
    load = generator.run(case, port=running.port, clients=clients, seconds=plan.seconds)
    time.sleep(_SETTLE_S)
    elapsed = time.monotonic() - began
    cpu, busy = processes.cpu_of(running.family).since(before), processes.machine_busy_s()
    engine = processes.cpu_of(bench.engine.family).since(engine_before)
    ours = engine.total_s + load.cpu_s + time.process_time() - own_before
    if running is not bench.engine:
        ours += cpu.total_s
    return Measurement(
        target=target.name,
        round=round_number,
        case=case.name,
        clients=clients,
        load=load,
        cpu=cpu,
        cpu_per_work_us=per_unit(cpu.total_s, load.work, scale=1e6),
        gateway_share=cpu.total_s / load.elapsed_s,
        load_core_share=(engine.total_s + load.cpu_s) / load.elapsed_s,
        others_cores=_cpu_between(busy_before, busy, ours=ours, elapsed=elapsed),
        load_average=load_average,
        memory=processes.memory_of(running.family),
    )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _one_target(bench: Bench, target: Target, *, round_number: int, done: list[Measurement]) -> Start:
    with _running(bench, target) as running:
        time.sleep(_SETTLE_S)
        wrong = ask_once(port=running.port, key="sk-wrong-" + bench.key[::-1], body=bench.small_body())
        before = processes.cpu_of(running.family)
        time.sleep(_IDLE_S)
        idle_cpu = processes.cpu_of(running.family).since(before).total_s * 1e3 / _IDLE_S
        idle = processes.memory_of(running.family)
        for case in bench.plan.cases:
            result = measure(bench, running, target=target, case=case, round_number=round_number)
            done.append(result)
            cost = (
                "no work done"
                if result.cpu_per_work_us is None
                else f"{result.cpu_per_work_us:.1f} us CPU each"
            )
            _say(
                f"round {round_number} {target.name} {case.name}: {result.load.per_second:.0f}/s, {cost}, "
                f"{result.load.errors} errors {result.load.first_error}, load average {result.load_average:.2f}"
            )
    return Start(
        target=target.name,
        round=round_number,
        command=" ".join(running.argv),
        start_s=running.start_s,
        idle=idle,
        idle_cpu_ms_per_s=idle_cpu,
        wrong_key_status=wrong,
        left_behind=tuple(running.left_behind),
    )


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the rounds gave."""

    starts: Sequence[Start]
    measurements: Sequence[Measurement]
    failures: Sequence[Failure]


def rounds(plan: Plan) -> Findings:
    """All rounds; the order of targets turns round every time, so that a drift of the machine favours nobody."""
    starts: list[Start] = []
    measurements: list[Measurement] = []
    failures: list[Failure] = []
    with bench(plan) as running_bench:
        for number in range(1, plan.rounds + 1):
            order = plan.targets if number % 2 else list(reversed(plan.targets))
            for target in order:
                try:
                    starts.append(_one_target(running_bench, target, round_number=number, done=measurements))
                except NotStarted as why:
                    failures.append(Failure(target=target.name, round=number, why=str(why)))
                    _say(f"round {number} {target.name}: {why}")
    return Findings(starts=starts, measurements=measurements, failures=failures)
