"""Numbers and days as people write them in French and English."""

from datetime import date

import pytest

from passerelle.pipelines.surveys.importing_cells import day_of, months_first, number_of
from passerelle.pipelines.surveys.languages import tell


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("4", 4), ("4,5", 4.5), ("4.5", 4.5), ("-1", -1), ("1 234,5", 1234.5), ("4/5", 4), ("8 sur 10", 8),
        ("4,5 / 5", 4.5), ("3 out of 5", 3), ("4 - Bien", 4), ("5 étoiles", 5), ("★★★☆☆", 3), ("⭐⭐", 2),
        ("Très satisfait", 5), ("très satisfaite", 5), ("Pas du tout satisfait(e)", 1), ("Neutral", 3), ("bien", None),
        ("", None), ("10h30", None), ("12/02/2026", None), ("1,2,3", None),
    ],
)  # fmt: skip
def test_a_number_is_read(cell: str, number: float | None) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize(
    "cell",
    ["2026-03-01", "2026-03-01T10:22:00Z", "01/03/2026", "1/3/26", "01.03.2026 10:22", "1er mars 2026", "1 mars 2026",
     "dimanche 1 mars 2026", "March 1, 2026", "1 March 2026", "Mar 1 2026", "2026/03/01 10:00"],
)  # fmt: skip
def test_a_day_is_read(cell: str) -> None:
    assert day_of(cell) == date(2026, 3, 1)


def test_months_stand_first_where_a_column_says_so() -> None:
    assert day_of("03/01/2026", month_first=True) == date(2026, 3, 1)
    assert months_first(["03/01/2026", "03/25/2026"]) is True
    assert months_first(["25/03/2026"]) is False
    assert months_first(["03/03/2026"]) is None


@pytest.mark.parametrize("cell", ["", "31/02/2026", "1/13/2026", "2026-00-10", "bientôt", "12", "01/03/0026"])
def test_what_is_no_day_is_none(cell: str) -> None:
    assert day_of(cell) is None


@pytest.mark.parametrize(
    ("cell", "month"),
    [("3 juin 2026", 6), ("3 juil. 2026", 7), ("3 août 2026", 8), ("3 févr. 2026", 2), ("3 déc. 2026", 12)],
)
def test_french_months_are_told_apart(cell: str, month: int) -> None:
    assert day_of(cell) == date(2026, month, 3)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Le formateur était très clair et à l'écoute.", "fr"),
        ("The trainer was very clear.", "en"),
        ("Der Kurs war sehr gut und nicht zu lang", "de"),
        ("El curso fue muy bueno, pero no lo terminé", "es"),
        ("Il corso è stato molto utile e non troppo lungo", "it"),
        ("RAS", None),
    ],
)
def test_a_language_is_told_by_its_small_words(text: str, language: str | None) -> None:
    assert tell(text).language == language
