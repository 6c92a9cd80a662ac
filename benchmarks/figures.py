"""The arithmetic between counters and the table: percentiles, cost per request, medians with their range."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The smallest value that at least `share` (0..1] of the counted observations do not exceed; None without any.

    This is the nearest-rank percentile, exact for a histogram of one-unit buckets.
    """
    count = sum(histogram.values())
    if not count:
        return None
    # The small allowance keeps 0.55 * 100 = 55.00000000000001 on rank 55.
    rank, seen = max(1, math.ceil(count * share - 1e-9)), 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= rank:
            return value
    raise ValueError(f"{share} is not a share between 0 and 1")


def per_unit(spent_s: float, units: int, *, scale: float) -> float | None:
    """Seconds spent per unit of work times `scale` (1e3: milliseconds, 1e6: microseconds); None without any work."""
    return spent_s * scale / units if units else None


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """None when no round gave a value."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(median=statistics.median(known), low=min(known), high=max(known))

    def text(self, digits: int) -> str:
        """`median [low-high]`, the range only when the rounds differ at this precision."""
        median, low, high = (f"{value:.{digits}f}" for value in (self.median, self.low, self.high))
        return median if low == high else f"{median} [{low}-{high}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
