import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.backends.builtin.numerals import numerals


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("Il coûte 1 200 € HT.", [1200]),
        ("Il coûte 1\u202f234,50 €.", [1234.5]),
        ("It costs $1,234.50 now.", [1234.5]),
        ("A crowd of 12,000 people", [12000]),
        ("Il fait -3,5 degrés", [-3.5]),
        ("12 ou 14 jours", [12, 14]),
        ("1. Payer 5 euros", [5]),
        ("[2] Payer 7 euros", [7]),
        ("Le vol A380 en version 1.2.3", []),
        ("Aucun nombre ici", []),
        ("9" * 40, []),
    ],
)
def test_numbers_are_read_with_either_languages_marks(sentence: str, numbers: list[float]) -> None:
    assert numerals(sentence) == numbers


def test_percentages_are_kept_apart_from_amounts() -> None:
    sentence = "30 % du prix de 200 euros, soit 5 pour cent de plus"

    assert numerals(sentence) == [200]
    assert numerals(sentence, percent=True) == [30, 5]


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    assert all(abs(number) < 1e15 for number in numerals(text))
