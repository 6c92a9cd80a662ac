"""The benchmark of retrieval runs whole, on a few passages."""

from __future__ import annotations

import pytest

from benchmarks.retrieval import main


def test_it_indexes_searches_and_says_what_that_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chunks", "120", "--searches", "10"]) in (0, 1)  # by the bar, which is for another machine
    said = capsys.readouterr().out
    assert "120 passages of 150 words and 384 numbers" in said
    assert said.count("| hybrid") == 3
