"""What changed between two runs over the same comments: how many, from what to what, and which most clearly. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from passerelle.domain.survey_data import Comment
from passerelle.domain.survey_work import Change, Difference, Run
from passerelle.domain.surveys import Polarity

MOST_CHANGES = 100  # that are shown


@dataclass(frozen=True, slots=True)
class Pair:
    """A comment that both runs have read. `doubt`: of the more doubtful reading, from 0 to 1."""

    number: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    polarity_before: str | None
    polarity_after: str | None
    doubt: float

    @property
    def moved(self) -> bool:
        """Other categories?"""
        return set(self.before) != set(self.after)

    @property
    def turned(self) -> bool:
        """Another polarity?"""
        return self.polarity_before != self.polarity_after


@dataclass(frozen=True, slots=True)
class Differing:
    """The counts, and the pairs that differ."""

    comments: int
    pairs: tuple[Pair, ...]
    counts: Mapping[str, tuple[int, int]]
    moved: Mapping[tuple[str, str], int]

    def clearest(self, most: int) -> list[Pair]:
        """Those first of which both runs were sure, and that changed in more than one way."""
        return sorted(
            self.pairs, key=lambda pair: (not (pair.moved and pair.turned), pair.doubt, pair.number)
        )[:most]

    def told(self, before: Run, after: Run, comments: Mapping[int, Comment]) -> Difference:
        """With the runs, and the comments of the changes that are shown."""
        changes = [
            Change(
                comments[pair.number],
                pair.before,
                pair.after,
                _polarity(pair.polarity_before),
                _polarity(pair.polarity_after),
            )
            for pair in self.clearest(MOST_CHANGES)
            if pair.number in comments
        ]
        return Difference(
            before,
            after,
            self.comments,
            len(self.pairs),
            sum(pair.turned for pair in self.pairs),
            self.counts,
            self.moved,
            tuple(changes),
        )


def differ(pairs: Sequence[Pair], *, comments: int, counts: Mapping[str, tuple[int, int]]) -> Differing:
    """What differs. `pairs` are those that may; `comments` and `counts` are of all that both runs have read."""
    moved: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        gone = sorted(set(pair.before) - set(pair.after)) or [""]
        come = sorted(set(pair.after) - set(pair.before)) or [""]
        if pair.moved:
            moved.update((one, other) for one in gone for other in come)
    changed = tuple(pair for pair in pairs if pair.moved or pair.turned)
    return Differing(comments, changed, dict(counts), dict(moved.most_common()))


def _polarity(said: str | None) -> Polarity | None:
    return None if said is None else Polarity(said)
