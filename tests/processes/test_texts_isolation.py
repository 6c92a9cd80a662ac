"""Whatever is asked of surveys and of texts, and by whomever: no word of another tenant comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.e2e.replies import Reply
from tests.processes.texts_estate import (
    BOOK,
    KEY,
    QUESTION,
    RECIPE,
    TENANTS,
    Estate,
    leaks_of,
    own,
    send_survey,
    settled,
    whose,
)

_SURVEY, _JOB = "/v1/surveys/{survey}", "/v1/content/jobs/{content}"
_RUN = f"{_SURVEY}/runs/{{run}}"
_CATEGORY = {"id": "noise", "name": "Noise"}
_ITEM = {"key": KEY, "text": "Mine."}
# Every operation, by what stands in its path, with a body that is right but for what the path names.
_CASES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/content/recipes"): None,
    ("POST", "/v1/content/recipes"): {"name": RECIPE, "extends": "rewrite-en"},
    ("GET", "/v1/content/recipes/{recipe}"): None,
    ("DELETE", "/v1/content/recipes/{recipe}"): None,
    ("GET", "/v1/content/brand"): None,
    ("PUT", "/v1/content/brand"): {"tone": "Mine."},
    ("POST", "/v1/content/read"): b"",
    ("POST", "/v1/content/estimate"): {"recipe": RECIPE, "items": [_ITEM]},
    ("POST", "/v1/content/jobs"): {"recipe": RECIPE, "items": [_ITEM]},
    ("GET", "/v1/content/jobs"): None,
    ("GET", _JOB): None,
    ("PATCH", _JOB): {"budget": None},
    ("DELETE", _JOB): None,
    ("GET", f"{_JOB}/items"): None,
    ("GET", f"{_JOB}/items/{{number}}"): None,
    ("POST", f"{_JOB}/items/{{number}}/decisions"): {"text": {"decision": "accepted"}},
    ("POST", f"{_JOB}/decisions"): {"decision": "accepted"},
    ("GET", f"{_JOB}/items/{{number}}/diff"): None,
    ("GET", f"{_JOB}/export"): None,
    ("GET", "/v1/content/pieces/history"): None,
    ("POST", "/v1/content/pieces/rollback"): {"key": "{key}", "field": "text", "number": 1},
    ("GET", "/v1/content/pieces/{key}/history"): None,
    ("POST", "/v1/content/pieces/{key}/rollback"): {"field": "text", "number": 1},
    ("POST", "/v1/surveys/columns"): b"",
    ("POST", "/v1/surveys"): b"",
    ("GET", "/v1/surveys"): None,
    ("GET", _SURVEY): None,
    ("PATCH", _SURVEY): {"title": "Mine."},
    ("DELETE", _SURVEY): None,
    ("GET", f"{_SURVEY}/troubles"): None,
    ("POST", f"{_SURVEY}/runs"): {},
    ("GET", f"{_SURVEY}/runs"): None,
    ("GET", _RUN): None,
    ("DELETE", _RUN): None,
    ("GET", f"{_RUN}/comments"): None,
    ("GET", f"{_RUN}/queue"): None,
    ("POST", f"{_RUN}/reviewed"): {"comments": ["{comment}"]},
    ("GET", f"{_SURVEY}/runs/{{after}}/difference"): None,
    ("POST", f"{_SURVEY}/comments/{{comment}}/correction"): {"right": ["room"]},
    ("POST", f"{_SURVEY}/themes"): {},
    ("GET", f"{_SURVEY}/themes"): None,
    ("POST", f"{_SURVEY}/themes/{{theme}}/merge"): {"codebook": BOOK, "category": _CATEGORY},
    ("GET", f"{_SURVEY}/report"): None,
    ("POST", f"{_SURVEY}/chat"): {"question": QUESTION},
    ("GET", "/v1/surveys/codebooks"): None,
    ("POST", "/v1/surveys/codebooks/{codebook}"): {"language": "en", "categories": [_CATEGORY]},
    ("GET", "/v1/surveys/codebooks/{codebook}"): None,
    ("DELETE", "/v1/surveys/codebooks/{codebook}"): None,
    ("GET", "/v1/surveys/codebooks/{codebook}/versions"): None,
    ("POST", "/v1/surveys/codebooks/{codebook}/versions/{version}/check"): None,
    ("POST", "/v1/surveys/codebooks/{codebook}/versions/{version}/promote"): {},
    ("GET", "/v1/surveys/codebooks/{codebook}/curve"): None,
    ("GET", "/v1/surveys/codebooks/{codebook}/corrections"): None,
    ("DELETE", "/v1/surveys/corrections/{correction}"): None,
}
# What has to stand in a query.
_QUERIES = {
    f"{_SURVEY}/runs/{{after}}/difference": "with={before}",
    "/v1/content/pieces/history": "key={key}",
}
_MAKES = {("POST", "/v1/surveys/codebooks/{codebook}")}  # a name is each tenant's own
_OURS = ("/v1/content", "/v1/surveys")
_NEVER: dict[str, Any] = {
    "survey": "survey_" + "0" * 24, "run": "run_" + "0" * 24, "after": "run_" + "0" * 24, "before": "run_" + "1" * 24,
    "comment": "0" * 32 + "-1", "correction": "correction_" + "0" * 24, "theme": "thm_" + "0" * 24,
    "content": "job_" + "0" * 24, "number": 1, "version": 1, "key": "never-was", "codebook": "never-was",
    "recipe": "never-was",
}  # fmt: skip


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Estate]:
    with settled(tmp_path_factory.mktemp("texts"), model_cache) as made:
        yield made


def _ids(estate: Estate, tenant: str) -> dict[str, Any]:
    named = {"version": 1, "codebook": own(tenant, "grid"), "recipe": own(tenant, "recipe")}
    return {**estate.ids[tenant], **named}


def _at(path: str, ids: Mapping[str, Any]) -> str:
    said = {name: quote(str(value), safe="") for name, value in ids.items()}
    query = _QUERIES.get(path)
    return (f"{path}?{query}" if query else path).format_map(said)


def _with(body: Any, ids: Mapping[str, Any]) -> Any:
    if body is None or isinstance(body, bytes):
        return body
    text = orjson.dumps(body).decode()
    for name, value in ids.items():
        text = text.replace("{" + name + "}", str(value))
    return orjson.loads(text)


def test_every_operation_has_a_case(estate: Estate) -> None:
    document = estate.house.admin.ask("GET", "/openapi.json").json
    plain = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in _CASES}
    there = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in document["paths"].items()
        if path.startswith(_OURS)
        for method in methods
    }

    assert there == plain


def test_no_prompt_holds_words_of_two_tenants(estate: Estate) -> None:
    """Neither in what stands for examples, nor in what was learned, nor beside a text."""
    seen = [whose(each.raw) for each in estate.house.model.fake.requests]

    assert [tenants for tenants in seen if len(tenants) > 1] == []
    assert set().union(*seen) == set(range(len(TENANTS)))


def test_no_reply_shows_what_is_another_tenants(estate: Estate) -> None:
    leaks: dict[str, set[str]] = {}
    silent = []
    for tenant in TENANTS:
        for who in ("open", "chief"):
            client = estate.client(tenant, who)
            for method, path in _CASES:
                if method == "GET":
                    told = client.ask(method, _at(path, _ids(estate, tenant)))
                    leaks[f"{tenant} {path}"] = leaks_of(told.everything, tenant)
                    if told.status != 200:
                        silent.append((path, told.status, told.raw[:200]))
            at = f"/v1/surveys/{estate.ids[tenant]['survey']}"
            for form in ("html", "csv", "xlsx"):
                told = client.ask("GET", f"{at}/report?format={form}")
                leaks[f"{tenant} report {form}"] = leaks_of(told.everything, tenant)
            for form in ("html", "csv", "json"):
                more = f"/v1/content/jobs/{estate.ids[tenant]['content']}/export?format={form}&only=all"
                leaks[f"{tenant} export {form}"] = leaks_of(client.ask("GET", more).everything, tenant)
            for stream in (False, True):
                told = client.ask("POST", f"{at}/chat", {"question": QUESTION, "stream": stream})
                leaks[f"{tenant} chat {stream}"] = leaks_of(told.everything, tenant)

    assert silent == []
    assert {where: found for where, found in leaks.items() if found} == {}


def test_an_id_of_another_tenant_is_like_one_that_never_was(estate: Estate) -> None:
    differ = []
    for tenant, who, other in (("ACME", "open", "acme"), ("acme", "chief", "ACME")):
        client, theirs = estate.client(tenant, who), _ids(estate, other)
        mine = _ids(estate, tenant)
        for (method, path), body in _CASES.items():
            names = set(re.findall(r"{(\w+)}", path + _QUERIES.get(path, ""))) | (
                {"key"} if path.endswith("pieces/rollback") else set()
            )
            if not names or (method, path) in _MAKES:
                continue
            ways: list[set[str]] = [names]
            if len(names - {"number", "version"}) > 1:  # of what is one's own, too
                ways += [{name} for name in names - {"survey", "content", "number", "version"}]
            for hidden in ways:
                told, like = (
                    client.ask(method, _at(path, {**mine, **part}), _with(body, {**mine, **part}))
                    for ids in (theirs, _NEVER)
                    if (part := {name: ids[name] for name in hidden})
                )
                if (
                    _shape(told, theirs) != _shape(like, _NEVER)
                    or told.status != 404
                    or leaks_of(told.raw, tenant) - set(map(str, theirs.values()))
                ):
                    differ.append(
                        (tenant, who, method, path, sorted(hidden), told.status, told.raw, like.raw)
                    )

    assert differ == []


def test_what_a_body_or_a_query_names_of_another_tenant_is_not_there(estate: Estate) -> None:
    tenant, other = "ACME", "acme"
    client, mine, theirs = estate.client(tenant), _ids(estate, tenant), _ids(estate, other)
    at, job = f"/v1/surveys/{mine['survey']}", f"/v1/content/jobs/{mine['content']}"
    comment = f"{at}/comments/{mine['comment']}/correction"
    shelf = f"survey-{theirs['survey'].removeprefix('survey_')}"
    asked: list[tuple[str, str, Any, int]] = [
        ("POST", f"{at}/runs", {"codebook": theirs["codebook"]}, 404),
        ("PATCH", at, {"codebook": theirs["codebook"]}, 404),
        ("POST", comment, {"right": ["room"], "run": theirs["run"]}, 404),
        ("POST", f"{at}/runs/{mine['run']}/reviewed", {"comments": [theirs["comment"]]}, 200),
        ("GET", f"{at}/runs/{mine['run']}/comments?after={theirs['comment']}", None, 400),
        ("GET", f"{at}/runs/{mine['run']}/difference?with={theirs['run']}", None, 404),
        ("GET", f"{at}/report?run={theirs['run']}", None, 404),
        ("GET", f"/v1/surveys?before={theirs['survey']}", None, 400),
        ("GET", f"/v1/surveys/codebooks/{BOOK}/corrections?after={theirs['correction']}", None, 200),
        (
            "POST",
            f"{at}/themes/{mine['theme']}/merge",
            {"codebook": theirs["codebook"], "category": "room"},
            404,
        ),
        ("POST", "/v1/content/jobs", {"recipe": theirs["recipe"], "items": [_ITEM]}, 404),
        ("POST", "/v1/content/recipes", {"name": "mine", "extends": theirs["recipe"]}, 404),
        ("POST", "/v1/content/jobs", {"recipe": RECIPE, "documents": [{"collection": shelf}]}, 404),
        ("GET", f"/v1/content/jobs?before={theirs['content']}", None, 400),
        ("GET", f"/v1/rag/collections/{shelf}", None, 404),
        ("POST", "/v1/rag/chat", {"collection": shelf, "question": QUESTION}, 404),
    ]
    wrong = []
    for method, path, body, status in asked:
        told = client.ask(method, path, body)
        said = {value for value in theirs.values() if isinstance(value, str)}
        if told.status != status or leaks_of(told.raw, tenant) - said:
            wrong.append((method, path, body, told.status, told.raw[:300]))
        if path.endswith("reviewed"):
            assert told.json["reviewed"] == 0
    assert client.ask("GET", job).status == 200

    assert wrong == []
    for path in (at, job, "/v1/content/brand", "/v1/surveys/codebooks"):
        told = client.ask("GET", f"{path}?tenant={other}")
        assert (told.status, told.code) == (404, "unknown_tenant"), (path, told.raw)


def test_the_same_text_and_the_same_comment_are_not_answered_from_another_tenants(estate: Estate) -> None:
    """What one has paid for costs the other the same: nothing of it is kept for both."""
    body = {
        "recipe": "rewrite-en",
        "items": [{"key": "same", "text": "The very same text, of two days, for all."}],
    }
    calls = []
    for tenant in TENANTS[:2]:
        client, before = estate.client(tenant), len(estate.house.model.fake.requests)
        estate.house.over(client, client.ask("POST", "/v1/content/jobs", body).json["job"]["id"])
        calls.append(len(estate.house.model.fake.requests) - before)
        again = client.ask("POST", "/v1/content/jobs", body).json
        assert again["estimate"]["reused"] == 1, again

    assert calls[0] == calls[1] > 0


def test_jobs_say_nothing_of_what_they_work_on(estate: Estate) -> None:
    """Neither to others nor to their owner, but for the names that he gave to texts."""
    said = {}
    for tenant in TENANTS:
        client = estate.client(tenant, "chief")
        names = {own(tenant, "key"), own(tenant, "textfile"), own(tenant, "recipe")}
        for job in estate.jobs[tenant]:
            for rest in ("", "/items", "/events"):
                told = client.ask("GET", f"/v1/jobs/{job}{rest}")
                assert told.status == 200, told.raw
                found = {each.decode() for each in re.findall(rb"canary\d\d(?:open)[a-z]+", told.raw)}
                said[f"{job}{rest}"] = found - names
            stranger = estate.client(TENANTS[TENANTS.index(tenant) - 1], "chief")
            for rest in ("", "/items", "/events"):
                assert stranger.ask("GET", f"/v1/jobs/{job}{rest}").status == 404

    assert {where: found for where, found in said.items() if found} == {}


def test_metrics_and_logs_hold_no_canary(estate: Estate) -> None:
    """At every level, after all that the tests before this one have asked, and words looked for in a query."""
    client, ids = estate.client("acme"), estate.ids["acme"]
    at = f"/v1/surveys/{ids['survey']}/runs/{ids['run']}/comments?text={own('acme', 'comment')}"
    assert client.ask("GET", at).status == 200
    broken = send_survey(
        client, "acme", f"comment;trainer;{own('acme', 'heading')};nps\n{'x' * 40};;;\n".encode()
    )
    assert broken["id"] != ids["survey"]
    metrics = estate.house.admin.ask("GET", "/metrics")
    log = estate.house.service.output.read_bytes()

    assert b'"level"' in log
    assert [line for line in (*metrics.everything.splitlines(), *log.splitlines()) if whose(line)] == []


def _shape(told: Reply, ids: Mapping[str, Any]) -> tuple[int, bytes]:
    """A reply without what it was asked for by."""
    raw = told.raw
    for value in ids.values():
        if isinstance(value, str):
            raw = raw.replace(value.encode(), b"...")
    return told.status, raw
