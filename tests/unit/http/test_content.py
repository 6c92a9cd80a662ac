"""Recipes and brands over HTTP: versions, starting from another, who may write, and bodies that mean nothing."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.domain.caller import Role
from passerelle.domain.content import Address, ContentRules, Operation, Term
from tests.fakes.content import REWRITE, ContentFake
from tests.serving import one_backend, serving
from tests.unit.http.content_scene import running
from tests.unit.http.rag_scene import ask, code

RECIPES, BRAND = "/v1/content/recipes", "/v1/content/brand"
WHOLE: dict[str, Any] = {
    "name": "fiche",
    "title": "Fiche",
    "language": "fr",
    "operations": ["summarise"],
    "task": "Résume.",
}


async def test_a_shipped_recipe_is_listed_and_shown_with_its_prompt() -> None:
    async with running() as served:
        _, listed = await ask(served, "member", "GET", RECIPES)
        (card,) = listed["data"]
        assert (card["name"], card["shipped"], card["fields"]) == ("rewrite-fr", True, ["text", "tags"])
        assert await ask(served, "member", "GET", f"{RECIPES}/rewrite-fr?version=1") == (200, card)
        assert card["examples"] == [
            {"source": "Trois jours.", "written": {"text": "En trois jours.", "tags": ["court"]}}
        ]
        assert card["bounds"]["summary_words"] == [15, 120]


async def test_a_recipe_is_written_in_versions_and_deleted_in_all_of_them() -> None:
    content = ContentFake()
    async with running(content) as served:
        status, first = await ask(served, "member", "POST", RECIPES, WHOLE)
        assert (status, first["version"], first["operations"], first["into"]) == (201, 1, ["summarise"], None)
        _, second = await ask(served, "member", "POST", RECIPES, {**WHOLE, "task": "Résume bien."})
        assert (second["version"], second["task"]) == (2, "Résume bien.")
        assert (await ask(served, "member", "GET", f"{RECIPES}/fiche?version=1"))[1]["task"] == "Résume."
        assert content.kitchen.by == ["key_m", "key_m"]
        assert (await ask(served, "member", "DELETE", f"{RECIPES}/fiche"))[0] == 204
        assert await code(served, "member", "GET", f"{RECIPES}/fiche") == (404, "recipe_not_found")


async def test_a_recipe_starts_from_another_one_and_changes_what_it_says() -> None:
    content = ContentFake()
    body = {
        "name": "fiche-en",
        "extends": "rewrite-fr",
        "extends_version": 1,
        "context": "Printed.",
        "into": "en",
        "operations": ["rewrite", "seo", "rewrite"],
        "bounds": {"ratio": [0.3, 1], "seo_title": 50},
        "taxonomy": [{"name": "short"}],
        "temperature": 0,
    }
    async with running(content) as served:
        status, card = await ask(served, "member", "POST", RECIPES, body)
        assert (status, card["shipped"], card["prompt"]) == (201, False, REWRITE.prompt)
    made = content.kitchen.own["acme", "fiche-en"][0]
    assert (made.role, made.task, made.examples) == (REWRITE.role, REWRITE.task, REWRITE.examples)
    assert (made.context, made.into, made.temperature) == ("Printed.", "en", 0)
    assert made.operations == (Operation.REWRITE, Operation.SEO)
    assert (made.bounds.ratio, made.bounds.seo_title, made.bounds.seo_description) == ((0.3, 1), 50, 155)
    assert [tag.name for tag in made.taxonomy] == ["short"]


async def test_a_recipe_that_cannot_be_one_is_refused() -> None:
    wrong: list[Any] = [
        {}, [], {"name": "x"}, {**WHOLE, "operations": []}, {**WHOLE, "operations": ["sing"]}, {**WHOLE, "name": "a/b"},
        {**WHOLE, "language": "français"}, {**WHOLE, "temperature": 3}, {**WHOLE, "temperature": "0"}, {**WHOLE, "task": "a\0"},
        {**WHOLE, "bounds": {"tags": [3, 1]}}, {**WHOLE, "bounds": {"tags": [1]}}, {**WHOLE, "colour": "red"},
        {**WHOLE, "examples": [{"source": "", "written": {"summary": "x"}}]}, {**WHOLE, "examples": [{"source": "a", "written": {}}]},
        {**WHOLE, "extends_version": 1}, {**WHOLE, "version": 3},
    ]  # fmt: skip
    content = ContentFake()
    async with running(content) as served:
        for body in wrong:
            status, said = await ask(served, "chief", "POST", RECIPES, body)
            assert (status, set(said["error"])) == (400, {"message", "type", "param", "code"}), body
        missing = {"name": "x", "extends": "nothing"}
        assert await code(served, "chief", "POST", RECIPES, missing) == (404, "recipe_not_found")
        shipped = {**WHOLE, "name": "rewrite-fr"}
        assert await code(served, "chief", "POST", RECIPES, shipped) == (409, "recipe_shipped")
    assert content.kitchen.own == {}


async def test_a_brand_is_said_whole_in_versions_and_the_same_changes_nothing() -> None:
    content = ContentFake()
    said = {
        "tone": "Clair.",
        "address": "vous",
        "banned": ["leader"],
        "glossary": [{"use": "apprenant", "never": ["élève"], "language": "fr"}],
        "names": ["Passerelle"],
    }
    async with running(content) as served:
        assert (await ask(served, "member", "GET", BRAND))[1]["version"] == 0
        _, first = await ask(served, "member", "PUT", BRAND, said)
        assert (await ask(served, "member", "PUT", BRAND, said))[1] == first
        assert first["version"] == 1
        _, second = await ask(served, "member", "PUT", BRAND, {"tone": "Vif."})
        assert (second["version"], second["glossary"], second["address"]) == (2, [], None)
        assert (await ask(served, "member", "GET", f"{BRAND}?version=1"))[1] == first
        assert await code(served, "member", "GET", f"{BRAND}?version=9") == (404, "brand_not_found")
        wrong: Any
        for wrong in (
            {"address": "du"},
            {"banned": [""]},
            {"banned": "x"},
            {"glossary": [{}]},
            {"version": 1},
        ):
            assert (await ask(served, "member", "PUT", BRAND, wrong))[0] == 400, wrong
    kept = content.kitchen.brands["acme"][0]
    assert (kept.address, kept.glossary) == (Address.VOUS, (Term("apprenant", ("élève",), language="fr"),))


async def test_who_may_not_write_may_look() -> None:
    async with running(rules=ContentRules(writers=Role.TENANT_ADMIN)) as served:
        for method, path, body in (
            ("POST", RECIPES, WHOLE),
            ("DELETE", f"{RECIPES}/fiche", None),
            ("PUT", BRAND, {}),
            ("POST", "/v1/content/jobs", {"recipe": "rewrite-fr", "items": [{"key": "a", "text": "b"}]}),
            ("PATCH", "/v1/content/jobs/job_1", {"budget": None}),
            ("DELETE", "/v1/content/jobs/job_1", None),
            ("POST", "/v1/content/jobs/job_1/items/1/decisions", {"text": {"decision": "accepted"}}),
            ("POST", "/v1/content/jobs/job_1/decisions", {"decision": "accepted"}),
            ("POST", "/v1/content/pieces/a/rollback", {"field": "text", "number": 1}),
            ("POST", "/v1/content/pieces/rollback", {"key": "a", "field": "text", "number": 1}),
        ):
            assert await code(served, "member", method, path, body) == (403, "not_a_writer"), path
        for path in (RECIPES, BRAND, "/v1/content/jobs"):
            assert (await ask(served, "member", "GET", path))[0] == 200
        assert (await ask(served, "chief", "POST", RECIPES, WHOLE))[0] == 201


async def test_each_tenant_has_its_own_and_an_operator_names_one() -> None:
    async with running() as served:
        assert (await ask(served, "member", "POST", RECIPES, WHOLE))[0] == 201
        assert await code(served, "stranger", "GET", f"{RECIPES}/fiche") == (404, "recipe_not_found")
        assert await code(served, "stranger", "GET", f"{RECIPES}?tenant=acme") == (404, "unknown_tenant")
        assert await code(served, "operator", "GET", RECIPES) == (400, "missing_tenant")
        assert (await ask(served, "operator", "GET", f"{RECIPES}/fiche?tenant=acme"))[0] == 200


@pytest.mark.parametrize("path", [RECIPES, BRAND, "/v1/content/jobs"])
async def test_a_tenant_without_content_has_none_of_it(path: str) -> None:
    async with running(rules=None) as served:
        assert await code(served, "member", "GET", path) == (403, "content_disabled")
        assert (await ask(served, "stranger", "GET", path))[0] == 200


async def test_a_process_without_content_says_so() -> None:
    async with serving(one_backend("vllm", "http://localhost:1"), whole=True) as served:
        assert await code(served, served.key, "GET", RECIPES) == (503, "content_unavailable")
