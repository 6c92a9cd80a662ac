"""`make demo-costs` says that every figure is the same, and says so of no other figure."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.database import database_url, postgres
from tools.demo_costs import __main__ as demo
from tools.demo_costs.again import divided
from tools.demo_costs.compare import differences

__all__ = ["database_url", "postgres"]


async def test_a_small_month_is_booked_reported_and_found_the_same_again(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def compared(again: object, written: dict[tuple[str | None, str], bytes], month: str) -> list[str]:
        found = differences(again, written, month)  # type: ignore[arg-type]
        tenant = next(iter(written))
        report = orjson.loads(written[tenant])
        report["by"]["model"][0]["amount"] = "0.000000000001"
        seen.extend(differences(again, {**written, tenant: orjson.dumps(report)}, month))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(demo, "differences", compared)
    assert await demo.main(tmp_path / "demo", address=database_url, requests=400, hours=60) == 0
    assert "Every figure is the same." in capsys.readouterr().out
    assert any("by model" in each for each in seen)  # one pico-unit less is found
    names = {each.name for each in (tmp_path / "demo" / "reports").iterdir()}
    for tenant in ("lycee-jean-moulin", "mairie-de-vannes", "atelier-bertin", "operator"):
        forms = {
            name.removeprefix(f"costs-{tenant}-")[7:] for name in names if name.startswith(f"costs-{tenant}-")
        }
        assert forms >= {".json", ".csv", ".focus.csv", "-fr.html", "-en.html", "-fr.xlsx", "-en.xlsx"}


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [(10, [1, 1, 1], [4, 3, 3]), (7, [2, 0, 5], [2, 0, 5]), (1, [1, 3], [0, 1])],
)
def test_the_plain_shares_add_up(total: int, weights: list[int], shares: list[int]) -> None:
    assert divided(total, weights) == shares
