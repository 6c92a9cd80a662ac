"""A job's texts are taken away as a table, a document or a page: whole, to be saved, and safe to open."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.fakes.content import ContentFake
from tests.serving import Served
from tests.unit.http.content_scene import running
from tests.unit.http.rag_scene import ask, code

JOB = "/v1/content/jobs/job_1"


async def _made(served: Served, *texts: str) -> None:
    items = [{"key": f"k{number}", "text": text} for number, text in enumerate(texts, 1)]
    order = {"recipe": "rewrite-fr", "items": items}
    assert (await ask(served, "member", "POST", "/v1/content/jobs", order))[0] == 202


async def _export(served: Served, query: str = "", **headers: str) -> tuple[dict[str, str], str]:
    async with served.client("member") as http:
        async with http.get(f"{JOB}/export{query}", headers=headers) as reply:
            assert reply.status == 200
            return dict(reply.headers), (await reply.read()).decode("utf-8-sig")


async def test_a_table_has_what_stands_and_no_formulas() -> None:
    async with running() as served:
        await _made(served, "un deux", "trois =1+1", "échec")
        for number in (1, 2):
            await ask(
                served,
                "member",
                "POST",
                f"{JOB}/items/{number}/decisions",
                {"text": {"decision": "accepted"}},
            )
        headers, text = await _export(served)
        assert headers["Content-Disposition"] == 'attachment; filename="content-job_1.csv"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(text)))
        assert list(rows[0]) == ["number", "key", "title", "language", "standing", "text", "tags"]
        assert [row["text"] for row in rows] == ["deux un", "'=1+1 trois", "échec"]
        _, text = await _export(served, "?only=all")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert (rows[0]["source"], rows[0]["text"], rows[0]["text_decision"]) == (
            "un deux",
            "deux un",
            "accepted",
        )
        assert "upstream_failed" in rows[2]["trouble"]


async def test_a_document_is_whole_json() -> None:
    async with running() as served:
        await _made(served, "un deux", "trois")
        headers, text = await _export(served, "?format=json&only=all")
        said = json.loads(text)
        assert headers["Content-Type"] == "application/json"
        assert (said["job"]["id"], [each["key"] for each in said["pieces"]]) == ("job_1", ["k1", "k2"])
        assert said["pieces"][0]["values"]["text"]["written"] == "deux un"


async def test_a_page_holds_texts_as_texts_in_the_reader_s_language() -> None:
    async with running() as served:
        await _made(served, "<script>alert(1)</script> deux")
        headers, page = await _export(served, "?format=html&only=all", **{"accept-language": "fr"})
        assert (headers["Content-Language"], "<script" in page) == ("fr", False)
        assert "sandbox" in headers["Content-Security-Policy"]
        assert page.count("</html>") == 1
        assert (await _export(served, "?format=html&language=en"))[0]["Content-Language"] == "en"
        async with served.client("member") as http, http.get(f"{JOB}/items/1/diff?format=html") as reply:
            one = await reply.text()
            assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert ("<ins>" in one, "<script" in one) == (True, False)


@pytest.mark.parametrize("form", ["csv", "json", "html"])
async def test_a_large_job_comes_whole_also_when_its_recipe_is_gone(form: str) -> None:
    content = ContentFake()
    async with running(content) as served:
        body = {"name": "fiche", "extends": "rewrite-fr"}
        await ask(served, "member", "POST", "/v1/content/recipes", body)
        items = [{"key": f"k{number}", "text": f"un deux {number} " * 20} for number in range(300)]
        await ask(served, "member", "POST", "/v1/content/jobs", {"recipe": "fiche", "items": items})
        await ask(served, "member", "DELETE", "/v1/content/recipes/fiche")
        headers, text = await _export(served, f"?format={form}")
        assert headers["Transfer-Encoding"] == "chunked"
        if form == "csv":
            assert len(list(csv.reader(io.StringIO(text)))) == 301
        elif form == "json":
            assert len(json.loads(text)["pieces"]) == 300
        else:
            assert "k299" in text
            assert text.rstrip().endswith("</html>")


async def test_an_export_of_nothing_and_of_nobody_s() -> None:
    async with running() as served:
        await _made(served, "un")
        assert await code(served, "member", "GET", "/v1/content/jobs/job_9/export") == (404, "job_not_found")
        assert await code(served, "stranger", "GET", f"{JOB}/export") == (404, "job_not_found")
        assert await code(served, "member", "GET", f"{JOB}/export?format=pdf") == (400, "invalid_value")
        assert await code(served, "member", "GET", f"{JOB}/export?only=some") == (400, "invalid_value")
