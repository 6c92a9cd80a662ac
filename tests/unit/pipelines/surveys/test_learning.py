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
    assert rule_for(few, few > 0, usual=untaught.usual, several=True, untaught=untaught) == untaught


def test_chance_among_a_hundred_rows_does_not_choose_a_rule() -> None:
    """Labels that were seen once or twice are right or wrong by chance, and macro-F1 is mostly they."""
    rng = np.random.default_rng(3)
    labels = 20
    usual = np.array([0.5, *[0.5 / (labels - 1)] * (labels - 1)])
    for _ in range(10):
        wanted = np.eye(labels, dtype=np.bool_)[rng.choice(labels, 100, p=usual)]
        wanted[::7, 0] = True
        scores = np.clip(usual + rng.normal(0, 0.05, (100, labels)) + 0.05 * wanted, 0, 1)
        rule = rule_for(scores, wanted, usual=usual, several=True, untaught=Rule(usual, 0.5, 0.8))
        assert abs(rule.power - 0.5) <= 0.1
        assert abs(rule.near - 0.8) <= 0.1


def test_many_rows_that_say_so_choose_another_rule() -> None:
    usual = np.array([0.9, 0.1])
    wanted = np.eye(2, dtype=np.bool_)[[0] * 900 + [1] * 100]
    wanted[:500, 1] = True  # most have both labels
    scores = np.where(wanted, 0.5, 0.3) * np.array([1.0, 0.33])
    held = Rule(usual, 0.5, 1.0)
    assert rule_for(scores, wanted, usual=usual, several=True, untaught=held) != held


def test_where_nobody_gives_two_labels_none_are_said() -> None:
    usual = np.array([0.5, 0.5])
    one_each = np.eye(2, dtype=np.bool_)[[0, 1] * 30]
    scores = np.where(one_each, 0.55, 0.5)
    rule = rule_for(scores, one_each, usual=usual, several=True, untaught=Rule(usual, 0.5, 0.8))
    assert rule.near == 1.0
    assert rule.choose(scores).sum() == len(scores)


def test_confidence_follows_how_often_it_was_right() -> None:
    untaught = Confidence((0.0, 0.0, 0.0, 0.0), 0.5)
    strength = np.tile([0.1, 0.9], 200)
    same = np.zeros_like(strength)
    sure = confidence_for(strength, strength, same, strength > 0.5, untaught=untaught)
    low, high = sure.of(np.array([0.1, 0.9]), np.array([0.1, 0.9]), np.zeros(2))
    assert low < 0.15
    assert high > 0.85
    assert sure.typical == pytest.approx(0.5)


def test_with_nothing_corrected_a_queue_is_of_some_and_not_of_all() -> None:
    """What is doubtful is so beside what is usually said; and confidence says how little that is worth."""
    learned = learn(CODEBOOK, [], reader)
    comments = [
        "The heating of the room was a great joy.",
        "Our teacher gave clear explanations, excellent!",
        "It went too fast, sadly, a bad pace.",
        "I came by train on Monday.",
        "Fine.",
        "See you next year in Lyon with everybody.",
    ]
    asked = [Review.UNCERTAIN in one.review for one in analyse(comments, learned, reader)]
    assert True in asked[3:]
    assert False in asked[:3]
    assert learned.typical[0] < 0.5


def test_what_is_doubtful_after_many_corrections_is_less_likely_right_than_wrong() -> None:
    learned = learn(CODEBOOK, corrections(), reader)
    assert min(learned.typical) > 0.5
    texts = [f"The trainer was clear but {about} was too fast" for about in ABOUT]
    for one in analyse(texts, learned, reader):
        sure = [one.confidence, *(label.confidence for label in one.labels)]
        assert (Review.UNCERTAIN in one.review) == (min(sure) < 0.5)
