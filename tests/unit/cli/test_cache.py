"""`passerelle cache` in words: what the figures mean, and when a check fails."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.cli.cache import cache

_PROMISE: dict[str, Any] = {
    "promised": 0.01,
    "bound": 0.008,
    "proven": True,
    "rule": "guarded",
    "notch": 2,
    "served": 40,
    "checked": 600,
    "wrong": 1,
    "next_bound": None,
}


def _card(promise: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "tenant": "acme",
        "looks": {"exact": 3, "semantic": 1, "miss": 4},
        "bypassed": {"tools": 2, "history": 5},
        "answers": 7,
        "bytes": 1_250_000,
        "promise": promise,
    }


def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reply: Any, *words: str) -> Result:
    # The group has the module's name, so that the package's attribute is the group.
    monkeypatch.setattr(import_module("passerelle.cli.cache"), "order", lambda *_: reply)
    return CliRunner().invoke(cache, [*words, "--data", str(tmp_path)])


def test_figures_are_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = _run(monkeypatch, tmp_path, {"data": [_card(_PROMISE)]}, "stats", "--check")

    assert told.exit_code == 0
    assert told.output.splitlines() == [
        "acme: 3 exact and 1 semantic hits, 50% of 8 looks; 7 answers held, 1.2 MB",
        "  not from the cache: history 5, tools 2",
        "  rule guarded: at most 1.00% wrong is promised, 0.80% at worst (1 wrong of 600 checked, 40 given): proven",
    ]


@pytest.mark.parametrize(
    ("promise", "status"),
    [
        (None, 0),
        (_PROMISE, 0),
        ({**_PROMISE, "notch": 1, "proven": False, "bound": 1.0, "wrong": 0, "checked": 0}, 0),
        ({**_PROMISE, "notch": 0, "rule": "exact", "proven": False, "bound": 0.2, "wrong": 9}, 1),
    ],
)
def test_a_check_fails_where_the_cache_has_taken_itself_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, promise: dict[str, Any] | None, status: int
) -> None:
    told = _run(monkeypatch, tmp_path, {"data": [_card(promise)]}, "stats", "--check")

    assert told.exit_code == status
    assert ("withdrawn" in told.output) == bool(status)


def test_no_cache_is_said_with_the_way_to_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "cache: true" in _run(monkeypatch, tmp_path, {"data": []}, "stats").output


def test_an_explanation_names_what_sets_questions_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = {
        "result": "miss",
        "reason": "guard",
        "answer": None,
        "rule": "strict",
        "needs": "guarded",
        "confidence": 0.95,
        "agreeing": 5,
        "near": [
            {"similarity": 0.91, "id": "cq_1", "answer": "ca_1", "state": "verified", "objection": "numbers"}
        ],
    }
    words = ("explain", "--tenant", "acme", "--model", "assistant", "Combien ?")

    assert _run(monkeypatch, tmp_path, found, *words).output.splitlines() == [
        "miss (guard)",
        "  The rule in force is strict; an answer would need guarded.",
        "  5 neighbours agree, with 95% of the weight.",
        "  0.910  cq_1  ca_1  verified  set apart by: numbers",
    ]
