"""A run with errors is named and left out; the figures of a row come from its valid measurements only."""

from benchmarks.processes import Cpu, Memory
from benchmarks.report import Context, Summary, as_json, markdown
from benchmarks.session import Findings, Measurement, Start
from benchmarks.targets import TARGETS
from benchmarks.workload import Load

_MEMORY = Memory(pss=200_000_000, rss=250_000_000, peak_rss=300_000_000, pss_without_postgres=80_000_000)


def _measured(round_number: int, *, cpu_s: float, errors: int = 0) -> Measurement:
    load = Load(
        whole=1000,
        work=1000,
        per_second=500.0,
        elapsed_s=2.0,
        cpu_s=0.1,
        faults={"status": errors} if errors else {},
        first_error="status: 500 oh no" if errors else "",
        first_us={"p50": 1000, "p90": 1500, "p99": 2000, "max": 3000},
        chunk_us={"p50": None, "p90": None, "p99": None, "max": None},
    )
    return Measurement(
        target="nginx",
        round=round_number,
        case="small-32",
        clients=32,
        load=load,
        cpu=Cpu(total_s=cpu_s, ticks_s=cpu_s, user_s=0.0, by_name={}),
        cpu_per_work_us=cpu_s * 1e6 / 1000,
        gateway_share=cpu_s / 2,
        load_core_share=0.1,
        others_cores=0.0,
        load_average=0.5,
        memory=_MEMORY,
    )


def _findings() -> Findings:
    starts = [
        Start("nginx", number, "nginx -c x", 0.5 * number, _MEMORY, 1.0, 401, ()) for number in (1, 2, 3)
    ]
    measurements = [_measured(1, cpu_s=0.2), _measured(2, cpu_s=0.4), _measured(3, cpu_s=9.0, errors=2)]
    return Findings(starts=starts, measurements=measurements, failures=[])


def _context() -> Context:
    return Context(
        command="python -m benchmarks run --targets nginx",
        began="2025-01-01T00:00:00+00:00",
        seconds=2.0,
        rounds=3,
        test_bench="C",
        pinning="pinned",
        targets=[TARGETS["nginx"]],
        versions={"nginx": "1"},
        missing={"litellm": "it is not there"},
    )


def test_figures_leave_invalid_measurements_out() -> None:
    figures = Summary(_findings(), "nginx").figures()
    cost, idle, later = (
        figures[name] for name in ("cpu_ms_per_request_32", "pss_idle_without_postgres_mb", "later_start_s")
    )

    assert cost is not None
    assert (round(cost.median, 3), cost.low, cost.high) == (0.3, 0.2, 0.4)
    assert idle is not None
    assert idle.median == 80
    assert later is not None
    assert later.median == 1.25


def test_the_table_starts_with_the_command_and_names_what_is_invalid_or_missing() -> None:
    text = markdown(_findings(), _context())

    assert text.splitlines()[0].strip() == "python -m benchmarks run --targets nginx"
    assert "| nginx | 0.300 [0.200-0.400] |" in text
    assert "**invalid**, left out: round 3, nginx, small-32: 2 errors in 1002 (status: 500 oh no)" in text
    assert "missing: litellm: it is not there" in text


def test_the_json_keeps_every_measurement_with_its_verdict() -> None:
    everything = as_json(_findings(), _context())
    measurements = everything["measurements"]

    assert isinstance(measurements, list)
    assert [one["valid"] for one in measurements] == [True, True, False]
