"""Which comments people should look at next: different things by turns, the most doubtful of each first. Pure.

Fifty comments about one thing teach little more than three of them: those that say what a chosen one says already wait
until everything else has had its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.text.words import stems

MOST_DOUBTFUL = 2_000  # of a run, that are looked through
_ALIKE = 0.6  # of all their stems two comments share


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A comment that a person should look at; categories and polarity are what was read in it."""

    number: int
    text: str
    review: tuple[str, ...]
    categories: tuple[str, ...]
    polarity: str | None
    doubt: float


def next_ones(doubtful: Sequence[Doubtful], most: int) -> list[int]:
    """The numbers of the next ones, in the order in which to look at them."""
    turns = _in_turns(doubtful)
    chosen: list[int] = []
    waiting: list[int] = []
    seen: list[frozenset[str]] = []
    for one in turns:
        if len(chosen) == most:
            break
        said = frozenset(stems(one.text))
        if any(_alike(said, other) for other in seen):
            waiting.append(one.number)
            continue
        seen.append(said)
        chosen.append(one.number)
    return [*chosen, *waiting][:most]


def _in_turns(doubtful: Sequence[Doubtful]) -> list[Doubtful]:
    """One of each kind by turns; the kind with the most doubtful one comes first."""
    kinds: dict[tuple[str, str, str], list[Doubtful]] = {}
    for one in sorted(doubtful, key=lambda each: (-each.doubt, each.number)):
        reason, category = (next(iter(names), "") for names in (one.review, one.categories))
        kinds.setdefault((reason, category, one.polarity or ""), []).append(one)
    rounds: list[Doubtful] = []
    for turn in range(max(map(len, kinds.values()), default=0)):
        rounds += [members[turn] for members in kinds.values() if turn < len(members)]
    return rounds


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    if not one or not other:
        return one == other
    return len(one & other) >= _ALIKE * len(one | other)
