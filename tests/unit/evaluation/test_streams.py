"""Runs over a stream: by the cache's own functions, the same for the same seed, and steered where asked."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from passerelle.cache.controller import NO_MISTAKES
from passerelle.cache.seams import Opinion
from passerelle.evaluation.outcome import Noisy, Outcome, Pooled
from passerelle.evaluation.streams import NOISY, ORACLE, STATED, ruled, shuffled, steered
from tests.unit.evaluation.conftest import Make


def test_an_order_is_that_of_its_seed() -> None:
    assert shuffled(50, 1) == shuffled(50, 1) != shuffled(50, 2)
    assert sorted(shuffled(50, 1)) == list(range(50))


def test_plain_questions_are_answered_from_the_cache_and_rightly(made: Make) -> None:
    stream = made()

    outcome = ruled(stream, shuffled(180, 1), noise=ORACLE, seed=1)

    assert outcome.asked == 180
    assert outcome.hits > 120
    assert outcome.wrong == 0
    assert outcome.hits + sum(outcome.refused.values()) == 180


def test_the_same_seed_gives_the_same_run(made: Make) -> None:
    stream = made()

    runs = [
        steered(stream, shuffled(180, 3), noise=NOISY, seed=3, max_error_rate=0.05, shadow=0.05)
        for _ in range(2)
    ]

    assert runs[0] == runs[1]


def test_what_may_not_be_compared_is_neither_answered_nor_learned(made: Make) -> None:
    stream = made(barred=range(180))

    outcome = ruled(stream, shuffled(180, 1), noise=ORACLE, seed=1)

    assert (outcome.hits, outcome.judged) == (0, 0)
    assert outcome.barred == {"time-sensitive": 180}


def test_a_mistaken_judge_costs_hits(made: Make) -> None:
    stream = made(each=60, spread=0.6)
    order = shuffled(360, 2)

    sure = ruled(stream, order, noise=ORACLE, seed=2)
    unsure = ruled(stream, order, noise=NOISY, seed=2)

    assert unsure.hits < sure.hits


def test_a_new_tenant_starts_strict_and_hits_are_asked_again(made: Make) -> None:
    stream = made(each=200)
    order = shuffled(1200, 1)

    free = ruled(stream, order, noise=ORACLE, seed=1)
    steered_ = steered(stream, order, noise=ORACLE, seed=1, max_error_rate=0.05, shadow=0.05)

    assert 0 < steered_.hits < free.hits
    assert 0 < steered_.shadowed <= steered_.hits
    assert steered_.wrong == 0
    assert steered_.notch
    assert (free.shadowed, free.notch) == (0, "")


def test_a_judge_is_mistaken_as_often_as_it_is_told_to_be() -> None:
    judge = Noisy(random.Random(1), false_yes=0.05, false_no=0.2)

    yes = sum(judge.says(same=False) for _ in range(4000)) / 4000
    no = sum(not judge.says(same=True) for _ in range(4000)) / 4000

    assert 0.04 < yes < 0.06
    assert 0.17 < no < 0.23


def test_a_judge_that_is_asked_twice_seldom_errs_and_the_controller_can_be_told_how_seldom() -> None:
    judge = STATED.judge(random.Random(1))

    said = {same: Counter(judge.opinion(same=same) for _ in range(20_000)) for same in (True, False)}

    sure = {same: each[Opinion.SAME] + each[Opinion.DIFFERENT] for same, each in said.items()}
    assert all(0.08 < each[Opinion.UNSURE] / 20_000 < 0.11 for each in said.values())
    mistakes = STATED.mistakes
    assert said[True][Opinion.DIFFERENT] / sure[True] == pytest.approx(mistakes.false_alarm, abs=0.001)
    assert said[False][Opinion.SAME] / sure[False] == pytest.approx(mistakes.overlooked, abs=0.002)
    assert judge.asked == 80_000
    assert NOISY.mistakes == ORACLE.mistakes == NO_MISTAKES


def test_runs_are_pooled_with_the_interval_of_one() -> None:
    pooled = Pooled(tuple(Outcome(asked=100, hits=50, wrong=wrong) for wrong in (0, 1, 2, 9)))

    assert pooled.hit_share == 0.5
    assert pooled.wrong_share.share == 12 / 200
    assert pooled.wrong_share.high > 0.15  # of 50 hits, not of 200
    assert pooled.within(0.01) == 2  # 1 of 50 may be chance, 2 of 50 hardly
