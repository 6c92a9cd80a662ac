"""The shipped folder passes its own check; what is changed by hand, added or left to expire fails it by its rule."""

from __future__ import annotations

import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.cli.dpa_observed import put_together
from passerelle.domain.errors import CannotRun
from tests.unit.cli.conftest import Done, Verb

_ROOT = Path(__file__).parents[3]
_NOW = datetime.now(UTC)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped configuration and folder, to be changed."""
    shutil.copytree(_ROOT / "DPA", tmp_path / "DPA")
    shutil.copy(_ROOT / "providers.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def built(place: Path, verb: Verb) -> Path:
    """The same, built here and now."""
    assert verb("dpa", "build").status == 0
    return place


def _rules(done: Done) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in orjson.loads(done.out)["findings"]:
        found.setdefault(each["rule"] if each["severity"] == "error" else each["severity"], []).append(each)
    return found


def _errors(done: Done) -> set[str]:
    return set(_rules(done)) - {"warning", "info"}


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new, 1).encode())


def test_the_shipped_folder_passes(place: Path, verb: Verb) -> None:
    done = verb("dpa", "check")

    assert done.status == 0, done.out
    assert done.out.startswith("demo:\n")
    assert "0 errors" in done.out


def test_a_document_that_was_edited_by_hand_fails_r13_with_its_line(built: Path, verb: Verb) -> None:
    edited = next((built / "DPA/generated/demo/fr").glob("04-*.md"))
    _change(edited, "Hugging Face, Inc.", "Personne")

    done = verb("dpa", "check", "--json")

    assert (done.status, _errors(done)) == (1, {"R13"})
    (told,) = _rules(done)["R13"]
    assert told["file"] == edited.relative_to(built).as_posix()
    assert told["message"].startswith("Was edited by hand: line ")
    lines = edited.read_text().splitlines()
    assert "Personne" in lines[told["line"] - 1]


def test_a_backend_without_an_entry_in_the_catalogue_fails_r09_at_its_line(place: Path, verb: Verb) -> None:
    backend = (
        '  new: {kind: openai, url: "https://new.example/v1", location: {country: FR, operator: "New SAS"}}\n'
    )
    _change(
        place / "providers.yaml", "  offline: {kind: builtin}\n", f"  offline: {{kind: builtin}}\n{backend}"
    )
    _change(
        place / "providers.yaml",
        "      - {backend: hub,",
        "      - {backend: new, model: m, rank: 0}\n      - {backend: hub,",
    )

    done = verb("dpa", "check", "--json")

    assert done.status == 1
    assert {"R09", "R13"} <= _errors(done)
    (told,) = _rules(done)["R09"]
    assert "New SAS" in told["message"]
    line = (place / "providers.yaml").read_text().splitlines()[told["line"] - 1]
    assert line.startswith("  new:")


def test_a_decision_of_adequacy_that_has_expired_fails_r18_at_its_line(place: Path, verb: Verb) -> None:
    file = place / "DPA/sources/adequacy.yaml"
    _change(file, "2031-12-27", (_NOW - timedelta(days=1)).date().isoformat())

    done = verb("dpa", "check", "--json")

    assert done.status == 1
    (told,) = _rules(done)["R18"]
    assert (told["tenant"], told["file"]) == (None, "DPA/sources/adequacy.yaml")
    assert "GB" in told["message"]


def test_what_cannot_be_read_ends_with_status_2(place: Path, verb: Verb) -> None:
    (place / "DPA/sources/operator.yaml").write_text("name: [")
    assert verb("dpa", "check").status == 2
    (place / "providers.yaml").write_text("version: 1\n")
    assert verb("dpa", "check").status == 2
    assert verb("dpa", "check", "--tenant", "nobody").status == 2


def test_strict_and_sarif_speak_of_the_same(place: Path, verb: Verb) -> None:
    done = verb("dpa", "check", "--strict", "--sarif")

    assert done.status == 1
    (run,) = orjson.loads(done.out)["runs"]
    assert {result["level"] for result in run["results"]} == {"error", "note"}


def test_what_was_signed_holds_what_is_served_and_what_comes_after_is_told(built: Path, verb: Verb) -> None:
    (built / "signed.pdf").write_bytes(b"%PDF")
    day = (_NOW - timedelta(days=3)).date().isoformat()
    row = {
        "tenant": "demo",
        "month": f"{_NOW:%Y-%m}",
        "backend": "offline",
        "provider": None,
        "country": "CN",
        "operators": ["self"],
        "calls": 2,
        "first": _NOW.isoformat(),
        "last": _NOW.isoformat(),
    }
    (built / "seen.json").write_bytes(orjson.dumps({"as_of": _NOW.isoformat(), "rows": [row]}))
    sign = ("dpa", "sign", "--tenant", "demo", "--date", day, "--file", "signed.pdf", "--by", "director")

    assert verb(*sign).status == 0
    assert verb("dpa", "diff").out == "demo: nothing changed\n"
    assert "R15" not in verb("dpa", "check").out.replace("info R15", "")
    assert _errors(verb("dpa", "check", "--json", "--observed", "seen.json")) == {"R15"}

    _change(built / "providers.yaml", "  # scaleway:", "  scaleway:")
    _change(built / "providers.yaml", "      # - {backend: scaleway,", "      - {backend: scaleway,")
    told = verb("dpa", "diff", "--out", "notices")
    assert "added: Scaleway SAS (FR)" in told.out
    assert sorted(each.name for each in (built / "notices").iterdir()) == [
        "notice-demo-en.txt",
        "notice-demo-fr.txt",
    ]
    assert "R14" in _errors(verb("dpa", "check", "--json"))
    again = verb(*sign)
    assert again.status == 2
    assert "not what a rebuild gives" in again.err

    sent = (_NOW - timedelta(days=40)).date().isoformat()
    notice = ("dpa", "notice", "add", "--tenant", "demo", "--party", "scaleway", "--to", "dpo@client.example")
    assert verb(*notice, "--sent", sent).status == 0
    assert "R14" not in _errors(verb("dpa", "check", "--json"))
    assert "2026" in verb("dpa", "notice", "list").out or "scaleway" in verb("dpa", "notice", "list").out


def test_the_auditors_file_is_the_same_twice_and_says_what_is_missing(place: Path, verb: Verb) -> None:
    for name in ("one.zip", "two.zip"):
        assert verb("dpa", "evidence", "--tenant", "demo", "--out", name).status == 0

    assert (place / "one.zip").read_bytes() == (place / "two.zip").read_bytes()
    with zipfile.ZipFile(place / "one.zip") as archive:
        index = orjson.loads(archive.read("index.json"))
        assert "documents/manifest.json" in index["files"]
        assert [told.partition(":")[0] for told in index["missing"]] == [
            "signed",
            "ledger/residency.json",
            "audit/head.json",
        ]


def test_a_breach_runs_against_its_clocks_until_it_is_closed(place: Path, verb: Verb) -> None:
    found = (_NOW - timedelta(hours=80)).isoformat(timespec="seconds")
    added = verb(
        "dpa",
        "breach",
        "add",
        "--discovered",
        found,
        "--facts",
        "A disk was lost.",
        "--risk",
        "risk",
        "--json",
    )

    assert added.status == 0
    card = orjson.loads(added.out)
    assert card["late"] == ["tenants", "authority"]
    assert verb("dpa", "breach", "list").status == 1
    close = ("dpa", "breach", "close", card["id"], "--effects", "none", "--remedies", "keys turned")
    assert verb(*close).status == 2
    assert verb(*close, "--why-late", "nobody was at work").status == 0
    listed = verb("dpa", "breach", "list")
    assert listed.status == 0
    assert "closed" in listed.out


def test_a_breach_is_written_down_with_its_facts_alone_and_of_tenants_there_are(
    place: Path, verb: Verb
) -> None:
    added = verb("dpa", "breach", "add", "--tenant", "demo", "--facts", "A disk was lost.", "--json")
    nobody = verb("dpa", "breach", "add", "--tenant", "dmeo", "--facts", "A disk was lost.")

    assert (added.status, orjson.loads(added.out)["risk"]) == (0, "")
    assert (nobody.status, nobody.err) == (
        2,
        "passerelle: There is no source of the tenant 'dmeo'. See `sources/tenants/`.\n",
    )
    assert verb("dpa", "breach", "list").out.count("A disk was lost.") == 1


def test_what_changed_is_told_in_lengths_of_time_and_words(built: Path, verb: Verb) -> None:
    _change(
        built / "providers.yaml",
        "  demo:\n",
        "  demo:\n    policy: scc-allowed\n    rag: {conversations: {keep: 30d}}\n",
    )

    done = verb("dpa", "diff", "--tenant", "demo", "DPA/generated/demo")

    assert "  kept conversations: 400 days -> 30 days or 400 days\n" in done.out
    assert "  measure policy: off -> on\n" in done.out
    assert "  policy max_retention_days: no rule -> 30\n" in done.out


def test_nothing_runs_and_nothing_is_asked(place: Path, verb: Verb) -> None:
    done = verb("dpa", "observe")

    assert done.status == 2
    assert "No service runs" in done.err


class _Service:
    """A service that has some of the rooms."""

    def __init__(self, *rooms: str) -> None:
        self.rooms = rooms
        self.asked: list[str] = []

    def order(self, method: str, path: str) -> Any:
        """The room's reply."""
        self.asked.append(path)
        if not path.startswith(self.rooms):
            raise CannotRun("There is no route.")
        kept = [
            {"store": "conversations", "oldest": "2026-11-03T00:00:00+00:00"},
            {"store": "conversations", "oldest": "2026-11-02T00:00:00+00:00"},
            {"store": "documents", "oldest": None},
        ]
        return {"as_of": _NOW.isoformat(), "rows": [], "data": kept, "whole": True}


def test_what_a_service_saw_is_put_together_and_what_it_does_not_tell_is_left_out() -> None:
    whole = _Service("/admin/residency", "/v1/privacy/retention", "/admin/audit")
    seen = put_together(whole, ["demo"], "2026-10")  # type: ignore[arg-type]

    assert whole.asked[0] == "/admin/residency?since=2026-10"
    assert seen["oldest"] == {"demo": {"conversations": "2026-11-02T00:00:00+00:00"}}
    assert seen["audit"]["demo"]["whole"] is True
    part = put_together(_Service("/admin/residency"), ["demo"], None)  # type: ignore[arg-type]
    assert (part["rows"], part["oldest"], part["audit"]) == ([], None, None)


def test_a_folder_of_another_tree_is_compared_with_this_one(built: Path, verb: Verb) -> None:
    shutil.copytree(built / "DPA/generated/demo", built / "before")
    _change(built / "DPA/sources/agreements/hugging-face.yaml", "tools: [scc]", "tools: [scc, dpf]")

    told = orjson.loads(verb("dpa", "diff", "before", "--tenant", "demo", "--json").out)

    (party,) = told["demo"]["parties"]
    assert (party["id"], party["change"]) == ("hugging-face", "changed")
    assert party["fields"] == {"tools": [["scc"], ["dpf", "scc"]]}
    assert told["demo"]["needs_notice"] is False
    assert verb("dpa", "diff", "nowhere", "--tenant", "demo").status == 2
