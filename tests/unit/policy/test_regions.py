"""The names of groups of countries mean what the treaties say."""

from passerelle.config.countries import COUNTRIES
from passerelle.policy.regions import EEA, EU, REGIONS, expand


def test_the_union_has_27_members_and_the_area_three_more() -> None:
    assert len(EU) == 27
    assert EU | {"IS", "LI", "NO"} == EEA
    assert "GB" not in EEA
    assert "CH" not in EEA


def test_every_member_is_a_country() -> None:
    assert all(members <= COUNTRIES for members in REGIONS.values())


def test_a_list_may_mix_countries_and_regions() -> None:
    assert expand(["EU", "CH", "FR"]) == EU | {"CH"}
    assert expand([]) == frozenset()
