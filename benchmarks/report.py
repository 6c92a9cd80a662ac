"""Findings as one Markdown table with its conditions, and as JSON with every single measurement."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Spread, table
from benchmarks.session import Findings, Measurement
from benchmarks.targets import Target
from benchmarks.workload import CASES

SCHEMA = 1
_MB = 1e6
_BUSY_LOAD_CORE = 0.9
_NOISY_CORES = 0.25


@dataclass(frozen=True, slots=True)
class Context:
    """What a reader needs to repeat the run; times are ISO 8601 in UTC."""

    command: str
    began: str
    seconds: float
    rounds: int
    test_bench: str
    pinning: str
    targets: Sequence[Target]
    versions: Mapping[str, str]
    missing: Mapping[str, str]


def machine() -> dict[str, object]:
    """The processor, memory and kernel of this machine."""
    processor = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": processor,
        "cores": len(Path("/proc/cpuinfo").read_text().split("processor\t")) - 1,
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


class Summary:
    """Medians over the valid measurements of one target."""

    def __init__(self, findings: Findings, target: str) -> None:
        self._mine = [one for one in findings.measurements if one.target == target and one.valid]
        self._starts = [one for one in findings.starts if one.target == target]

    def over(self, case: str, figure: Callable[[Measurement], float | None]) -> Spread | None:
        """`figure` over the rounds of `case`."""
        return Spread.of(figure(one) for one in self._mine if one.case == case)

    def figures(self) -> dict[str, Spread | None]:
        """Every figure of the table by a name that carries its unit."""
        starts = self._starts
        first = [one.start_s for one in starts if one.round == 1]
        later = [one.start_s for one in starts if one.round > 1]
        return {
            "requests_per_s_32": self.over("small-32", lambda one: one.load.per_second),
            "cpu_ms_per_request_32": self.over("small-32", _cpu_ms),
            "core_bound_requests_per_s_32": self.over(
                "small-32", lambda one: 1e6 / one.cpu_per_work_us if one.cpu_per_work_us else None
            ),
            "p50_ms_32": self.over("small-32", lambda one: _ms(one.load.first_us["p50"])),
            "p99_ms_32": self.over("small-32", lambda one: _ms(one.load.first_us["p99"])),
            "p50_us_1": self.over("small-1", lambda one: one.load.first_us["p50"]),
            "p99_us_1": self.over("small-1", lambda one: one.load.first_us["p99"]),
            "cpu_ms_per_request_1": self.over("small-1", _cpu_ms),
            "streams": self.over("stream", lambda one: one.clients),
            "cpu_us_per_event": self.over("stream", lambda one: one.cpu_per_work_us),
            "event_delay_p50_us": self.over("stream", lambda one: one.load.chunk_us["p50"]),
            "event_delay_p99_us": self.over("stream", lambda one: one.load.chunk_us["p99"]),
            "first_event_p50_us": self.over("stream", lambda one: one.load.first_us["p50"]),
            "cpu_ms_text_1mb": self.over("text-1mb", _cpu_ms),
            "cpu_ms_image_1mb": self.over("image-1mb", _cpu_ms),
            "pss_idle_mb": Spread.of(one.idle.pss / _MB for one in starts),
            "pss_idle_without_postgres_mb": Spread.of(one.idle.pss_without_postgres / _MB for one in starts),
            "rss_idle_mb": Spread.of(one.idle.rss / _MB for one in starts),
            "pss_loaded_mb": Spread.of([max((one.memory.pss / _MB for one in self._mine), default=None)]),
            "peak_rss_mb": Spread.of([max((one.memory.peak_rss / _MB for one in self._mine), default=None)]),
            "idle_cpu_ms_per_s": Spread.of(one.idle_cpu_ms_per_s for one in starts),
            "first_start_s": Spread.of(first),
            "later_start_s": Spread.of(later),
            "load_core_share_32": self.over("small-32", lambda one: one.load_core_share),
            "others_cores": Spread.of(one.others_cores for one in self._mine),
            "load_average": Spread.of(one.load_average for one in self._mine),
        }


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1e3


def _cpu_ms(one: Measurement) -> float | None:
    return None if one.cpu_per_work_us is None else one.cpu_per_work_us / 1e3


_COLUMNS: Sequence[tuple[str, Sequence[tuple[str, int]]]] = (
    ("CPU ms per request, 32 clients", [("cpu_ms_per_request_32", 3)]),
    ("so requests/s per core", [("core_bound_requests_per_s_32", 0)]),
    ("requests/s seen", [("requests_per_s_32", 0)]),
    ("p50 / p99 ms, 32 clients", [("p50_ms_32", 2), ("p99_ms_32", 2)]),
    ("p50 us, one client", [("p50_us_1", 0)]),
    ("added p50 us", [("added_p50_us", 0)]),
    ("streams", [("streams", 0)]),
    ("CPU us per event", [("cpu_us_per_event", 1)]),
    ("event delay p50 / p99 us", [("event_delay_p50_us", 0), ("event_delay_p99_us", 0)]),
    ("CPU ms, 1 MB text / image", [("cpu_ms_text_1mb", 2), ("cpu_ms_image_1mb", 2)]),
    (
        "PSS MB idle / without PostgreSQL / loaded",
        [
            ("pss_idle_mb", 0),
            ("pss_idle_without_postgres_mb", 0),
            ("pss_loaded_mb", 0),
        ],
    ),
    ("start s, first / later", [("first_start_s", 2), ("later_start_s", 2)]),
    ("cores busy with others' work", [("others_cores", 2)]),
    ("load average", [("load_average", 1)]),
)


def _figures(findings: Findings, target: str) -> dict[str, Spread | None]:
    figures = Summary(findings, target).figures()
    baseline = Summary(findings, "direct-cross").over("small-1", lambda one: one.load.first_us["p50"])
    mine = figures["p50_us_1"]
    if baseline and mine and not target.startswith("direct"):
        figures["added_p50_us"] = Spread(
            *(edge - baseline.median for edge in (mine.median, mine.low, mine.high))
        )
    return figures


def _cell(figures: Mapping[str, Spread | None], parts: Sequence[tuple[str, int]]) -> str:
    texts = [spread.text(digits) if (spread := figures.get(name)) else "-" for name, digits in parts]
    return "-" if set(texts) == {"-"} else " / ".join(texts)


def _invalid(findings: Findings) -> list[str]:
    return [
        f"- **invalid**, left out: round {one.round}, {one.target}, {one.case}: {one.load.errors} errors in "
        f"{one.load.work + one.load.errors} ({one.load.first_error})"
        for one in findings.measurements
        if not one.valid
    ]


def remarks(findings: Findings, context: Context) -> list[str]:
    """What a reader must know before believing the table, one line each."""
    lines = _invalid(findings)
    lines += [f"- not started: round {one.round}, {one.target}: {one.why}" for one in findings.failures]
    lines += [f"- missing: {name}: {why}" for name, why in context.missing.items()]
    for start in findings.starts:
        if start.left_behind:
            lines.append(
                f"- {start.target} left processes behind when stopped: {', '.join(start.left_behind)}"
            )
    names = [target.name for target in context.targets if not target.name.startswith("direct")]
    for name in names:
        mine = [one for one in findings.measurements if one.target == name]
        if any(one.load_core_share > _BUSY_LOAD_CORE for one in mine if one.case == "small-32"):
            lines.append(
                f"- {name}: load generator and upstream filled their core; its requests/s is their limit"
            )
        if any(one.wrong_key_status == 200 for one in findings.starts if one.target == name):
            lines.append(f"- {name}: a wrong key was answered: it checks no key")
    noisy = [one for one in findings.measurements if one.others_cores > _NOISY_CORES]
    if noisy:
        lines.append(
            f"- the machine was not quiet: in {len(noisy)} of {len(findings.measurements)} measurements other jobs "
            f"kept more than {_NOISY_CORES} cores busy; requests/s and latencies suffer first, CPU per request least"
        )
    return lines


def markdown(findings: Findings, context: Context) -> str:
    """The whole report as text."""
    here = machine()
    rows = []
    for target in context.targets:
        figures = _figures(findings, target.name)
        rows.append([target.name, *(_cell(figures, parts) for _, parts in _COLUMNS)])
    cases = "; ".join(f"{case.name}: {case.title}" for case in CASES.values())
    conditions = (
        f"{context.began}; {here['processor']}, {here['cores']} cores, {here['memory_gib']} GiB, "
        f"Linux {here['kernel']}, Python {here['python']}; {context.pinning}."
    )
    method = (
        f"Test bench: {context.test_bench}. {context.rounds} rounds of {context.seconds:g} s a case, "
        "alternating; median [lowest-highest]."
    )
    about = [f"- {one.name} ({context.versions[one.name]}): {one.does}" for one in context.targets]
    return "\n".join(
        [
            f"    {context.command}",
            "",
            conditions,
            method,
            f"Cases: {cases}.",
            "",
            table(["target", *(title for title, _ in _COLUMNS)], rows),
            "",
            *remarks(findings, context),
            *about,
            "",
        ]
    )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def as_json(findings: Findings, context: Context) -> dict[str, object]:
    """Everything, for machines; figures are {median, low, high} or null."""
    return {
        "schema": SCHEMA,
        "command": context.command,
        "began": context.began,
        "machine": machine(),
        "test_bench": context.test_bench,
        "pinning": context.pinning,
        "seconds": context.seconds,
        "rounds": context.rounds,
        "missing": dict(context.missing),
        "remarks": remarks(findings, context),
        "targets": {
            one.name: {
                "does": one.does,
                "version": context.versions[one.name],
                "figures": _plain(_figures(findings, one.name)),
            }
            for one in context.targets
        },
        "starts": _plain(findings.starts),
        "measurements": [{**_plain(one), "valid": one.valid} for one in findings.measurements],
        "failures": _plain(findings.failures),
    }
