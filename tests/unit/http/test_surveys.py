"""Files of answers are looked at, taken, described and deleted over HTTP; every row that is no answer is told about."""

from __future__ import annotations

import csv
import io
from typing import Any

from passerelle.domain.caller import Role
from passerelle.domain.survey_work import SurveyRules
from passerelle.http.access import every_route, policy_of
from passerelle.http.surveys import router
from tests.fakes.surveys import BureauFake
from tests.serving import one_backend, serving
from tests.unit.http.rag_scene import ask, code
from tests.unit.http.surveys_scene import (
    CODEBOOK,
    COLUMNS,
    FILE,
    SURVEYS,
    form,
    kept,
    only_surveys,
    running,
    send,
)


async def test_columns_are_proposed_as_they_can_be_sent_back() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        status, card = await send(served, "member", form(), f"{SURVEYS}/columns")
        assert (status, card["object"], card["rows_seen"]) == (200, "survey.columns", 6)
        roles = {each["heading"]: each["role"] for each in card["columns"]}
        assert roles["Vos remarques"] == "comment"
        assert roles["E-mail"] == "personal"
        personal = next(each for each in card["columns"] if each["role"] == "personal")
        assert (personal["examples"], personal["low"], personal["why"]) == ([], None, "personal")
        assert bureau.held == {}
        status, survey = await send(served, "member", form(columns=card["proposal"]))
        assert status == 202
        assert {each["heading"]: each["role"] for each in survey["columns"]} == roles


async def test_a_file_is_taken_read_by_a_job_and_the_same_survey_the_second_time() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        fields: dict[str, Any] = {"title": "Printemps", "language": "en", "columns": COLUMNS}
        status, card = await send(served, "member", form(**fields))
        assert (status, card["object"], card["state"], card["job"]) == (
            202,
            "survey",
            "reading",
            "job_import",
        )
        assert (card["title"], card["language"]) == ("Printemps", "en")
        status, again = await send(served, "member", form(**fields))
        assert (status, again["id"], again["state"]) == (200, card["id"], "ready")
        tally = again["tally"]
        assert tally["rows"] == tally["answers"] + tally["left_out"] == 6
        assert tally["troubles"]["row_empty"] == 1
    new = bureau.new[0]
    assert (new.name, new.by, new.columns) == ("printemps.csv", "key_m", COLUMNS)
    assert new.content == FILE


async def test_a_survey_without_a_title_has_its_file_s_name() -> None:
    async with running() as served:
        _, card = await send(served, "member", form(name="../mars/Enquête été.csv"))
        assert card["title"] == "Enquête été"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"titre": "x"}, "titre"),
    ({"language": "de"}, "language"),
    ({"title": "x" * 201}, "title"),
    ({"title": "a\0b"}, "title"),
    ({"codebook": "a/b"}, "codebook"),
    ({"columns": "{not json"}, "columns"),
    ({"columns": ["x"]}, "columns"),
    ({"columns": {"Date": {"role": "birthday"}}}, "columns.Date.role"),
    ({"columns": {"Date": {"role": "date", "colour": "red"}}}, "columns.Date.colour"),
    ({"columns": {"Note": {"role": "rating", "low": "one"}}}, "columns.Note.low"),
    ({"columns": {"Avis": {"role": "comment"}}}, "columns"),
]


async def test_a_form_that_is_wrong_is_told_where() -> None:
    bureau = BureauFake()
    async with running(bureau) as served:
        for fields, param in WRONG:
            status, said = await send(served, "member", form(**fields))
            assert (status, said["error"]["param"]) == (400, param)
    assert bureau.held == {}


async def test_what_is_no_form_or_no_table_is_refused() -> None:
    async with running() as served:
        assert await code(served, "member", "POST", SURVEYS, {"text": "x"}) == (415, "unsupported_media_type")
        status, said = await send(served, "member", form(b""))
        assert (status, said["error"]["param"]) == (400, "file")
        two = form()
        two.add_field("file", b"a;b\n1;2\n", filename="b.csv")
        assert (await send(served, "member", two))[0] == 400
        status, said = await send(served, "member", form(b"\x7fELF\x00\x01\x02"), f"{SURVEYS}/columns")
        assert status in (400, 415)
        assert said["error"]["code"].startswith("document_")
        status, said = await send(served, "member", form(title="x"), f"{SURVEYS}/columns")
        assert (status, said["error"]["param"]) == (400, "title")


async def test_every_row_that_is_wrong_is_told_in_words_page_by_page() -> None:
    async with running() as served:
        survey = await kept(served)
        path = f"{SURVEYS}/{survey}/troubles"
        _, first = await ask(served, "member", "GET", f"{path}?limit=1&language=en")
        assert first["has_more"]
        (row,) = first["data"]
        assert (row["row"], row["trouble"], row["left_out"]) == (4, "row_empty", True)
        assert row["meaning"] == "Empty row (left out)"
        _, others = await ask(served, "member", "GET", f"{path}?after=1")
        assert not others["has_more"]
        assert {each["trouble"] for each in others["data"]} == {"formula", "out_of_scale", "date_wrong"}
        assert "Ligne vide" not in str(others)  # that was the first


async def test_the_table_of_troubles_holds_no_formula() -> None:
    content = (
        "=cmd|'/c calc'!A1;avis\n42;Le cours est vraiment trop court\n9;Un très bon moment passé\n".encode()
    )
    columns = {"=cmd|'/c calc'!A1": {"role": "nps"}, "avis": {"role": "comment"}}
    async with running() as served:
        _, card = await send(served, "member", form(content, columns=columns))
        path = f"{SURVEYS}/{card['id']}/troubles?format=csv"
        async with served.client("member") as http, http.get(path) as reply:
            body, headers = await reply.text(), reply.headers
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"] == 'attachment; filename="sv_1-troubles.csv"'
    assert (headers["x-content-type-options"], headers["content-language"]) == ("nosniff", "fr")
    head, *rows = csv.reader(io.StringIO(body))
    assert head == ["row", "last", "rows", "trouble", "meaning", "column", "detail", "left_out"]
    (wrong,) = [row for row in rows if row[3] == "out_of_scale"]
    assert (wrong[0], wrong[5], wrong[7]) == ("2", "'=cmd|'/c calc'!A1", "no")


async def test_surveys_are_listed_page_by_page_described_and_deleted() -> None:
    async with running() as served:
        first = await kept(served)
        _, second = await send(served, "member", form(title="Été"))
        _, page = await ask(served, "member", "GET", f"{SURVEYS}?limit=1")
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([second["id"]], True)
        _, page = await ask(served, "member", "GET", f"{SURVEYS}?limit=1&before={second['id']}")
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([first], False)

        path = f"{SURVEYS}/{first}"
        assert (await ask(served, "member", "PATCH", path, {"title": "Mars"}))[1]["title"] == "Mars"
        assert (await ask(served, "member", "GET", path))[1]["codebook"] == "trainings"
        for wrong in ({}, {"title": ""}, {"language": "de"}, {"state": "ready"}, {"title": None}):
            assert (await ask(served, "member", "PATCH", path, wrong))[0] == 400
        assert await code(served, "member", "PATCH", path, {"codebook": "none"}) == (
            404,
            "codebook_not_found",
        )
        assert (await ask(served, "member", "DELETE", path))[0] == 204
        assert await code(served, "member", "GET", path) == (404, "survey_not_found")


async def test_another_tenant_s_survey_is_not_found_and_the_operator_names_one() -> None:
    async with running() as served:
        survey = await kept(served)
        for path in ("", "/troubles", "/runs", "/runs/latest", "/themes", "/report"):
            where = f"{SURVEYS}/{survey}{path}"
            assert await code(served, "stranger", "GET", where) == (404, "survey_not_found")
            status, _ = await ask(served, "operator", "GET", f"{where}?tenant=acme")
            assert status == (404 if path.endswith("latest") else 200)  # there is no run yet
            assert await code(served, "operator", "GET", where) == (400, "missing_tenant")
        assert (await ask(served, "stranger", "GET", SURVEYS))[1]["data"] == []
        assert await code(served, "member", "GET", f"{SURVEYS}?tenant=other") == (404, "unknown_tenant")


async def test_surveys_are_changed_by_those_who_may() -> None:
    async with running(rules=SurveyRules(writers=Role.TENANT_ADMIN)) as served:
        survey = await kept(served, "chief")
        path = f"{SURVEYS}/{survey}"
        assert (await ask(served, "chief", "POST", f"{path}/runs"))[0] == 202
        books = f"{SURVEYS}/codebooks/trainings"
        assert await _refused(served, form()) == "not_a_writer"
        for method, where, body in (
            ("PATCH", path, {"title": "x"}), ("DELETE", path, None), ("POST", f"{path}/runs", None),
            ("DELETE", f"{path}/runs/run_1", None), ("POST", f"{path}/runs/latest/reviewed", {"comments": ["x"]}),
            ("POST", f"{path}/comments/x/correction", {}), ("POST", f"{path}/themes", None),
            ("POST", f"{path}/themes/x/merge", {"codebook": "trainings", "category": "pace"}), ("POST", books, CODEBOOK),
            ("DELETE", books, None), ("POST", f"{books}/versions/1/promote", None),
            ("DELETE", f"{SURVEYS}/corrections/x", None),
        ):  # fmt: skip
            assert await code(served, "member", method, where, body) == (403, "not_a_writer"), where
        for where in (path, f"{path}/troubles", f"{path}/report", f"{path}/runs/latest/queue", books):
            assert (await ask(served, "member", "GET", where))[0] == 200
        assert (await send(served, "member", form(), f"{SURVEYS}/columns"))[0] == 200
        chat = {"question": "Que disent-ils ?"}
        assert (await ask(served, "member", "POST", f"{path}/chat", chat))[0] == 200


async def test_a_tenant_without_surveys_is_told_so() -> None:
    async with running(rules=None) as served:
        for who, where in (("member", ""), ("operator", "?tenant=acme")):
            for method, path in (
                ("GET", SURVEYS),
                ("GET", f"{SURVEYS}/codebooks"),
                ("POST", f"{SURVEYS}/x/runs"),
            ):
                assert await code(served, who, method, f"{path}{where}") == (403, "surveys_disabled")


async def test_a_process_without_surveys_says_so() -> None:
    configuration = one_backend("vllm", "http://localhost:1")
    async with serving(configuration, whole=True, wrap=only_surveys) as served:
        assert await code(served, served.key, "GET", SURVEYS) == (503, "surveys_unavailable")


async def test_nobody_without_a_key_reaches_surveys() -> None:
    assert all(policy_of(route) is not None for route in every_route_of())
    async with running() as served, served.client(None) as http:
        for method, path in (("GET", SURVEYS), ("POST", SURVEYS), ("POST", f"{SURVEYS}/x/chat")):
            async with http.request(method, path) as reply:
                assert reply.status == 401


async def test_the_document_tells_what_forms_take_and_what_comes_back() -> None:
    async with running() as served, served.client(None) as http, http.get("/openapi.json") as reply:
        paths = (await reply.json())["paths"]
    form_ = paths[SURVEYS]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form_["required"], set(form_["properties"])) == (
        ["file"],
        {"file", "title", "language", "codebook", "columns", "sheet"},
    )
    report = paths[f"{SURVEYS}/{{survey}}/report"]["get"]["responses"]["200"]["content"]
    assert {"text/html", "text/csv", "application/json"} <= set(report)
    assert "text/event-stream" in paths[f"{SURVEYS}/{{survey}}/chat"]["post"]["responses"]["200"]["content"]
    names = {
        each["name"] for each in paths[f"{SURVEYS}/{{survey}}/runs/{{after}}/difference"]["get"]["parameters"]
    }
    assert {"with", "after", "survey"} <= names


def every_route_of() -> list[Any]:
    """The routes of surveys."""
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    return list(every_route(app))


async def _refused(served: Any, data: Any) -> str:
    _, said = await send(served, "member", data)
    found: str = said["error"]["code"]
    return found
