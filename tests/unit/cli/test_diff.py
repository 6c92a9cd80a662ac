"""`passerelle diff` says what follows from an edit where nobody would guess it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from passerelle.cli.diff import diff_verb

_TEXT = """\
version: 1
backends: {offline: {kind: builtin}}
models:
  assistant: {targets: [{backend: offline, model: extractive}]}
  first: {task: embed, targets: [{backend: offline, model: a}]}
  second: {task: embed, targets: [{backend: offline, model: b}]}
tenants:
  demo: {policy: open, rag: {embedder: NAME}}
policies: {open: {}}
"""


def test_another_embedder_is_told_with_its_consequence(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(_TEXT.replace("NAME", "first"))
    new.write_text(_TEXT.replace("NAME", "second"))
    words = [str(old), str(new), "--data", str(tmp_path)]

    told = CliRunner().invoke(diff_verb, words, catch_exceptions=False)
    assert told.exit_code == 0
    assert (
        "rag.embedder: first -> second (collections keep theirs until they are indexed again)" in told.output
    )

    told = CliRunner().invoke(diff_verb, [*words, "--json"], catch_exceptions=False)
    (change,) = json.loads(told.output)["tenants"]
    (setting,) = change["settings"]
    assert setting["note"] == "collections keep theirs until they are indexed again"
