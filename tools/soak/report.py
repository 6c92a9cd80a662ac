"""What people read of a soak, and what programs do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from tools.soak.client import End, Tally, quantile
from tools.soak.phases import FACTOR, Overload
from tools.soak.samples import Growth, Sample
from tools.soak.soak import Soaked
from tools.soak.world import World


def say(text: str) -> None:
    """To people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show_overload(loaded: Overload, world: World) -> None:
    """The phases around the overload."""
    back = "not seen" if loaded.back_after is None else f"{loaded.back_after:.1f} s"
    say(f"engine: {world.slots} slots; {world.workers} process(es) of the service")
    say(f"peak (closed loop)          {loaded.peak:8.1f} answers/s")
    say(f"asked at {FACTOR:.0f} x               {loaded.asked:8.1f} calls/s, Retry-After not heeded")
    say(
        f"goodput meanwhile           {loaded.goodput:8.1f} answers/s, {loaded.goodput_share:.1%} of the peak"
    )
    say(
        f"CPU of the service          {loaded.cpu:8.2f} of a core; it waited for one {loaded.waited:.2f} of the time"
    )
    if loaded.disturbed:
        say(f"NOT JUDGED: other programs took {loaded.others:.2f} cores of this machine meanwhile")
    say(
        f"CPU of the callers          {loaded.own_cpu:8.2f} of theirs; their loop was late by p95 {loaded.own_lag * 1000:.0f} ms"
    )
    say(
        f"refused with Retry-After    {loaded.refused:8d} calls, p95 {loaded.refused_p95 * 1000:.0f} ms; too late {loaded.late}"
    )
    say(f"p95 at half the peak        {loaded.light_p95 * 1000:8.0f} ms; back to normal after {back}")


def show_soak(soaked: Soaked, trends: Sequence[Growth], before: Sample, after: Sample) -> None:
    """The long phase."""
    tally = soaked.mix.tally
    slowest = max((each for each in soaked.reloads if each is not None), default=0.0)
    times = [each.seconds for each in tally.of(End.WHOLE)]
    say("")
    say(f"mixed: {len(tally.seen)} calls, {tally.ends()}")
    for tenant, each in sorted(soaked.mix.by_tenant.items()):
        say(f"  {tenant:10} {each.ends()}")
    say(f"  p50 {quantile(times, 0.5) * 1000:.0f} ms, p95 {quantile(times, 0.95) * 1000:.0f} ms")
    say(
        f"  {len(soaked.reloads)} reloads in force after {slowest:.1f} s at most, {soaked.mix.replays} replays, {len(soaked.mix.revoked)} keys revoked"
    )
    closed = ", ".join(f"{each:.0f}" for each in soaked.closings) or "none: too short for that"
    say(f"  silent connections closed after (s): {closed}")
    say("")
    say(
        f"{'':10} {'before':>8} {'after':>8} {'median':>8} {'least':>8} {'most':>8} {'per 10 min':>11} {'allowed':>8}"
    )
    for trend in trends:
        allowed = "not judged" if trend.allowed is None else f"{trend.allowed:g}"
        rest = [getattr(each, trend.name) for each in (before, after)]
        shown = " ".join(f"{each:8.1f}" for each in (*rest, trend.middle, trend.least, trend.most))
        say(f"{trend.name:10} {shown} {trend.per_ten_minutes:+11.2f} {allowed:>8}")


def show_end(last: Tally, status: int, took: float, outcomes: dict[str, int], requests: int) -> None:
    """How it stopped, and what was written down."""
    say("")
    say(
        f"SIGTERM under load: {len(last.seen)} calls around it, {last.ends()}; ended with {status} after {took:.1f} s"
    )
    say(f"records of {requests} requests: {outcomes}")


def document(
    loaded: Overload,
    soaked: Soaked,
    trends: Sequence[Growth],
    rest: tuple[Sample, Sample],
    end: tuple[Tally, int, float],
) -> dict[str, object]:
    """For programs."""
    last, status, took = end
    return {
        "overload": loaded.plain(),
        "mixed": soaked.mix.tally.ends(),
        "by_tenant": {tenant: each.ends() for tenant, each in soaked.mix.by_tenant.items()},
        "reloads": soaked.reloads,
        "replays": soaked.mix.replays,
        "revoked": len(soaked.mix.revoked),
        "closings": soaked.closings,
        "trends": [asdict(each) for each in trends],
        "at_rest": [each.plain() for each in rest],
        "samples": [each.plain() for each in soaked.samples],
        "drain": {"ends": last.ends(), "status": status, "seconds": took},
    }
