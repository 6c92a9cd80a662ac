"""SARIF is what code hosts take: what the standard requires is there, and rules and places are found by their names."""

from __future__ import annotations

from dataclasses import replace

import orjson

from passerelle.compliance.check import RULES, check
from passerelle.compliance.findings import Found, as_values, by_tenant, errors, put_in_order
from passerelle.compliance.sarif import as_sarif
from tests.unit.compliance.cases import ENTRY, case, sources

_FOUND = check([case(sources=sources(replace(ENTRY, signed_on=None)), observed=None)])


def test_the_document_has_what_the_standard_requires() -> None:
    document = orjson.loads(orjson.dumps(as_sarif(_FOUND)))

    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in driver["rules"])
    assert len(run["results"]) == len(_FOUND) > 1
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning", "note")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert place["artifactLocation"]["uri"]
            assert place["region"]["startLine"] >= 1


def test_a_print_stays_when_its_line_moves_and_differs_between_tenants() -> None:
    one = Found("error", "R01", "message", "cure", "a file.yaml", 3, None, "acme")

    def print_of(found: Found) -> str:
        (run,) = as_sarif([found])["runs"]
        result = run["results"][0]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20file.yaml"
        return str(result["partialFingerprints"]["found/v1"])

    assert print_of(one) == print_of(replace(one, line=9))
    assert print_of(one) != print_of(replace(one, tenant="other"))


def test_findings_are_in_order_and_known_by_their_tenant() -> None:
    one = Found("warning", "R02", "m", "", "f", 3, None, "b")
    other = Found("error", "R09", "m", "", "f", 1, None, "b")
    all_ = Found("error", "R18", "m", "", "f", 1)

    assert put_in_order([one, other, all_, one]) == (all_, other, one)
    assert by_tenant(put_in_order([one, other, all_])) == {"": (all_,), "b": (other, one)}
    assert errors(put_in_order([one, other])) == (other,)
    assert as_values([all_])[0]["tenant"] is None
    assert [each.severity for each in put_in_order([one], strict=True)] == ["error"]
