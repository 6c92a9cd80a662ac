"""Shipped recipes are whole, in both languages, and never change under a version; wrong ones say what is wrong."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest

from passerelle.domain.content import Bounds, Brand, Example, Form, Operation, Piece, Recipe, Tag
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.enrichment.checks import check
from passerelle.pipelines.enrichment.recipes import (
    FRAME,
    LANGUAGES,
    SHIPPED,
    checked_recipe,
    frame,
    needs_model,
    shipped,
)

# A file that has been shipped never changes: another wording is a file of the next version, with a line of its own.
_DIGESTS = {
    "course-page.en.v1.toml": "5d5c39f0e7ebd07f",
    "course-page.fr.v1.toml": "9539b0e04ef274dd",
    "frame.en.v1.toml": "8c47021ad5e1f673",
    "frame.fr.v1.toml": "ad24ef070d6cc053",
    "metadata.en.v1.toml": "521541b8f26d0e3c",
    "metadata.fr.v1.toml": "0291c4539d869851",
    "rewrite.en.v1.toml": "028c5146dc561104",
    "rewrite.fr.v1.toml": "fcb680e19731f2ef",
    "seo.en.v1.toml": "a0a517cc4554d585",
    "seo.fr.v1.toml": "2a36ad598ae43aad",
    "summarise.en.v1.toml": "a810e431828a90bc",
    "summarise.fr.v1.toml": "a090ee7b8b965e12",
    "tag.en.v1.toml": "17c3fb2589e724cc",
    "tag.fr.v1.toml": "c30033de1a8864bb",
    "translate.en.v1.toml": "9e27664dad1b5b60",
    "translate.fr.v1.toml": "d985353f6a5d04c8",
}


def test_every_operation_is_shipped_in_both_languages() -> None:
    for operation in Operation:
        for language in LANGUAGES:
            recipe = shipped()[f"{operation.value}-{language}"]
            assert recipe.operations == (operation,)
    for language in LANGUAGES:
        assert set(shipped()[f"course-page-{language}"].operations) == set(Operation) - {Operation.TRANSLATE}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_is_whole(name: str) -> None:
    recipe = shipped()[name]
    checked_recipe(recipe)
    assert recipe.shipped
    assert recipe.name == name
    assert recipe.title
    assert recipe.role
    assert recipe.context
    assert recipe.task
    assert recipe.examples
    assert recipe.prompt == f"{name.rsplit('-', 1)[0]}.{recipe.language}.v{recipe.version}"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_an_example_has_no_flaw_of_those_that_are_checked(name: str) -> None:
    recipe = shipped()[name]
    for number, example in enumerate(recipe.examples):
        form = Form.MARKDOWN if "](" in example.source else Form.PLAIN
        language = {"fr": "en", "en": "fr"}[recipe.into] if recipe.into else recipe.language
        source = Piece(str(number), example.source, form=form, language=language)
        assert check(source, example.written, recipe, Brand()) == ()


def test_both_languages_say_the_same_things() -> None:
    def shape(told: Any) -> Any:
        return {name: shape(value) for name, value in told.items()} if hasattr(told, "items") else None

    assert shape(frame("fr")) == shape(frame("en"))
    for operation in SHIPPED:
        french, english = shipped()[f"{operation}-fr"], shipped()[f"{operation}-en"]
        assert french.operations == english.operations
        assert len(french.taxonomy) == len(english.taxonomy)
        assert len(french.examples) == len(english.examples)


def test_a_prompt_file_does_not_change_without_a_version() -> None:
    folder = files("passerelle.pipelines.enrichment") / "prompts"
    found = {each.name: sha256(each.read_bytes()).hexdigest()[:16] for each in folder.iterdir()}
    assert found == _DIGESTS
    assert {f"frame.{language}.v{FRAME}.toml" for language in LANGUAGES} <= set(found)


def test_new_sentences_need_a_model() -> None:
    needing = {name for name, recipe in shipped().items() if needs_model(recipe)}
    assert {name.rsplit("-", 1)[0] for name in needing} == {"rewrite", "translate", "course-page"}


_GOOD = Recipe(
    name="ours",
    version=1,
    title="",
    language="fr",
    operations=(Operation.SUMMARISE,),
    role="Tu résumes.",
    context="",
    task="Résume.",
)
_TAGS = replace(_GOOD, operations=(Operation.TAG,), taxonomy=(Tag("Vente"), Tag("Paie")))
_SEO = replace(_GOOD, operations=(Operation.SEO,))
_SUMMARY = " ".join(["mot"] * 20)


def test_good_ones_pass() -> None:
    for recipe in (
        _GOOD,
        _TAGS,
        replace(_GOOD, operations=(Operation.TRANSLATE,), into="de"),
        replace(_GOOD, examples=(Example("Un texte.", {"summary": _SUMMARY}),)),
    ):
        checked_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "param"),
    [
        (replace(_GOOD, name="Mon Résumé"), "name"),
        (replace(_GOOD, language="de"), "language"),
        (replace(_GOOD, into="klingon"), "into"),
        (replace(_GOOD, temperature=9.0), "temperature"),
        (replace(_GOOD, operations=()), "operations"),
        (replace(_GOOD, operations=(Operation.SEO, Operation.SEO)), "operations"),
        (replace(_GOOD, operations=(Operation.REWRITE, Operation.TRANSLATE), into="en"), "operations"),
        (replace(_GOOD, operations=(Operation.TRANSLATE,)), "into"),
        (replace(_GOOD, role=" "), "role"),
        (replace(_GOOD, task="x" * 9_000), "task"),
        (replace(_GOOD, taxonomy=(Tag("Vente"),)), "taxonomy"),
        (replace(_TAGS, taxonomy=()), "taxonomy"),
        (replace(_TAGS, taxonomy=(Tag("Vente"), Tag("vente "))), "taxonomy"),
        (replace(_TAGS, taxonomy=(Tag(""),)), "taxonomy"),
        (replace(_TAGS, bounds=Bounds(tags=(3, 5))), "bounds.tags"),
        (replace(_GOOD, bounds=Bounds(summary_words=(50, 20))), "bounds.summary_words"),
        (replace(_GOOD, bounds=Bounds(ratio=(0.0, 2.0))), "bounds.ratio"),
        (replace(_GOOD, bounds=Bounds(seo_title=0)), "bounds.seo_title"),
        (replace(_GOOD, bounds=Bounds(seo_description=5_000)), "bounds.seo_description"),
        (replace(_GOOD, examples=(Example("Un texte.", {"text": "…"}),)), "examples.1"),
        (replace(_GOOD, examples=(Example(" ", {"summary": _SUMMARY}),)), "examples.1"),
        (replace(_GOOD, examples=(Example("Un texte.", {"summary": "Court."}),)), "examples.1.summary"),
        (replace(_TAGS, examples=(Example("Un texte.", {"tags": ("Droit",)}),)), "examples.1.tags"),
        (replace(_TAGS, examples=(Example("Un texte.", {"tags": "Vente"}),)), "examples.1.tags"),
        (
            replace(
                _SEO,
                examples=(Example("x", {"seo_title": "T", "seo_description": "D", "slug": "Été"}),),
            ),
            "examples.1.slug",
        ),
        (
            replace(
                _SEO,
                examples=(Example("x", {"seo_title": "T" * 61, "seo_description": "D", "slug": "t"}),),
            ),
            "examples.1.seo_title",
        ),
    ],
)
def test_a_wrong_one_says_what_is_wrong_and_what_to_do(recipe: Recipe, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_recipe(recipe)
    assert caught.value.code == "recipe_wrong"
    assert caught.value.param == param
    assert caught.value.message.endswith(".")
