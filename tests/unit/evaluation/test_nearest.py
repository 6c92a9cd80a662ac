"""The nearest known questions are those that comparing with every one would find."""

from __future__ import annotations

import numpy as np
import pytest

from passerelle.evaluation.nearest import LISTED, Ground, Known


def _unit(count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.mark.parametrize("count", [1, 2, 9, 60, 3 * LISTED + 7])
@pytest.mark.parametrize("groups", [1, 3])
def test_near_is_exact_however_few_or_many_are_known(count: int, groups: int) -> None:
    vectors = _unit(count, seed=count)
    group = [number % groups for number in range(count)]
    ground = Ground(vectors, group)
    known = Known(ground)
    order = np.random.default_rng(1).permutation(count).tolist()
    there: list[int] = []

    for number in order:
        near = known.near(number, 8)

        cosines = {
            other: float(vectors[other] @ vectors[number]) for other in there if group[other] == group[number]
        }
        expected = sorted(cosines, key=lambda other: -cosines[other])[:8]
        assert [other for other, _ in near] == expected
        assert [cosine for _, cosine in near] == pytest.approx(
            [cosines[other] for other in expected], abs=1e-5
        )
        if number % 2 or count < 10:
            known.add(number)
            known.add(number)
            there.append(number)


def test_a_question_is_never_its_own_neighbour() -> None:
    known = Known(Ground(_unit(5, seed=3)))
    for number in range(5):
        known.add(number)

    assert all(number not in dict(known.near(number, 8)) for number in range(4))
