"""What the documents are made from: everybody who is reached, nobody who is not, measures only where they are on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from passerelle.compliance.estate import Estate
from passerelle.compliance.estate_annex import annex_of
from passerelle.compliance.estate_dpia import Answer, presumed
from passerelle.compliance.estate_measures import MEASURES, Measure, Probe
from passerelle.compliance.estate_processors import Processor
from passerelle.compliance.manifest import plain
from tests.unit.compliance.ground import PLAIN, ROOT, estate_of


def _by_id(estate: Estate) -> dict[str, Processor]:
    return {each.id: each for each in estate.processors}


def test_the_whole_chain_is_listed_the_router_before_whom_it_hands_on_to() -> None:
    found = _by_id(estate_of())

    assert found.keys() == {"hugging-face", "scaleway"}
    router = found["hugging-face"]
    assert (router.uses, router.country, router.transfer) == (("router",), "US", True)
    assert (router.tools, router.module) == (("scc",), 3)
    assert (found["scaleway"].uses, found["scaleway"].country) == (("answer",), "FR")
    assert not found["scaleway"].transfer


def test_our_own_machines_are_no_sub_processor() -> None:
    assert [(each.name, each.uses, each.country) for each in estate_of().own] == [("gpu", ("answer",), "FR")]


def test_documents_do_not_depend_on_which_secrets_are_set() -> None:
    assert plain(estate_of()) == plain(estate_of(environment={"HF_TOKEN": "hf_x"}))


def test_who_is_forbidden_is_told_apart_and_never_listed() -> None:
    text = PLAIN.replace("{demo: {}}", "{demo: {policy: on-prem-only}}")
    estate = estate_of(text)

    assert estate.processors == ()
    assert {each.rule for each in estate.refused} == {"R01"}
    assert estate.policy_told["fr"].startswith("Traitement sur les seules machines")
    assert [each.backend for each in estate.models] == ["gpu"]


def test_a_policy_of_the_file_is_not_explained_by_a_packaged_one_of_its_name() -> None:
    own = "policies: {on-prem-only: {operators: [self, 'Scaleway SAS']}}\n"
    text = own + PLAIN.strip().replace("{demo: {}}", "{demo: {policy: on-prem-only}}") + "\n"

    assert estate_of(text).policy_told == {}


def test_what_the_configuration_states_goes_before_the_catalogue() -> None:
    text = PLAIN.replace("token: env:HF_TOKEN", "token: env:HF_TOKEN, trains: true, retention_days: 9")
    scaleway = _by_id(estate_of(text))["scaleway"]

    assert (scaleway.trains, scaleway.retention_days) == (True, 9)
    assert {each.fact: each.source for each in scaleway.evidence}["trains"] == "providers.yaml"
    assert "trains" in scaleway.open_points


def test_a_provider_that_somebody_else_chooses_is_named_as_such() -> None:
    found = estate_of(PLAIN.replace("provider: scaleway", "provider: auto")).processors
    (unnamed,) = (each for each in found if each.unnamed)

    assert unnamed.country is None
    assert "Scaleway SAS" in unnamed.candidates
    assert {"unnamed", "country", "agreement", "tool"} <= set(unnamed.open_points)


def test_a_party_that_is_reached_twice_is_one_line_with_the_worse_of_what_is_stated() -> None:
    second = "  hub: {kind: hf-providers, provider: scaleway, token: env:HF_TOKEN, retention_days: 3}\n  two"
    text = PLAIN.replace("  hub", second, 1).replace(
        "{backend: hub, model: a/b, rank: 2}", "{backend: hub, model: a/b}, {backend: two, model: a/b}"
    )
    scaleway = _by_id(
        estate_of(
            text.replace(
                "token: env:HF_TOKEN}\nm", "token: env:HF_TOKEN, trains: true, retention_days: 9}\nm"
            )
        )
    )["scaleway"]

    assert (scaleway.through, scaleway.retention_days, scaleway.trains) == (("hub", "two"), 9, True)
    assert _by_id(estate_of(text))["scaleway"].retention_days is None


def test_an_endpoint_is_not_the_router_of_the_same_company() -> None:
    text = PLAIN.replace(
        "{kind: hf-providers, provider: scaleway, token: env:HF_TOKEN}",
        "{kind: hf-endpoint, endpoint: a/b, token: env:HF_TOKEN, location: {country: IE}}",
    )
    (endpoint,) = estate_of(text).processors

    assert (endpoint.id, endpoint.country, endpoint.seat) == ("hf-endpoints", "IE", "US")
    assert endpoint.transfer  # its parent may reach it from there


def test_a_measure_is_listed_only_where_it_is_on() -> None:
    on = {each.id: each for each in estate_of().measures}
    off = PLAIN.replace("{demo: {}}", "{demo: {privacy: {encrypt: false, user: drop, redact: [email]}}}")
    probed = estate_of(probes={"backups": Probe(True, "one of today"), "encryption": Probe(False, "no key")})

    assert "encryption" in on
    assert "backups" not in on
    assert on["roles"].known_by == "make"
    assert {"no-user", "redaction"} <= {each.id for each in estate_of(off).measures}
    assert not {"encryption", "pseudonyms"} & {each.id for each in estate_of(off).measures}
    measures = {each.id: each for each in probed.measures}
    assert (measures["backups"].known_by, measures["backups"].evidence) == ("probe", "one of today")
    assert "encryption" not in measures


def test_the_lock_on_hosts_is_told_only_where_every_host_is_known_beforehand() -> None:
    unknown = PLAIN.replace(
        "models:",
        "  far: {kind: litellm, provider: somebody, api_key: env:KEY, location: {country: US}}\nmodels:",
    )

    assert "egress" in {each.id for each in estate_of().measures}
    assert "egress" not in {each.id for each in estate_of(unknown).measures}


def test_a_probe_does_not_put_on_what_the_configuration_puts_off() -> None:
    off = PLAIN.replace("{demo: {}}", "{demo: {privacy: {encrypt: false}}}")

    assert "encryption" not in {
        each.id for each in estate_of(off, probes={"encryption": Probe(True, "")}).measures
    }


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.id)
def test_what_keeps_a_measure_true_is_there(measure: Measure) -> None:
    assert measure.test == "" or (ROOT / measure.test).exists()


def test_special_categories_and_generation_make_an_assessment_presumed() -> None:
    plain_one = estate_of()
    special = estate_of(PLAIN.replace("{demo: {}}", "{demo: {privacy: {special: [health], minors: true}}}"))

    assert not presumed(plain_one.criteria)
    assert [each.number for each in plain_one.criteria] == list(range(1, 10))
    assert {each.number for each in special.criteria if each.answer is Answer.YES} == {4, 7, 8}
    assert presumed(special.criteria)


def test_what_is_not_kept_is_not_listed() -> None:
    assert [each.store for each in estate_of().retentions] == ["conversations", "ledger"]


def test_the_annex_says_where_data_goes_in_plain_values() -> None:
    annex = annex_of(estate_of())

    assert annex["countries"] == ["FR", "US"]
    assert annex["operators"] == ["Hugging Face, Inc.", "Scaleway SAS", "self"]
    assert "scaleway" in annex["providers"]
    assert [each["id"] for each in annex["subprocessors"]] == ["hugging-face", "scaleway"]
    assert annex["retention"][0] == {"store": "conversations", "seconds": 30 * 86_400.0}


def test_a_tenant_without_a_file_is_only_a_name(tmp_path: Path) -> None:
    estate = estate_of(dpa=tmp_path)

    assert estate.client.name == ""
    assert estate.client.tenant == "demo"


def test_where_a_model_comes_from_is_what_somebody_looked_up_and_kept(tmp_path: Path) -> None:
    row = {
        "model": "a/b",
        "public": True,
        "revision": "0f1e",
        "licence": "apache-2.0",
        "base_models": ["c/d"],
        "author": None,
    }
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "models.json").write_text(
        json.dumps({"models": [row], "problems": []}), encoding="utf-8"
    )

    origins = {each.model: each.provenance for each in estate_of(dpa=tmp_path).models}

    assert origins == {"a/b": {"revision": "0f1e", "licence": "apache-2.0", "base_models": ("c/d",)}}
