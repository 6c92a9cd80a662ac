"""The guard: what looks alike and differs is refused, what says the same in other words is not."""

from __future__ import annotations

import pytest

from passerelle.cache.features import features_of
from passerelle.cache.guard import Objection, objection
from passerelle.text.words import Language
from tests.unit.cache import pairs_en, pairs_fr, traps_en, traps_fr


def _rows(listed: str, language: Language) -> list[tuple[str, str, Language]]:
    rows = [line.split(" | ") for line in listed.strip().splitlines()]
    return [(one.strip(), other.strip(), language) for one, other in rows]


def _between(one: str, other: str, language: Language) -> Objection | None:
    return objection(features_of(one, language), features_of(other, language))


@pytest.mark.parametrize(
    ("one", "other", "language"),
    _rows(pairs_en.TRAPS, "en")
    + _rows(pairs_fr.TRAPS, "fr")
    + _rows(traps_en.TRAPS, "en")
    + _rows(traps_fr.TRAPS, "fr"),
)
def test_a_trap_is_refused_from_both_sides(one: str, other: str, language: Language) -> None:
    assert _between(one, other, language) is not None
    assert _between(other, one, language) is not None


@pytest.mark.parametrize(
    ("one", "other", "language"), _rows(pairs_en.PARAPHRASES, "en") + _rows(pairs_fr.PARAPHRASES, "fr")
)
def test_a_paraphrase_is_let_through_from_both_sides(one: str, other: str, language: Language) -> None:
    assert _between(one, other, language) is None
    assert _between(other, one, language) is None


@pytest.mark.parametrize(
    ("one", "other", "language", "expected"),
    [
        ("Is it 3 days?", "Is it 4 days?", "en", Objection.NUMBER),
        ("Un enfant de 3 ans", "Un enfant de 3 mois", "fr", Objection.NUMBER),
        ("Where is A123?", "Where is A124?", "en", Objection.ID),
        ("Le 01/05/2024 ?", "Le 05/01/2024 ?", "fr", Objection.ID),
        ("Is it in version 1.2.3?", "Is it in version 1.3.2?", "en", Objection.ID),
        ("Can I smoke here?", "Can't I smoke here?", "en", Objection.NEGATION),
        ("Je fume encore", "Je ne fume plus", "fr", Objection.NEGATION),
        ("How do I enable it?", "How do I disable it?", "en", Objection.ANTONYM),
        ("Comment allumer la lampe ?", "Comment éteindre la lampe ?", "fr", Objection.ANTONYM),
        ("Can I pay in cash?", "Can I pay in cash only?", "en", Objection.LIMIT),
        ("J'ai dix euros", "Je n'ai que dix euros", "fr", Objection.LIMIT),
        ("Is Lyon big?", "Is Lille big?", "en", Objection.NAME),
        ("Le vol de Paris à Nice", "Le vol de Nice à Paris", "fr", Objection.SWAP),
        ("Does the dog bite the cat?", "Does the cat bite the dog?", "en", Objection.SWAP),
        ("Who sells bread here?", "Who sells cheese here?", "en", Objection.EDIT),
        ("What are the symptoms of flu?", "What are the symptoms of flu in infants?", "en", Objection.ADDED),
    ],
)
def test_an_objection_says_what_differs(
    one: str, other: str, language: Language, expected: Objection
) -> None:
    assert _between(one, other, language) is expected


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("My card isn't working", "Why won't my card work?", "en"),
        ("Why did my transfer fail?", "Why didn't my transfer succeed?", "en"),
        ("Why was my payment declined?", "Why wasn't my payment accepted?", "en"),
        ("The exchange rate was incorrect", "The exchange rate was not correct", "en"),
        ("I don't remember my passcode", "I have forgotten my passcode", "en"),
        ("I can't use my card because it is not working", "I tried using my card, but it doesn't work", "en"),
        ("Pourquoi mon virement a-t-il échoué ?", "Pourquoi mon virement n'a-t-il pas réussi ?", "fr"),
    ],
)
def test_what_failed_may_be_told_in_other_words(one: str, other: str, language: Language) -> None:
    assert _between(one, other, language) is None
    assert _between(other, one, language) is None


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Why is my payment declined?", "Why is my payment not declined?", "en"),
        ("Has my top-up gone through?", "Why hasn't my top-up gone through?", "en"),
        ("I'm unable to verify my identity", "How can I verify my identity?", "en"),
        (
            "I have no visa and no passport, can I board?",
            "With a visa but without a passport, may I board?",
            "en",
        ),
        ("Pourquoi est-ce refusé ?", "Pourquoi n'est-ce pas refusé ?", "fr"),
        ("Que faire si ça échoue ?", "Que faire si ça n'échoue pas ?", "fr"),
    ],
)
def test_a_negation_on_one_side_is_an_objection(one: str, other: str, language: Language) -> None:
    assert _between(one, other, language) is not None
    assert _between(other, one, language) is not None


def test_questions_of_two_languages_are_never_the_same() -> None:
    assert objection(features_of("Photo ?", "fr"), features_of("Photo?", "en")) is Objection.LANGUAGE


def test_the_same_words_in_another_spelling_are_the_same() -> None:
    assert _between("Où est l’ÉCOLE ?", "ou est l'ecole", "fr") is None


def test_only_differently_built_sentences_are_a_soft_objection() -> None:
    assert {one for one in Objection if one.soft} == {Objection.WORD, Objection.ADDED}


@pytest.mark.parametrize(
    "text", ["", " ", "?", "!!!", "€", "5", "...", "\n", "½", "日本語", "a" * 5000, "1 " * 500]
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_any_text_has_features_and_equals_itself(text: str, language: Language) -> None:
    assert _between(text, text, language) is None
