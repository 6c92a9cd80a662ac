"""What a run over a stream came to, and the judge that such a run asks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from passerelle.cache.seams import Opinion
from passerelle.domain.shares import Share, wilson


@dataclass(slots=True)
class Outcome:
    """Counts of one run."""

    asked: int = 0
    hits: int = 0
    wrong: int = 0  # hits whose answer is not the right one
    judged: int = 0  # questions put to the judge, second times too
    shadowed: int = 0  # hits that were asked again
    barred: dict[str, int] = field(default_factory=dict)  # questions that may not be compared, by reason
    refused: dict[str, int] = field(default_factory=dict)  # questions that no answer was given for, by reason
    notch: str = ""  # the rule in force at the end, where a controller chose it

    @property
    def hit_share(self) -> float:
        """Hits in everything that was asked."""
        return self.hits / self.asked if self.asked else 0.0

    @property
    def wrong_share(self) -> Share:
        """Wrong ones in the hits."""
        return wilson(self.wrong, self.hits)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Several runs over the same questions in other orders.

    The orders share their questions, so they are not independent: the interval is that of one run with the
    average counts, not of all runs together.
    """

    runs: tuple[Outcome, ...]

    @property
    def hit_share(self) -> float:
        """Mean over the runs."""
        asked = sum(run.asked for run in self.runs)
        return sum(run.hits for run in self.runs) / asked if asked else 0.0

    @property
    def wrong_share(self) -> Share:
        """Wrong hits in hits."""
        count = max(1, len(self.runs))
        return wilson(sum(run.wrong for run in self.runs) / count, sum(run.hits for run in self.runs) / count)

    def within(self, most: float) -> int:
        """Runs whose wrong share is not above `most`, as far as their own interval can tell."""
        return sum(run.wrong_share.low <= most for run in self.runs)


class Noisy:
    """A judge that knows the truth and says the opposite now and then; with rates of 0, an oracle.

    Asked `twice`, it is believed as the model of `cache.judge` is: where it says otherwise the second time, it is
    unsure. That it errs the second time as if there had been no first is an assumption.
    """

    def __init__(
        self, rng: random.Random, *, false_yes: float = 0.0, false_no: float = 0.0, twice: bool = False
    ) -> None:
        self._rng = rng
        self._false_yes = false_yes
        self._false_no = false_no
        self._twice = twice
        self.asked = 0  # how often it was asked, second times too

    def says(self, *, same: bool) -> bool:
        """Its opinion on two answers that are truly the same, or not."""
        self.asked += 1
        rate = self._false_no if same else self._false_yes
        return not same if rate and self._rng.random() < rate else same

    def opinion(self, *, same: bool) -> Opinion:
        """What is believed of it."""
        said = self.says(same=same)
        if self._twice and self.says(same=same) is not said:
            return Opinion.UNSURE
        return Opinion.SAME if said else Opinion.DIFFERENT
