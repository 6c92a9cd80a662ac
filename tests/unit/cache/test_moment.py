"""A question of the moment is told from a tale of what happened and from a question how something is done."""

from __future__ import annotations

import pytest

from passerelle.cache.moment import momentary
from passerelle.text.words import folded
from tests.unit.cache import moments


def _lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.strip().splitlines()]


@pytest.mark.parametrize("text", _lines(moments.FRESH_EN, moments.FRESH_FR))
def test_what_changes_from_day_to_day_is_of_the_moment(text: str) -> None:
    assert momentary(folded(text))


@pytest.mark.parametrize("text", _lines(moments.TIMELESS_EN, moments.TIMELESS_FR))
def test_a_tale_or_a_concept_is_not_of_the_moment(text: str) -> None:
    assert not momentary(folded(text))


def test_one_sentence_of_the_moment_is_enough() -> None:
    assert momentary(folded("I tried to pay yesterday. What is the exchange rate today?"))
    assert momentary(folded("Bonjour. J'ai une question. Quel temps fait-il ?"))


@pytest.mark.parametrize(
    "text", ["", " ", "?", "now", "a" * 5000, "today " * 2000, "how is " * 2000, "is a " * 3000]
)
def test_any_text_is_read(text: str) -> None:
    assert momentary(text) in (True, False)
