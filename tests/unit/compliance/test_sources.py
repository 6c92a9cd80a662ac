"""What stands under DPA/sources: read whole or refused with a line, and true to what the program itself knows."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.backends.provider_parties import PARTIES
from passerelle.compliance.facts import Confidence, Sources, Tool
from passerelle.compliance.reading import opened
from passerelle.compliance.reading_law import read_policy
from passerelle.compliance.sources import SourcesRefused, read_sources
from passerelle.domain.errors import Finding
from passerelle.policy.presets import PRESETS
from passerelle.policy.regions import ADEQUATE, EEA, expand
from tests.unit.compliance.ground import ROOT

_SHIPPED = ROOT / "DPA"


@pytest.fixture(scope="module")
def shipped() -> Sources:
    return read_sources(_SHIPPED)


def _folder(tmp_path: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = tmp_path / "sources" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", sorted(PARTIES))
def test_the_catalogue_and_the_table_of_parties_agree(shipped: Sources, name: str) -> None:
    party, entry = PARTIES[name], shipped.entry_of(operator=None, provider=name)

    assert entry is not None
    assert entry.fact("country").value == party.location.country
    assert entry.fact("trains").value == party.trains
    assert entry.fact("retention_days").value == party.retention_days
    assert party.location.seat in (None, entry.fact("seat").value)
    assert party.pinned in (None, entry.fact("pinned").value)
    if party.location.operator is not None:
        named = shipped.entry_of(operator=party.location.operator)
        assert named is not None
        assert entry.fact("legal_name").value == named.fact("legal_name").value


def test_every_fact_says_when_it_was_looked_up_and_how_sure_it_is(shipped: Sources) -> None:
    facts = [fact for entry in shipped.catalogue.values() for fact in entry.facts.values()]

    assert len(facts) > 200
    assert all(fact.verified_on is not None and fact.place.line > 1 for fact in facts)
    assert all(fact.value is not None for fact in facts if fact.confidence is not Confidence.UNVERIFIED)
    assert not [fact for fact in facts if fact.confidence is Confidence.VERIFIED]  # nobody has, yet


def test_adequate_countries_are_those_of_policies(shipped: Sources) -> None:
    assert {each.country for each in shipped.adequacy} == ADEQUATE


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_explanation_of_a_policy_says_its_rules(name: str) -> None:
    file = _SHIPPED / "sources" / "policies" / f"{name}.yaml"
    reader = opened(file.read_text(encoding="utf-8"), file=file.name)
    assert not isinstance(reader, Finding)
    explained, policy = read_policy(reader, policy=name), PRESETS[name]
    rules = explained.rules

    def countries(said: tuple[str, ...] | None) -> frozenset[str] | None:
        return None if said is None else expand(said)

    assert reader.findings == []
    assert set(explained.what) == {"fr", "en"}
    assert countries(rules["countries"]) == policy.countries
    assert countries(rules["seats"]) == policy.seats
    assert (None if rules["operators"] is None else frozenset(rules["operators"])) == policy.operators
    assert (rules["transfers"] and sorted(rules["transfers"])) == (
        policy.transfers and sorted(each.value for each in policy.transfers)
    )
    assert (rules["training"] != "forbidden") == policy.training
    assert (rules["max_retention_days"], rules["pinned"]) == (policy.max_retention_days, policy.pinned)
    assert (policy.seats or frozenset()) <= EEA


def test_what_a_folder_does_not_hold_is_taken_from_the_package(tmp_path: Path, shipped: Sources) -> None:
    own = read_sources(_folder(tmp_path, {"operator.yaml": "name: Ours\n"}))

    assert own.operator.name == "Ours"
    assert own.clients == {}
    assert own.catalogue.keys() == shipped.catalogue.keys()
    assert own.catalogue["groq"].place.file == "shipped/sources/catalogue/groq.yaml"
    assert own.catalogue["hugging-face"].signed_on is None  # what the demo has signed is the demo's
    assert own.policies.keys() == PRESETS.keys()


def test_facts_of_ones_own_go_before_the_shipped_ones_one_by_one(tmp_path: Path) -> None:
    text = "id: groq\nfacts:\n  country: {value: FI, confidence: verified, verified_on: 2026-11-01, verified_by: Jo}\n"
    entry = read_sources(_folder(tmp_path, {"catalogue/groq.yaml": text})).catalogue["groq"]

    assert (entry.fact("country").value, entry.fact("country").place.line) == ("FI", 3)
    assert entry.fact("seat").value == "US"
    assert entry.providers == {"groq"}


def test_what_was_agreed_is_laid_over_the_catalogue(tmp_path: Path) -> None:
    text = (
        "tools: [scc, dpf]\nmodule: 3\nsigned: {on: 2026-10-01, reference: A-1}\n"
        "dpf: {entity: 'Groq, Inc.', checked_on: 2026-10-02}\n"
        "assessment: {done_on: 2026-10-03, review_on: 2027-10-03}\nzero_retention: true\n"
    )
    entry = read_sources(_folder(tmp_path, {"agreements/groq.yaml": text})).catalogue["groq"]

    assert entry.tools == (Tool.SCC, Tool.DPF)
    assert (entry.module, entry.signed_reference, entry.dpf_entity) == (3, "A-1", "Groq, Inc.")
    assert entry.assessment is not None
    assert entry.zero_retention


_WRONG = (
    ("operator.yaml", "nmae: Ours\n", 1, "`nmae` is not a field here.", "Did you mean `name`?"),
    ("operator.yaml", "name: Ours\ncountry: UK\n", 2, "`country` is not a country", "Write it"),
    ("operator.yaml", "name: Ours\nnotice_days: 0\n", 2, "`notice_days` is not a whole number from 1 to 365", "Write"),
    ("operator.yaml", "officer: Jo\n", 1, "`officer` holds no keys and values.", "Indent"),
    ("operator.yaml", "measures: {mfa: often}\n", 1, "`mfa` is neither true nor false.", "Write"),
    ("operator.yaml", "- a\n", None, "The file does not hold keys and values.", "Write it as `name: value`"),
    ("operator.yaml", "\n", None, "The file is empty.", "Write its fields"),
    ("operator.yaml", "name: 'a\n", 1, "The quote that opens here is never closed.", "Close it"),
    ("tenants/a.yaml", "tenant: b\n", 1, "`tenant` is 'b' in the file of 'a'.", "Give both"),
    ("tenants/a.yaml", "name: A\n", 1, "`tenant` is missing.", "Add `tenant:`."),
    ("tenants/a.yaml", "tenant: a\npurposes: [x]\n", 2, "`purposes` is not said by language", "Write"),
    ("tenants/a.yaml", "tenant: a\nstarted_on: soon\n", 2, "`started_on` is not a day", "Write"),
    ("catalogue/x.yaml", "id: x\nfacts: {colour: {value: red, confidence: unverified}}\n", 2, "`colour` is no fact", "Known are"),
    ("catalogue/x.yaml", "id: x\nfacts:\n  trains: {value: false}\n", 3, "`confidence` is missing.", "Add"),
    ("catalogue/x.yaml", "id: x\nfacts:\n  trains: {value: maybe, confidence: unverified}\n", 3, "`value` is neither true", "Write"),
    ("catalogue/x.yaml", "id: x\nfacts:\n  trains: {value: false, confidence: verified}\n", 3, "`trains` is verified without", "Add `verified_on`"),
    ("catalogue/x.yaml", "id: x\nproviders: [groq]\n", 1, "The provider 'groq' is named by groq and by x.", "Name it in one"),
    ("agreements/nobody.yaml", "tools: [scc]\n", None, "'nobody' is not in the catalogue.", "Add sources/catalogue"),
    ("agreements/groq.yaml", "tools: [scc]\n", 1, "Standard clauses without their module.", "Add `module: 3`"),
    ("agreements/groq.yaml", "tools: [hope]\n", 1, "`tools` is none of adequacy", "Write"),
    ("adequacy.yaml", "decisions: [{country: FR, until: never, confidence: unverified}]\n", 1, "`until` is not a day", "Write"),
    ("models.json", '{"models": [{}]}', None, "The file is not what `passerelle audit models", "Write it anew"),
    ("legal-calendar.yaml", "deadlines: {}\n", 1, "`deadlines` is no list.", "Begin each"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "text", "line", "cause", "cure"), _WRONG, ids=[row[3] for row in _WRONG])
def test_what_is_wrong_is_told_once_with_its_place_and_the_way_out(
    tmp_path: Path, name: str, text: str, line: int | None, cause: str, cure: str
) -> None:
    with pytest.raises(SourcesRefused) as refused:
        read_sources(_folder(tmp_path, {name: text}))

    (finding,) = refused.value.findings
    assert (finding.file, finding.line) == (f"sources/{name}", line)
    assert finding.message.startswith(cause)
    assert finding.cure.startswith(cure)


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {})
    (folder / "sources").mkdir()
    (folder / "sources" / "operator.yaml").write_bytes(b"name: \xff\n")

    with pytest.raises(SourcesRefused, match="not UTF-8"):
        read_sources(folder)


_KEYS = st.sampled_from(["id", "facts", "value", "confidence", "operators", "providers", "trains", "x"])
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["x", "verified", "FR"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.dictionaries(_KEYS, _VALUES, max_size=4),
    name=st.sampled_from(["catalogue/x", "agreements/groq"]),
)
def test_any_file_is_read_or_refused(tmp_path: Path, value: dict[str, object], name: str) -> None:
    folder = tmp_path / os.urandom(6).hex()
    _folder(folder, {f"{name}.yaml": json.dumps(value)})
    with contextlib.suppress(SourcesRefused):
        read_sources(folder)
