"""What others do: a fixed cosine, and vCache's rule."""

from __future__ import annotations

import random

import pytest

from passerelle.evaluation.baselines import FEWEST, Curve, static, vcache
from passerelle.evaluation.outcome import Noisy
from tests.unit.evaluation.conftest import Make

_ORACLE = Noisy(random.Random(0))


def test_a_threshold_gives_what_lies_above_it_and_keeps_the_rest(made: Make) -> None:
    stream = made(answers=4, each=25, spread=0.1)
    order = list(range(100))

    everything = static(stream.ground, stream.answers, order, least=-1.0)
    nothing = static(stream.ground, stream.answers, order, least=1.1)
    apt = static(stream.ground, stream.answers, order, least=0.8)

    assert (everything.hits, everything.wrong) == (99, 75)  # the first answer, for all
    assert nothing.hits == 0
    assert (apt.hits, apt.wrong) == (96, 0)  # all but the first question for each answer


def test_a_curve_explores_until_it_has_seen_enough() -> None:
    curve = Curve()
    for _ in range(FEWEST - 1):
        curve.saw(0.9, right=True)
        assert curve.explore(0.99, 0.02) == 1.0

    curve.saw(0.9, right=True)

    assert curve.explore(0.99, 0.02) < 1.0


def test_a_curve_is_surer_above_what_was_right_than_beside_what_was_wrong() -> None:
    curve = Curve()
    for step in range(20):
        curve.saw(0.85 + step / 200, right=True)
        curve.saw(0.65 + step / 200, right=False)

    assert curve.explore(0.95, 0.02) < curve.explore(0.80, 0.02) <= curve.explore(0.60, 0.02)
    assert curve.explore(0.60, 0.02) == pytest.approx(
        0.98, abs=0.005
    )  # it serves what it thinks wrong, now and then


def test_the_rule_of_vcache_keeps_its_promise_per_request(made: Make) -> None:
    stream = made(answers=6, each=200, spread=1.2)
    order = list(range(1200))
    random.Random(1).shuffle(order)

    outcome = vcache(stream.ground, stream.answers, order, delta=0.05, judge=_ORACLE, rng=random.Random(2))

    assert outcome.hits > 150
    assert outcome.wrong / outcome.asked <= 0.05
    assert outcome.judged + outcome.hits == 1199
