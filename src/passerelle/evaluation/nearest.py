"""The nearest of the questions asked so far, exactly, without comparing each question with each in every run.

Many runs go over the same questions in other orders. Each question's nearest among all are found once; a run
takes those of them that were asked before, and compares with everything only where they do not suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float32, int32
    from numpy.typing import NDArray

    from passerelle.backends.builtin.encoder import Vectors

LISTED = 160  # nearest questions that are kept for each
FIRST = 48  # of those, that are at hand without a call of numpy: mostly enough
ELSEWHERE = -1.5  # below any cosine: questions of other groups
ROWS = 512  # compared at once: bounds the table of cosines to some twenty megabytes


class Ground:
    """Questions by number, their vectors, and the nearest of each. Only questions of one group are neighbours."""

    def __init__(self, vectors: Vectors, groups: Sequence[int] | None = None) -> None:
        import numpy as np  # noqa: PLC0415 - only an evaluation needs it

        self.vectors = vectors
        self.groups = np.asarray(groups if groups is not None else [0] * len(vectors), np.int32)
        count = min(LISTED, len(vectors) - 1)
        self.nearest: NDArray[int32] = np.zeros((len(vectors), count), np.int32)
        self.cosines: NDArray[float32] = np.zeros((len(vectors), count), np.float32)
        if count:
            for start in range(0, len(vectors), ROWS):
                self._fill(start, count)
        self._first: dict[int, list[tuple[int, float]]] = {}

    def first(self, number: int) -> list[tuple[int, float]]:
        """The nearest few of all, as number and cosine, nearest first."""
        found = self._first.get(number)
        if found is None:
            found = _places(self.nearest[number, :FIRST], self.cosines[number, :FIRST])
            self._first[number] = found
        return found

    def __len__(self) -> int:
        return len(self.vectors)

    def _fill(self, start: int, count: int) -> None:
        import numpy as np  # noqa: PLC0415 - only an evaluation needs it

        here = slice(start, min(start + ROWS, len(self.vectors)))
        table = self.vectors[here] @ self.vectors.T
        rows = np.arange(here.stop - here.start)
        table[self.groups[here, None] != self.groups[None, :]] = -2.0
        table[rows, rows + start] = -3.0  # itself: last of all
        best = np.argpartition(-table, count - 1, axis=1)[:, :count]
        cosines = np.take_along_axis(table, best, 1)
        order = np.argsort(-cosines, axis=1, kind="stable")
        self.nearest[here] = np.take_along_axis(best, order, 1)
        self.cosines[here] = np.take_along_axis(cosines, order, 1)


class Known:
    """The questions that one run has learned so far."""

    __slots__ = ("_ground", "_is", "_numbers", "_vectors")

    def __init__(self, ground: Ground) -> None:
        import numpy as np  # noqa: PLC0415 - only an evaluation needs it

        self._ground = ground
        self._is = bytearray(len(ground))
        self._numbers: list[int] = []
        self._vectors: Vectors = np.empty_like(ground.vectors)

    def add(self, number: int) -> None:
        """From now on, this question is found."""
        if not self._is[number]:
            self._is[number] = 1
            self._vectors[len(self._numbers)] = self._ground.vectors[number]
            self._numbers.append(number)

    def near(self, number: int, most: int) -> list[tuple[int, float]]:
        """The nearest that are known, as number and cosine, nearest first."""
        found: list[tuple[int, float]] = []
        known = self._is
        for place in self._ground.first(number):
            if known[place[0]]:
                found.append(place)
                if len(found) == most:
                    return found
        return self._among_listed(number, most)

    def _among_listed(self, number: int, most: int) -> list[tuple[int, float]]:
        import numpy as np  # noqa: PLC0415 - only an evaluation needs it

        ground = self._ground
        listed = ground.nearest[number]
        found = np.frombuffer(self._is, np.uint8)[listed].nonzero()[0][:most]
        if len(found) >= most or len(listed) >= len(ground) - 1:
            return _places(listed[found], ground.cosines[number, found])
        return self._among_all(number, most)

    def _among_all(self, number: int, most: int) -> list[tuple[int, float]]:
        import numpy as np  # noqa: PLC0415 - only an evaluation needs it

        if not self._numbers:
            return []
        numbers = np.asarray(self._numbers)
        cosines = self._vectors[: len(numbers)] @ self._ground.vectors[number]
        cosines[self._ground.groups[numbers] != self._ground.groups[number]] = -2.0
        best = np.argsort(-cosines, kind="stable")[:most]
        return _places(numbers[best], cosines[best])


def _places(numbers: NDArray[int32], cosines: NDArray[float32]) -> list[tuple[int, float]]:
    """Numbers with their cosines, of the question's own group only."""
    return [
        (index, cosine)
        for index, cosine in zip(numbers.tolist(), cosines.tolist(), strict=True)
        if cosine > ELSEWHERE
    ]
