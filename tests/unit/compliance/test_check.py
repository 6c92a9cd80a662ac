"""Each rule finds what it is about, says where it stands and what mends it, and is silent about a tenant in order."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from passerelle.compliance.check import RULES, check
from passerelle.compliance.check_case import Case
from passerelle.compliance.facts import (
    Adequacy,
    Assessment,
    Confidence,
    Contact,
    Entry,
    Place,
    Position,
    Tool,
)
from passerelle.domain.catalog import Location, System
from passerelle.routing.everyone import everyone
from tests.unit.compliance.cases import (
    CLIENT,
    ENTRY,
    FACTS,
    HOSTED,
    LISTED,
    OPERATOR,
    TODAY,
    case,
    configured,
    fact,
    found,
    severities,
    sources,
)

_HUB = {"kind": "hf-providers", "provider": "scaleway", "token": "env:HF_TOKEN"}
_ROUTER = Entry(
    "hugging-face",
    {**FACTS, "country": fact("US"), "seat": fact("US")},
    operators=frozenset({"Hugging Face, Inc."}),
    signed_on=date(2026, 1, 1),
    signed_reference="H-1",
    place=Place("sources/catalogue/hugging-face.yaml"),
)
_SCALEWAY = Entry(
    "scaleway",
    {**FACTS, "country": fact("FR"), "seat": fact("FR")},
    operators=frozenset({"Scaleway SAS"}),
    providers=frozenset({"scaleway"}),
    signed_on=date(2026, 1, 1),
    signed_reference="S-1",
    place=Place("sources/catalogue/scaleway.yaml"),
)
_ON = {"HF_TOKEN": "hf_x"}
_NO_POLICY = {"policy": "any"}


def _open(**backend: object) -> dict[str, object]:
    """A tenant that its policy keeps from nobody, and a sub-processor of another kind."""
    hosted = {**HOSTED, **backend}
    return configured(backends={"hosted": hosted}, policies={"any": {}}, tenant=_NO_POLICY)


def _in_us(**changes: Any) -> Case:
    facts = {**FACTS, "country": fact("US"), "seat": fact("US")}
    entry = replace(ENTRY, facts=facts, **changes)
    where = {"country": "US", "operator": "Beispiel Cloud GmbH"}
    return case(_open(location=where), sources=sources(entry))


def _system(country: str) -> Case:
    """The same with a log sink of the sub-processor's."""
    of = case()
    party = replace(
        of.catalog.backends["hosted"].parties[0], location=Location(country, "Beispiel Cloud GmbH")
    )
    catalog = replace(of.catalog, systems=(System("sink", "logs", party),))
    return replace(of, catalog=catalog, seen=everyone(catalog, of.tenant))


def test_a_tenant_in_order_passes_every_rule() -> None:
    assert [str(each) for each in check([case()])] == []


def test_every_rule_is_short_and_has_its_words() -> None:
    assert list(RULES) == [f"R{number:02}" for number in range(1, 20)]
    for rule in RULES.values():
        assert rule.fails_when.endswith(".")
        assert rule.law
        assert all(len(inspect.getsource(run).splitlines()) < 40 for run in rule.run)


def test_r01_a_forbidden_target_is_told_and_a_model_without_another_is_an_error() -> None:
    far = {**HOSTED, "location": {"country": "US", "operator": "Beispiel Cloud GmbH"}}
    aside = found(case(configured(backends={"far": far})), "R01")
    alone = configured(
        backends={"far": far}, models={"assistant": {"targets": [{"backend": "far", "model": "m"}]}}
    )
    alone["backends"].pop("gpu")

    (told,) = aside
    assert (told.severity, told.tenant) == ("info", "acme")
    assert "far is never reached" in told.message
    assert told.file == "providers.yaml"
    assert told.line is not None
    assert severities(case(alone), "R01") == {"info", "error"}


def test_r01_a_model_that_is_answered_in_this_process_has_somebody_left() -> None:
    far = {**HOSTED, "location": {"country": "US", "operator": "Beispiel Cloud GmbH"}}
    ours = configured(backends={"far": far, "ours": {"kind": "builtin"}})
    ours["models"]["assistant"]["targets"].pop(0)
    ours["backends"].pop("gpu")

    assert severities(case(ours), "R01") == {"info"}
    ours["tenants"]["acme"]["backends"] = {"deny": ["ours"]}
    assert severities(case(ours), "R01") == {"info", "error"}


def test_r01_what_is_not_asked_but_stood_on_is_reached_whatever_a_rule_says() -> None:
    (told,) = found(_system("US"), "R01")

    assert told.severity == "error"
    assert told.message.startswith("Data reaches sink (logs)")
    assert severities(_system("DE"), "R01") == set()


def test_r02_a_party_outside_needs_a_tool() -> None:
    assert severities(_in_us(), "R02") == {"error"}
    assert severities(_in_us(tools=(Tool.SCC,)), "R02") == set()
    assert severities(_in_us(tools=(Tool.DPF,), dpf_entity="X Inc.", dpf_checked_on=TODAY), "R02") == {
        "warning"
    }
    (unlisted, *_) = found(_in_us(tools=(Tool.DPF, Tool.SCC)), "R02")
    assert "without the listed entity" in unlisted.message


def test_r02_an_adequate_country_is_one_while_its_decision_lasts() -> None:
    facts = {**FACTS, "country": fact("GB"), "seat": fact("GB")}
    where = _open(location={"country": "GB", "operator": "Beispiel Cloud GmbH"})
    decision = Adequacy("GB", "2021/1772", None, TODAY + timedelta(days=400))

    def severity(until: date) -> set[str]:
        said = sources(replace(ENTRY, facts=facts), adequacy=(replace(decision, until=until),))
        return severities(case(where, sources=said), "R02")

    assert severity(TODAY + timedelta(days=400)) == set()
    assert severity(TODAY - timedelta(days=1)) == {"error"}


def test_r02_a_place_that_nobody_knows_is_a_warning() -> None:
    facts = {name: each for name, each in FACTS.items() if name not in ("country", "seat")}
    unknown = case(
        _open(location={"operator": "Beispiel Cloud GmbH"}), sources=sources(replace(ENTRY, facts=facts))
    )

    assert severities(unknown, "R02") == {"warning"}


@pytest.mark.parametrize(
    ("assessment", "expected"),
    [
        (None, {"error"}),
        (Assessment(date(2025, 1, 1), TODAY - timedelta(days=1)), {"error"}),
        (Assessment(date(2026, 1, 1), TODAY + timedelta(days=100)), set()),
    ],
)
def test_r03_standard_clauses_want_an_assessment_that_is_not_past(
    assessment: Assessment | None, expected: set[str]
) -> None:
    assert severities(_in_us(tools=(Tool.SCC,), assessment=assessment), "R03") == expected


@pytest.mark.parametrize(("pinned", "expected"), [(True, set()), (None, {"warning"}), (False, {"error"})])
def test_r04_a_policy_with_countries_wants_a_place_that_is_promised(
    pinned: bool | None, expected: set[str]
) -> None:
    entry = replace(ENTRY, facts={**FACTS, "pinned": fact(pinned)})

    assert severities(case(sources=sources(entry)), "R04") == expected


def test_r05_whoever_trains_needs_an_opt_out_on_file() -> None:
    trains = replace(ENTRY, facts={**FACTS, "trains": fact(True)})

    assert severities(case(sources=sources(trains)), "R05") == {"error"}
    assert severities(case(sources=sources(replace(trains, opt_out="letter of May"))), "R05") == set()


def test_r06_what_the_catalogue_says_is_kept_must_fit_the_policy() -> None:
    keeps = replace(ENTRY, facts={**FACTS, "retention_days": fact(30)})

    assert severities(case(sources=sources(keeps)), "R06") == {"error"}
    assert severities(case(sources=sources(replace(keeps, zero_retention=True))), "R06") == set()


def test_r06_a_time_that_nobody_knows_is_told() -> None:
    unknown = replace(ENTRY, facts={**FACTS, "retention_days": fact(None)})
    open_ = _open()
    del open_["backends"]["hosted"]["retention_days"]  # type: ignore[index]

    assert severities(case(open_, sources=sources(unknown)), "R06") == {"warning"}


def test_r07_special_categories_want_an_impact_assessment() -> None:
    health = configured(tenant={"privacy": {"special": ["health"]}})
    done = replace(CLIENT, dpia_on=date(2026, 1, 1))

    assert severities(case(health), "R07") == {"error"}
    assert severities(case(health, sources=sources(clients={"acme": done})), "R07") == set()


def test_r08_a_sub_processor_needs_a_signed_agreement() -> None:
    for unsigned in (
        replace(ENTRY, signed_on=None),
        replace(ENTRY, signed_reference=""),
        replace(ENTRY, signed_on=TODAY + timedelta(days=1)),
    ):
        assert severities(case(sources=sources(unsigned)), "R08") == {"error"}


def test_r08_what_is_off_for_want_of_a_secret_is_not_urgent() -> None:
    hosted = {**HOSTED, "token": "env:NEVER"}
    of = case(configured(backends={"hosted": hosted}), sources=sources(replace(ENTRY, signed_on=None)))

    (told,) = found(of, "R08")
    assert told.severity == "warning"
    assert "off until its secret is set" in told.message


def test_r09_a_backend_without_an_entry_is_an_error_at_its_line() -> None:
    (told,) = found(case(sources=sources(_SCALEWAY)), "R09")

    assert told.severity == "error"
    assert "Beispiel Cloud GmbH" in told.message
    assert told.line == 9


def test_r09_evidence_is_believed_while_it_is_young_and_verified() -> None:
    unsure = {**FACTS, "trains": fact(False, confidence=Confidence.UNVERIFIED)}
    old = {**FACTS, "country": fact("DE", on=TODAY - timedelta(days=181))}
    edge = {**FACTS, "country": fact("DE", on=TODAY - timedelta(days=179))}

    (doubt,) = found(case(sources=sources(replace(ENTRY, facts=unsure))), "R09")
    assert (doubt.severity, doubt.file, doubt.line) == ("error", "DPA/sources/x.yaml", 7)
    assert "never verified: trains" in doubt.message
    assert severities(case(sources=sources(replace(ENTRY, facts=old))), "R09") == {"error"}
    assert severities(case(sources=sources(replace(ENTRY, facts=edge))), "R09") == set()
    assert severities(case(sources=sources(replace(ENTRY, facts={}))), "R09") == {"error"}


def test_r10_a_router_must_be_declared_and_not_choose() -> None:
    routed = configured(backends={"hub": _HUB}, policies={"any": {}}, tenant=_NO_POLICY)
    auto = configured(backends={"hub": {**_HUB, "provider": "auto"}}, policies={"any": {}}, tenant=_NO_POLICY)

    assert severities(case(routed, sources=sources(_SCALEWAY), environment=_ON), "R10") == {"error"}
    assert severities(case(routed, sources=sources(_SCALEWAY, _ROUTER), environment=_ON), "R10") == set()
    assert severities(case(auto, sources=sources(_SCALEWAY, _ROUTER), environment=_ON), "R10") == {"warning"}


def test_r16_wants_everybody_that_an_agreement_names() -> None:
    nobody = replace(OPERATOR, officer=Contact())
    vague = replace(CLIENT, purposes={})

    (told,) = found(case(sources=sources(operator=nobody)), "R16")
    assert (told.tenant, told.severity) == ("", "error")
    assert "officer" in told.message
    assert severities(case(sources=sources(clients={"acme": vague})), "R16") == {"error"}
    assert severities(case(sources=sources(clients={})), "R16") == {"error"}
    alone = replace(OPERATOR, position=Position.CONTROLLER)
    assert severities(case(sources=sources(clients={}, operator=alone)), "R16") == set()


def test_r16_counts_the_gaps_that_documents_have_left() -> None:
    text = "one\n[To complete: your name]\n[À compléter\u00a0: votre nom]\n"

    (told,) = found(case(documents={"generated/acme/en/x.md": text}), "R16")
    assert (told.severity, told.line) == ("warning", 2)
    assert told.message.startswith("2 lines")


def test_r17_people_are_told_that_they_talk_to_a_machine() -> None:
    silent = {"end_user_facing": True, "marking": {"disclosure": {"fr": "Un automate."}}}
    said = {"end_user_facing": True, "marking": {"disclosure": {"fr": "Un automate.", "en": "A machine."}}}
    unmarked = {**said, "marking": {**said["marking"], "enabled": False}}  # type: ignore[dict-item]

    (told,) = found(case(configured(tenant={"privacy": silent})), "R17")
    assert "not told so in en" in told.message
    assert severities(case(configured(tenant={"privacy": said})), "R17") == set()
    assert severities(case(configured(tenant={"privacy": unmarked})), "R17") == {"error"}


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, {"error"}), (89, {"warning"}), (90, set()), (None, set())]
)
def test_r18_a_decision_ends_and_is_told_before(days: int | None, expected: set[str]) -> None:
    until = None if days is None else TODAY + timedelta(days=days)
    decision = Adequacy("GB", "2021/1772", None, until, place=Place("sources/adequacy.yaml", 4))
    of = case(sources=sources(adequacy=(decision,)))

    assert severities(of, "R18") == expected
    assert {each.tenant for each in found(of, "R18")} <= {""}


def test_r19_a_routed_provider_is_on_the_list() -> None:
    routed = configured(backends={"hub": _HUB}, policies={"any": {}}, tenant=_NO_POLICY)
    said = sources(_SCALEWAY, _ROUTER)

    assert severities(case(routed, sources=said, environment=_ON), "R19") == set()
    gone = case(routed, sources=said, environment=_ON, partners=frozenset({"groq"}))
    assert severities(gone, "R19") == {"error"}


def test_strict_makes_warnings_errors_and_leaves_notes() -> None:
    found_ = check([case(observed=None, documents={"generated/acme/x.md": "[To complete: x]"})], strict=True)

    assert {each.severity for each in found_} == {"error", "info"}


def test_what_is_about_all_tenants_is_told_once() -> None:
    nobody = sources(operator=replace(OPERATOR, officer=Contact()))

    assert len([each for each in check([case(sources=nobody)] * 2) if not each.tenant]) == 1
    assert LISTED.name == "Beispiel Cloud GmbH"
