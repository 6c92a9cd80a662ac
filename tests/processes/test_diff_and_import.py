"""`diff` and `import-litellm` as an operator runs them: what they print, where, and the status they end with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import orjson
import pytest

from tests.e2e.money import verb
from tests.e2e.service import command, environment

_OLD = """\
version: 1
backends:
  gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}
  hub: {kind: hf-providers, token: env:HF_TOKEN}
models:
  assistant:
    targets:
      - {backend: gpu, model: Qwen/Qwen2.5-7B-Instruct, rank: 1}
      - {backend: hub, model: Qwen/Qwen2.5-7B-Instruct, rank: 2}
policies:
  eu: {countries: [EEA]}
tenants:
  client-a: {policy: eu}
  client-b: {backends: {deny: [hub]}}
  client-c: {backends: {deny: [hub]}}
"""
_NEW = _OLD.replace("{backends: {deny: [hub]}}", "{}")
_REFUSED = _OLD.replace("country: FR", "country: US")
_PROXY = """\
model_list:
  - model_name: assistant
    litellm_params:
      model: hosted_vllm/Qwen/Qwen2.5-7B-Instruct
      api_base: http://vllm:8000/v1
      temperature: 0.2
  - model_name: assistant
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-in-the-clear-0123456789, order: 2}
general_settings: {master_key: sk-also-in-the-clear}
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return _written(tmp_path / "old.yaml", _OLD)


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_what_changes_is_told_once_for_the_tenants_it_befalls(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = _written(tmp_path / "new.yaml", _NEW)
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret")

    done = verb("diff", str(old), str(new))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "",
        "client-b and client-c:",
        "  data may now reach US (hub: Hugging Face, Inc.)",
        "  data may now reach an unknown country (hub: operator unknown)",
        "  assistant:",
        "    before  gpu/Qwen/Qwen2.5-7B-Instruct",
        "    after   gpu/Qwen/Qwen2.5-7B-Instruct, then hub/Qwen/Qwen2.5-7B-Instruct",
        "    let in  hub/Qwen/Qwen2.5-7B-Instruct",
    ]
    assert "hf_a-secret" not in done.stdout + done.stderr


def test_the_configured_file_is_the_new_one_and_a_machine_reads_the_same(old: Path, tmp_path: Path) -> None:
    new = _written(tmp_path / "new.yaml", _NEW)

    done = verb("diff", str(old), "--config", str(new), "--json", "--all-on")

    document = orjson.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert document["changed"] is True
    assert document["new"]["file"] == str(new)
    assert [change["tenants"] for change in document["tenants"]] == [["client-b", "client-c"]]
    (model,) = document["tenants"][0]["models"]
    assert [[way["target"] for way in group] for group in model["after"]] == [
        ["gpu/Qwen/Qwen2.5-7B-Instruct"],
        ["hub/Qwen/Qwen2.5-7B-Instruct"],
    ]
    assert [reach["country"] for reach in document["tenants"][0]["reached"]] == ["US", None]


def test_no_difference_is_said(old: Path) -> None:
    done = verb("diff", str(old), str(old))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["Nothing changes."]


def test_a_new_file_that_a_policy_refuses_is_compared_and_ends_with_1(old: Path, tmp_path: Path) -> None:
    new = _written(tmp_path / "new.yaml", _REFUSED)

    done = verb("diff", str(old), str(new))

    assert done.returncode == 1
    assert "error R" in done.stdout
    assert "after   nobody: every request is refused" in done.stdout
    assert "location.country: FR -> US" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no such file"),
        ("version: 1\n", "`backends` is missing"),
        ("a: b: c\n", "stands where none can"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_2_and_a_cure(
    old: Path, tmp_path: Path, text: str | None, told: str
) -> None:
    new = tmp_path / "new.yaml"
    if text is not None:
        new.write_text(text)

    for files in ((old, new), (new, old)):
        done = verb("diff", *map(str, files))
        assert done.returncode == 2
        assert done.stdout == ""
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_one_of_the_two_may_come_from_standard_input(old: Path) -> None:
    done = subprocess.run(
        command("diff", "-", str(old)),
        input=_NEW,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "client-b and client-c:" in done.stdout
    assert verb("diff", "-", "-").returncode == 2


def test_a_proxys_file_becomes_one_that_check_takes(tmp_path: Path) -> None:
    proxy, new = _written(tmp_path / "config.yaml", _PROXY), tmp_path / "providers.yaml"

    printed, written = (
        verb("import-litellm", str(proxy)),
        verb("import-litellm", str(proxy), "--output", str(new)),
    )

    assert printed.returncode == written.returncode == 0, printed.stderr
    assert written.stdout == ""
    assert new.read_text() == printed.stdout
    assert verb("check", "--config", str(new)).returncode == 0
    assert (
        verb("explain", "--tenant", "everyone", "--model", "assistant", "--config", str(new)).returncode == 0
    )
    for path, line in (("model_list.0.litellm_params.temperature", 6), ("general_settings.master_key", 9)):
        assert f"{proxy}:{line}: warning L01: `{path}` is not taken over." in printed.stderr
    assert "token: env:OPENAI_API_KEY" in printed.stdout
    assert "in-the-clear" not in printed.stdout + printed.stderr


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    proxy, new = _written(tmp_path / "config.yaml", _PROXY), _written(tmp_path / "providers.yaml", "mine")

    done = verb("import-litellm", str(proxy), "--output", str(new))

    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert new.read_text() == "mine"


def test_an_import_for_machines_is_one_document(tmp_path: Path) -> None:
    done = verb("import-litellm", str(_written(tmp_path / "config.yaml", _PROXY)), "--json")

    document = orjson.loads(done.stdout)
    assert done.returncode == 0
    assert document["usable"] is True
    assert document["text"].startswith("# Taken over")
    assert {"L01", "L02", "L05", "C10"} <= {finding["rule"] for finding in document["findings"]}
    assert done.stderr == ""


@pytest.mark.parametrize("text", [None, "", "model_list: []", "model_list: !!python/name:os.system ''", "{"])
def test_nothing_to_take_over_ends_with_2(tmp_path: Path, text: str | None) -> None:
    proxy = tmp_path / "config.yaml"
    if text is not None:
        proxy.write_text(text)

    done = verb("import-litellm", str(proxy))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("passerelle: ")
    assert "Traceback" not in done.stderr
