"""Numbers as French and English questions write them."""

from __future__ import annotations

import pytest

from passerelle.cache.features import features_of
from passerelle.cache.guard import Objection, objection
from passerelle.text.words import Language


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("for 60 minutes", "for 1 hour", "en"),
        ("pendant un an", "pendant 12 mois", "fr"),
        ("vingt et un jours", "21 jours", "fr"),
        ("quatre-vingt-dix euros", "90 €", "fr"),
        ("soixante et onze ans", "71 ans", "fr"),
        ("deux cents euros", "200 euros", "fr"),
        ("mille deux cents euros", "1 200 €", "fr"),
        ("two hundred and five dollars", "$205", "en"),
        ("twenty-five days", "25 days", "en"),
        ("£50", "50 pounds", "en"),
        ("1,000 km", "1000 km", "en"),
        ("1.000 €", "1000 €", "fr"),
        ("3,5 kg", "3.5 kg", "fr"),
        ("at 3 pm", "at 15:00", "en"),
        ("à 18h30", "à 18:30", "fr"),
        ("fever of 39", "39 °C fever", "en"),
        ("the 2nd floor", "the second floor", "en"),
        ("le 1er étage", "le premier étage", "fr"),
        ("le 3e étage", "le troisième étage", "fr"),
        ("20 percent", "20%", "en"),
    ],
)
def test_one_quantity_written_in_two_ways_is_the_same(one: str, other: str, language: Language) -> None:
    found = objection(features_of(one, language), features_of(other, language))
    assert found is not Objection.NUMBER


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("3 ans", "3 mois", "fr"),
        ("5 kg", "5 lb", "en"),
        ("10 €", "10 $", "fr"),
        ("$10", "£10", "en"),
        ("Python 3.1", "Python 3.10", "en"),
        ("vingt-deux", "trente-deux", "fr"),
        ("soixante-dix", "soixante", "fr"),
        ("quatre-vingt", "quatre", "fr"),
        ("2 adults", "2 adults and 1 child", "en"),
        ("at 3 pm", "at 3 am", "en"),
        ("20 °C", "20 °F", "en"),
        ("the first", "the second", "en"),
        ("le deuxième", "le troisième", "fr"),
        ("500 Go", "500 Mo", "fr"),
        ("1,000 euros", "10,000 euros", "en"),
        ("half", "double", "en"),
    ],
)
def test_two_quantities_are_never_the_same(one: str, other: str, language: Language) -> None:
    assert objection(features_of(one, language), features_of(other, language)) is Objection.NUMBER
