"""`passerelle costs prices`: what applies and why, without calling anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from passerelle.cli.costs import costs
from passerelle.domain.errors import CannotRun

_TEXT = """\
version: 1
backends:
  gpu: {kind: vllm, url: "http://vllm:8000", cost: {per_hour: 0.76, currency: EUR}}
  hosted:
    kind: openai
    url: "http://hosted:8000"
    cost: {input_per_million: 0.1, output_per_million: 0.4, cached_input_per_million: 0.0375, currency: USD}
  other: {kind: openai, url: "http://other:8000"}
  timed: {kind: openai, url: "http://timed:8000", cost: {per_second: 0.00012, currency: USD}}
  offline: {kind: builtin}
models:
  assistant:
    targets:
      - {backend: gpu, model: a}
      - {backend: hosted, model: b}
      - {backend: other, model: c}
      - {backend: timed, model: d}
      - {backend: offline, model: extractive}
tenants: {demo: }
"""


def _run(tmp_path: Path, *options: str, text: str = _TEXT) -> str:
    file = tmp_path / "providers.yaml"
    file.write_text(text)
    result = CliRunner().invoke(
        costs, ["prices", "--config", str(file), "--data", str(tmp_path), *options], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.output


def test_it_says_of_every_target_what_it_costs_and_who_says_so(tmp_path: Path) -> None:
    lines = [line.strip() for line in _run(tmp_path).splitlines()]

    assert lines[0] == "assistant"
    assert lines[1] == "gpu/a: 0.76 EUR an hour, shared out by use"
    assert lines[3].startswith("hosted/b: USD for a million tokens: 0.1 input, 0.0375 cached input")
    assert lines[4] == "configured: The file states it of the backend."
    assert lines[5] == "other/c: not known, which is not free"
    assert lines[6] == "unknown: Nobody states what it costs: write its `cost`."
    assert lines[7] == "timed/d: 0.00012 USD a second"
    assert lines[9] == "offline/extractive: nothing"


def test_machines_get_exact_amounts_as_text(tmp_path: Path) -> None:
    told = json.loads(_run(tmp_path, "--json"))
    prices = {entry["backend"]: entry for entry in told["prices"]}

    assert prices["gpu"]["per_hour"] == "0.76"
    assert prices["hosted"]["prices"]["cached_input"]["amount"] == "0.0375"
    assert prices["hosted"]["prices"]["cached_input"]["price_id"].endswith("=37500")
    assert (prices["other"]["known"], prices["other"]["prices"]) == (False, {})
    assert prices["offline"]["source"] == "ours"


def test_a_file_that_cannot_be_used_is_told_as_check_tells_it(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="is negative"):
        _run(tmp_path, text=_TEXT.replace("0.76", "-0.76"))
