"""May this data reach this party? What cannot be shown to hold does not hold."""

from __future__ import annotations

import pytest
from hypothesis import given

from passerelle.domain.catalog import Location, Party, Policy
from passerelle.policy.judge import judge
from tests.unit.routing.catalogs import parties, policies

_FRANCE = Party("gpu", Location("FR", "self"), trains=False, retention_days=0)


def test_without_a_policy_everything_is_permitted() -> None:
    assert judge(None, [Party("anybody")]) is None


def test_a_policy_without_rules_permits_everything() -> None:
    assert judge(Policy("open"), [Party("anybody", trains=True, retention_days=9999)]) is None


def test_nobody_sees_what_stays_in_the_process() -> None:
    strict = Policy("strict", frozenset({"FR"}), frozenset({"self"}), training=False, max_retention_days=0)

    assert judge(strict, []) is None


@pytest.mark.parametrize(
    ("policy", "party", "rule"),
    [
        (Policy("p", countries=frozenset({"FR"})), _FRANCE, None),
        (Policy("p", countries=frozenset({"DE"})), _FRANCE, "R01"),
        (Policy("p", countries=frozenset({"FR"})), Party("x"), "R01"),
        (Policy("p", countries=frozenset()), _FRANCE, "R01"),
        (Policy("p", operators=frozenset({"self"})), _FRANCE, None),
        (Policy("p", operators=frozenset({"self"})), Party("x", Location("FR", "Acme")), "R01"),
        (Policy("p", operators=frozenset({"self"})), Party("x", Location("FR")), "R01"),
        (Policy("p", training=False), _FRANCE, None),
        (Policy("p", training=False), Party("x"), "R05"),
        (Policy("p", training=False), Party("x", trains=True), "R05"),
        (Policy("p", max_retention_days=0), _FRANCE, None),
        (Policy("p", max_retention_days=30), Party("x", retention_days=30), None),
        (Policy("p", max_retention_days=30), Party("x", retention_days=31), "R06"),
        (Policy("p", max_retention_days=30), Party("x"), "R06"),
    ],
)
def test_each_rule_permits_what_is_known_to_keep_it(policy: Policy, party: Party, rule: str | None) -> None:
    verdict = judge(policy, [party])

    assert (verdict.rule if verdict else None) == rule


def test_every_party_on_the_way_must_be_permitted() -> None:
    router = Party("hub (router)", Location("US", "Hugging Face, Inc."))
    verdict = judge(Policy("eu", countries=frozenset({"FR"})), [_FRANCE, router])

    assert verdict is not None
    assert "hub (router)" in verdict.reason
    assert "US" in verdict.reason


@given(policy=policies, one=parties, other=parties)
def test_more_parties_never_permit_more(policy: Policy, one: Party, other: Party) -> None:
    alone = [judge(policy, [one]), judge(policy, [other])]

    assert (judge(policy, [one, other]) is None) == (alone == [None, None])


@given(policy=policies, party=parties)
def test_what_is_unknown_is_never_better_than_what_is_known(policy: Policy, party: Party) -> None:
    if judge(policy, [Party(party.name)]) is None:
        assert policy.countries is None
        assert policy.operators is None
        assert policy.training
        assert policy.max_retention_days is None
