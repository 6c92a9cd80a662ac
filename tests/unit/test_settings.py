"""Libraries tell their makers nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.settings import __file__ as settings_file


@pytest.mark.parametrize(("first", "silent"), [("silence()", True), ("pass", False)])
def test_the_runtime_of_models_makes_no_number_for_the_machine(
    tmp_path: Path, first: str, *, silent: bool
) -> None:
    """It leaves one in the home of whoever runs it; without our word it does."""
    program = (
        f"from passerelle.settings import silence\n{first}\nimport onnxruntime\nonnxruntime.SessionOptions()"
    )
    source = str(Path(settings_file).parents[1])
    environment = {"HOME": str(tmp_path), "PYTHONPATH": source, "PATH": "/usr/bin"}

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)

    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (left == []) is silent, left
