"""What is wrong with what was written is found, and said so that a person and a model can mend it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from passerelle.domain.content import Brand, Check, Flaw, Form, Operation, Piece, Recipe
from passerelle.pipelines.enrichment.checks import check
from passerelle.pipelines.enrichment.checks_said import SENTENCES
from tests.unit.enrichment.checks_corpus import EXCEL_FR, GOOD
from tests.unit.enrichment.checks_planted import PLANTED, Planted

_PLAIN = Recipe("a", 1, "A", "fr", (Operation.REWRITE,), role="", context="", task="")


def flaws_of(planted: Planted, language: str = "") -> tuple[Flaw, ...]:
    recipe = replace(
        _PLAIN,
        operations=(Operation(planted.operation),),
        language=language or planted.language,
        into=planted.into or None,
        **planted.recipe,
    )
    piece = Piece("1", planted.source, form=planted.form)
    return check(piece, planted.values, recipe, Brand(**planted.brand))


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted.check}-{planted.operation}")
def test_a_planted_flaw_is_found(planted: Planted) -> None:
    flaws = [flaw for flaw in flaws_of(planted) if flaw.check is planted.check and flaw.serious]

    assert flaws
    assert any(planted.found in " ".join([*flaw.found, flaw.said]) for flaw in flaws)


def test_each_check_has_its_violations_in_both_languages() -> None:
    counts = Counter(planted.check for planted in PLANTED)

    assert set(counts) == set(Check)
    assert min(counts.values()) >= 4


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted.check}-{planted.operation}")
@pytest.mark.parametrize(("language", "other"), [("fr", "“"), ("en", "«")])
def test_a_flaw_is_said_in_one_sentence_of_the_recipes_language(
    planted: Planted, language: str, other: str
) -> None:
    for flaw in flaws_of(planted, language):
        assert flaw.said.endswith((".", "?"))
        assert "\n" not in flaw.said
        assert other not in flaw.said.replace(planted.source, "")


def test_both_languages_say_the_same_things() -> None:
    assert SENTENCES["fr"].keys() == SENTENCES["en"].keys()


def test_few_good_texts_have_anything_to_look_at() -> None:
    slight = 0
    for operation, into, form, source, written in GOOD:
        recipe = replace(_PLAIN, operations=(Operation(operation),), into=into or None)
        slight += bool(
            check(Piece("1", source, form=Form(form)), {recipe.fields[0]: written}, recipe, Brand())
        )

    assert slight <= len(GOOD) // 4


def test_a_summary_may_leave_out_what_a_rewrite_may_not() -> None:
    said = "Une formation à Excel en deux jours pour progresser ensemble, par petits groupes, avec une formatrice recommandée."

    summary = check(
        Piece("1", EXCEL_FR), {"summary": said}, replace(_PLAIN, operations=(Operation.SUMMARISE,)), Brand()
    )
    rewrite = check(Piece("1", EXCEL_FR), {"text": said}, _PLAIN, Brand())

    assert summary == ()
    assert {Check.NUMBERS, Check.DATES, Check.URLS, Check.NAMES} <= {flaw.check for flaw in rewrite}


def test_what_stands_beside_a_text_may_be_written() -> None:
    said = "Deux jours à Excel avec Jeanne Moreau, en salle Turing, pour 30 participants qui veulent progresser ensemble au bureau."
    recipe = replace(_PLAIN, operations=(Operation.SUMMARISE,))
    beside = {"formatrice": "Jeanne Moreau", "places": "30"}

    alone = check(Piece("1", EXCEL_FR), {"summary": said}, recipe, Brand())
    helped = check(
        Piece("1", EXCEL_FR, title="Excel en salle Turing", beside=beside), {"summary": said}, recipe, Brand()
    )

    assert {flaw.check for flaw in alone} == {Check.NUMBERS, Check.NAMES}
    assert helped == ()


_HOSTILE = ["1 " * 50, "1,1" * 40, "quatre-vingt-" * 30, "<a " * 60, "[" * 200, "](" * 100, "{{" * 100, "*_" * 100, "`" * 150, "|" * 200 + "\n", "a@" * 100, "http://" * 40, "vingt et " * 30, "M. " * 80, "<!--" * 60, "12 mars " * 30, "\n" * 200, " " * 300 + "|", "lundi-" * 40, "&amp;" * 60, "d'" * 100, "#" * 200, "```\n" * 60, "- " * 100, "12:3" * 60]  # fmt: skip


@pytest.mark.parametrize("unit", _HOSTILE)
@pytest.mark.parametrize("form", Form)
def test_a_hostile_text_that_is_left_alone_has_no_flaw(unit: str, form: Form) -> None:
    """How long that takes is measured by `benchmarks.texts`."""
    text = (unit * (2_000 // len(unit) + 1))[:2_000]
    assert not [
        flaw for flaw in check(Piece("1", text, form=form), {"text": text}, _PLAIN, Brand()) if flaw.serious
    ]
