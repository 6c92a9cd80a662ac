"""What was written of texts, over HTTP: page by page, decided on field by field or all at once, and as it was before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from passerelle.domain.content import Decision
from tests.fakes.content import ContentFake
from tests.serving import Served
from tests.unit.http.content_scene import running
from tests.unit.http.rag_scene import ask, code

JOB = "/v1/content/jobs/job_1"
TEXTS = ("un deux trois", "faux 3", "échec", "quatre cinq")


@asynccontextmanager
async def _worked(content: ContentFake | None = None, *texts: str, **more: Any) -> AsyncIterator[Served]:
    """A job of acme's whose texts are worked on."""
    async with running(content) as served:
        items = [{"key": f"k/{number}", "text": text} for number, text in enumerate(texts or TEXTS, 1)]
        order = {"recipe": "rewrite-fr", "items": items, **more}
        assert (await ask(served, "member", "POST", "/v1/content/jobs", order))[0] == 202
        yield served


async def test_texts_are_listed_by_number_and_by_how_they_stand() -> None:
    async with _worked() as served:
        _, first = await ask(served, "member", "GET", f"{JOB}/items?limit=3")
        assert ([each["number"] for each in first["data"]], first["has_more"]) == ([1, 2, 3], True)
        _, rest = await ask(served, "member", "GET", f"{JOB}/items?limit=3&after=3")
        assert ([each["standing"] for each in rest["data"]], rest["has_more"]) == (["written"], False)
        _, flawed = await ask(served, "member", "GET", f"{JOB}/items?standing=flawed")
        (card,) = flawed["data"]
        assert card["flaws"] == [
            {
                "check": "numbers",
                "field": "text",
                "said": "The number 3 is gone.",
                "found": ["3"],
                "serious": True,
            }
        ]
        _, failed = await ask(served, "member", "GET", f"{JOB}/items?standing=failed")
        (card,) = failed["data"]
        assert card["error"] == {"code": "upstream_failed", "message": "The engine failed."}
        assert (card["values"], card["cost"], card["usage"]) == ({}, None, None)
        assert await code(served, "member", "GET", f"{JOB}/items?standing=sideways") == (400, "invalid_value")
        assert await code(served, "member", "GET", f"{JOB}/items?limit=9999") == (400, "invalid_value")
        assert await code(served, "stranger", "GET", f"{JOB}/items") == (404, "job_not_found")


async def test_one_text_is_shown_with_its_source() -> None:
    async with _worked() as served:
        status, whole = await ask(served, "member", "GET", f"{JOB}/items/1")
        assert (status, whole["source"], whole["key"]) == (200, "un deux trois", "k/1")
        assert whole["values"] == {"text": "trois deux un", "tags": ["court"]}
        assert whole["cost"] == {"amount": "0.01", "currency": "EUR"}
        assert whole["usage"] == {"prompt_tokens": 100, "completion_tokens": 50}
        assert await code(served, "member", "GET", f"{JOB}/items/9") == (404, "piece_not_found")
        assert await code(served, "member", "GET", f"{JOB}/items/0") == (400, "invalid_value")
        assert await code(served, "stranger", "GET", f"{JOB}/items/1") == (404, "job_not_found")


async def test_pieces_that_a_budget_did_not_hold_are_told_apart() -> None:
    async with _worked(None, "a b", "c d", budget={"amount": "0.01", "currency": "EUR"}) as served:
        _, job = await ask(served, "member", "GET", JOB)
        assert (job["counts"]["written"], job["counts"]["over_budget"]) == (1, 1)


async def test_fields_are_accepted_rejected_and_edited_one_by_one() -> None:
    content = ContentFake()
    async with _worked(content) as served:
        path = f"{JOB}/items/1/decisions"
        said: dict[str, Any] = {
            "text": {"decision": "accepted"},
            "tags": {"decision": "edited", "value": ["long", "court"]},
        }
        status, whole = await ask(served, "member", "POST", path, said)
        assert (status, whole["decisions"]["text"]["value"]) == (200, "trois deux un")
        assert whole["decisions"]["tags"]["value"] == ["long", "court"]
        assert whole["decisions"]["text"]["by"] == "key_m"
        _, whole = await ask(served, "chief", "POST", path, {"text": {"decision": "rejected"}})
        assert (whole["decisions"]["text"]["decision"], whole["decisions"]["text"]["value"]) == (
            "rejected",
            None,
        )
        assert whole["decisions"]["tags"]["decision"] == "edited"


async def test_a_decision_that_means_nothing_is_refused_and_none_is_made() -> None:
    wrong: list[Any] = [
        {}, [], {"text": "accepted"}, {"text": {"decision": "perhaps"}}, {"text": {"decision": "edited"}},
        {"text": {"decision": "edited", "value": ["a"]}}, {"tags": {"decision": "edited", "value": "a"}},
        {"text": {"decision": "accepted", "value": "a"}}, {"text": {"decision": "rejected", "value": "a"}},
        {"text": {"decision": "edited", "value": "a\0"}}, {"tags": {"decision": "edited", "value": [1]}},
        {"text": {"decision": "accepted", "by": "me"}}, {"": {"decision": "accepted"}},
    ]  # fmt: skip
    content = ContentFake()
    async with _worked(content) as served:
        for body in wrong:
            status, said = await ask(served, "chief", "POST", f"{JOB}/items/1/decisions", body)
            assert (status, set(said["error"])) == (400, {"message", "type", "param", "code"}), body
        unknown = {"summary": {"decision": "accepted"}}
        assert await code(served, "chief", "POST", f"{JOB}/items/1/decisions", unknown) == (
            400,
            "unknown_field",
        )
    assert content.works.items["job_1"][1].choices == {}


async def test_all_that_is_open_is_decided_at_once_with_flaws_only_where_that_is_said() -> None:
    content = ContentFake()
    async with _worked(content) as served:
        path = f"{JOB}/decisions"
        await ask(served, "member", "POST", f"{JOB}/items/1/decisions", {"text": {"decision": "rejected"}})
        said = await ask(served, "member", "POST", path, {"decision": "accepted", "fields": ["text"]})
        assert said == (200, {"object": "content.decided", "fields": 1})
        _, all_ = await ask(served, "member", "POST", path, {"decision": "accepted", "flawed": True})
        assert all_["fields"] == 4
        for wrong in ({}, {"decision": "edited"}, {"decision": "accepted", "fields": [""]}):
            assert (await ask(served, "member", "POST", path, wrong))[0] == 400
    assert content.works.items["job_1"][1].choices["text"].decision is Decision.REJECTED


async def test_a_text_is_rolled_back_to_what_it_was() -> None:
    async with _worked() as served:
        await ask(served, "member", "POST", f"{JOB}/items/1/decisions", {"text": {"decision": "accepted"}})
        _, was = await ask(served, "member", "GET", "/v1/content/pieces/k/1/history")
        assert [(each["number"], each["value"], each["job"]) for each in was["data"]] == [
            (1, "un deux trois", None),
            (2, "trois deux un", "job_1"),
        ]
        _, back = await ask(
            served, "member", "POST", "/v1/content/pieces/k/1/rollback", {"field": "text", "number": 1}
        )
        assert (back["number"], back["value"], back["back_to"]) == (3, "un deux trois", 1)
        for wrong in ({"field": "text"}, {"field": "text", "number": 0}, {"field": "", "number": 1}):
            assert (await ask(served, "member", "POST", "/v1/content/pieces/k/1/rollback", wrong))[0] == 400
        assert await code(served, "stranger", "GET", "/v1/content/pieces/k/1/history") == (
            404,
            "piece_not_found",
        )


async def test_a_text_whose_name_cannot_stand_in_a_path_is_named_beside_it() -> None:
    key = "https://exemple.fr/a//b?c=é#d"
    content = ContentFake()
    order = {"recipe": "rewrite-fr", "items": [{"key": key, "text": "un deux"}]}
    async with running(content) as served:
        await ask(served, "member", "POST", "/v1/content/jobs", order)
        await ask(served, "member", "POST", f"{JOB}/items/1/decisions", {"text": {"decision": "accepted"}})
        path = f"/v1/content/pieces/history?key={quote(key, safe='')}"
        _, was = await ask(served, "member", "GET", path)
        assert [each["key"] for each in was["data"]] == [key, key]
        body = {"key": key, "field": "text", "number": 1}
        assert (await ask(served, "member", "POST", "/v1/content/pieces/rollback", body))[1]["back_to"] == 1
        assert await code(served, "member", "GET", "/v1/content/pieces/history") == (400, "invalid_value")


async def test_what_a_text_has_become_is_told_word_by_word() -> None:
    async with _worked() as served:
        status, found = await ask(served, "member", "GET", f"{JOB}/items/1/diff")
        assert (status, found["key"], found["number"]) == (200, "k/1", 1)
        text, tags = found["fields"]
        assert (text["field"], text["against"], tags["against"]) == ("text", "source", "nothing")
        old = "".join(op.get("text", op.get("old", "")) for op in text["ops"])
        new = "".join(op.get("text", op.get("new", "")) for op in text["ops"])
        assert (old, new) == ("un deux trois", "trois deux un")
        assert (tags["removed"], tags["added"]) == (0, 1)
        edited = {"text": {"decision": "edited", "value": "un deux"}}
        await ask(served, "member", "POST", f"{JOB}/items/1/decisions", edited)
        text, _ = (await ask(served, "member", "GET", f"{JOB}/items/1/diff"))[1]["fields"]
        assert (text["removed"], text["added"]) == (1, 0)
        assert (await ask(served, "member", "GET", f"{JOB}/items/3/diff"))[1]["fields"] == []
        assert await code(served, "member", "GET", f"{JOB}/items/9/diff") == (404, "piece_not_found")
        assert await code(served, "stranger", "GET", f"{JOB}/items/1/diff") == (404, "job_not_found")
        assert await code(served, "member", "GET", f"{JOB}/items/1/diff?format=pdf") == (400, "invalid_value")
