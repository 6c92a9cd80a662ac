"""The words of survey reports: both languages say everything, and each is set as its printers do."""

import re
from string import Formatter

import pytest

from passerelle.domain.survey_data import Trouble
from passerelle.reports.texts import typeset
from passerelle.reports.texts_surveys_en import SURVEYS_ENGLISH
from passerelle.reports.texts_surveys_fr import SURVEYS_FRENCH


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_values() -> None:
    assert list(SURVEYS_FRENCH) == list(SURVEYS_ENGLISH)
    for key, text in SURVEYS_FRENCH.items():
        assert _fields(text) == _fields(SURVEYS_ENGLISH[key]), key


@pytest.mark.parametrize("key", sorted(SURVEYS_FRENCH))
def test_quotes_and_spaces_are_those_of_the_language(key: str) -> None:
    french = typeset(SURVEYS_FRENCH[key], "fr")

    assert not {"'", '"'} & set(french + SURVEYS_ENGLISH[key])
    assert not re.search(r" [:;!?»%]|« ", french)
    assert not re.search(r"[^\s\u202f\d(:.][;!?»]", french)


def test_every_trouble_has_its_words() -> None:
    assert all(f"survey.trouble.{trouble}" in SURVEYS_FRENCH for trouble in Trouble)
