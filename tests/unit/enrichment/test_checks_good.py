"""Good work is left alone: rewrites, translations and summaries without a serious flaw, and texts as they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.domain.content import Brand, Form, Operation, Piece, Recipe
from passerelle.pipelines.enrichment.checks import check
from tests.unit.enrichment.checks_corpus import GOOD

_FIELDS = {"translate": "text", "rewrite": "text", "summarise": "summary"}


def recipe(operation: str, into: str = "", language: str = "fr") -> Recipe:
    return Recipe(
        "a", 1, "A", language, (Operation(operation),), role="", context="", task="", into=into or None
    )


@pytest.mark.parametrize(("operation", "into", "form", "source", "written"), GOOD)
def test_good_work_has_no_serious_flaw(
    operation: str, into: str, form: str, source: str, written: str
) -> None:
    piece = Piece("1", source, form=Form(form))

    flaws = check(piece, {_FIELDS[operation]: written}, recipe(operation, into), Brand())

    assert [flaw for flaw in flaws if flaw.serious] == []


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("text", [text for *_, one, other in GOOD for text in (one, other)])
def test_a_text_that_stays_as_it_is_has_no_flaw(text: str, form: Form) -> None:
    assert check(Piece("1", text, form=form), {"text": text}, recipe("rewrite"), Brand()) == ()


_ALPHABET = st.sampled_from(
    [*"abcéàZÉ0123456789 .,;:!?'’\n-–—#*_`|<>/[](){}$%€£&@\"«»\t\u00a0", "http://a.fr/", "12 mars 2026", " h ", "<b>", "</p>", "```\n", "RGPD", "vous ", "tu "]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(text=st.lists(_ALPHABET, max_size=80).map("".join) | st.text(max_size=80), form=st.sampled_from(Form))
def test_whatever_a_text_is_leaving_it_alone_is_no_flaw(text: str, form: Form) -> None:
    flaws = check(Piece("1", text, form=form), {"text": text}, recipe("rewrite"), Brand())

    assert [flaw for flaw in flaws if flaw.serious] == []
