"""Pairs are counted by kind, and those whose difference a rule must see are counted apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from passerelle.cache.decide import NOTCHES, PAIR
from passerelle.evaluation.data import Pair, Pairs
from passerelle.evaluation.traps import COSINE, SURE, Traps, Tried, try_pairs
from passerelle.evaluation.vectors import Embedded

_ASKED = "How many days of leave do I have after 3 years?"
_OTHER = "How many days of leave do I have after 5 years?"


def _embedded(cosines: Mapping[str, float]) -> Embedded:
    """Vectors at these cosines to the first text."""
    rows = [[cosine, (1 - cosine * cosine) ** 0.5] for cosine in cosines.values()]
    return Embedded("made", {text: row for row, text in enumerate(cosines)}, np.array(rows, "float32"))


def test_an_answer_is_reused_from_the_cosine_on_where_the_guard_is_content() -> None:
    pairs = Pairs(
        "en",
        "en",
        (
            Pair("paraphrase", True, _ASKED, _ASKED + " "),
            Pair("neg-number", False, _ASKED, _OTHER),
            Pair("neg-entity", False, _ASKED, "far"),
        ),
    )

    traps = try_pairs(pairs, _embedded({_ASKED: 1.0, _ASKED + " ": 1.0, _OTHER: 0.99, "far": 0.5}))

    assert [(one.kind, one.near, one.reused) for one in traps.kinds] == [
        ("paraphrase", 1, 1),
        ("neg-entity", 0, 0),
        ("neg-number", 1, 0),
    ]
    assert (traps.paraphrases.reused, traps.differing.reused, traps.sure.pairs) == (1, 0, 1)
    assert [one.served for one in traps.tried] == [True, False, False]


@pytest.mark.parametrize(
    "kind", ["number", "neg-number", "id", "neg_id", "negation", "neg-negation", "swap", "neg-swap"]
)
def test_kinds_that_no_rule_may_miss(kind: str) -> None:
    assert SURE.search(kind)


@pytest.mark.parametrize("kind", ["neg-entity", "neg-relation", "neg-antonym", "neg-action", "neg-modality"])
def test_kinds_that_are_matters_of_meaning(kind: str) -> None:
    assert not SURE.search(kind)


def test_a_trap_below_the_cosine_counts_as_not_reused_and_as_not_seen_by_the_guard() -> None:
    below, above = (
        Tried("neg-entity", False, COSINE + step, None, step > 0, False, "a", "b") for step in (-0.1, 0.1)
    )

    differing = Traps("en", "en", (below, above)).differing

    assert (differing.pairs, differing.near, differing.reused, differing.content) == (2, 1, 1, 2)
    assert (differing.share.share, differing.share_near.share) == (0.5, 1.0)


def test_the_cosine_is_that_of_the_notch_that_one_entry_suffices_for() -> None:
    assert NOTCHES[PAIR].alone == COSINE
    traps = try_pairs(
        Pairs("en", "en", (Pair("paraphrase", True, _ASKED, _ASKED + " "),)),
        _embedded({_ASKED: 1.0, _ASKED + " ": COSINE + 0.01}),
    )
    assert (traps.paraphrases.reused, traps.paraphrases.served) == (1, 0)


def test_recall_is_of_all_paraphrases_not_of_the_near_ones() -> None:
    tried = tuple(Tried("paraphrase", True, 0.9 - n / 5, None, n == 0, False, "a", "b") for n in range(4))

    share = Traps("en", "en", tried).paraphrases.share

    assert share.share == 0.25
