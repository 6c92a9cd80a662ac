"""Whatever the text, its parts are the text again; what is whole is not cut; HTML parts are whole elements."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.content import Form
from passerelle.pipelines.enrichment.splitting import put_back, split

_TOKENS = [
    "# Titre\n", "### Sous-titre\n", "\n\n", "\n", "\r\n", "```\n", "```py\n", "~~~\n", "| a | b |\n", "|---|---|\n",
    "Une phrase. ", "D'autres mots ! ", "- un point\n", "===\n", "---\n", "`code`", "[lien](https://a.fr/b c) ", "<p>",
    "</p>", "<div class='a>b'>", "</div>", "<table><tr><td>", "</td></tr></table>", "<b>", "</b>", "<!-- x -->", "<!--",
    "<li>", "<script>", "</script>", "é\u00a0", "<", '">', "&amp;", "{{ nom }}", "\x0b", "\u2028",
]  # fmt: skip
_TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(_TOKENS), max_size=40).map("".join))


@settings(max_examples=200, deadline=None)
@given(_TEXTS, st.sampled_from(Form), st.integers(1, 80))
def test_parts_joined_are_the_text(text: str, form: Form, most: int) -> None:
    parts = split(text, form, most)
    assert "".join(part.text for part in parts) == text
    assert put_back(parts, [part.core for part in parts]) == text


def test_a_bound_that_is_shorter_than_any_word_ends_too() -> None:
    assert "".join(part.text for part in split("<p>\n\nSous titre\n", Form.HTML, 2)) == "<p>\n\nSous titre\n"


_LONG = "Une phrase qui compte bien quarante signes. " * 8
_CODE = "```python\n" + "x = 1  # pas un titre\n\n" * 30 + "```\n"
_TABLE = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 40
_MARKDOWN = f"# Un\n\n{_LONG}\n\n## Deux\n\n{_CODE}\n{_LONG}\n\n{_TABLE}\n## Trois\n\n{_LONG}\n"


def test_markdown_is_cut_at_headings_and_never_inside_code_or_a_table() -> None:
    parts = split(_MARKDOWN, Form.MARKDOWN, 400)
    assert [part.core for part in parts if _CODE.strip() in part.core]
    assert [part.core for part in parts if _TABLE.strip() in part.core]
    assert all(len(part.core) <= 400 for part in parts if "```" not in part.core and "|" not in part.core)
    third = next(part for part in parts if part.core.startswith("## Trois"))
    assert third.headings == ("Un",)
    assert parts[-1].before.endswith("Une phrase qui compte bien quarante signes.") or third is parts[-1]
    assert parts[-1].headings in (("Un",), ("Un", "Trois"))


def test_a_section_that_fits_is_not_torn() -> None:
    text = "".join(f"## Titre {number}\n\n{_LONG}\n\n" for number in range(6))
    parts = split(text, Form.MARKDOWN, 900)
    assert all(part.core.startswith("## Titre") for part in parts)


def test_html_parts_are_whole_elements_and_what_is_around_them_is_shown_to_nobody() -> None:
    lines = "x = 1\n" * 60
    rows = "<tr><td>1</td></tr>" * 40
    text = (
        f'<html><body class="a>b"><div><h1>Un</h1><p>{_LONG}</p><h2>Deux</h2><p>{_LONG}</p>'
        f"<table>{rows}</table><pre>{lines}</pre></div><p>Fin.</p></body></html>"
    )
    parts = split(text, Form.HTML, 420)
    assert "".join(part.text for part in parts) == text
    for part in parts:
        for name in ("p", "div", "table", "tr", "td", "pre", "h1", "h2", "body"):
            assert len(re.findall(rf"<{name}\b", part.core)) == part.core.count(f"</{name}>")
    assert [part for part in parts if "<table>" in part.core and "</table>" in part.core]
    assert next(part for part in parts if "<table>" in part.core).headings[:1] == ("Un",)


def test_a_paragraph_without_end_is_cut_between_sentences() -> None:
    parts = split(_LONG * 5, Form.PLAIN, 500)
    assert len(parts) > 3
    assert all(part.core.endswith(".") and len(part.core) <= 500 for part in parts)


def test_what_is_written_stands_between_the_same_blanks() -> None:
    parts = split("\n\n  Un.\n\n\nDeux.\n", Form.PLAIN, 12)
    assert put_back(parts, [" A ", "B\n"]) == "\n\n  A\n\n\nB\n"
    assert replace(parts[0], before="") == parts[0]


@pytest.mark.parametrize(
    "unit",
    [
        '<a "',
        "<!--",
        "<b>",
        "</i>",
        "<script>",
        "~~~~\n",
        "x ",
        "<p>a",
        "<table",
        "[a",
        "{",
        "<b >",
        "| a |\n",
    ],
)
@pytest.mark.parametrize("form", Form)
def test_hostile_texts_are_put_back_as_they_were(unit: str, form: Form) -> None:
    """Whatever is opened for ever is looked for once."""
    text = unit * (20_000 // len(unit))
    assert "".join(part.text for part in split(text, form)) == text
