"""What an engine's `GET /metrics` says of its queue. What is missing or not understood is unknown, never nought.

The format is Prometheus' text exposition format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/.
Names are those of vLLM (`vllm/v1/metrics/loggers.py`) and of Text Generation Inference 3 (its router's metrics).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import Load
from passerelle.wire.upstream import Upstream

_SECONDS = 2.0  # for an engine to answer; a reading that comes later says little
_LONGEST = 8_388_608  # bytes that are read for two numbers
_MOST = 10_000_000  # requests; no queue is longer
# Labels in braces: a quoted value may hold any character, and a brace, quote or backslash after a backslash.
_LABELS = rb'\{((?:[^"{}\n]|"(?:[^"\\\n]|\\.)*")*)\}'
_NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SAMPLE = re.compile(rb"(?:%b)?[ \t]+(%b)(?:[ \t]+[+-]?\d+(?:\.\d+)?)?[ \t\r]*" % (_LABELS, _NUMBER))


@dataclass(frozen=True, slots=True)
class Gauges:
    """The names of an engine's two gauges."""

    running: str
    waiting: str


VLLM = Gauges("vllm:num_requests_running", "vllm:num_requests_waiting")
TGI = Gauges("tgi_batch_current_size", "tgi_queue_size")


async def ask(gauges: Gauges | None, upstream: Upstream) -> Load | None:
    """What an engine with these gauges says now; None for one without any. Raises UpstreamFailed."""
    if gauges is None:
        return None
    url = upstream.base.removesuffix("/v1") + "/metrics"
    load = read(await upstream.get(url, limit=_SECONDS), gauges)
    if load is None:
        raise UpstreamFailed(Fault.BROKEN, "The engine's metrics do not say how long its queue is.")
    return load


def read(exposition: bytes, gauges: Gauges) -> Load | None:
    """Both gauges; None unless each is there and is a number of requests."""
    if len(exposition) > _LONGEST:
        return None
    running, waiting = _sum(exposition, gauges.running), _sum(exposition, gauges.waiting)
    if running is None or waiting is None:
        return None
    return Load(running, waiting)


def _sum(exposition: bytes, name: str) -> int | None:
    """A gauge over all its series: with data parallelism there is one for each engine.

    None when any of them is not understood: the others alone would tell of too little.
    """
    total = 0
    seen: set[bytes] = set()
    for line in re.finditer(
        rb"^[ \t]*%b(?=[ \t{\r\n]|$)([^\n]*)" % re.escape(name.encode()), exposition, re.M
    ):
        sample = _SAMPLE.fullmatch(line[1])
        if sample is None:
            return None
        labels, value = sample[1] or b"", float(sample[2])
        if labels in seen or not 0 <= value <= _MOST or value != int(value):
            return None
        seen.add(labels)
        total += int(value)
    return total if seen else None
