"""A survey's report in four forms that browsers and spreadsheets can do no harm with, and questions to its comments."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

from passerelle.domain.errors import NotFound
from passerelle.domain.rag import Said, Turn
from passerelle.domain.survey_report import SCHEMA
from tests.fakes.rag import ANSWERED, CITED, RagFake, ReadingFake
from tests.unit.http.rag_scene import ask, code, events_of
from tests.unit.http.surveys_scene import SURVEYS, kept, running

_HOSTILE = '<script>alert(1)</script> "été"'


async def test_a_report_comes_in_four_forms_with_heads_that_keep_it_harmless() -> None:
    async with running() as served:
        path = f"{SURVEYS}/{await kept(served, title=_HOSTILE)}/report"
        async with served.client("member") as http:
            for form, kind, way in (
                ("json", "application/json", None),
                ("html", "text/html; charset=utf-8", 'inline; filename="sv_1-fr.html"'),
                ("csv", "text/csv; charset=utf-8", 'attachment; filename="sv_1-fr.csv"'),
                ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                 'attachment; filename="sv_1-fr.xlsx"'),
            ):  # fmt: skip
                async with http.get(f"{path}?format={form}") as reply:
                    body, headers = await reply.read(), reply.headers
                assert (reply.status, headers["content-type"]) == (200, kind)
                assert headers.get("content-disposition") == way
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["cache-control"] == "private, no-store"
                if form == "json":
                    assert json.loads(body)["schema"] == SCHEMA
                elif form == "html":
                    assert headers["content-security-policy"].startswith("default-src 'none'")
                    assert headers["content-language"] == "fr"
                    assert b"<script>alert" not in body
                elif form == "csv":
                    assert body.startswith(b"section,measure,")
                else:
                    assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None


async def test_a_report_speaks_the_survey_s_language_unless_another_is_asked_for() -> None:
    async with running() as served:
        path = f"{SURVEYS}/{await kept(served, language='en')}/report?format=html"
        async with served.client("member") as http:
            for query, wanted in (("", "en"), ("&language=fr", "fr")):
                async with http.get(f"{path}{query}") as reply:
                    assert f'lang="{wanted}"' in await reply.text()
                    assert reply.headers["content-language"] == wanted
        assert (await ask(served, "member", "GET", f"{path}&language=de"))[0] == 400


async def test_a_report_is_of_a_run_or_of_scores_alone() -> None:
    async with running() as served:
        path = f"{SURVEYS}/{await kept(served)}"
        _, plain = await ask(served, "member", "GET", f"{path}/report")
        assert (plain["answers"], plain["readers"]["engine"]) == (5, "")
        assert await code(served, "member", "GET", f"{path}/report?run=run_1") == (404, "run_not_found")
        await ask(served, "member", "POST", f"{path}/runs")
        _, read = await ask(served, "member", "GET", f"{path}/report?run=run_1")
        assert (read["readers"]["engine"], read["readers"]["offline"]) == ("builtin", True)
        assert (await ask(served, "member", "GET", f"{path}/report?run=latest"))[0] == 200
        assert await code(served, "member", "GET", f"{SURVEYS}/sv_9/report") == (404, "survey_not_found")


async def test_a_question_is_answered_from_comments_each_with_its_id() -> None:
    foreign = replace(CITED, number=2, document="foreign")
    answered = replace(ANSWERED, citations=(CITED, foreign), nearest=(CITED,))
    rag = RagFake(room=ReadingFake(events=(Said("Trop rapide [1]."), CITED, foreign, answered)))
    async with running(rag=rag) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        body: dict[str, Any] = {"question": "Que disent-ils du rythme ?", "k": 8, "temperature": 0}
        async with served.client("member-of-hr") as http:
            async with http.post(path, json=body) as reply:
                whole, headers = await reply.json(), reply.headers
            async with http.post(path, json={**body, "stream": True}) as reply:
                assert reply.content_type == "text/event-stream"
                told = events_of(await reply.read())
    assert [(each["number"], each["comment"]) for each in whole["citations"]] == [(1, "c_doc_1"), (2, None)]
    assert whole["nearest"][0]["comment"] == "c_doc_1"
    assert headers["x-passerelle-backend"] == "engine"
    assert [name for _, name, _ in told] == ["delta", "citation", "citation", "answer"]
    assert (told[1][2], told[3][2]) == (whole["citations"][0], whole)
    caller, question = rag.room.asked[0]
    assert (caller.key_id, question.collection, question.groups) == (
        "key_h",
        "survey-sv_1",
        frozenset({"hr"}),
    )
    assert (question.k, question.options["temperature"]) == (8, 0)


async def test_a_question_about_what_people_say_is_looked_for_by_what_it_is_about() -> None:
    rag = RagFake()
    async with running(rag=rag) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        for asked in ("Que disent les participants du rythme ?", "Le rythme convient-il ?"):
            assert (await ask(served, "member", "POST", path, {"question": asked}))[0] == 200
    told = [(question.asked, question.sought) for _, question in rag.room.asked]
    assert told == [
        ("Que disent les participants du rythme ?", "rythme ?"),
        ("Le rythme convient-il ?", "Le rythme convient-il ?"),
    ]


async def test_a_conversation_and_the_operator_are_answered_too() -> None:
    rag = RagFake()
    async with running(rag=rag) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        messages = [
            {"role": "user", "content": "Le rythme ?"},
            {"role": "assistant", "content": "Trop rapide."},
            {"role": "user", "content": "Pour qui ?"},
        ]
        assert (await ask(served, "operator", "POST", f"{path}?tenant=acme", {"messages": messages}))[
            0
        ] == 200
    caller, question = rag.room.asked[0]
    assert (caller.tenant, question.turns[-1]) == ("acme", Turn("user", "Pour qui ?"))


async def test_what_is_no_question_is_refused_before_anything_is_asked() -> None:
    rag = RagFake()
    async with running(rag=rag) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        for wrong in (
            {},
            {"question": " "},
            {"question": "x", "collection": "faq"},
            {"question": "x", "groups": []},
        ):
            assert (await ask(served, "member", "POST", path, wrong))[0] == 400
        assert await code(served, "stranger", "POST", path, {"question": "x"}) == (404, "survey_not_found")
    assert rag.room.asked == []


async def test_an_answer_that_fails_says_so_and_documents_switched_off_too() -> None:
    gone = NotFound("There is no such collection.", code="collection_not_found")
    async with running(rag=RagFake(room=ReadingFake(events=(gone,)))) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        for stream in (False, True):
            body = {"question": "x", "stream": stream}
            assert await code(served, "member", "POST", path, body) == (404, "collection_not_found")
    async with running(documents=None) as served:
        path = f"{SURVEYS}/{await kept(served)}/chat"
        assert await code(served, "member", "POST", path, {"question": "x"}) == (403, "rag_disabled")
