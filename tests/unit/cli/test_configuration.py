"""`check`, `explain` and `schema` say what they found, end with the status of it, and touch nothing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.unit.cli.conftest import Verb

_CONFIG = """\
version: 1
backends:
  offline: {kind: builtin}
models:
  assistant: {targets: [{backend: offline, model: extractive}]}
tenants:
  acme: {}
"""
_FAR = """\
version: 1
backends:
  far: {kind: openai, url: "https://example.test/v1", location: {country: US, operator: Far}}
models:
  assistant: {targets: [{backend: far, model: any}]}
policies:
  eu: {countries: [EU]}
tenants:
  acme: {policy: eu}
"""
_EXPLAIN = ("explain", "--tenant", "acme", "--model", "assistant")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "providers.yaml"
    file.write_text(_CONFIG)
    return file


def test_a_usable_file_is_told_with_its_version(verb: Verb, config: Path) -> None:
    told, for_machines = (
        verb("check", "--config", str(config)),
        verb("check", "--config", str(config), "--json"),
    )

    assert told.status == for_machines.status == 0, told.err
    assert f"{config} is usable: 1 backends, 1 models, 1 tenants" in told.out
    document = orjson.loads(for_machines.out)
    assert document["usable"] is True
    assert "error" not in {found["severity"] for found in document["findings"]}


def test_every_finding_has_its_place_cause_and_cure(verb: Verb, config: Path) -> None:
    config.write_text(_CONFIG.replace("backend: offline", "backend: ofline"))

    done = verb("check", "--config", str(config), "--json")

    document = orjson.loads(done.out)
    assert done.status == 2
    assert document["usable"] is False
    (found,) = (found for found in document["findings"] if found["severity"] == "error")
    assert found["line"] == 5
    assert "ofline" in found["message"]
    assert found["cure"]
    assert f"{config}:5" in verb("check", "--config", str(config)).out


def test_strict_makes_errors_of_warnings(verb: Verb, config: Path) -> None:
    config.write_text(_CONFIG.replace("  offline:", "  spare: {kind: builtin}\n  offline:"))

    assert verb("check", "--config", str(config)).status == 0
    assert verb("check", "--strict", "--config", str(config)).status == 2


def test_a_policy_without_a_way_out_has_a_status_of_its_own(verb: Verb, config: Path) -> None:
    config.write_text(_FAR)

    checked = verb("check", "--config", str(config), "--json")
    explained = verb(*_EXPLAIN, "--config", str(config), "--json")

    assert checked.status == explained.status == 1, checked.out
    assert orjson.loads(explained.out)["targets"] == []
    assert len(orjson.loads(explained.out)["left_out"]) == 1


def test_explain_tells_every_host_that_is_connected_to(verb: Verb, tmp_path: Path) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(_FAR)  # refused by its policy, and told about all the same

    told = verb("explain", "--egress", "--config", str(file))
    listed = verb("explain", "--egress", "--config", str(file), "--json")

    assert told.status == listed.status == 0
    assert "example.test:443  backend far" in told.out.splitlines()
    assert {"host": "example.test:443", "uses": ["backend far"]} in orjson.loads(listed.out)


def test_explain_tells_the_order_and_makes_no_data_folder(verb: Verb, config: Path, tmp_path: Path) -> None:
    words = (*_EXPLAIN, "--config", str(config), "--data", str(tmp_path / "d"))
    for_machines, told = verb(*words, "--json"), verb(*words)

    assert told.status == for_machines.status == 0
    assert [target["backend"] for target in orjson.loads(for_machines.out)["targets"]] == ["offline"]
    assert "offline" in told.out
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("verb_words", [("check",), _EXPLAIN])
def test_a_missing_file_is_one_line(verb: Verb, tmp_path: Path, verb_words: tuple[str, ...]) -> None:
    done = verb(*verb_words, "--config", str(tmp_path / "none.yaml"))

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("passerelle: ")
    assert "none.yaml cannot be read: no such file or directory." in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("tenant", "model"), [("nobody", "assistant"), ("acme", "nothing")])
def test_what_is_not_there_is_one_line(verb: Verb, config: Path, tenant: str, model: str) -> None:
    done = verb("explain", "--tenant", tenant, "--model", model, "--config", str(config))

    assert (done.status, done.out) == (2, "")
    assert repr(tenant if tenant == "nobody" else model) in done.err
    assert done.err.count("\n") == 1


def test_the_schema_needs_no_file(verb: Verb, tmp_path: Path) -> None:
    done = verb("schema", "--config", str(tmp_path / "none.yaml"))

    assert done.status == 0
    assert {"version", "backends", "models", "tenants"} <= set(orjson.loads(done.out)["properties"])


@pytest.mark.parametrize(
    "words",
    [("no-such-verb",), ("keys", "make"), ("serve", "--port", "no"), ("keys", "create", "--days", "0"),
     ("explain", "--tenant", "acme"), ("keys", "rotate")],
)  # fmt: skip
def test_a_wrong_command_line_is_told_with_its_usage(verb: Verb, words: tuple[str, ...]) -> None:
    done = verb(*words)

    assert done.status == 2
    assert done.err.startswith("Usage: ")


@pytest.mark.parametrize(("port", "told"), [("http", "valid integer"), ("70000", "65535")])
def test_a_wrong_setting_is_named(verb: Verb, monkeypatch: pytest.MonkeyPatch, port: str, told: str) -> None:
    monkeypatch.setenv("PASSERELLE_PORT", port)
    done = verb("check")

    assert done.status == 2
    assert "PASSERELLE_PORT" in done.err
    assert told in done.err


def test_a_reload_without_a_service_is_one_line(verb: Verb, config: Path, tmp_path: Path) -> None:
    done = verb("reload", "--config", str(config), "--data", str(tmp_path / "d"))

    assert done.status == 2
    assert done.err.startswith(f"passerelle: No service runs on the data folder {tmp_path / 'd'}.")
    assert not (tmp_path / "d").exists()
