"""Numbers, dates and names are read alike however French and English write them."""

from __future__ import annotations

import pytest

from passerelle.cache.statements import Kind, statements_of
from passerelle.text.words import folded


def _stated(text: str) -> dict[Kind, set[str]]:
    return {kind: set(values) for kind, values in statements_of(folded(text), original=text).items()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Le plafond est de 1 234,50 €.", {Kind.EURO: {"1234.5"}}),
        ("The limit is €1,234.50.", {Kind.EURO: {"1234.5"}}),
        ("About 1.5 million euros", {Kind.EURO: {"1500000"}}),
        ("Comptez 1,5 million d'euros", {Kind.EURO: {"1500000"}}),
        ("It costs $20 a month.", {Kind.DOLLAR: {"20"}}),
        ("1000 per day", {Kind.NUMBER: {"1000"}}),
        ("Une remise de 12 pour cent", {Kind.PERCENT: {"12"}}),
        ("deux jours ouvrés", {Kind.WORKDAYS: {"2"}}),
        ("two business days", {Kind.WORKDAYS: {"2"}}),
        ("twenty-four hours", {Kind.DAYS: {"1"}}),
        ("sous 48h", {Kind.DAYS: {"2"}}),
        ("two weeks", {Kind.DAYS: {"14"}}),
        ("3 ans", {Kind.MONTHS: {"36"}}),
        ("un compte neuf", {}),
        ("le 1er mars 2024", {Kind.DAY: {"3-1"}, Kind.YEAR: {"2024"}}),
        ("on March 1st, 2024", {Kind.DAY: {"3-1"}, Kind.YEAR: {"2024"}}),
        ("le 25/12/2024 au plus tard", {Kind.DAY: {"12-25"}, Kind.YEAR: {"2024"}}),
        ("before 12/25/2024 at the latest", {Kind.DAY: {"12-25"}, Kind.YEAR: {"2024"}}),
        ("it is due on 03/04/2024 as said", {Kind.UNSURE_DAY: {"3-4"}, Kind.YEAR: {"2024"}}),
        ("ouvert dès 9h30", {Kind.TIME: {"9:30"}}),
        ("open at 9:30 pm", {Kind.TIME: {"21:30"}}),
        ("à 9h", {Kind.HOURS: {"9"}}),
        ("at 9 am", {Kind.HOURS: {"9"}}),
        ("Appelez le +33 1 23 45 67 89", {Kind.NAME: {"0123456789"}}),
        ("Appelez le 01.23.45.67.89", {Kind.NAME: {"0123456789"}}),
        ("un budget de 1 234 567 890 euros", {Kind.EURO: {"1234567890"}}),
        ("account 12345678", {Kind.NAME: {"12345678"}}),
        ("le formulaire AB-1234", {Kind.NAME: {"ab1234"}}),
        ("voir https://www.exemple.fr/aide.", {Kind.WEB: {"www.exemple.fr/aide"}}),
        ("écrivez à aide@exemple.fr", {Kind.WEB: {"aide@exemple.fr"}}),
        ("No figures at all.", {}),
    ],
)
def test_what_a_text_states(text: str, found: dict[Kind, set[str]]) -> None:
    assert _stated(text) == found


@pytest.mark.parametrize(
    "hostile", ["1" * 20_000, "1 " * 10_000, "1.2," * 5_000, "a1-" * 6_000, "9h" * 9_000]
)
def test_no_text_takes_long_to_read(hostile: str) -> None:
    statements_of(hostile, original=hostile)  # a backtracking pattern would not come back
