"""A survey's report in four forms: nothing of it is markup, a formula or a request, and both languages say it all."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import openpyxl
import orjson
import pytest

from passerelle.reports.surveys.as_csv import to_csv
from passerelle.reports.surveys.as_html import to_html
from passerelle.reports.surveys.as_json import to_json
from passerelle.reports.surveys.as_xlsx import to_xlsx
from tests.unit.pipelines.surveys.sample import report

_LANGUAGES = ("fr", "en")


class _Page(HTMLParser):
    """Tags with their attributes, and whether every one is closed."""

    _VOID = frozenset(["meta", "br", "img", "link", "circle", "rect", "path", "polyline"])

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self._VOID or self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _page(language: str, count: int = 200) -> _Page:
    page = _Page()
    page.feed(to_html(report(count), language=language))  # type: ignore[arg-type]
    page.close()
    return page


@pytest.mark.parametrize("language", _LANGUAGES)
def test_the_page_fetches_nothing_runs_nothing_and_is_well_formed(language: str) -> None:
    page = _page(language)
    names = {tag for tag, _ in page.tags}

    assert not names & {"script", "img", "link", "iframe", "a", "object", "form"}
    assert not [tag for tag, said in page.tags if {"src", "href", "onload", "onclick"} & set(said)]
    assert "default-src 'none'" in str([said for tag, said in page.tags if tag == "meta"])
    identifiers = [said["id"] for _, said in page.tags if "id" in said]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("language", _LANGUAGES)
def test_what_people_wrote_is_text(language: str) -> None:
    written = to_html(report(), language=language)  # type: ignore[arg-type]

    assert "<img src=x>" not in written
    assert "&lt;img src=x&gt;" in written
    assert "&lt;b&gt;Salle&lt;/b&gt;" in written


@pytest.mark.parametrize("language", _LANGUAGES)
def test_a_chart_says_in_words_what_it_shows(language: str) -> None:
    written = to_html(report(), language=language)  # type: ignore[arg-type]
    charts = re.findall(r"<svg[^>]*>", written)

    assert any('role="img"' in chart for chart in charts)
    assert all('role="img"' in chart or 'aria-hidden="true"' in chart for chart in charts)


def test_french_is_set_as_french_is() -> None:
    text = re.sub(
        r"<(style|blockquote)>.*?</\1>|<[^>]+>", "", to_html(report(), language="fr"), flags=re.DOTALL
    )

    assert "Par quoi commencer" in text
    assert "masqué" in text
    assert not re.search(r"\w [;!?%»]|« ", text)
    assert "survey." not in text.replace("passerelle.survey-report", "")


def test_too_few_answers_are_said_to_be() -> None:
    text = "".join(_page("fr", 4).text)

    assert "Moins de 5 personnes ont répondu" in text
    assert "NPS s’établit" not in text


def test_no_cell_of_the_table_is_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(report()))))

    assert {len(row) for row in rows} == {9}
    names = [cell for row in rows[1:] for cell in (*row[:4], row[8])]
    assert not [cell for cell in names if cell.startswith(("=", "+", "-", "@"))]
    assert "'=Roy" in names
    hidden = [row for row in rows if row[8] == "hidden"]
    assert hidden
    assert all(row[4:8] == ["", "", "", ""] for row in hidden)


@pytest.mark.parametrize("language", _LANGUAGES)
def test_no_cell_of_the_workbook_is_a_formula(language: str) -> None:
    content = to_xlsx(report(), language=language)  # type: ignore[arg-type]
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]

    assert not [cell.value for cell in cells if cell.data_type == "f"]
    assert "'=Roy" in [cell.value for cell in cells]
    assert content == to_xlsx(report(), language=language)  # type: ignore[arg-type]


def test_json_holds_every_figure_and_nothing_of_hidden_groups() -> None:
    found = orjson.loads(to_json(report()))

    assert found["schema"] == "passerelle.survey-report/1"
    assert found["scores"][0]["estimate"]["n"] == 200
    hidden = [row for tab in found["crosstabs"] for row in tab["rows"] if row["name"] == "Brest"]
    assert hidden
    assert all(row["n"] is None and row["estimate"] is None and row["difference"] is None for row in hidden)


def test_a_survey_without_comments_is_not_said_to_be_without_critics() -> None:
    whole = report(200)
    without = replace(whole, actions=(), tones={}, categories=())

    assert "Aucun sujet" not in to_html(without, language="fr")
    assert "Aucun sujet" in to_html(replace(whole, actions=()), language="fr")
