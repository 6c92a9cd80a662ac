"""python -m benchmarks.cache: what an answer from the cache costs, beside one of the engine's. Exit 0: all bars met; 1: not; 2: not known.

Two services run side by side on one core: in the one, tenants keep answers and a tenant does not; in the other nobody
does and no cache is opened. The engine and the callers are on the other core. Loads alternate between them, so that a
change of the machine meets all alike; CPU is that of the service's process, which waits for nobody, and of all its
family with PostgreSQL beside it. Nothing here is imported from what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path

from benchmarks import payloads
from benchmarks.figures import Spread, table
from benchmarks.gateways import NotStarted, Running, free_port, pinned, started, upstream
from benchmarks.payloads import MODEL
from benchmarks.processes import cpu_clock_s, cpu_of
from benchmarks.targets import Launch, Programs
from benchmarks.tools import tools

HIT_MS = 0.15  # CPU of the service's process
HIT_SHARE = 0.65  # of a miss
SEMANTIC_MS = 8.0  # p50, from request to answer
ADDED_MS = 4.0  # p50, of a miss that was looked up by its meaning
FREE_SHARE = 1.05  # of what a call costs where there is no cache at all: as far as this measure tells
MEMBERS = 1_000
_SETTLE_S = 0.5
_BETWEEN_S = 0.02  # between calls of one client, in which the service learns from the last one
_TENANTS = ("plain", "exact", "alike")

_VERBS = ("change", "delete", "print", "share", "rename", "archive", "copy", "move", "lock", "restore")
_THINGS = ("invoice", "contract", "calendar", "folder", "password", "report", "picture", "address", "voucher", "ticket")  # fmt: skip
_PLACES = ("the mobile app", "the web portal", "the desktop program", "the old archive", "the settings page",
           "the shared drive", "the partner site", "the test area", "the help centre", "the admin console")  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What became of some calls."""

    calls: int = 0
    own_ms: float = 0.0  # CPU a call, of the service's process
    all_ms: float = 0.0  # of its whole family
    kinds: Counter[str] = field(default_factory=Counter)  # by what the service says of the cache
    waits: list[float] = field(default_factory=list)  # milliseconds, request to whole answer

    def p50(self, kind: str) -> float | None:
        """Milliseconds; None without any."""
        return statistics.median(self.waits) if self.waits and self.kinds[kind] else None


def question(number: int) -> str:
    """A question of its own for each number up to 1,000, of which none says what another does."""
    verb, thing, place = list(product(_VERBS, _THINGS, _PLACES))[number % MEMBERS]
    return f"How can I {verb} the {thing} in {place}?"


def body(text: str) -> bytes:
    """The small request of the other benchmarks, with another text; temperature 0, or nothing would be kept."""
    asked = json.loads(payloads.requests(events=1)["small"])
    asked["messages"][-1]["content"] = text
    return json.dumps({**asked, "temperature": 0}).encode()


def fresh(numbers: Iterator[int]) -> bytes:
    """The same request, of the same size, that nobody has asked before."""
    words = json.loads(payloads.requests(events=1)["small"])["messages"][-1]["content"]
    return body(f"{words[:-9]}{next(numbers):08d}.")


class Client:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"

    async def ask(self, content: bytes) -> str:
        """What the service says of the cache. Raises RuntimeError for anything but a whole answer."""
        head = f"{self._head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._writer.write(head.encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await self._reader.readexactly(int(headers["content-length"]))
        if " 200" not in lines[0] or payloads.MARK.encode() not in answer:
            raise RuntimeError(f"{lines[0]}: {answer[:200]!r}")
        return headers.get("x-passerelle-cache", "none")

    async def aclose(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def _clients(port: int, key: str, many: int) -> AsyncIterator[list[Client]]:
    made = [Client(*await asyncio.open_connection("127.0.0.1", port), key) for _ in range(many)]
    try:
        yield made
    finally:
        for client in made:
            await client.aclose()


async def _load(
    running: Running, key: str, bodies: Sequence[bytes], *, clients: int = 8, pause: float = 0.0
) -> Seen:
    """Ask all of it, and wait until what was put off for later is done."""
    seen = Seen(len(bodies))
    waiting = iter(bodies)

    async def run(client: Client) -> None:
        for content in waiting:
            began = time.perf_counter()
            seen.kinds[await client.ask(content)] += 1
            seen.waits.append((time.perf_counter() - began) * 1e3)
            if pause:
                await asyncio.sleep(pause)

    async with _clients(running.port, key, clients) as made:
        own, family = _own(running), cpu_of(running.family)
        await asyncio.gather(*(run(client) for client in made))
        await asyncio.sleep(_SETTLE_S)
        seen.own_ms = (_own(running) - own) / len(bodies) * 1e3
        seen.all_ms = cpu_of(running.family).since(family).total_s / len(bodies) * 1e3
    return seen


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _own(running: Running) -> float:
    """CPU seconds of the service's own process (`taskset` has become it)."""
    spent = cpu_clock_s(running.process.pid)
    if spent is None:
        raise RuntimeError("the service has ended")
    return spent


@dataclass(frozen=True, slots=True)
class Sides:
    """The two services, and the keys of the tenants."""

    kept: Running
    bare: Running
    keys: dict[str, str]


def _launch(programs: Programs, *, folder: Path, port: int, engine: int, keys: dict[str, str]) -> Launch:
    caches = {"plain": "", "exact": ", cache: true", "alike": ", cache: {semantic: {max_error_rate: 0.05}}"}
    tenants = "\n".join(
        f"  {name}: {{models: {{default: {MODEL}}}, budget: {{amount: 1000000}}{caches[name]}}}"
        for name in keys
    )
    config = f"""version: 1
backends:
  static:
    kind: openai
    url: "http://127.0.0.1:{engine}"
    cost: {{input_per_million: 0.1, output_per_million: 0.4, currency: USD}}
models: {{{MODEL}: {{task: chat, targets: [{{backend: static, model: fake}}]}}}}
tenants:
{tenants}
"""
    return Launch(
        argv=(
            *(programs.passerelle, "serve", "--config", str(folder / "providers.yaml")),
            *("--data", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port)),
        ),
        env={"API_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items())},
        files={"providers.yaml": config},
    )


@contextlib.contextmanager
def _sides(folder: Path, *, native: bool) -> Iterator[Sides]:
    """Both services, answering; the caller's own process goes to the other core."""
    cores = sorted(os.sched_getaffinity(0))
    gateway, load = (cores[0], cores[1]) if len(cores) > 1 and pinned(0) else (None, None)
    if load is not None:
        os.sched_setaffinity(0, {load})
    keys = {name: f"sk-{name}-{secrets.token_urlsafe(24)}" for name in _TENANTS}
    files = folder / "payloads"
    payloads.write_all(files, events=1)

    @contextlib.contextmanager
    def serve(name: str, tenants: dict[str, str]) -> Iterator[Running]:
        (folder / name).mkdir()
        port = free_port()
        launch = _launch(Programs(), folder=folder / name, port=port, engine=engine.port, keys=tenants)
        with started(
            launch,
            folder=folder / name,
            port=port,
            key=keys["plain"],
            body=body("Ready?"),
            core=gateway,
            timeout_s=60.0,
        ) as running:
            yield running

    try:
        with (
            upstream((*tools(native=native).upstream, str(files), "20000"), core=load) as engine,
            serve("kept", keys) as kept,
            serve("bare", {"plain": keys["plain"]}) as bare,
        ):
            yield Sides(kept, bare, keys)
    finally:
        os.sched_setaffinity(0, cores)


async def _exact(sides: Sides, *, rounds: int, calls: int) -> dict[str, list[Seen]]:
    """The same request at no cache, beside a cache, missed and hit, in every round, forwards and backwards."""
    same, numbers = body("Explain the plan. " * 5), count()
    kept, keys = sides.kept, sides.keys
    loads: dict[str, Callable[[int], tuple[Running, str, list[bytes]]]] = {
        "no cache anywhere": lambda n: (sides.bare, keys["plain"], [fresh(numbers) for _ in range(n)]),
        "tenant without cache": lambda n: (kept, keys["plain"], [fresh(numbers) for _ in range(n)]),
        "miss": lambda n: (kept, keys["exact"], [fresh(numbers) for _ in range(n)]),
        "hit": lambda n: (kept, keys["exact"], [same] * n),
    }
    for load in loads.values():
        await _load(*load(max(50, calls // 4)))
    found: dict[str, list[Seen]] = {name: [] for name in loads}
    for number in range(rounds):
        for name in loads if number % 2 else reversed(loads):
            found[name].append(await _load(*loads[name](calls)))
        _say(
            f"round {number + 1}: "
            + ", ".join(f"{name} {seen[-1].own_ms:.3f} ms" for name, seen in found.items())
        )
    return found


async def _alike(sides: Sides, *, members: int, calls: int) -> dict[str, Seen]:
    """Questions that mean the same as one of so many, and misses looked up beside ones that are not, in turns."""
    kept, keys = sides.kept, sides.keys
    await _load(kept, keys["alike"], [body("Is the model loaded?")], pause=1.0)
    await _load(kept, keys["alike"], [body(question(number)) for number in range(members)], clients=4)
    _say(f"{members} questions are known")
    step = max(1, members // calls)
    others = [question(number).removesuffix("?") for number in range(0, members, step)][:calls]
    hits = await _load(kept, keys["alike"], [body(text) for text in others], clients=1, pause=_BETWEEN_S)
    plain, looked = Seen(), Seen()
    async with (
        _clients(kept.port, keys["plain"], 1) as (bare,),
        _clients(kept.port, keys["alike"], 1) as (alike,),
    ):
        for number in range(calls):
            content = body(f"Where is number {1000 + number} of {others[number % len(others)][10:]}?")
            for client, seen in ((bare, plain), (alike, looked)):
                began = time.perf_counter()
                seen.kinds[await client.ask(content)] += 1
                seen.waits.append((time.perf_counter() - began) * 1e3)
                seen.calls += 1
                await asyncio.sleep(_BETWEEN_S)
    return {"semantic hit": hits, "miss, not looked up": plain, "miss, looked up": looked}


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise, and what was measured; `value` None = nothing was."""

    what: str
    most: float
    value: float | None

    @property
    def holds(self) -> bool:
        """Is it kept?"""
        return self.value is not None and self.value <= self.most

    def row(self) -> list[str]:
        """Its line of the table."""
        told = "-" if self.value is None else f"{self.value:.3f}"
        return [self.what, told, f"{self.most:g}", "yes" if self.holds else "NO"]


def lowest(rounds: Sequence[Seen]) -> float:
    """Of a process's own CPU a call: what neighbours do to a machine only ever adds to it."""
    return min(seen.own_ms for seen in rounds)


def bars(exact: Mapping[str, Sequence[Seen]], alike: Mapping[str, Seen]) -> list[Bar]:
    """What was promised, beside what was found."""
    hit = lowest(exact["hit"])
    found = [
        Bar("CPU ms of an exact hit", HIT_MS, hit),
        Bar("an exact hit, of a miss", HIT_SHARE, hit / lowest(exact["miss"])),
        Bar(
            "a tenant without cache, of no cache anywhere",
            FREE_SHARE,
            lowest(exact["tenant without cache"]) / lowest(exact["no cache anywhere"]),
        ),
    ]
    if alike:
        looked, plain = alike["miss, looked up"].p50("miss"), alike["miss, not looked up"].p50("bypass")
        added = None if looked is None or plain is None else looked - plain
        found += [
            Bar("ms of a semantic hit, p50", SEMANTIC_MS, alike["semantic hit"].p50("semantic-hit")),
            Bar("ms that meaning adds to a miss, p50", ADDED_MS, added),
        ]
    return found


def _told(seen: Seen) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(seen.kinds.items()))


def report(exact: Mapping[str, Sequence[Seen]], alike: Mapping[str, Seen]) -> str:
    """Three tables: CPU, waits, bars."""
    cpu = [
        [name, *(spread.text(3) for spread in _spreads(rounds)), _told(rounds[0])]
        for name, rounds in exact.items()
    ]
    waits = [[name, f"{statistics.median(seen.waits):.2f}", _told(seen)] for name, seen in alike.items()]
    tables = [
        table(["CPU ms a call", "own process", "with PostgreSQL", "each round"], cpu),
        table(["one client", "p50 ms", "answered by"], waits) if waits else "",
        table(["bar", "measured", "at most", "met"], [bar.row() for bar in bars(exact, alike)]),
    ]
    return "\n\n".join(text for text in tables if text)


def _spreads(rounds: Sequence[Seen]) -> list[Spread]:
    both = Spread.of(seen.own_ms for seen in rounds), Spread.of(seen.all_ms for seen in rounds)
    return [spread for spread in both if spread is not None]


def main(argv: Sequence[str] | None = None, show: Callable[[str], None] = print) -> int:
    """Measure, print, and say whether every bar is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of CPU; the lowest counts")
    parser.add_argument("--calls", type=int, default=1000, help="of each kind in a round")
    parser.add_argument(
        "--members", type=int, default=MEMBERS, help="questions that are known; 0: no meaning is measured"
    )
    parser.add_argument("--questions", type=int, default=100, help="of each kind, asked by one client")
    given = parser.parse_args(argv)
    alike: Mapping[str, Seen] = {}
    # Services have sessions of their own, and would outlive who is ended without a word to them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    try:
        with tempfile.TemporaryDirectory() as folder, _sides(Path(folder), native=True) as sides:
            exact = asyncio.run(_exact(sides, rounds=given.rounds, calls=given.calls))
            if given.members:
                alike = asyncio.run(_alike(sides, members=given.members, calls=given.questions))
    except (NotStarted, RuntimeError) as why:
        show(f"Nothing was measured: {why}")
        return 2
    show(report(exact, alike))
    return 0 if all(bar.holds for bar in bars(exact, alike)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
