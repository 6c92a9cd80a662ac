"""python -m benchmarks run | prepare litellm | targets: exit 0 done, 1 a measurement is invalid, 2 cannot run."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from benchmarks.report import Context, as_json, markdown
from benchmarks.session import Findings, Plan, rounds
from benchmarks.targets import LITELLM_PIN, LITELLM_VENV, TARGETS, Programs, Target, custom, version
from benchmarks.tools import HERE, tools
from benchmarks.workload import CASES

_RESULTS = HERE / "results"


def _cannot(words: str) -> NoReturn:
    print(f"benchmarks: {words}", file=sys.stderr)
    raise SystemExit(2)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    defaults = Programs()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="measure targets beside each other")
    run.add_argument(
        "--targets", default=",".join(TARGETS), help=f"rows, of {', '.join(TARGETS)} (default: all)"
    )
    run.add_argument("--cases", default=",".join(CASES), help=f"loads, of {', '.join(CASES)} (default: all)")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--seconds", type=float, default=5.0, help="per case and round")
    run.add_argument("--name", default="run", help="results/<date>-<name>.json and .md")
    run.add_argument("--gateway-core", type=int, default=0)
    run.add_argument("--load-core", type=int, default=1)
    run.add_argument(
        "--no-native", action="store_true", help="use the Python test bench although there is a compiler"
    )
    run.add_argument(
        "--command",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more row; {port} {upstream} {key} {folder} are filled in",
    )
    run.add_argument("--passerelle", default=defaults.passerelle, help="program to measure")
    run.add_argument("--nginx", default=defaults.nginx, help="program to measure")
    run.add_argument("--litellm", default=defaults.litellm, help="program to measure")
    prepare = verbs.add_parser("prepare", help="install a peer into a folder of its own")
    prepare.add_argument("peer", choices=["litellm"])
    verbs.add_parser("targets", help="list the rows and what is missing for them")
    return parser.parse_args(argv)


def _chosen(arguments: argparse.Namespace) -> list[Target]:
    extra = {}
    for word in arguments.command:
        name, sign, command = word.partition("=")
        if not sign:
            _cannot(f"--command {word!r} is not NAME=COMMAND")
        try:
            extra[name] = custom(name, command)
        except ValueError as error:
            _cannot(str(error))
    names = [*arguments.targets.split(","), *extra]
    known = {**TARGETS, **extra}
    unknown = [name for name in names if name not in known]
    if unknown:
        _cannot(f"no such target: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _cores(arguments: argparse.Namespace) -> tuple[int | None, int | None, str]:
    available = os.sched_getaffinity(0)
    wanted = {arguments.gateway_core, arguments.load_core}
    if len(wanted) == 2 and wanted <= available and shutil.which("taskset"):
        words = f"gateway on core {arguments.gateway_core}, load and upstream on core {arguments.load_core} (taskset)"
        return arguments.gateway_core, arguments.load_core, words
    why = "no taskset" if not shutil.which("taskset") else f"cores {sorted(wanted)} of {sorted(available)}"
    return None, None, f"NOT PINNED ({why}): figures of different targets disturb each other"


def _write(findings: Findings, context: Context, *, name: str) -> Path:
    _RESULTS.mkdir(exist_ok=True)
    file = _RESULTS / f"{context.began[:10]}-{name}.json"
    file.write_text(json.dumps(as_json(findings, context), indent=1) + "\n")
    file.with_suffix(".md").write_text(markdown(findings, context))
    return file


def _run(arguments: argparse.Namespace) -> int:
    chosen = _chosen(arguments)
    unknown = [name for name in arguments.cases.split(",") if name not in CASES]
    if unknown:
        _cannot(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    programs = Programs(passerelle=arguments.passerelle, nginx=arguments.nginx, litellm=arguments.litellm)
    missing = {one.name: why for one in chosen if (why := one.missing(programs))}
    present = [one for one in chosen if one.name not in missing]
    if not present:
        _cannot("; ".join(missing.values()))
    gateway_core, load_core, pinning = _cores(arguments)
    if load_core is not None:
        os.sched_setaffinity(0, {load_core})
    bench_tools = tools(native=not arguments.no_native)
    context = Context(
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        began=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        test_bench=bench_tools.made_of,
        pinning=pinning,
        targets=present,
        versions={one.name: version(one, programs) for one in present},
        missing=missing,
    )
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as scratch:
        # A gateway started by root may run its database as another user, who must be able to come this far.
        Path(scratch).chmod(0o755)
        findings = rounds(
            Plan(
                targets=present,
                cases=[CASES[name] for name in arguments.cases.split(",")],
                rounds=arguments.rounds,
                seconds=arguments.seconds,
                programs=programs,
                tools=bench_tools,
                folder=Path(scratch),
                gateway_core=gateway_core,
                load_core=load_core,
            )
        )
    file = _write(findings, context, name=arguments.name)
    print(markdown(findings, context))
    print(f"written: {file}", file=sys.stderr)
    return 1 if findings.failures or not all(one.valid for one in findings.measurements) else 0


def _prepare_litellm() -> int:
    """LiteLLM in a folder of its own: its pins would fight with ours."""
    bundled = HERE.parent / ".tools" / "bin" / "uv"
    uv = str(bundled) if bundled.exists() else shutil.which("uv")
    python = str(LITELLM_VENV / "bin" / "python")
    if uv:
        steps = [
            [uv, "venv", "--clear", "--python", sys.executable, str(LITELLM_VENV)],
            [uv, "pip", "install", "--python", python, LITELLM_PIN],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", "--clear", str(LITELLM_VENV)],
            [python, "-m", "pip", "install", "--quiet", LITELLM_PIN],
        ]
    for step in steps:
        done = subprocess.run(step, check=False)
        if done.returncode:
            _cannot(f"this failed: {shlex.join(step)}")
    return 0


def _list_targets() -> int:
    for target in TARGETS.values():
        print(f"{target.name}: {target.does}\n    {target.missing(Programs()) or 'ready'}")
    return 0


def _ended(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Runs one verb; SIGTERM ends it as Ctrl-C does, so that what was started is stopped."""
    signal.signal(signal.SIGTERM, _ended)
    arguments = _arguments(argv)
    if arguments.verb == "prepare":
        return _prepare_litellm()
    return _run(arguments) if arguments.verb == "run" else _list_targets()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
