"""The page holds together: nothing from outside, nothing unescaped, both languages, lines that add up in print."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import passerelle.reports
from passerelle.domain.money import PICO, rounded
from passerelle.reports.as_html import to_html
from passerelle.reports.document import Report, Slice
from passerelle.reports.formats import Language
from tests import sample_report
from tests.sample_report import HOSTILE, LONG, OVERRIDE

LANGUAGES: tuple[Language, ...] = ("fr", "en")
SAMPLES: tuple[Callable[[], Report], ...] = (
    sample_report.full,
    sample_report.closed,
    sample_report.nothing,
    sample_report.everybody,
)
_VOID = {"meta", "br", "hr", "img", "link", "input"}
_TEMPLATES = Path(passerelle.reports.__file__).parent / "templates"


@dataclass
class _Row:
    cells: list[str] = field(default_factory=list)
    foot: bool = False


class _Reader(HTMLParser):
    """Reads a page: its tags in balance, its tables by id of their section's heading, its words."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[_Row]] = {}
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append((tag, dict(attrs)))
        if tag == "tr":
            foot = any("foot" in (its.get("class") or "") for _, its in self.open)
            self._rows().append(_Row(foot=foot))
        if tag in ("th", "td"):
            self._rows()[-1].cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.open]
        if "style" not in inside:
            self.words.append(data)
        if ("td" in inside or "th" in inside) and "small" not in inside:
            self._rows()[-1].cells[-1] += data.strip()

    def _rows(self) -> list[_Row]:
        section = next(its for tag, its in reversed(self.open) if tag == "section")
        return self.tables.setdefault(section["aria-labelledby"] or "", [])


def _decimal(text: str, language: Language) -> Decimal:
    text = re.sub(r"[\u202f\xa0\sA-Z]", "", text).replace("−", "-").rstrip("%")
    return Decimal(text.replace(",", ".") if language == "fr" else text.replace(",", ""))


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    chosen: Language = request.param
    return chosen


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.__name__)
def report(request: pytest.FixtureRequest) -> Report:
    built: Report = request.param()
    return built


def test_every_page_is_balanced_and_in_its_language(report: Report, language: Language) -> None:
    reader = _Reader(to_html(report, language=language))

    assert ("html", {"lang": language}) in reader.tags
    assert [tag for tag, _ in reader.tags].count("h1") == 1
    assert not re.search(r"\b(None|Undefined|nan)\b", " ".join(reader.words))
    assert "{" not in "".join(reader.words)


def test_nothing_is_fetched_and_nothing_runs(report: Report, language: Language) -> None:
    page = to_html(report, language=language)
    reader = _Reader(page)
    attributes = {name for _, its in reader.tags for name in its}

    assert not {"src", "href", "srcset", "style", "action", "data"} & attributes
    assert not any(name.startswith("on") for name in attributes)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & {
        tag for tag, _ in reader.tags
    }
    assert not re.search(r"https?:|@import|javascript:", page)
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", page))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in reader.tags


def test_names_are_text_whatever_they_are(language: Language) -> None:
    hostile = replace(sample_report.full(), tenant=HOSTILE, operator='"}</style>' + HOSTILE)
    page = to_html(hostile, language=language)

    assert "<script" not in page
    assert page.count("</style>") == 1
    assert OVERRIDE not in page
    assert LONG in page
    assert "`" not in page


def test_ids_are_unique_and_everything_that_points_to_one_finds_it(
    report: Report, language: Language
) -> None:
    reader = _Reader(to_html(report, language=language))
    ids = [its["id"] for _, its in reader.tags if "id" in its]
    pointed = {each for _, its in reader.tags for each in (its.get("aria-labelledby") or "").split()}

    assert len(ids) == len(set(ids))
    assert pointed <= set(ids)


def test_charts_are_well_formed_and_named(report: Report, language: Language) -> None:
    charts = re.findall(r"<svg.*?</svg>", to_html(report, language=language), re.DOTALL)
    roots = [ET.fromstring(chart) for chart in charts]

    assert bool(roots) == bool(report.by)
    for root in roots:
        named = root.get("role") == "img" and root.findtext("title") and root.findtext("desc")
        assert named or root.get("aria-hidden") == "true"


def test_tables_have_scopes_and_rows_as_long_as_their_heads(report: Report, language: Language) -> None:
    reader = _Reader(to_html(report, language=language))

    assert all("scope" in its for tag, its in reader.tags if tag == "th")
    for rows in reader.tables.values():
        assert {len(row.cells) for row in rows} == {len(rows[0].cells)}


def test_printed_lines_add_up_to_the_printed_total(report: Report, language: Language) -> None:
    reader = _Reader(to_html(report, language=language))
    tables = {name: rows[1:] for name, rows in reader.tables.items() if name.startswith("by-")}

    assert len(tables) == len(report.by)
    for rows in tables.values():
        *lines, total = rows
        assert total.foot
        assert _decimal(total.cells[-1], language) == rounded(report.totals.billed)
        assert sum(_decimal(row.cells[-1], language) for row in lines) == rounded(report.totals.billed)
        assert sum(_decimal(row.cells[1], language) for row in lines) == 100
        if report.tenant is None:  # what was paid stands beside it
            assert sum(_decimal(row.cells[-2], language) for row in lines) == _decimal(
                total.cells[-2], language
            )


def test_counts_add_up_too_and_long_tables_are_folded(language: Language) -> None:
    report = sample_report.everybody()
    *lines, total = _Reader(to_html(report, language=language)).tables["by-tenant"][1:]

    assert len(lines) == 61
    for column, whole in enumerate(("requests", "input_tokens", "output_tokens"), start=2):
        assert sum(_decimal(row.cells[column], language) for row in lines) == getattr(report.totals, whole)
        assert _decimal(total.cells[column], language) == getattr(report.totals, whole)


def test_what_no_line_stands_for_is_a_line(language: Language) -> None:
    report = sample_report.full()
    short = replace(report, by={"model": report.by["model"][:-1]})
    *lines, total = _Reader(to_html(short, language=language)).tables["by-model"][1:]

    assert lines[-1].cells[0] in ("Non attribué", "Not attributed")
    assert sum(_decimal(row.cells[-1], language) for row in lines) == _decimal(total.cells[-1], language)


def test_credits_leave_shares_out_and_the_sum_right(language: Language) -> None:
    report = sample_report.full()
    credit = Slice("credit", billed=-report.totals.billed)
    twice = Slice("settle", billed=2 * report.totals.billed)
    *lines, total = _Reader(to_html(replace(report, by={"kind": (twice, credit)}), language=language)).tables[
        "by-kind"
    ][1:]

    assert [row.cells[1] for row in lines] == ["–", "–"]
    assert sum(_decimal(row.cells[-1], language) for row in lines) == _decimal(total.cells[-1], language)


def test_net_and_tax_add_up_to_gross(language: Language) -> None:
    net, tax, gross = (
        _decimal(row.cells[1], language)
        for row in _Reader(to_html(sample_report.full(), language=language)).tables["total"][1:]
    )

    assert (net, tax, gross) == (Decimal("87.42"), Decimal("17.48"), Decimal("104.90"))


def test_the_answer_is_a_sentence() -> None:
    french = " ".join(_Reader(to_html(sample_report.full(), language="fr")).words)
    english = " ".join(_Reader(to_html(sample_report.closed(), language="en")).words)

    assert (
        "En octobre 2026, client-a a consommé jusqu’ici 12\u202f345 requêtes pour 87,42\xa0EUR hors taxes, "
        "soit 44\u202f% de son budget de 200,00\xa0EUR." in french
    )
    assert (
        "In October 2026, client-a used 12,345 requests for EUR\xa087.42 before tax, "
        "2% of the budget of EUR\xa05,000.00." in english
    )


def test_what_has_no_price_is_never_silent(language: Language) -> None:
    report = replace(sample_report.full(), warnings=("a-new-one",))
    words = " ".join(_Reader(to_html(report, language=language)).words)

    assert "412" in words
    assert "passerelle costs prices" in " ".join(words.split())
    assert "a-new-one" in words


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "soit 8,64 EUR net de ses propres appels (1,23 EUR)"),
        ("en", "EUR 8.64 net of its own calls (EUR 1.23)"),
    ],
)
def test_what_the_cache_cost_stands_beside_what_it_saved(language: Language, said: str) -> None:
    plain = sample_report.full()
    cost = PICO * 12_345 // 10_000
    page = to_html(replace(plain, totals=replace(plain.totals, cache_cost=cost)), language=language)

    assert said in " ".join(" ".join(_Reader(page).words).split())


def test_a_month_without_anything_says_so_and_has_no_empty_sections() -> None:
    reader = _Reader(to_html(sample_report.nothing(), language="fr"))

    assert "client-b n’a rien consommé jusqu’ici\u202f: 0\xa0JPY." in " ".join(reader.words)
    assert set(reader.tables) == {"total"}


def test_a_tenant_does_not_see_what_the_operator_paid(language: Language) -> None:
    head = "Coût (EUR)" if language == "fr" else "Cost (EUR)"

    assert head not in to_html(sample_report.full(), language=language)
    assert head in to_html(sample_report.everybody(), language=language)


def test_lines_can_be_rounded_by_somebody_else() -> None:
    def cents(slices: Sequence[Slice], total: int, places: int) -> list[Decimal]:
        return [Decimal("7.77") for _ in slices]

    rows = _Reader(to_html(sample_report.full(), language="en", rounded=cents)).tables["by-key"]

    assert rows[1].cells[-1] == "7.77"


def test_the_same_report_makes_the_same_page(report: Report, language: Language) -> None:
    assert to_html(report, language=language) == to_html(report, language=language)


@pytest.mark.parametrize("name", sorted(path.name for path in _TEMPLATES.glob("*.html.j2")))
def test_templates_have_no_words_of_their_own(name: str) -> None:
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", "", bare)

    assert not re.search(r"[^\W\d_]", shown)
    assert not re.search(r'(?:aria-label|title|alt)="[^"]', bare)


def _contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(first), light(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_and_marks_stand_out_from_their_ground(scheme: int) -> None:
    """Contrast of WCAG 2.2 AA: 4.5 for text, 3 for what a chart is read by."""
    style = (_TEMPLATES / "style.css.j2").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))

    for text in ("ink", "mute", "limit", "mark"):
        assert _contrast(colours[text], colours["paper"]) >= 4.5
    for ground in ("here", "under", "warn-paper", "weekend"):
        assert _contrast(colours["mute"], colours[ground]) >= 4.5
    for mark in ("mark", "idle", "limit", "credit", "likely", "other"):
        assert _contrast(colours[mark], colours["paper"]) >= 3
