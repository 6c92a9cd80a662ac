"""Figures of a hand's worth of questions are the ones a hand works out."""

from __future__ import annotations

import math

import pytest

from passerelle.domain.retrieval import Chunk
from passerelle.evaluation.rag_baseline import PlainBm25
from passerelle.evaluation.rag_scores import exact, f1, gained, holds, quantile, ranking


def test_places_become_means() -> None:
    means = ranking([1, 2, 6, 11, None])

    assert means.ndcg == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(7)) / 5)
    assert means.recall == pytest.approx(2 / 5)
    assert means.mrr == pytest.approx((1 + 1 / 2 + 1 / 6) / 5)
    assert ranking([]).ndcg == 0


def test_a_gain_is_sure_when_its_whole_interval_is() -> None:
    better = gained([1] * 40, [2] * 30 + [1] * 10)
    assert better.low <= better.mean <= better.high
    assert better.sure
    assert not gained([1, 2] * 20, [2, 1] * 20).sure
    assert gained([1, 2, 3], [1, 2, 3]).mean == 0


def test_answers_are_compared_without_case_signs_accents_and_articles() -> None:
    assert exact("L'École, à Lyon.", ["école à lyon"], "fr") == 1
    assert exact("The school", ["school"], "en") == 1
    assert exact("the school", ["school"], "fr") == 0
    assert f1("the red car", ["a red lorry", "blue"], "en") == pytest.approx(0.5)
    assert f1("", ["x"], "en") == 0
    assert holds("Fondée en 1998, à Berlin.", ["1998"], "fr")
    assert not holds("Fondée en 19980.", ["1998"], "fr")
    assert not holds("anything", ["the"], "en"), "an answer of articles stands nowhere"


def test_a_quantile_is_a_value_that_was_there() -> None:
    assert [quantile([4.0, 1.0, 3.0, 2.0], share) for share in (0.5, 0.95)] == [2.0, 4.0]
    assert quantile([], 0.5) == 0


def test_plain_bm25_is_the_books_formula() -> None:
    texts = ("cat cat dog", "dog bird", "fish")
    plain = PlainBm25(
        [Chunk(id=str(place), document="d", text=text) for place, text in enumerate(texts)], "en"
    )

    assert plain.found("dogs", 3) == ["1", "0"], "the shorter one first"
    assert plain.found("cat and fish", 1) == ["2"]
    assert plain.found("whale", 3) == []
    (held,) = [held for held in plain._held.values() if len(held) == 2]  # the dog's
    mean = 2.0
    assert dict(held)[1] == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean)), rel=1e-6)
