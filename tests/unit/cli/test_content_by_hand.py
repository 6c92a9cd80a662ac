"""`passerelle content`: fields edited by hand, budgets raised, exports that break off, rows that are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from passerelle.cli.content_words import left_out
from tests.unit.cli.test_content import V1, Desk, content, job, service

__all__ = ["content", "service"]


def test_an_export_that_breaks_off_leaves_the_file_as_it_was(
    service: Desk, content: Any, tmp_path: Path
) -> None:
    service.bytes, service.broken = b"number,key\r\n1,a\r\n", True
    file = tmp_path / "out.csv"
    file.write_text("before")
    done = content("export", "job_1", "--output", str(file))
    assert (done.status, file.read_text()) == (2, "before")
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == ["out.csv"]


def test_a_field_is_edited_out_of_a_file(service: Desk, content: Any, tmp_path: Path) -> None:
    service.replies[f"POST {V1}/jobs/job_1/items/2/decisions"] = {}
    file = tmp_path / "own.txt"
    file.write_text("\ufeffUn titre\u00a0: à nous\n", encoding="utf-8")
    done = content("edit", "job_1", "2", "--field", "seo_title", "--file", str(file))
    assert (done.status, done.out) == (0, "seo_title of text 2 is edited.\n")
    assert service.orders[-1][2] == {"seo_title": {"decision": "edited", "value": "Un titre\u00a0: à nous"}}
    file.write_text("Vente\n\n Management \n")
    content("edit", "job_1", "2", "--field", "tags", "--file", str(file))
    assert service.orders[-1][2] == {"tags": {"decision": "edited", "value": ["Vente", "Management"]}}
    file.write_bytes(b"caf\xe9")
    assert content("edit", "job_1", "2", "--field", "text", "--file", str(file)).status == 2


def test_a_job_is_given_another_budget_or_deleted(service: Desk, content: Any) -> None:
    service.replies[f"PATCH {V1}/jobs/job_1"] = job("running", queued=4, written=8)
    done = content("budget", "job_1", "2,50 eur")
    assert done.out.splitlines() == [
        "job_1: 4 queued, 8 written; spent 0.02 EUR",
        "It works on: passerelle jobs follow job_1 --tenant acme.",
    ]
    assert service.orders[-1][2] == {"budget": {"amount": "2.50", "currency": "EUR"}}
    content("budget", "job_1", "none")
    assert service.orders[-1][2] == {"budget": None}
    assert content("budget", "job_1", "much").status == 2
    service.replies[f"DELETE {V1}/jobs/job_1"] = None
    assert content("delete", "job_1").out == "job_1 is deleted.\n"


def test_rows_that_are_left_out_are_told_by_their_reason() -> None:
    def row(number: int, message: str, code: str = "too_many_rows") -> dict[str, Any]:
        return {"file": "t.csv", "row": number, "code": code, "message": message}

    told = list(left_out([row(at, "Too many.") for at in range(11, 90_011)]))
    assert told == ["left out   t.csv, rows 11 to 90010: Too many. (too_many_rows)"]
    told = list(left_out([row(at, "Empty.", "text_empty") for at in range(2, 2_000, 3)]))
    assert told == ["left out   t.csv, rows 2, 5, 8, 11, 14 and 661 more: Empty. (text_empty)"]
    assert list(left_out([row(3, "Empty.", "e"), row(9, "Empty.", "e")])) == [
        "left out   t.csv, rows 3, 9: Empty. (e)"
    ]
    told = list(left_out([row(at, f"Row {at - 1} has the same key.") for at in range(1, 31)]))
    assert (len(told), told[-1]) == (21, "left out   10 more; --json tells every row")
