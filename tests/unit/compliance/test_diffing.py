"""What changes between two annexes is found, and told to a controller in its language with the day until it may object."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from passerelle.compliance.check_edits import edits
from passerelle.compliance.diffing import annex_in, compare
from passerelle.compliance.manifest import digest
from passerelle.compliance.notices import notice_text
from passerelle.domain.errors import CannotRun
from tests.unit.compliance.cases import ANNEX, CLIENT, OPERATOR, annex

_BEISPIEL = ANNEX["subprocessors"][0]
_OTHER = {
    **_BEISPIEL,
    "id": "far",
    "legal_name": "Far Inc.",
    "country": "US",
    "seat": "US",
    "tools": ["scc"],
    "module": 3,
}
_OLD = annex()


def _text(language: str, new: Any, **more: Any) -> str:
    given = {"operator": OPERATOR, "client": CLIENT, "sent": date(2026, 12, 3), "notice_days": 30, **more}
    return notice_text(compare(_OLD, new), language=language, **given)


def test_nothing_changes_between_two_of_the_same() -> None:
    same = compare(_OLD, annex())

    assert not same
    assert not same.needs_notice
    assert _text("en", annex()) == "Nothing changes among the sub-processors.\n"


def test_parties_that_came_went_or_moved_are_told_apart() -> None:
    came = compare(_OLD, annex(subprocessors=[_BEISPIEL, _OTHER], countries=["FR", "DE", "US"]))
    went = compare(_OLD, annex(subprocessors=[]))
    moved = compare(_OLD, annex(subprocessors=[{**_BEISPIEL, "country": "US"}]))
    longer = compare(_OLD, annex(subprocessors=[{**_BEISPIEL, "retention_days": 30}]))

    assert [each.party.id for each in came.of_kind("added")] == ["far"]
    assert came.countries == (("US",), ())
    assert [each.party.id for each in went.of_kind("removed")] == ["beispiel"]
    assert moved.parties[0].fields == {"country": ("DE", "US")}
    assert longer.parties[0].fields == {"retention_days": (0, 30)}
    assert [each.needs_notice for each in (came, went, moved, longer)] == [True, False, True, False]
    assert orjson.dumps(came.as_values())


def test_a_party_in_two_countries_is_two() -> None:
    two = compare(_OLD, annex(subprocessors=[_BEISPIEL, {**_BEISPIEL, "country": "US"}]))

    assert [(each.kind, each.party.country) for each in two.parties] == [("added", "US")]


def test_times_measures_and_the_policy_are_compared() -> None:
    new = annex(retention=[{"store": "conversations", "seconds": None}], measures={}, policy={"pinned": True})
    found = compare(_OLD, new)

    assert found.retention == {"conversations": ((2_592_000.0,), (None,))}
    assert found.measures == {"policy": (True, None)}
    assert found.policy == {"pinned": (None, True)}
    assert found
    assert not found.needs_notice


def test_the_notice_is_written_in_french_and_in_english() -> None:
    new = annex(subprocessors=[{**_BEISPIEL, "retention_days": 30}, _OTHER])
    french, english = _text("fr", new), _text("en", new)

    assert french.startswith("Objet\u00a0: changement parmi nos sous-traitants ultérieurs – Acme SA\n")
    for said in (
        "Far Inc.",
        "jusqu\u2019au 2 janvier 2027 inclus",
        "prendra effet le 3 janvier 2027",
        "clauses contractuelles types (décision 2021/914)",
        "pays du traitement\u00a0: États-Unis",
    ):
        assert said in french
    for said in ("New sub-processor: Far Inc.", "until 2 January 2027", "takes effect on 3 January 2027"):
        assert said in english
    assert "retention: 30 days (before: none)" in english
    assert "dpo@example.com" in english
    assert english.rstrip().endswith("Formation SAS")


def test_an_emergency_takes_effect_at_once_and_says_why() -> None:
    text = _text("en", annex(subprocessors=[_BEISPIEL, _OTHER]), emergency="the other one failed")

    assert "takes effect on 3 December 2026" in text
    assert "the other one failed" in text
    assert "until 2 January 2027" in text


def test_what_is_not_known_waits_for_a_human() -> None:
    text = notice_text(
        compare(_OLD, annex(subprocessors=[])),
        operator=type(OPERATOR)(),
        client=None,
        language="en",
        sent=date(2026, 12, 1),
        notice_days=30,
    )

    assert text.count("[To complete: ") == 3
    assert "No longer a sub-processor: Beispiel Cloud GmbH" in text


def test_an_annex_is_read_from_a_manifest_its_folder_or_a_record(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(orjson.dumps({"annex": ANNEX}))

    assert annex_in(tmp_path) == annex_in(tmp_path / "manifest.json") == _OLD
    with pytest.raises(CannotRun, match="There is no"):
        annex_in(tmp_path / "other")
    (tmp_path / "manifest.json").write_bytes(b"[]")
    with pytest.raises(CannotRun, match="holds no annex"):
        annex_in(tmp_path)


_KEPT = "# Title\n<!-- keep:begin note -->\n{}<!-- keep:end -->\nlast\n"


def test_a_file_that_was_edited_is_told_from_one_that_is_old_and_kept_words_are_neither() -> None:
    built = {"fr/a.md": _KEPT.format(""), "fr/new.md": "x\n", "manifest.json": "{}"}

    def why(standing: str) -> list[tuple[str, str, int]]:
        there = {"fr/a.md": standing, "fr/stray.md": "y\n", "manifest.json": "{}"}
        digests = {"fr/a.md": digest(_KEPT.format(""))}
        found = edits(built, there, digests, below="generated/acme")
        assert [each.why for each in found[-2:]] == ["is missing", "is generated by nothing that there is"]
        return [(each.file, each.why, each.line) for each in found[:-2]]

    assert why(_KEPT.format("ours\nand ours\n")) == []
    ((file, told, line),) = why(_KEPT.format("ours\nand ours\n").replace("last", "first"))
    assert (file, line) == ("generated/acme/fr/a.md", 6)
    assert told == "was edited by hand: line 6 reads 'first', a rebuild writes 'last'"
    built["fr/a.md"] = _KEPT.format("").replace("last", "newer")
    assert why(_KEPT.format(""))[0][1].startswith("is outdated: line 4")
