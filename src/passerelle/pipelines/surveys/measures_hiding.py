"""Which groups are shown: none under the minimum, and none from which such a group could be worked out.

A group is known by what it is the rest of: a total less all others, a trainer's answers less those of the other
sessions. So where everything shown of one division inside something shown of another leaves a rest of one to four
answers, the smallest shown group inside is hidden too, until there is no such rest. Then groups are let through one by
one, the largest first, and only while no small group is a sum or difference of them in whatever multiples: that is
linear algebra over a prime field, on random projections of the groups, which can only hide one too many. Figures are
whole groups' only; what somebody knows from elsewhere, and what overlapping groups bound without fixing it, is not
covered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

MINIMUM = 5  # answers
_PRIME = 1_000_003  # products of two and sums of thousands of them fit into 64 bits
_SPARE = 8  # dimensions of a projection beyond those that the groups can fill
Group = TypeVar("Group", bound=Hashable)


def shown(divisions: Mapping[str, Sequence[Group]], *, minimum: int = MINIMUM) -> dict[str, frozenset[Group]]:
    """By division, its groups that may be shown beside figures of all answers together.

    Each sequence says for every answer which group it is in. Costs a pass over the answers for each pair of divisions.
    """
    count = max((len(groups) for groups in divisions.values()), default=0)
    if count < minimum:
        return {name: frozenset() for name in divisions}
    # All answers together are one more division, of one group that is always shown.
    every: dict[str | None, Sequence[Group | None]] = {None: [None] * count}
    every.update(divisions.items())
    sizes = {name: Counter(groups) for name, groups in every.items()}
    kept: dict[str | None, set[Group | None]] = {
        name: {group for group, size in counted.items() if size >= minimum} for name, counted in sizes.items()
    }
    links = [
        _Link(outer, inner, Counter(zip(every[outer], every[inner], strict=True)), sizes)
        for outer in every
        for inner in divisions
        if inner != outer
    ]
    while any(link.hide_one(sizes, kept, minimum) for link in links):
        pass
    visible = {name: {group for group in kept[name] if group is not None} for name in divisions}
    small = [
        (name, group)
        for name in divisions
        for group, size in sizes[name].items()
        if size < minimum and group is not None
    ]
    if small:
        order = sorted(
            ((name, group) for name in divisions for group in visible[name]),
            key=lambda each: (-sizes[each[0]][each[1]], each[0], str(each[1])),
        )
        for name, group in _revealing(divisions, order, small, count):
            visible[name].discard(group)
    return {name: frozenset(groups) for name, groups in visible.items()}


def _revealing(
    divisions: Mapping[str, Sequence[Group]],
    order: Sequence[tuple[str, Group]],
    small: Sequence[tuple[str, Group]],
    count: int,
) -> list[tuple[str, Group]]:
    """The groups that, shown beside those before them and all answers together, would make a small one known."""
    import numpy as np  # noqa: PLC0415 - heavy

    width = len(order) + 1 + _SPARE
    random = np.random.default_rng(0)
    numbered = {
        name: {group: code for code, group in enumerate(dict.fromkeys(groups))}
        for name, groups in divisions.items()
    }
    codes = {
        name: np.array([numbered[name][group] for group in groups]) for name, groups in divisions.items()
    }
    sums = {name: np.zeros((len(known), width), dtype=np.int64) for name, known in numbered.items()}
    whole = np.zeros(width, dtype=np.int64)
    for column in range(width):  # one at a time: answers times groups would not fit into memory
        weights = random.integers(1, _PRIME, size=count)
        whole[column] = int(weights.sum()) % _PRIME
        for name, own in codes.items():
            sums[name][:, column] = np.bincount(own, weights, len(numbered[name])).astype(np.int64) % _PRIME
    hidden = np.array([sums[name][numbered[name][group]] for name, group in small])
    basis = np.zeros((0, width), dtype=np.int64)
    pivots: list[int] = []
    revealing: list[tuple[str, Group]] = []
    for each in (None, *order):
        row = whole if each is None else sums[each[0]][numbered[each[0]][each[1]]]
        row = (row - row[pivots] @ basis) % _PRIME
        if not row.any():
            continue  # a sum or difference of what is shown already
        at = int(np.flatnonzero(row)[0])
        row = row * pow(int(row[at]), -1, _PRIME) % _PRIME
        rest = (hidden - hidden[:, [at]] * row) % _PRIME
        if each is not None and not rest.any(axis=1).all():
            revealing.append(each)
            continue
        hidden = rest
        basis = np.vstack([(basis - basis[:, [at]] * row) % _PRIME, row])
        pivots.append(at)
    return revealing


class _Link(Generic[Group]):
    """Two divisions: which groups of the inner one lie in each outer group, and which groups of both hang together."""

    def __init__(
        self,
        outer: str | None,
        inner: str | None,
        together: Mapping[tuple[Group | None, Group | None], int],
        sizes: Mapping[str | None, Counter[Group | None]],
    ) -> None:
        self._outer, self._inner = outer, inner
        inside: dict[Group | None, list[Group | None]] = {}
        for (whole, part), size in together.items():
            if size == sizes[inner][part]:
                inside.setdefault(whole, []).append(part)
        # What is inside one outer group, and what is inside all outer groups that hang together by shared answers.
        self._pairs = [({whole}, parts) for whole, parts in inside.items()] + _components(together)

    def hide_one(
        self,
        sizes: Mapping[str | None, Counter[Group | None]],
        kept: Mapping[str | None, set[Group | None]],
        minimum: int,
    ) -> bool:
        """Hides one more group of the inner division where one has to be; says whether it did."""
        for wholes, parts in self._pairs:
            if not wholes <= kept[self._outer]:
                continue
            open_parts = [part for part in parts if part in kept[self._inner]]
            size = sum(sizes[self._outer][whole] for whole in wholes)
            rest = size - sum(sizes[self._inner][part] for part in open_parts)
            if open_parts and 0 < rest < minimum:
                least = min(open_parts, key=lambda part: (sizes[self._inner][part], str(part)))
                kept[self._inner].discard(least)
                return True
        return False


def _components(
    together: Mapping[tuple[Group | None, Group | None], int],
) -> list[tuple[set[Group | None], list[Group | None]]]:
    by_whole: dict[Group | None, set[Group | None]] = {}
    by_part: dict[Group | None, set[Group | None]] = {}
    for whole, part in together:
        by_whole.setdefault(whole, set()).add(part)
        by_part.setdefault(part, set()).add(whole)
    found = []
    left = set(by_whole)
    while left:
        wholes, parts, edge = set[Group | None](), set[Group | None](), {left.pop()}
        while edge:
            wholes |= edge
            parts |= {part for whole in edge for part in by_whole[whole]}
            edge = {whole for part in parts for whole in by_part[part]} - wholes
        left -= wholes
        found.append((wholes, sorted(parts, key=str)))
    return found
