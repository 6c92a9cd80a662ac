"""Each rule by its id: what is permitted, what is not, and that what is unknown is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from passerelle.domain.catalog import Location, Party, Policy, Tenant, Transfer
from passerelle.domain.privacy import Datum, Privacy, Redaction, Special
from passerelle.policy.evidence import in_force
from passerelle.policy.judge import is_bound, judge, judged
from passerelle.policy.presets import PRESETS
from passerelle.policy.regions import EU

_OWN = Party("gpu", Location("FR", "self", "FR"), trains=False, retention_days=0, pinned=True)
_FRENCH = Party("cloud", Location("FR", "Nuage SAS", "FR"), trains=False, retention_days=0, pinned=True)
_PARENT = Party("irish", Location("IE", "Big, Inc.", "US"), trains=False, retention_days=0, pinned=True)
_BRITISH = Party("uk", Location("GB", "Isles Ltd", "GB"), trains=False, retention_days=0)
_ROUTER = Party("hub (router)", Location("US", "Hugging Face, Inc.", "US"), trains=False, retention_days=0)
_UNKNOWN = Party("anybody")
_SCC = frozenset({Transfer.SCC})


def _rule(policy: Policy | None, party: Party, privacy: Privacy | None = None) -> str | None:
    verdict = judge(policy, [party], privacy)
    return verdict.rule if verdict else None


@pytest.mark.parametrize(
    ("tools", "party", "rule"),
    [
        ({Transfer.SCC}, _FRENCH, None),
        ({Transfer.SCC}, replace(_OWN, location=Location("FR", "self")), None),
        ({Transfer.SCC}, _PARENT, "R02"),
        ({Transfer.SCC}, replace(_PARENT, transfers=_SCC), None),
        ({Transfer.DPF}, replace(_PARENT, transfers=_SCC), "R02"),
        ({Transfer.SCC}, _BRITISH, "R02"),
        ({Transfer.ADEQUACY}, _BRITISH, None),
        ({Transfer.ADEQUACY}, _ROUTER, "R02"),
        ({Transfer.SCC}, replace(_ROUTER, transfers=_SCC), None),
        ({Transfer.SCC}, replace(_UNKNOWN, transfers=_SCC), "R02"),
        ({Transfer.SCC}, replace(_FRENCH, location=Location("FR", "Nuage SAS")), "R02"),
    ],
)
def test_who_is_outside_the_eea_needs_a_tool_that_is_in_force(
    tools: set[Transfer], party: Party, rule: str | None
) -> None:
    assert _rule(Policy("p", transfers=frozenset(tools)), party) == rule


@pytest.mark.parametrize(
    ("party", "rule"),
    [(_FRENCH, None), (_PARENT, "R01"), (replace(_FRENCH, location=Location("FR", "Nuage SAS")), "R01")],
)
def test_a_seat_is_where_the_legal_party_is(party: Party, rule: str | None) -> None:
    assert _rule(Policy("p", seats=EU), party) == rule


@pytest.mark.parametrize("pinned", [None, False])
def test_a_place_that_may_change_is_not_one_that_is_promised(pinned: bool | None) -> None:
    assert _rule(Policy("p", pinned=True), replace(_FRENCH, pinned=pinned)) == "R04"
    assert _rule(Policy("p", pinned=True), _FRENCH) is None


_HEALTH = Privacy(special=frozenset({Special.HEALTH}))


@pytest.mark.parametrize("privacy", [_HEALTH, Privacy(minors=True)])
@pytest.mark.parametrize("policy", [None, Policy("open")])
def test_sensitive_data_only_goes_where_nothing_is_kept(policy: Policy | None, privacy: Privacy) -> None:
    assert _rule(policy, _FRENCH, privacy) is None
    assert _rule(policy, Party("own", Location(None, "self")), privacy) is None
    assert _rule(policy, replace(_FRENCH, retention_days=1), privacy) == "R07"
    assert _rule(policy, replace(_FRENCH, retention_days=None), privacy) == "R07"
    assert _rule(policy, replace(_FRENCH, trains=None), privacy) == "R07"
    assert _rule(policy, replace(_FRENCH, location=Location(None, "Nuage SAS")), privacy) == "R01"
    assert _rule(policy, _UNKNOWN, Privacy()) is None


def test_somebody_who_is_chosen_later_is_refused_wherever_a_rule_is_set() -> None:
    chosen = replace(_FRENCH, unnamed=True)

    assert _rule(None, chosen) is None
    assert _rule(Policy("open"), chosen) is None
    assert _rule(Policy("p", countries=EU), chosen) == "R10"
    assert _rule(None, chosen, _HEALTH) == "R10"


def test_what_must_be_replaced_is_asked_of_everybody_but_ourselves() -> None:
    policy = Policy("p", redact=frozenset({Datum.EMAIL, Datum.IBAN}))
    some = Privacy(redaction=Redaction(frozenset({Datum.EMAIL})))
    both = Privacy(redaction=Redaction(frozenset({Datum.EMAIL, Datum.IBAN, Datum.NAME})))

    assert _rule(policy, _OWN) is None
    assert _rule(policy, _FRENCH) == "R11"
    assert _rule(policy, _FRENCH, some) == "R11"
    assert _rule(policy, _FRENCH, both) is None


@pytest.mark.parametrize(
    ("preset", "permitted"),
    [
        ("eu-only", {"gpu", "cloud"}),
        ("eu-sovereign", {"gpu", "cloud"}),
        ("eea-adequate", {"gpu", "cloud", "uk"}),
        ("scc-allowed", {"gpu", "cloud", "uk"}),
        ("on-prem-only", {"gpu"}),
    ],
)
def test_the_policies_of_the_package(preset: str, permitted: set[str]) -> None:
    everybody = (_OWN, _FRENCH, _PARENT, _BRITISH, _ROUTER, _UNKNOWN)

    assert {party.name for party in everybody if _rule(PRESETS[preset], party) is None} == permitted


def test_a_tool_lets_parents_elsewhere_in_and_sovereignty_does_not() -> None:
    covered = replace(_PARENT, transfers=_SCC)

    assert _rule(PRESETS["eu-only"], covered) is None
    assert _rule(PRESETS["eea-adequate"], covered) is None
    assert _rule(PRESETS["eu-sovereign"], covered) == "R01"
    assert _rule(PRESETS["eu-only"], replace(_ROUTER, transfers=_SCC)) == "R01"
    assert _rule(PRESETS["scc-allowed"], replace(_ROUTER, transfers=_SCC)) is None


def test_evidence_changes_with_the_rules_and_with_nothing_else() -> None:
    tenant = Tenant("t", (), policy=Policy("eu", countries=EU))
    evidence = in_force(tenant)

    assert evidence is not None
    assert evidence.startswith("eu@")
    assert len(evidence) == len("eu@") + 8
    assert in_force(replace(tenant, name="other", degraded=True)) == evidence
    renamed = in_force(replace(tenant, policy=Policy("another", countries=EU)))
    assert renamed is not None
    assert renamed.split("@")[1] == evidence.split("@")[1]
    for other in (Policy("eu", countries=EU | {"CH"}), Policy("eu", countries=EU, pinned=True), Policy("eu")):
        assert in_force(replace(tenant, policy=other)) != evidence
    assert in_force(replace(tenant, privacy=_HEALTH)) != evidence
    assert in_force(Tenant("t", ())) is None


def test_sensitive_data_leaves_evidence_without_a_policy() -> None:
    tenant = Tenant("t", (), privacy=_HEALTH)

    assert (in_force(tenant) or "").startswith("sensitive@")
    assert is_bound(tenant)
    assert judged(tenant, [_UNKNOWN]) is not None
    assert not is_bound(Tenant("t", (), policy=Policy("open")))
