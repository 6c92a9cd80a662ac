"""`make soak` in a few seconds, over the real program: nothing leaks, nothing is lost, and it ends clean."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.e2e.service import of_folder
from tools.soak import __main__ as program


@pytest.mark.timeout(300)
def test_a_short_soak_leaks_nothing_loses_nothing_and_ends_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = program.empty(tmp_path / "soak")

    status = program.main(folder, program.Wanted(seconds=8, measures=False))

    printed = capsys.readouterr().out
    report = orjson.loads((folder / "report.json").read_bytes())
    assert (status, report["wrong"]) == (0, []), printed
    assert report["mixed"].keys() >= {"whole", "left", "blocked", "spent"}
    assert min(len(report["reloads"]), report["replays"], report["revoked"]) > 0
    assert report["overload"]["refused"]
    assert report["drain"]["status"] == 0
    assert report["records"]["answered"] >= report["mixed"]["whole"] - report["replays"]
    assert report["engine"]["most_running"] <= program.SLOTS
    assert of_folder(folder) == []
