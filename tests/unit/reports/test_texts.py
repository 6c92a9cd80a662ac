"""Both languages say everything, and French has its spaces."""

import re
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from passerelle.reports.formats import Formats
from passerelle.reports.texts import TEXTS, Texts, typeset
from passerelle.reports.texts_en import ENGLISH
from passerelle.reports.texts_fr import FRENCH


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert set(FRENCH) == set(ENGLISH)
    assert list(FRENCH) == list(ENGLISH)


@pytest.mark.parametrize("key", sorted(FRENCH))
def test_a_text_takes_the_same_values_in_both_languages(key: str) -> None:
    missing = {"tag"} if key == "by.tag" else set()

    assert _fields(FRENCH[key]) | missing == _fields(ENGLISH[key]) | missing
    assert FRENCH[key].strip()
    assert ENGLISH[key].strip()


@pytest.mark.parametrize("key", sorted(FRENCH))
def test_french_has_typographic_apostrophes_and_no_broken_punctuation(key: str) -> None:
    text = typeset(FRENCH[key], "fr")

    assert "'" not in text
    assert '"' not in text
    assert not re.search(r" [:;!?»%]|« ", text)
    assert not re.search(r"[^\s\u202f\d(:.][;!?»]", text)


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_english_has_typographic_quotes(key: str) -> None:
    assert "'" not in ENGLISH[key]
    assert '"' not in ENGLISH[key]


def test_values_are_not_typeset() -> None:
    assert Texts("fr")("by.tag", tag="a : b") == "Par étiquette «\u202fa : b\u202f»"


def test_counts_agree_with_their_number() -> None:
    french, english = (Formats(language, "EUR", ZoneInfo("UTC")) for language in ("fr", "en"))

    assert Texts("fr").count("requests", 1, french) == "1 requête"
    assert Texts("fr").count("requests", 12_345, french) == "12\u202f345 requêtes"
    assert Texts("fr").count("requests", 2_000_000, french) == "2\u202f000\u202f000 requêtes"
    assert Texts("en").count("requests", 0, english) == "0 requests"


def test_an_unknown_key_or_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Texts("en")("nothing.of.the.kind")
    with pytest.raises(KeyError):
        Texts("en")("answer.budget")


def test_there_are_two_languages() -> None:
    assert set(TEXTS) == {"fr", "en"}
