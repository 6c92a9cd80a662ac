import dataclasses

import numpy as np
import pytest

from passerelle.domain.surveys import Codebook, Correction, Polarity, Review
from passerelle.pipelines.surveys.analysing import analyse
from passerelle.pipelines.surveys.learning import Learned, learn
from passerelle.pipelines.surveys.learning_decisions import Confidence, Rule, confidence_for, rule_for
from passerelle.pipelines.surveys.learning_ridge import fit
from tests.unit.pipelines.surveys.lessons import ABOUT, CODEBOOK, corrections, reader


def said(learned: Learned, text: str) -> tuple[list[str], Polarity]:
    found = learned.say(reader([text], ["en"]))[0]
    return [label.category for label in found.labels], found.polarity


def test_without_corrections_the_codebook_decides() -> None:
    learned = learn(CODEBOOK, [], reader)
    assert said(learned, "The heating and the chairs of the room")[0][0] == "room"
    assert said(learned, "Our teacher gives clear explanations")[0][0] == "trainer"


def test_corrections_teach_words_that_the_codebook_does_not_have() -> None:
    taught = [Correction(f"The vibe was lovely in {about}", "en", right=("room",)) for about in ABOUT]
    before, after = learn(CODEBOOK, [], reader), learn(CODEBOOK, [*corrections(), *taught], reader)
    scores = [one.look(reader(["lovely vibe"], ["en"]))[1][0] for one in (before, after)]
    assert scores[1].argmax() == 1
    assert scores[1][1] > scores[0][1]


def test_what_a_person_said_of_this_very_text_is_said_again() -> None:
    odd = Correction("THE ROOM was  fine!", "en", right=("pace",), right_polarity=Polarity.NEGATIVE)
    assert said(learn(CODEBOOK, [*corrections(), odd], reader), "The room was fine") == (
        ["pace"],
        Polarity.NEGATIVE,
    )


def test_the_last_correction_of_a_text_counts() -> None:
    several = [Correction("It was fine", "en", right=(one,)) for one in ("pace", "room")]
    assert said(learn(CODEBOOK, several, reader), "It was fine")[0] == ["room"]


def test_a_revoked_correction_teaches_nothing() -> None:
    revoked = [dataclasses.replace(one, revoked=True) for one in corrections()]
    text = reader(["The trainer was cold and fast"], ["en"])
    assert learn(CODEBOOK, revoked, reader).say(text) == learn(CODEBOOK, [], reader).say(text)


def test_a_category_that_is_no_more_teaches_only_polarity() -> None:
    gone = [
        Correction(f"Lunch was awful at {about}", "en", right=("lunch",), right_polarity=Polarity.NEGATIVE)
        for about in ABOUT
    ]
    labels, polarity = said(learn(CODEBOOK, gone, reader), "Lunch was awful on Monday")
    assert "lunch" not in labels
    assert polarity is Polarity.NEGATIVE


def test_what_no_category_is_about_is_learned_too() -> None:
    none = [Correction(f"I came to {about} by train", "en", right=()) for about in ABOUT * 2]
    found = analyse(
        ["I came to chemistry by train."], learn(CODEBOOK, [*corrections(), *none], reader), reader
    )
    assert found[0].labels == ()
    assert Review.OUT_OF_CODEBOOK in found[0].review


def test_it_says_the_same_every_time() -> None:
    texts = [f"The trainer was clear but {about} was too fast" for about in ABOUT]
    first, second = (analyse(texts, learn(CODEBOOK, corrections(), reader), reader) for _ in range(2))
    assert first == second


def test_a_codebook_may_be_empty() -> None:
    found = analyse(["Great trainer"], learn(Codebook("none", 1, "en", ()), [], reader), reader)
    assert found[0].labels == ()
    assert found[0].polarity is Polarity.POSITIVE


def test_each_opinion_is_quoted_from_where_it_is_said() -> None:
    comment = "Our teacher was patient about Excel but the room was cold during Excel."
    found = analyse([comment], learn(CODEBOOK, corrections(), reader), reader)[0]
    placed = {label.category: opinion for opinion in found.opinions for label in opinion.labels}
    assert all(comment[one.start : one.end] == one.quote for one in found.opinions)
    if {"trainer", "room"} <= placed.keys():
        assert "teacher" in placed["trainer"].quote
        assert "room" in placed["room"].quote


@pytest.mark.parametrize("comment", ["", "   ", "!!!", "\x00", "🙂🙂", "a" * 20_000, "très bien " * 2_000])
def test_any_comment_is_analysed_and_nothing_else_is_quoted(comment: str) -> None:
    found = analyse([comment], learn(CODEBOOK, corrections(), reader), reader)
    assert len(found) == 1
    assert all(comment[one.start : one.end] == one.quote for one in found[0].opinions)


def test_left_out_scores_are_those_of_a_fit_without_the_row() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 5))
    likeness, wanted = points @ points.T, rng.normal(size=(12, 3))
    kinship = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    trust = np.array([1.0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    whole = fit(likeness, wanted, kinship=kinship, smoothing=1.5, trust=trust)
    for row in range(12):
        rest = [other for other in range(12) if other != row]
        without = fit(
            likeness[np.ix_(rest, rest)], wanted[rest], kinship=kinship, smoothing=1.5, trust=trust[rest]
        )
        assert np.allclose(without.scores(likeness[row, rest]), whole.left_out[row], atol=1e-8)


def test_a_rare_label_is_said_where_it_is_far_more_likely_than_usual() -> None:
    usual = np.array([0.9, 0.1])
    assert Rule(usual, 0.7, 1.0).choose(np.array([[0.55, 0.45]])).tolist() == [[False, True]]
    assert Rule(usual, 0.0, 1.0).choose(np.array([[0.55, 0.45]])).tolist() == [[True, False]]


def test_few_rows_choose_no_rule() -> None:
    untaught = Rule(np.array([0.5, 0.5]), 0.6, 0.8)
    few = np.eye(2)[[0, 1] * 5]
    assert rule_for(few, few > 0, several=True, untaught=untaught) == untaught


def test_confidence_follows_how_often_it_was_right() -> None:
    untaught = Confidence((0.0, 0.0, 0.0))
    strength = np.tile([0.1, 0.9], 200)
    sure = confidence_for(strength, strength, strength > 0.5, untaught=untaught)
    low, high = sure.of(np.array([0.1, 0.9]), np.array([0.1, 0.9]))
    assert low < 0.15
    assert high > 0.85
