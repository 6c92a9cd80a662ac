"""Wilson's score interval for a share that was counted.

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959964  # two-sided


@dataclass(frozen=True, slots=True)
class Share:
    """A share and the interval that holds the true one in 95 of 100 such counts."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:.1%} [{self.low:.1%}, {self.high:.1%}]"


def wilson(count: float, of: float, *, z: float = Z_95) -> Share:
    """The share of `count` in `of`; of nothing, 0 with the interval [0, 1]."""
    if of <= 0:
        return Share(0.0, 0.0, 1.0)
    share = count / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))
