"""python -m benchmarks.retrieval [--chunks N]: how fast passages are indexed and found, and what they take, embedded.

Passages and questions are generated: words as frequent as in a language (Zipf), vectors around a few hundred points, so
that some are near each other. Everything goes through the store as pipelines use it, its owner's process included; no
model is called. Exit 0: every search of the 95th percentile is under the bar; 1: one is not.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import table
from passerelle.domain.retrieval import Chunk, Collection, Mode, Query
from passerelle.retrieval.embedded import Embedded

BAR = 20.0  # milliseconds, of the 95th percentile
_WIDTH = 384
_WORDS = 150  # of a passage, some 1,000 characters
_ASKED = 8  # words of a question
_VOCABULARY = 60_000
_POINTS = 300  # that vectors lie around
_NEAR = 0.7  # how far from them, beside their own length
_AT_ONCE = 640  # passages of one write, as of a document
_GROUPS = 20
_K = 10
_SPOT = Collection("benchmark", "passages", _WIDTH)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Times of searches in milliseconds, by their name: p50, p95, the slowest."""

    chunks: int
    ingested: float  # chunks a second
    resident: int  # bytes of the owner's memory, of which
    own: int  # its own; the rest are pages of its files, which the kernel takes back when it needs room
    stored: int  # bytes on the disk
    searches: dict[str, tuple[float, float, float]]


class Source:
    """Passages and questions, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        import numpy as np  # noqa: PLC0415 - heavy

        self._random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        letters = "abcdefghilmnoprstuv"
        self._words = [
            "".join(self._random.choices(letters, k=self._random.randint(3, 10))) for _ in range(_VOCABULARY)
        ]
        total, self._weights = 0.0, list[float]()
        for rank in range(_VOCABULARY):
            total += 1 / (rank + 3)
            self._weights.append(total)
        self._points = self._numbers.normal(size=(_POINTS, _WIDTH)).astype("float32")

    def text(self, words: int) -> str:
        """That many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words))

    def vectors(self, count: int) -> list[list[float]]:
        """That many vectors of length 1."""
        import numpy as np  # noqa: PLC0415 - heavy

        near = self._points[self._numbers.integers(0, _POINTS, count)]
        rows = near + _NEAR * self._numbers.normal(size=near.shape).astype("float32")
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return [[float(number) for number in row] for row in rows]

    def chunks(self, start: int, count: int) -> list[Chunk]:
        """Passages, 20 to a document, one in two of a group."""
        return [
            Chunk(
                id=f"d{n // 20}#{n % 20}",
                document=f"d{n // 20}",
                text=self.text(_WORDS),
                title=self.text(4),
                page=n % 20 + 1,
                start=0,
                end=1000,
                language="fr",
                groups=frozenset({f"group{n % _GROUPS}"}) if n % 2 else frozenset(),
                metadata={"year": 2000 + n % 25},
            )
            for n in range(start, start + count)
        ]


async def measure(chunks: int, searches: int, folder: Path, *, say: Callable[[str], None]) -> Figures:
    """Index that many passages in a folder, and search them."""
    source = Source()
    store = Embedded(folder)
    try:
        spent = 0.0
        for start in range(0, chunks, _AT_ONCE):
            some = source.chunks(start, min(_AT_ONCE, chunks - start))
            vectors = source.vectors(len(some))
            began = time.perf_counter()
            await store.upsert(_SPOT, some, vectors)
            spent += time.perf_counter() - began
            if start // _AT_ONCE % 32 == 31:
                say(f"{start + len(some)} passages in {spent:.0f} s")
        await store.settle(_SPOT)
        found = {name: await _timed(store, source, how, searches) for name, how in _HOW.items()}
        hello = await store._reads.ask({"do": "hello"}, seconds=60)
        return Figures(
            chunks,
            chunks / spent,
            _memory(hello["process"], "VmRSS"),
            _memory(hello["process"], "RssAnon"),
            _size(folder),
            found,
        )
    finally:
        await store.aclose()


_HOW: dict[str, dict[str, Any]] = {
    "text": {"mode": Mode.TEXT, "groups": None},
    "text, of groups": {"mode": Mode.TEXT, "groups": frozenset({"group1", "group7"})},
    "dense": {"mode": Mode.DENSE, "groups": None},
    "dense, of groups": {"mode": Mode.DENSE, "groups": frozenset({"group1", "group7"})},
    "hybrid": {"mode": Mode.HYBRID, "groups": None},
    "hybrid, of groups": {"mode": Mode.HYBRID, "groups": frozenset({"group1", "group7"})},
    "hybrid, diverse": {"mode": Mode.HYBRID, "groups": None, "diversity": 0.3},
}


async def _timed(
    store: Embedded, source: Source, how: dict[str, Any], searches: int
) -> tuple[float, float, float]:
    """Percentiles of single searches, one after another, after a few that do not count."""
    vectors = source.vectors(searches)
    times: list[float] = []
    for number, vector in enumerate(vectors):
        query = Query(text=source.text(_ASKED), vector=vector, k=_K, language="fr", **how)
        began = time.perf_counter()
        found = await store.search(_SPOT, query)
        if number >= searches // 10:
            times.append(1000 * (time.perf_counter() - began))
        if not found:
            raise SystemExit("A search found nothing: the figures would mean nothing.")
    times.sort()
    return times[len(times) // 2], times[min(len(times) - 1, int(0.95 * len(times)))], times[-1]


def _memory(process: int, kind: str) -> int:
    """Bytes, as Linux counts them."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def _size(folder: Path) -> int:
    """Bytes that its files take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def report(figures: Figures) -> str:
    """As Markdown."""
    rows = [[name, *(f"{value:.1f}" for value in times)] for name, times in figures.searches.items()]
    taken = (
        f"{figures.chunks} passages of {_WORDS} words and {_WIDTH} numbers: {figures.ingested:.0f} a second indexed, "
        f"{figures.resident / 1e6:.0f} MB of memory ({figures.own / 1e6:.0f} MB its own, {figures.own / figures.chunks / 1e3:.1f} kB each), "
        f"{figures.stored / 1e6:.0f} MB on the disk ({figures.stored / figures.chunks / 1e3:.1f} kB each)."
    )
    return f"{taken}\n\n{table(['search', 'p50 ms', 'p95 ms', 'slowest ms'], rows)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=200, help="of each kind")
    parser.add_argument(
        "--data", type=Path, help="a folder to leave the index in; default: one that is removed"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.data or Path(scratch)
        figures = asyncio.run(
            measure(given.chunks, given.searches, folder, say=lambda line: print(line, flush=True))
        )
    print(report(figures))
    return 0 if all(p95 < BAR for _, p95, _ in figures.searches.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
