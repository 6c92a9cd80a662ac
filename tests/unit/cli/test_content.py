"""`passerelle content`: what is sent, what is said before and after, and the status that scripts go by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from passerelle.cli.content_diff import marked
from passerelle.cli.content_run import budget_of
from passerelle.domain.errors import CannotRun
from tests.unit.cli.conftest import Verb
from tests.unit.cli.test_jobs import Service, given
from tests.unit.cli.test_progress import finished
from tests.unit.cli.test_rag import parts_of

V1 = "/v1/content"
COUNTS = dict.fromkeys(("queued", "written", "flawed", "reused", "failed", "over_budget"), 0)
ESTIMATE: dict[str, Any] = {
    "object": "content.estimate",
    "pieces": 3,
    "reused": 1,
    "calls": {"value": 2, "low": 2, "high": 3},
    "prompt_tokens": {"value": 1200, "low": 1000, "high": 1500},
    "completion_tokens": {"value": 700, "low": 500, "high": 900},
    "cost": {"value": 0.0123, "low": 0.01, "high": 0.02},
    "currency": "EUR",
    "learned": 40,
    "model": "assistant",
    "target": "gpu/Qwen",
    "notes": ["One text is long."],
    "skipped": [{"file": "t.csv", "row": 3, "code": "empty_text", "message": "The row has no text."}],
}
RECIPE: dict[str, Any] = {
    "name": "rewrite-fr",
    "object": "content.recipe",
    "version": 1,
    "title": "Réécrire",
    "language": "fr",
    "operations": ["rewrite"],
    "fields": ["text"],
    "task": "Réécris\u00a0: vite.",
    "prompt": "2026-11",
    "shipped": True,
}


def job(state: str = "done", **counts: int) -> dict[str, Any]:
    return {
        "id": "job_1",
        "recipe": "rewrite-fr",
        "version": 1,
        "preview": False,
        "budget": None,
        "spent": {"amount": "0.02", "currency": "EUR"},
        "counts": {**COUNTS, **counts},
        "state": state,
    }


def item(number: int, standing: str, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"values": {}, "flaws": [], "error": None, "decisions": {}}
    return {"number": number, "key": f"k{number}", "standing": standing, **nothing, **more}


def page(*cards: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"data": list(cards), "has_more": more}


class Desk(Service):
    """The service, which also gives bytes, and items by how they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []
        self.bytes = b""
        self.broken = False

    def order(self, method: str, path: str, body: Any = None, *, kind: str = "") -> Any:
        self.kinds.append(kind)
        if "standing=" in path:
            standing = path.partition("standing=")[2].partition("&")[0]
            self.replies[f"{method} {path.partition('?')[0]}"] = self.replies[f"items {standing}"]
        return super().order(method, path, body, kind=kind)

    def fetch(self, method: str, path: str, body: Any = None, *, kind: str = "") -> bytes:
        self.orders.append((method, path, body))
        return self.bytes

    def parts(self, method: str, path: str, body: Any = None, *, kind: str = "") -> Iterator[bytes]:
        self.orders.append((method, path, body))
        yield self.bytes[:5]
        yield self.bytes[5:]
        if self.broken:
            raise CannotRun("The running service broke off before it had answered.")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk()
    given(monkeypatch, found, "content", "content_run", "content_decide", "content_diff")
    found.replies[f"POST {V1}/estimate"] = ESTIMATE
    found.replies[f"POST {V1}/jobs"] = {"job": job("running", queued=3), "estimate": ESTIMATE, "skipped": []}
    found.events = [("created", {"items": 3}), finished("done", done=3)]
    return found


@pytest.fixture
def content(verb: Verb, tmp_path: Path) -> Any:
    where = ("--tenant", "acme", "--data", str(tmp_path))
    return lambda *words: verb("content", *words, *where)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    made = tmp_path / "t.csv"
    made.write_text("id,x\na,un deux\n", encoding="utf-8")
    return made


def test_a_run_says_what_it_takes_and_what_became_of_it(service: Desk, content: Any, table: Path) -> None:
    service.replies[f"GET {V1}/jobs/job_1"] = job(written=2, reused=1)
    words = ("--recipe", "rewrite-fr", "--text-column", "x", "--key-column", "id", "--budget", "5 EUR")
    done = content("run", str(table), *words)

    assert done.status == 0
    assert done.out.splitlines() == [
        "3 texts, 1 of them unchanged since they were written, as assistant",
        "calls: 2 (2 to 3); tokens read: 1,200 (1,000 to 1,500); written: 700 (500 to 900)",
        "cost: 0.0123 (0.0100 to 0.0200) EUR; from 40 earlier answers",
        "One text is long.",
        "left out   t.csv, row 3: The row has no text. (empty_text)",
        "job_1: done: 2 written, 1 reused; spent 0.02 EUR",
    ]
    assert "3/3" in done.err
    method, path, body = service.orders[1]
    assert (method, path) == ("POST", f"{V1}/jobs?tenant=acme")
    said, file = parts_of(body, service.kinds[1])
    assert orjson.loads(said[2]) == {
        "recipe": "rewrite-fr",
        "budget": {"amount": "5", "currency": "EUR"},
        "mapping": {"text": "x", "key": "id"},
    }
    assert file == ("file", "t.csv", b"id,x\na,un deux\n")


def test_a_run_that_leaves_something_open_tells_it_and_ends_with_one(
    service: Desk, content: Any, table: Path
) -> None:
    service.replies[f"GET {V1}/jobs/job_1"] = job(written=1, flawed=1, failed=1, over_budget=1)
    flaw = {"check": "numbers", "field": "text", "said": "The number 3 is gone."}
    trouble = {"code": "upstream_failed", "message": "The engine failed."}
    service.replies |= {
        "items flawed": page(item(2, "flawed", flaws=[flaw])),
        "items failed": page(item(1, "failed", error=trouble)),
        "items over_budget": page(item(3, "over_budget")),
    }
    done = content("run", str(table), "--recipe", "r")
    assert done.status == 1
    assert "passerelle content budget job_1 AMOUNT --tenant acme" in done.out.splitlines()[-1]
    assert done.out.splitlines()[-5:-2] == [
        "failed       1  k1: The engine failed. (upstream_failed)",
        "flawed       2  k2: text: The number 3 is gone. (numbers)",
        "over budget  3  k3",
    ]
    done = content("run", str(table), "--recipe", "r", "--json")
    assert (done.status, [each["number"] for each in orjson.loads(done.out)["open"]]) == (1, [1, 2, 3])


def test_a_dry_run_starts_nothing(service: Desk, content: Any, table: Path) -> None:
    done = content("run", str(table), "--recipe", "r", "--dry-run")
    assert (done.status, len(service.orders)) == (0, 1)
    done = content("run", str(table), "--recipe", "r", "--dry-run", "--json")
    assert orjson.loads(done.out) == ESTIMATE


def test_whoever_sits_at_it_is_asked_first(
    service: Desk, content: Any, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.replies[f"GET {V1}/jobs/job_1"] = job(written=3)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("passerelle.cli.content_run.click.confirm", _no)
    assert content("run", str(table), "--recipe", "r").status == 130
    assert len(service.orders) == 1
    assert content("run", str(table), "--recipe", "r", "--yes").status == 0


def _no(*_: object, **__: object) -> None:
    import click

    raise click.Abort


def test_nobody_has_to_wait(service: Desk, content: Any, table: Path) -> None:
    done = content("run", str(table), "--recipe", "r", "--no-wait")
    assert (done.status, done.out.splitlines()[-1]) == (
        0,
        "job_1 works on them: passerelle jobs follow job_1 --tenant acme.",
    )
    assert not service.works


def test_a_collection_stands_in_place_of_files(service: Desk, content: Any, table: Path) -> None:
    content("run", "--collection", "faq", "--recipe", "r", "--preview", "--again", "--dry-run")
    assert service.orders[0][2] == {
        "recipe": "r",
        "preview": True,
        "again": True,
        "documents": [{"collection": "faq"}],
    }
    for words in ((), (str(table), "--collection", "faq"), ("--collection", "faq", "--text-column", "x")):
        assert content("run", *words, "--recipe", "r").status == 2


def test_a_budget_is_an_amount_and_a_currency() -> None:
    assert budget_of("5 EUR") == {"amount": "5", "currency": "EUR"}
    assert budget_of("0,50eur") == {"amount": "0.50", "currency": "EUR"}
    assert budget_of(None) is None
    for wrong in ("5", "EUR", "-5 EUR", "5 EURO", "", "1e3 EUR"):
        with pytest.raises(CannotRun, match="budget"):
            budget_of(wrong)


def test_a_price_that_is_not_known_is_said_so(service: Desk, content: Any, table: Path) -> None:
    service.replies[f"POST {V1}/estimate"] = {
        **ESTIMATE,
        "cost": None,
        "reused": 0,
        "skipped": [],
        "notes": [],
    }
    done = content("run", str(table), "--recipe", "r", "--dry-run")
    assert done.out.splitlines()[-1] == "cost: not known, as gpu/Qwen has no price"


def test_recipes_are_shown_as_what_can_be_changed_and_sent_back(
    service: Desk, content: Any, tmp_path: Path
) -> None:
    service.replies[f"GET {V1}/recipes"] = {"data": [RECIPE]}
    service.replies[f"GET {V1}/recipes/rewrite-fr"] = RECIPE
    service.replies[f"POST {V1}/recipes"] = {**RECIPE, "name": "mine", "version": 2}
    assert content("recipes").out == "rewrite-fr                shipped   fr  Réécrire: text\n"
    shown = content("recipe", "show", "rewrite-fr").out
    assert shown.startswith("# rewrite-fr, version 1\n")
    said = yaml.safe_load(shown)
    assert said == {name: RECIPE[name] for name in ("name", "title", "language", "operations", "task")}
    file = tmp_path / "r.yaml"
    file.write_text(shown, encoding="utf-8")
    assert content("recipe", "write", str(file)).out == "mine has version 2.\n"
    assert service.orders[-1][2] == said
    assert orjson.loads(content("recipe", "show", "rewrite-fr", "--json").out) == RECIPE
    service.replies[f"DELETE {V1}/recipes/mine"] = None
    assert content("recipe", "delete", "mine").out == "mine is deleted.\n"


def test_a_brand_is_shown_and_set(service: Desk, content: Any, tmp_path: Path) -> None:
    card = {"object": "content.brand", "version": 1, "tone": "Clair.", "banned": ["x"]}
    service.replies |= {f"GET {V1}/brand": card, f"PUT {V1}/brand": card}
    assert yaml.safe_load(content("brand").out) == {"tone": "Clair.", "banned": ["x"]}
    file = tmp_path / "b.json"
    file.write_text('{"tone": "Clair."}', encoding="utf-8")
    assert content("brand", "--set", str(file)).status == 0
    assert service.orders[-1][2] == {"tone": "Clair."}
    assert content("brand", "--set", str(file), "--version", "1").status == 2
    file.write_text("a: [", encoding="utf-8")
    assert content("brand", "--set", str(file)).status == 2
    file.write_bytes(b"\xff\xfe\xfa")
    assert content("brand", "--set", str(file)).status == 2


def test_jobs_and_their_texts_are_listed(service: Desk, content: Any) -> None:
    service.replies[f"GET {V1}/jobs"] = page(job(written=2, failed=1), more=True)
    lines = content("jobs").out.splitlines()
    assert lines[0].endswith("2 written, 1 failed; spent 0.02 EUR")
    assert lines[1] == "There are more: --before job_1"
    decided = {"text": {"decision": "accepted"}}
    service.replies[f"GET {V1}/jobs/job_1/items"] = page(item(1, "written", decisions=decided), more=True)
    assert content("items", "job_1").out.splitlines() == [
        "written      1  k1  [accepted]",
        "There are more: --after 1",
    ]
    assert orjson.loads(content("items", "job_1", "--json").out)["has_more"] is True


def test_texts_are_accepted_and_rejected_one_by_one_or_all_at_once(service: Desk, content: Any) -> None:
    service.replies[f"POST {V1}/jobs/job_1/decisions"] = {"fields": 7}
    assert content("accept", "job_1", "--all", "--flawed").out == "7 fields are accepted.\n"
    assert service.orders[-1][2] == {"decision": "accepted", "fields": [], "flawed": True}
    for number in (1, 2):
        service.replies[f"GET {V1}/jobs/job_1/items/{number}"] = {"values": {"text": "a", "tags": []}}
        service.replies[f"POST {V1}/jobs/job_1/items/{number}/decisions"] = {}
    assert content("reject", "job_1", "1", "2").out == "4 fields are rejected.\n"
    assert content("accept", "job_1", "1", "--field", "text").out == "1 field is accepted.\n"
    assert service.orders[-1][2] == {"text": {"decision": "accepted"}}
    service.replies[f"GET {V1}/jobs/job_1/items/1"] = {"values": {}}
    for words in (("job_1",), ("job_1", "1", "--all"), ("job_1", "1", "--flawed"), ("job_1", "1")):
        assert content("accept", *words).status == 2


def test_an_export_goes_to_a_file_or_to_the_terminal(service: Desk, content: Any, tmp_path: Path) -> None:
    service.bytes = b"\xef\xbb\xbfkey;text\r\n"
    assert "key;text" in content("export", "job_1").out
    file = tmp_path / "out.html"
    done = content(
        "export", "job_1", "--format", "html", "--only", "all", "--language", "fr", "--output", str(file)
    )
    assert (done.status, done.out, file.read_bytes()) == (0, "", service.bytes)
    path = service.orders[-1][1]
    assert path == f"{V1}/jobs/job_1/export?tenant=acme&format=html&only=all&language=fr"
    assert content("export", "job_1", "--output", str(tmp_path / "no" / "out")).status == 2
    assert content("export", "job_1", "--output", "/dev/null").status == 0


def test_a_text_s_history_is_told_and_put_back(service: Desk, content: Any) -> None:
    one = {
        "field": "text",
        "number": 1,
        "value": "un",
        "job": None,
        "back_to": None,
        "at": "2026-11-22T10:00:00Z",
    }
    two = {**one, "field": "tags", "number": 2, "value": ["a", "b"], "job": "job_1"}
    service.replies[f"GET {V1}/pieces/history"] = {"data": [one, two]}
    lines = content("history", "https://x/é").out.splitlines()
    assert lines[0].split() == ["text", "1", "2026-11-22", "10:00", "as", "it", "came", "un"]
    assert lines[1].endswith("job_1           a, b")
    assert "key=https%3A%2F%2Fx%2F%C3%A9" in service.orders[-1][1]
    service.replies[f"POST {V1}/pieces/rollback"] = {**one, "number": 3, "back_to": 1}
    assert "back to 1" in content("rollback", "k", "1", "--field", "text").out
    assert service.orders[-1][2] == {"key": "k", "field": "text", "number": 1}


def test_a_diff_is_read_in_the_terminal_or_as_a_page(service: Desk, content: Any, tmp_path: Path) -> None:
    ops = [
        {"op": "equal", "before": [0, 3], "after": [0, 3], "text": "un\n\x1b"},
        {"op": "replace", "before": [3, 7], "after": [3, 7], "old": "deux", "new": "dix\u00a0!"},
        {"op": "insert", "before": [7, 7], "after": [7, 9], "old": "", "new": " x"},
    ]
    card = {"fields": [{"field": "text", "removed": 1, "added": 2, "ops": ops}]}
    service.bytes = orjson.dumps(card)
    assert content("diff", "job_1", "2").out.splitlines() == [
        "text: 1 words taken away, 2 added",
        "  un",
        "  ?[-deux-]{+dix !+}{+ x+}",
    ]
    assert service.orders[-1][1] == f"{V1}/jobs/job_1/items/2/diff?tenant=acme&format=json"
    assert orjson.loads(content("diff", "job_1", "2", "--json").out) == card
    assert "\x1b[31m[-deux-]" in marked(ops, colours=True)
    service.bytes = b"<html>"
    assert content("diff", "job_1", "2", "--html", str(tmp_path / "d.html")).status == 0
    assert (tmp_path / "d.html").read_bytes() == b"<html>"
