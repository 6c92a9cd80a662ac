"""`python -m tools.soak [folder]`: how the service holds under load for SOAK_SECONDS (600), with SOAK_WORKERS (1) processes.

PostgreSQL, engine and service share one core and the callers have another, where there are two. Exits 1 where something
leaks, is lost, is doubled or does not add up, and, unless SOAK_JUDGE=invariants, where goodput or recovery miss
their bars on a machine that is otherwise idle, or memory grows. Writes `report.json` in the folder.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from tools.soak import books, report
from tools.soak.client import End, Seen, Tally
from tools.soak.loads import Mix, callers
from tools.soak.phases import overload
from tools.soak.samples import growths
from tools.soak.soak import Probe, leave_under_load, more, soak
from tools.soak.world import World, running

ROOT = Path(__file__).parents[2]
SLOTS, SERVICE_SECONDS = 8, 0.05
_SEED = 20_260_101
_MARK = "providers.yaml"
# Over ten minutes. Memory is not flat to the byte: see the bar's reason in docs/operations/reliability.md. The others
# go up and down with the load, so a trend below these is noise.
ALLOWED = {
    "rss": 8.0,
    "fds": 4.0,
    "tasks": 4.0,
    "threads": 2.0,
    "callers": 4.0,
    "engine": 2.0,
    "postgres": 2.0,
}
_JUDGED = 120.0  # seconds of samples; a trend of fewer says nothing


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long, and with how many processes. `measures`: figures are judged too, not only what must always hold."""

    seconds: float = 600.0
    workers: int = 1
    measures: bool = True

    @property
    def long(self) -> bool:
        """Is there time for trends?"""
        return self.seconds >= 200

    @property
    def overload_seconds(self) -> float:
        """Of all phases around the overload."""
        return min(100.0, self.seconds * 0.4)

    @property
    def warm_seconds(self) -> float:
        """Of the mix before the first look at rest."""
        return min(20.0, self.seconds * 0.15)

    @property
    def soak_seconds(self) -> float:
        """Of the mix that is judged: the rest."""
        return self.seconds - self.overload_seconds - self.warm_seconds


def cores() -> tuple[set[int], set[int]]:
    """Those of the service and its database, and those of its callers and the engine; the same where there is but one."""
    mine = sorted(os.sched_getaffinity(0))
    return ({mine[0]}, {mine[1]}) if len(mine) > 1 else (set(mine), set(mine))


async def measure(world: World, admin: str, wanted: Wanted) -> tuple[dict[str, object], list[str]]:
    """All phases; the report, and what is wrong."""
    draw = random.Random(_SEED)  # noqa: S311 - load, not secrets
    probe = Probe(world, admin)
    seen: list[Seen] = []
    wrong: list[str] = []

    def done(tally: Tally) -> None:
        seen.extend(tally.seen)

    async with callers(world.url) as session:
        keys = (world.keys["north"], world.keys["south"])
        loaded = await overload(
            session,
            keys,
            slots=world.slots,
            seconds=wanted.overload_seconds,
            draw=draw,
            done=done,
            cpu=lambda: (world.cpu(), world.waited(), world.others()),
        )
    report.show_overload(loaded, world)
    wrong += loaded.wrong() if wanted.measures else loaded.strange

    rate = 0.5 * loaded.peak
    # What is opened at first use, such as a pool or a thread, is there before the first look.
    warm = await soak(probe, seconds=wanted.warm_seconds, rate=rate, draw=draw, every=1.0, reload_every=1.0)
    done(warm.mix.tally)
    before = await probe.at_rest()
    soaked = await soak(
        probe,
        seconds=wanted.soak_seconds,
        rate=rate,
        draw=draw,
        every=5.0 if wanted.long else 1.0,
        reload_every=min(60.0, wanted.soak_seconds / 4),
    )
    done(soaked.mix.tally)
    after = await probe.at_rest(before)
    wrong += more(before, after, world.slots)
    wrong += soaked.mix.tally.strange()
    kept = [each for each in soaked.samples if each.at >= soaked.samples[0].at + (60 if wanted.long else 0)]
    judged = wanted.measures and bool(kept) and kept[-1].at - kept[0].at >= _JUDGED
    trends = growths(kept, ALLOWED, judged=judged)
    wrong += [
        f"{each.name} grows by {each.per_ten_minutes:.1f} in ten minutes" for each in trends if each.grows
    ]
    wrong += _held(soaked.mix, soaked.reloads, soaked.closings)
    report.show_soak(soaked, trends, before, after)

    counted = await _tally_of(world.engine_port)
    verified = await asyncio.to_thread(world.order, "costs", "verify")
    if verified.returncode:
        wrong.append(
            f"the ledger does not add up while running: {(verified.stdout + verified.stderr)[-300:]}"
        )
    left, status, took = await leave_under_load(probe, rate=rate, draw=draw)
    done(left.tally)
    wrong += await _closed(world, left.tally, status)
    outcomes, differences = books.compare(world.database, seen)
    wrong += differences
    report.show_end(left.tally, status, took, outcomes, len(seen))
    document = report.document(loaded, soaked, trends, (before, after), (left.tally, status, took))
    return {**document, "engine": counted, "records": outcomes, "requests": len(seen)}, wrong


def _held(mix: Mix, reloads: list[float | None], closings: list[float]) -> list[str]:
    """What must hold in the mix, whatever the machine."""
    wrong = []
    if hung := len(mix.tally.of(End.LATE)):
        wrong.append(f"{hung} calls had no answer within the half minute that their callers waited")
    if mix.alive_after_revocation:
        wrong.append(f"{mix.alive_after_revocation} calls with a revoked key were not refused with 401")
    if mix.replays_that_differ:
        wrong.append(f"{mix.replays_that_differ} of {mix.replays} repeats were not the first answer")
    if None in reloads:
        wrong.append("a changed file was not taken up")
    wrong += [f"a silent connection was closed after {each:.0f} s" for each in closings if not 60 < each < 75]
    return wrong


async def _closed(world: World, last: Tally, status: int) -> list[str]:
    """What must hold once it has stopped."""
    wrong = [f"while stopping: {each}" for each in last.strange()]
    if status != 0:
        wrong.append(f"the service ended with {status}")
    spool = world.folder / "data" / "spool"
    if waiting := list(spool.iterdir()) if spool.exists() else []:
        wrong.append(f"{len(waiting)} files of the spool are left")
    if "Traceback" in world.said():
        wrong.append("the service's log holds a traceback")
    done = await asyncio.to_thread(world.order, "costs", "verify")
    if done.returncode:
        wrong.append(f"the ledger does not add up: {(done.stdout + done.stderr)[-300:]}")
    return wrong


async def _tally_of(port: int) -> dict[str, int]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, session.get("/tally") as reply:
        counted: dict[str, int] = orjson.loads(await reply.read())
        return counted


def empty(folder: Path) -> Path:
    """Without what an earlier soak left there. Exits where anything else lies in it."""
    if folder.exists() and any(folder.iterdir()):
        ours = folder / _MARK
        if not ours.is_file() or not ours.read_text("utf-8").startswith("# Written by `make soak`."):
            sys.exit(f"{folder} holds something else than a soak: name an empty folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text("# Written by `make soak`.\n", "utf-8")
    return folder


def main(folder: Path, wanted: Wanted) -> int:
    """Start everything, measure, end everything; the exit status."""
    mine = os.sched_getaffinity(0)
    theirs, ours = cores()
    os.sched_setaffinity(0, theirs)  # what is started from here on stays there
    try:
        with running(
            folder,
            workers=wanted.workers,
            slots=SLOTS,
            service_seconds=SERVICE_SECONDS,
            engine_cores=ours,
            seconds=wanted.seconds,
        ) as world:
            made = world.order("keys", "create", "--role", "admin")
            if made.returncode:
                sys.exit(made.stderr)
            os.sched_setaffinity(0, ours)
            document, wrong = asyncio.run(measure(world, made.stdout.strip(), wanted))
    finally:
        os.sched_setaffinity(0, mine)
    written = {"seconds": wanted.seconds, "workers": wanted.workers, "wrong": wrong, **document}
    (folder / "report.json").write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2))
    report.say("")
    for each in wrong:
        report.say(f"WRONG: {each}")
    report.say(
        f"{'Nothing is wrong.' if not wrong else f'{len(wrong)} things are wrong.'} {folder / 'report.json'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    scratch = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data" / "soak"
    asked = Wanted(
        float(os.environ.get("SOAK_SECONDS") or 600),
        int(os.environ.get("SOAK_WORKERS") or 1),
        os.environ.get("SOAK_JUDGE") != "invariants",
    )
    sys.exit(main(empty(scratch.resolve()), asked))
