"""Jobs of texts over HTTP: what is read, what it would take, what is started, what it may cost, and which bodies are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from passerelle.domain.content import Form, Standing
from passerelle.domain.rag import DocumentState
from passerelle.domain.rag import Rag as Rules
from passerelle.http.intake import Limits
from passerelle.pipelines.enrichment.desk import Mapped
from tests.fakes.content import ContentFake
from tests.fakes.rag import RagFake, paper
from tests.unit.http.content_scene import form, running, send
from tests.unit.http.rag_scene import ask, code

JOBS, ESTIMATE, READ = "/v1/content/jobs", "/v1/content/estimate", "/v1/content/read"
ORDER: dict[str, Any] = {"recipe": "rewrite-fr", "items": [{"key": "a", "text": "un deux"}]}
TABLE = "id;x\n".replace(";", ",") + "a,un deux\nb,\nc,trois\n"


async def test_texts_are_worked_on_and_the_job_is_shown() -> None:
    content = ContentFake()
    order = {
        "recipe": "rewrite-fr",
        "version": 1,
        "model": "assistant",
        "budget": {"amount": "5.00", "currency": "EUR"},
        "items": [
            {
                "key": "a",
                "text": "un deux",
                "form": "markdown",
                "title": "A",
                "language": "fr",
                "beside": {"x": "y"},
            },
            {"key": "b", "text": "échec"},
        ],
    }
    async with running(content) as served:
        status, started = await ask(served, "member", "POST", JOBS, order)
        assert (status, started["skipped"], started["estimate"]["calls"]["high"]) == (202, [], 4)
        job = started["job"]
        assert (job["id"], job["budget"]) == ("job_1", {"amount": "5", "currency": "EUR"})
        assert (job["spent"]["amount"], job["counts"]["written"], job["counts"]["failed"]) == ("0.01", 1, 1)
        assert set(job["counts"]) == {standing.value for standing in Standing}
        assert await ask(served, "member", "GET", f"{JOBS}/job_1") == (200, job)
        assert await code(served, "stranger", "GET", f"{JOBS}/job_1") == (404, "job_not_found")
    (wanted,) = content.works.wanted
    assert (wanted.model, wanted.version, wanted.budget, wanted.by) == ("assistant", 1, 5 * 10**12, "key_m")
    first = wanted.pieces[0]
    assert (first.form, first.title, first.language, first.beside) == (Form.MARKDOWN, "A", "fr", {"x": "y"})


async def test_a_file_is_read_before_anything_is_paid_and_nothing_is_kept() -> None:
    content = ContentFake()
    async with running(content) as served:
        mapping = {"text": "x", "key": "id", "beside": ["id"]}
        status, found = await send(served, "member", READ, form(("t.csv", TABLE), mapping=mapping))
        assert (status, found["pieces"], found["characters"]) == (200, 2, 12)
        assert [(each["key"], each["begins"], each["beside"]) for each in found["data"]] == [
            ("a", "un deux", {"id": "a"}),
            ("c", "trois", {"id": "c"}),
        ]
        assert found["skipped"] == [
            {"file": "t.csv", "row": 3, "code": "empty_text", "message": "The row has no text."}
        ]
        assert found["columns"] == {"x": "text", "id": "key"}
        assert (await send(served, "member", READ, form(("t.csv", TABLE))))[1]["error"][
            "code"
        ] == "column_not_found"
        assert await code(served, "member", "POST", READ, {"text": "x"}) == (415, "unsupported_media_type")
    assert content.works.mapped[0] == Mapped("x", "id", beside=("id",))
    assert content.works.held == {}


async def test_a_job_of_files_says_which_rows_it_leaves_out() -> None:
    content = ContentFake()
    order = {"recipe": "rewrite-fr", "mapping": {"text": "x", "key": "id"}, "again": True}
    async with running(content) as served:
        sent = form(("t.csv", TABLE), ("b.md", "# quatre"), order=order)
        status, started = await send(served, "member", JOBS, sent)
        assert (status, [each["row"] for each in started["skipped"]]) == (202, [3])
    (wanted,) = content.works.wanted
    assert ([piece.key for piece in wanted.pieces], wanted.again) == (["a", "c", "b.md"], True)


async def test_an_estimate_starts_nothing_however_it_is_asked_for() -> None:
    content = ContentFake()
    async with running(content) as served:
        _, asked = await ask(served, "member", "POST", ESTIMATE, ORDER)
        status, dry = await ask(served, "member", "POST", JOBS, {**ORDER, "dry_run": True})
        assert (status, dry) == (200, asked)
        assert (asked["object"], asked["cost"]["value"], asked["currency"]) == (
            "content.estimate",
            0.01,
            "EUR",
        )
        order = {"recipe": "rewrite-fr", "mapping": {"text": "x"}, "dry_run": True}
        for path in (ESTIMATE, JOBS):
            status, of_file = await send(served, "member", path, form(("t.csv", TABLE), order=order))
            assert (status, of_file["pieces"], of_file["skipped"][0]["row"]) == (200, 2, 3)
    assert content.works.held == {}


async def test_a_preview_is_of_the_first_few() -> None:
    items = [{"key": str(number), "text": "a"} for number in range(9)]
    async with running() as served:
        order = {"recipe": "rewrite-fr", "items": items, "preview": True}
        _, started = await ask(served, "member", "POST", JOBS, order)
        assert (started["job"]["preview"], started["job"]["counts"]["written"]) == (True, 3)


async def test_a_budget_is_in_the_operator_s_currency_and_can_be_changed() -> None:
    async with running() as served:
        wrong: Any
        for wrong, said in (
            ({"amount": "5", "currency": "USD"}, "wrong_currency"),
            ({"amount": "0", "currency": "EUR"}, "invalid_value"),
            ({"amount": "-1", "currency": "EUR"}, "invalid_value"),
            ({"amount": 5, "currency": "EUR"}, "invalid_value"),
            ({"amount": "1e3", "currency": "EUR"}, "invalid_value"),
            ({"amount": "9999999", "currency": "EUR"}, "invalid_value"),
            ({"amount": "0.0000000000001", "currency": "EUR"}, "invalid_value"),
            ({"amount": "0.001", "currency": "EUR"}, "budget_too_small"),
            ("5 EUR", "invalid_value"),
        ):
            assert await code(served, "member", "POST", JOBS, {**ORDER, "budget": wrong}) == (400, said), (
                wrong
            )
        assert (await ask(served, "member", "POST", JOBS, ORDER))[0] == 202
        path = f"{JOBS}/job_1"
        _, job = await ask(served, "member", "PATCH", path, {"budget": {"amount": "7.5", "currency": "EUR"}})
        assert job["budget"] == {"amount": "7.5", "currency": "EUR"}
        assert (await ask(served, "member", "PATCH", path, {"budget": None}))[1]["budget"] is None
        assert await code(served, "member", "PATCH", path, {}) == (400, "invalid_value")
        usd = {"budget": {"amount": "1", "currency": "USD"}}
        assert await code(served, "member", "PATCH", path, usd) == (400, "wrong_currency")


async def test_jobs_are_listed_page_by_page_and_deleted_once_they_are_over() -> None:
    content = ContentFake()
    async with running(content) as served:
        for _ in range(3):
            await ask(served, "member", "POST", JOBS, ORDER)
        _, first = await ask(served, "member", "GET", f"{JOBS}?limit=2")
        assert ([job["id"] for job in first["data"]], first["has_more"]) == (["job_3", "job_2"], True)
        _, rest = await ask(served, "member", "GET", f"{JOBS}?limit=2&before=job_2")
        assert ([job["id"] for job in rest["data"]], rest["has_more"]) == (["job_1"], False)
        content.works.running = True
        await ask(served, "member", "POST", JOBS, ORDER)
        assert await code(served, "member", "DELETE", f"{JOBS}/job_4") == (409, "job_not_over")
        assert (await ask(served, "member", "DELETE", f"{JOBS}/job_1"))[0] == 204
        assert await code(served, "member", "GET", f"{JOBS}/job_1") == (404, "job_not_found")


async def test_what_asks_for_no_job_is_refused_and_none_is_made() -> None:
    item = ORDER["items"][0]
    wrong: list[Any] = [
        {}, [], {"recipe": "rewrite-fr"}, {"items": [item]}, {**ORDER, "items": []}, {**ORDER, "items": [{"key": "a"}]},
        {**ORDER, "items": [{"key": "", "text": "a"}]}, {**ORDER, "items": [{**item, "text": ""}]}, {**ORDER, "colour": "red"},
        {**ORDER, "items": [{**item, "form": "pdf"}]}, {**ORDER, "items": [{**item, "text": "\0"}]}, {**ORDER, "version": 0},
        {**ORDER, "items": [{**item, "language": "fra"}]}, {**ORDER, "items": [{**item, "beside": {"a": 1}}]},
        {**ORDER, "preview": "yes"}, {**ORDER, "mapping": {}}, {**ORDER, "documents": [{"document": "d"}]},
    ]  # fmt: skip
    content = ContentFake()
    async with running(content) as served:
        for body in wrong:
            for path in (JOBS, ESTIMATE):
                status, said = await ask(served, "chief", "POST", path, body)
                assert (status, set(said["error"])) == (400, {"message", "type", "param", "code"}), body
        unknown = {**ORDER, "recipe": "nothing"}
        assert await code(served, "chief", "POST", JOBS, unknown) == (404, "recipe_not_found")
    assert content.works.held == {}


async def test_a_form_that_asks_for_no_job_is_refused() -> None:
    content = ContentFake()
    order = {"recipe": "rewrite-fr", "mapping": {"text": "x"}}
    table = ("t.csv", TABLE)
    async with running(content) as served:
        for sent, said in (
            (form(order=order), "invalid_value"),
            (form(table), "invalid_value"),
            (form(table, order="{"), "invalid_json"),
            (form(table, order={**order, "items": []}), "invalid_value"),
            (form(table, order={**order, "mapping": {"texte": "x"}}), "invalid_value"),
            (form(table, order=order, colour="red"), "invalid_value"),
            (form(("", "un deux"), order=order), "invalid_value"),
            (form(("t.csv", "id,x\na,\n"), order=order), "nothing_to_do"),
        ):
            status, reply = await send(served, "member", JOBS, sent)
            assert (status, reply["error"]["code"]) == (400, said)
    assert content.works.held == {}


async def test_files_may_be_longer_than_other_bodies_and_no_longer_than_uploads() -> None:
    order = {"recipe": "rewrite-fr"}
    async with running(limits=Limits(body=2_000, upload=20_000)) as served:
        assert (await send(served, "member", JOBS, form(("a.txt", "x" * 5_000), order=order)))[0] == 202
        status, said = await send(served, "member", JOBS, form(("a.txt", "x" * 50_000), order=order))
        assert (status, said["error"]["code"]) == (413, "request_too_large")
        long = {**ORDER, "items": [{"key": "a", "text": "x" * 5_000}]}
        assert await code(served, "member", "POST", JOBS, long) == (413, "request_too_large")


async def test_documents_of_collections_are_worked_on_unless_they_are_for_some_groups_alone() -> None:
    rag, content = RagFake(), ContentFake()
    open_, hr = paper("doc_1"), replace(paper("doc_2"), groups=frozenset({"hr"}))
    unread = replace(paper("doc_3"), state=DocumentState.QUEUED)
    for each in (open_, hr, unread):
        rag.books.put("acme", "faq", each)
    async with running(content, rag=rag, rag_rules=Rules()) as served:
        whole = {"recipe": "rewrite-fr", "documents": [{"collection": "faq"}]}
        for who in ("member-of-hr", "chief"):
            status, started = await ask(served, who, "POST", JOBS, whole)
            assert (status, [each["code"] for each in started["skipped"]]) == (202, ["document_not_ready"])
            assert content.works.wanted[-1].documents == [("faq", "doc_1")]
        one = {"recipe": "rewrite-fr", "documents": [{"collection": "faq", "document": "doc_2"}]}
        assert await code(served, "chief", "POST", JOBS, one) == (404, "document_not_found")
        none = {"recipe": "rewrite-fr", "documents": [{"collection": "nothing"}]}
        assert await code(served, "chief", "POST", JOBS, none) == (404, "collection_not_found")
    async with running(content, rag=rag) as served:
        assert await code(served, "chief", "POST", JOBS, whole) == (403, "rag_disabled")
