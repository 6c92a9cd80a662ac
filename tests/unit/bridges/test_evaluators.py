"""GPTCache's evaluators refuse; they never give."""

from dataclasses import replace

import pytest

from passerelle.bridges.evaluators import NAMES, evaluator
from passerelle.cache.second import Pair
from passerelle.domain.errors import CannotRun
from tests.unit.bridges.questions import CARD, HOURS, HOURS_AGAIN, MORNING, embed, library


@pytest.fixture
def pair() -> Pair:
    ours = library()
    ours.save("a", HOURS, {"content": MORNING})
    near = ours.near("a", embed(HOURS_AGAIN))[0]
    kept = ours.answer(near.member.cluster)
    assert kept is not None
    return Pair(HOURS_AGAIN, embed(HOURS_AGAIN), near, kept)


@pytest.mark.parametrize(
    ("name", "allows"),
    [
        ("norm", True),
        ("norm:0.99", False),
        ("distance", True),
        ("distance:1", False),
        ("exact", False),
        ("exact:0", True),
    ],
)
def test_each_has_its_own_opinion_and_its_own_threshold(pair: Pair, name: str, allows: bool) -> None:
    assert evaluator(name)(pair) is allows


@pytest.mark.parametrize("name", ["norm", "distance"])
def test_what_is_far_is_refused(pair: Pair, name: str) -> None:
    far = replace(pair, text=CARD, vector=embed(CARD), near=replace(pair.near, similarity=0.0))
    assert evaluator(name)(far) is False


def test_a_library_asks_it_last(pair: Pair) -> None:
    ours = library(check=evaluator("exact"))
    ours.save("a", HOURS, {"content": MORNING})
    assert ours.find("a", HOURS_AGAIN) is None
    assert ours.find("a", HOURS) is not None


@pytest.mark.parametrize("name", ["", "cohere", "Norm", "norm:x", "norm:2", "norm:nan", "os.system"])
def test_an_unknown_one_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(CannotRun, match=r"norm|between 0 and 1"):
        evaluator(name)


@pytest.mark.parametrize("name", ["onnx", "sbert"])
def test_one_whose_libraries_are_missing_is_told_and_installs_nothing(name: str) -> None:
    with pytest.raises(CannotRun, match="lets nothing be installed"):
        evaluator(name)


def test_the_names_are_told_for_the_configuration() -> None:
    assert NAMES == ("distance", "exact", "norm", "onnx", "sbert")
