"""What is asked of every target, and the one way to ask it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks import payloads
from benchmarks.figures import percentile
from benchmarks.tools import HERE

EVENT_INTERVAL_US = 20_000
_STAGGER_S = 1.0
_LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load; `clients` is the number of connections that each carry one request at a time."""

    name: str
    body: str
    clients: int
    streaming: bool = False
    title: str = ""


CASES = {
    case.name: case
    for case in (
        Case("small-32", body="small", clients=32, title="268 B asked, 626 B answered, 32 clients"),
        Case("small-1", body="small", clients=1, title="the same, one client"),
        Case(
            "stream",
            body="stream",
            clients=100,
            streaming=True,
            title="streams of 288 B events, one per 20 ms",
        ),
        Case(
            "text-1mb", body="text-1mb", clients=1, title="1 MB of escaped, accented text asked, one client"
        ),
        Case("image-1mb", body="image-1mb", clients=1, title="1 MB of base64 image asked, one client"),
    )
}


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator saw; latencies in microseconds. `work` is requests, or content events of streams."""

    whole: int
    work: int
    per_second: float
    elapsed_s: float
    cpu_s: float
    faults: dict[str, int]
    first_error: str
    first_us: dict[str, int | None]
    """Closed loop: request to whole answer. Stream: request to first content."""
    chunk_us: dict[str, int | None]
    """Stream: from the upstream writing an event to the client reading it."""

    @property
    def errors(self) -> int:
        return sum(self.faults.values())


@dataclass(frozen=True, slots=True)
class Generator:
    """A load generator ready to run: its command prefix (pinning included), payload folder and key."""

    command: tuple[str, ...]
    payload_folder: Path
    key: str

    def run(self, case: Case, *, port: int, clients: int, seconds: float, warming: bool = False) -> Load:
        """Carries `case` out for about `seconds`; a warming run of streams uses short ones.

        Raises RuntimeError when the generator itself fails, which is no finding about a target.
        """
        body = "stream-warm" if case.streaming and warming else case.body
        request = (self.payload_folder / f"{body}.json").read_bytes()
        events = json.loads(request)["max_tokens"] if case.streaming else 0
        settings = {
            "port": port,
            "mode": "stream" if case.streaming else "closed",
            "clients": clients,
            "seconds": _STAGGER_S if case.streaming else seconds,
            "body": self.payload_folder / f"{body}.json",
            "key": self.key,
            "expect": payloads.MARK,
            "events": events,
            "timeout": _LONGEST_S,
        }
        argv = [*self.command, *(f"{name}={value}" for name, value in settings.items())]
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, cwd=HERE.parent, timeout=3 * _LONGEST_S
        )
        if done.returncode != 0:
            raise RuntimeError(f"the load generator ended with {done.returncode}: {done.stderr.strip()}")
        return parse_report(done.stdout, streaming=case.streaming)


def _points(histogram: dict[str, int]) -> dict[str, int | None]:
    counts = {int(us): count for us, count in histogram.items()}
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: percentile(counts, share) for name, share in shares.items()}


def parse_report(text: str, *, streaming: bool) -> Load:
    """From the JSON that the generators print."""
    raw = json.loads(text)
    work = raw["events"] if streaming else raw["whole"]
    rate = raw["events"] / raw["elapsed_s"] if streaming else raw["in_window"] / raw["window_s"]
    return Load(
        whole=raw["whole"],
        work=work,
        per_second=rate,
        elapsed_s=raw["elapsed_s"],
        cpu_s=raw["cpu_s"],
        faults={kind: count for kind, count in raw["faults"].items() if count},
        first_error=raw["first_error"],
        first_us=_points(raw["first_us"]),
        chunk_us=_points(raw["chunk_us"]),
    )
