import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.text.words import folded, language_of, stem, stems, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("remboursement", "rembourser"),
        ("formations", "formation"),
        ("élèves", "élève"),
        ("prix", "prix"),
        ("cities", "city"),
        ("refunded", "refunds"),
        ("cours", "cour"),
    ],
)
def test_forms_of_one_word_share_a_stem(one: str, other: str) -> None:
    assert stem(folded(one)) == stem(folded(other))


def test_different_words_and_numbers_keep_apart() -> None:
    assert stem("train") != stem("trace")
    assert stems("2024") == ["2024"]
    assert stems("3,5 km") == ["3,5", "km"]


def test_elisions_accents_and_small_words_say_nothing() -> None:
    assert stems("Qu'est-ce que l'élève a reçu ?") == ["elev", "recu"]
    assert list(words("l'œuvre d’Éric")) == ["oeuvre", "eric"]
    assert stems("Donne-moi le prix, s'il te plaît") == ["pri", "plait"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Quelle est la date de la formation ?", "fr"),
        ("What is the date of the course?", "en"),
        ("Bonjour", "fr"),
        ("Hello", "en"),
        ("Résumé détaillé", "fr"),
        ("L'adresse", "fr"),
        ("Who wrote Les Misérables?", "en"),
        ("Les Misérables: who wrote it?", "en"),
        ("When was L'Oréal founded?", "en"),
        ("Where is the Gare de l'Est?", "en"),
        ("What does je ne sais quoi mean?", "en"),
        ('Translate "je ne suis pas là" into German', "en"),
        ("Is La Joconde at the Louvre?", "en"),
        ("Transfer isn't working?", "en"),
        ("I'd like a café au lait", "en"),
        ("Comment on the following text", "en"),
        ("Qui a écrit The Great Gatsby ?", "fr"),
        ("Qui chante Let It Be ?", "fr"),
        ("Que veut dire « to be or not to be » ?", "fr"),
        ("Traduis « what is your name » en français", "fr"),
        ("J’ai vu Lord of the Rings, et vous ?", "fr"),
        ("Comment fonctionne un smartphone ?", "fr"),
        ("Y a-t-il un train ?", "fr"),
        ("POURQUOI EST-CE SI LENT ?", "fr"),
        ("WHY IS IT SO SLOW?", "en"),
    ],
)
def test_french_and_english_are_told_apart(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_text_that_tells_nothing_takes_the_default() -> None:
    assert language_of("12345") == "en"
    assert language_of("12345", default="fr") == "fr"


@given(st.text())
def test_any_text_has_words_and_stems(text: str) -> None:
    assert all(stem(word) for word in words(text))
    assert language_of(text) in ("fr", "en")
