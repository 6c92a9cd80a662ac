"""A job's pieces in three forms: nothing of a text is markup, a formula or a request, and both languages say it all."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from string import Formatter
from typing import Any

import orjson
import pytest

from passerelle.domain.content import LEVELS, Decision, Standing
from passerelle.reports.content import as_csv, as_html, as_json
from passerelle.reports.content.diffing import diff
from passerelle.reports.content.standing import EVERY, Only, stands
from passerelle.reports.formats import Language
from passerelle.reports.texts_content_en import CONTENT_ENGLISH
from passerelle.reports.texts_content_fr import CONTENT_FRENCH
from tests.unit.reports.content.sample import HOSTILE, SOURCE, WRITTEN, job, pieces

_LANGUAGES: tuple[Language, ...] = ("fr", "en")


class _Page(HTMLParser):
    _VOID = frozenset(["meta"])

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _page(said: str) -> _Page:
    page = _Page()
    page.feed(said)
    page.close()
    return page


def _pages() -> dict[str, str]:
    found = {
        f"{language}-{only}": "".join(as_html.to_html(job(), pieces(), language=language, only=only))
        for language in _LANGUAGES
        for only in ("accepted", "all")
    }
    return found | {"one": as_html.piece_to_html(pieces()[2], language="en")}


@pytest.mark.parametrize(("name", "said"), _pages().items())
def test_the_page_fetches_nothing_runs_nothing_and_is_well_formed(name: str, said: str) -> None:
    page = _page(said)
    names = {tag for tag, _ in page.tags}

    assert not names & {"script", "img", "link", "iframe", "a", "object", "form"}, name
    assert not [tag for tag, has in page.tags if any(each.startswith(("on", "src", "href")) for each in has)]
    assert "default-src 'none'" in str([has for tag, has in page.tags if tag == "meta"])
    identifiers = [has["id"] for _, has in page.tags if "id" in has]
    assert len(set(identifiers)) == len(identifiers)
    assert "alert(1)" in "".join(page.text)


@pytest.mark.parametrize("language", _LANGUAGES)
def test_the_page_shows_differences_flaws_and_decisions(language: Language) -> None:
    page = _page("".join(as_html.to_html(job(), pieces(), language=language)))
    text = "".join(page.text)
    words = CONTENT_FRENCH if language == "fr" else CONTENT_ENGLISH

    assert {"ins", "del"} <= {tag for tag, _ in page.tags}
    assert "Ces nombres du texte source manquent" in text
    assert "context_too_long" in text
    for decision in Decision:
        assert words[f"content.decision.{decision}"] in text


def test_what_was_accepted_is_shown_without_what_it_was() -> None:
    page = _page("".join(as_html.to_html(job(), pieces(), language="en", only="accepted")))

    assert not {"ins", "del"} & {tag for tag, _ in page.tags}
    assert "Parler en public, enfin sans trembler." in "".join(page.text)
    assert WRITTEN.split("\n")[-1] not in "".join(page.text)


def test_a_fragment_escapes_what_it_marks() -> None:
    assert as_html.fragment(diff("a <b>", "a <i>")) == "a <del>&lt;b&gt;</del><ins>&lt;i&gt;</ins>"


def test_what_stands_is_the_edited_form_then_the_accepted_one_then_the_source() -> None:
    first, second, third, fourth = pieces()

    assert stands(first, "text") == SOURCE
    assert stands(first, "summary") == "Deux jours à Lyon pour progresser sur Excel."
    assert stands(first, "tags") == ("Bureautique", "Excel")
    assert stands(second, "text") == "Parler en public, enfin sans trembler."
    assert stands(second, "seo_title") is None
    assert stands(third, "text") != HOSTILE
    assert stands(fourth, "text") == "Un texte."


def _rows(only: Only) -> list[dict[str, str]]:
    table = b"".join(as_csv.to_csv(job(), pieces(), only=only)).decode()
    return list(csv.DictReader(io.StringIO(table, newline="")))


@pytest.mark.parametrize("only", ["accepted", "all"])
def test_no_cell_is_a_formula(only: Only) -> None:
    rows = _rows(only)

    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[2]["key"] == f"'{HOSTILE}"
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


def test_the_table_has_what_was_written_decided_and_found_wrong() -> None:
    first, second, _, fourth = _rows("all")

    assert (first["source"], first["text"]) == (SOURCE, WRITTEN)
    assert (first["text_decision"], first["tags_decision"]) == ("", "edited")
    assert first["tags_stands"] == "Bureautique\nExcel"
    assert first["flaws"].count("\n") == 2
    assert (second["seo_title_decision"], second["seo_title_stands"]) == ("rejected", "")
    assert fourth["trouble"].startswith("context_too_long")


def test_the_table_of_what_was_accepted_has_what_stands() -> None:
    first, second, *_ = _rows("accepted")

    assert first["text"] == SOURCE
    assert first["tags"] == "Bureautique\nExcel"
    assert second["text"] == "Parler en public, enfin sans trembler."
    assert set(first) == {"number", "key", "title", "language", "standing", *EVERY}


def _document(only: Only) -> dict[str, Any]:
    found = orjson.loads(b"".join(as_json.to_json(job(), pieces(), only=only)))
    assert isinstance(found, dict)
    return found


def test_the_document_is_whole_and_exact() -> None:
    found = _document("all")

    assert (found["schema"], found["job"]["spent"], found["job"]["budget"]) == (as_json.SCHEMA, "0.1234", "2")
    assert [each["number"] for each in found["pieces"]] == [1, 2, 3, 4]
    assert found["pieces"][0]["values"]["text"]["written"] == WRITTEN
    assert found["pieces"][0]["values"]["text"]["stands"] == SOURCE
    assert [flaw["serious"] for flaw in found["pieces"][0]["flaws"]] == [True, True, False]
    assert found["pieces"][3]["trouble"]["code"] == "context_too_long"


def test_the_document_of_what_was_accepted_has_values_alone() -> None:
    assert [each["values"].get("text") for each in _document("accepted")["pieces"]] == [
        stands(worked, "text") for worked in pieces()
    ]


def test_a_piece_has_its_difference_where_it_is_asked_for() -> None:
    values = as_json.piece(pieces()[0], ops=True)["values"]

    assert "".join(op.get("text", op.get("new", "")) for op in values["text"]["diff"]) == WRITTEN
    assert "diff" not in values["summary"]


def test_an_export_of_many_pieces_goes_piece_by_piece() -> None:
    many = (replace(pieces()[0], number=number) for number in range(1, 10**9))

    for parts in (
        as_csv.to_csv(job(), many),
        as_json.to_json(job(), many),
        as_html.to_html(job(), many, language="fr"),
    ):
        assert [next(parts) for _ in range(3)]


def test_an_empty_job_is_exported_too() -> None:
    assert orjson.loads(b"".join(as_json.to_json(job(), [])))["pieces"] == []
    assert b"".join(as_csv.to_csv(job(), [])).count(b"\r\n") == 1
    assert "</html>" in "".join(as_html.to_html(job(), [], language="en"))


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_and_name_everything() -> None:
    assert list(CONTENT_FRENCH) == list(CONTENT_ENGLISH)
    assert all(_fields(text) == _fields(CONTENT_ENGLISH[key]) for key, text in CONTENT_FRENCH.items())
    assert not {"'", '"'} & set("".join([*CONTENT_FRENCH.values(), *CONTENT_ENGLISH.values()]))
    for key in (*(f"content.field.{each}" for each in EVERY), *(f"content.level.{each}" for each in LEVELS)):
        assert key in CONTENT_FRENCH
    for standing in Standing:
        assert {f"content.standing.{standing}", f"content.piece.{standing}"} <= set(CONTENT_FRENCH)
