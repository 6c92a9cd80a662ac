"""Whatever is asked, and by whomever: no word of another tenant, or of a group that a key is not in, comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.rag_estate import (
    DOCUMENTS,
    GROUPS,
    QUESTION,
    SHELF,
    TENANTS,
    WHO,
    Estate,
    leaks_of,
    lists,
    sees,
    settled,
    told_by_metrics_and_logs,
)
from tests.e2e.rag_scene import canary
from tests.e2e.replies import Reply

_NEVER = {"document": "doc_" + "0" * 24, "job": "job_" + "0" * 24, "answer": "ans_" + "0" * 24}
_NEVER |= {"conversation": "conv_" + "0" * 24, "collection": "never-was"}
# Every operation that names something of a tenant's documents, with a body that is right but for what the path names.
_CASES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/rag/collections"): None,
    ("POST", "/v1/rag/collections"): {"name": SHELF},
    ("GET", "/v1/rag/collections/{collection}"): None,
    ("PATCH", "/v1/rag/collections/{collection}"): {"description": "Mine."},
    ("DELETE", "/v1/rag/collections/{collection}"): None,
    ("POST", "/v1/rag/collections/{collection}/reindex"): None,
    ("POST", "/v1/rag/collections/{collection}/documents"): {"text": "Mine.", "key": "guide", "url": "x"},
    ("GET", "/v1/rag/collections/{collection}/documents"): None,
    ("POST", "/v1/rag/collections/{collection}/documents/retry"): {"documents": ["{document}"]},
    ("GET", "/v1/rag/collections/{collection}/documents/{document}"): None,
    ("DELETE", "/v1/rag/collections/{collection}/documents/{document}"): None,
    ("GET", "/v1/rag/collections/{collection}/documents/{document}/content"): None,
    ("GET", "/v1/rag/collections/{collection}/documents/{document}/passages"): None,
    ("POST", "/v1/rag/collections/{collection}/documents/{document}/retry"): None,
    ("POST", "/v1/rag/search"): {"collection": SHELF, "query": QUESTION},
    ("POST", "/v1/rag/chat"): {"collection": SHELF, "question": QUESTION},
    ("POST", "/v1/rag/answers/{answer}/feedback"): {"thumb": "up", "comment": "Mine."},
    ("GET", "/v1/rag/conversations"): None,
    ("GET", "/v1/rag/conversations/{conversation}"): None,
    ("DELETE", "/v1/rag/conversations/{conversation}"): None,
    ("GET", "/v1/jobs"): None,
    ("GET", "/v1/jobs/{job}"): None,
    ("DELETE", "/v1/jobs/{job}"): None,
    ("GET", "/v1/jobs/{job}/items"): None,
    ("GET", "/v1/jobs/{job}/events"): None,
    ("POST", "/v1/jobs/{job}/cancel"): None,
    ("POST", "/v1/jobs/{job}/pause"): None,
    ("POST", "/v1/jobs/{job}/resume"): None,
    ("POST", "/v1/jobs/{job}/retry"): None,
}
_OURS = ("/v1/rag", "/v1/jobs")
_ELSEWHERE = ("/v1/content", "/v1/surveys")  # of texts and of surveys: test_texts_isolation.py
_OTHERS = {("DELETE", "/v1/cache")}  # an administrator's, of the tenant's own
_NAMES = {"collection", "document", "job", "conversation"}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Estate]:
    with settled(tmp_path_factory.mktemp("estate"), model_cache) as made:
        yield made


def test_every_route_about_documents_has_a_case(estate: Estate) -> None:
    document = estate.house.admin.ask("GET", "/openapi.json").json
    there = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith(_ELSEWHERE):
                continue
            named = {given["name"] for given in operation.get("parameters", ())}
            if path.startswith(_OURS) or (named & _NAMES and (method.upper(), path) not in _OTHERS):
                there.add((method.upper(), path))

    assert there == set(_CASES)


@pytest.mark.parametrize("group", GROUPS)
def test_the_same_question_is_answered_from_ones_own_documents(estate: Estate, group: str) -> None:
    for number, tenant in enumerate(TENANTS):
        answer = estate.answers[tenant][group]
        assert canary(number, group, "text") in answer.json["answer"], answer.raw
        assert leaks_of(answer.everything, tenant, sees(group)) == set()


@pytest.mark.parametrize("who", [*WHO, "chief"])
def test_no_answer_shows_what_is_not_its_keys(estate: Estate, who: str) -> None:
    """Everything that a key may ask for by a name it has, whole and streamed, from the model or kept."""
    leaks: dict[str, set[str]] = {}
    for tenant in TENANTS[:3] if who == "any" else TENANTS:
        client = estate.client(tenant, who)
        ours = {**estate.ids(tenant, "open"), "collection": SHELF}
        for method, path in _CASES:
            if method == "GET":
                told = client.ask("GET", path.format_map(ours))
                leaks[f"{tenant} {path}"] = leaks_of(told.everything, tenant, lists(who))
        for document in estate.documents[tenant].values():
            for rest in ("", "/content", "/passages"):
                told = client.ask("GET", f"{DOCUMENTS}/{document}{rest}")
                leaks[f"{tenant} {rest}"] = leaks_of(told.everything, tenant, lists(who))
        before = len(estate.house.model.fake.requests)
        for path, body in _questions():
            told = client.ask("POST", path, body)
            assert told.status == 200, (path, told.raw)
            leaks[f"{tenant} {path} {body}"] = leaks_of(told.everything, tenant, sees(who))
        leaks[f"{tenant} shown to the model"] = leaks_of(
            estate.house.model.prompts(before), tenant, sees(who)
        )

    assert {where: found for where, found in leaks.items() if found} == {}


def _questions() -> Iterator[tuple[str, dict[str, Any]]]:
    for question in (QUESTION, "What's the code of the main office, please?"):
        for stream in (False, True):
            yield "/v1/rag/chat", {"collection": SHELF, "question": question, "stream": stream}
            messages = [{"role": "user", "content": question}]
            yield (
                "/v1/chat/completions",
                {"model": f"rag/{SHELF}", "messages": messages, "stream": stream},
            )
    for mode in ("text", "dense", "hybrid"):
        yield "/v1/rag/search", {"collection": SHELF, "query": QUESTION, "mode": mode, "k": 50}


def test_an_id_of_another_tenant_is_like_one_that_never_was(estate: Estate) -> None:
    """On every method, with the names of a member's and of an administrator's; so is one of another group's document."""
    intruders = [
        ("ACME", "any", "acme", "hr"),
        ("acme", "chief", "acm", "open"),
        ("acme", "open", "acme", "hr"),
    ]
    differ = []
    for tenant, who, other, group in intruders:
        client = estate.client(tenant, who)
        theirs, never = estate.ids(other, group), dict(_NEVER)
        if tenant == other:  # documents are in groups, jobs and collections are the tenant's
            theirs["collection"] = never["collection"] = SHELF
        for (method, path), body in _CASES.items():
            names = set(re.findall(r"{(\w+)}", path))
            hidden = names - {"job", "collection"} if tenant == other else names
            if not hidden or (method, path) == ("POST", "/v1/rag/collections/{collection}/documents"):
                continue
            shelves: list[Mapping[str, str]] = [{}]
            if "document" in names and tenant != other:
                shelves.append({"collection": SHELF})  # of that name there is one here too
            for shelf in shelves:
                told, like = (
                    client.ask(method, path.format_map({**ids, **shelf}), _with(body, ids))
                    for ids in (theirs, never)
                )
                if _shape(told, theirs) != _shape(like, never) or told.status != 404:
                    differ.append((tenant, who, method, path, told.status, told.raw, like.raw))

    assert differ == []


def _with(body: Any, ids: Mapping[str, str]) -> Any:
    if body is None:
        return None
    text = orjson.dumps(body).decode()
    for name, value in ids.items():
        text = text.replace("{" + name + "}", value)
    return orjson.loads(text)


def _shape(told: Reply, ids: Mapping[str, str]) -> tuple[int, bytes, set[str]]:
    """A reply without what it was asked for by."""
    raw = told.raw
    for value in ids.values():
        raw = raw.replace(value.encode(), b"...")
    kept = {
        f"{name}: {value}"
        for name, value in told.headers.items()
        if name not in ("x-request-id", "content-length")
    }
    return told.status, raw, {each.partition(":")[0] if "date" in each else each for each in kept}


def test_members_name_no_other_tenant(estate: Estate) -> None:
    for who in ("open", "chief"):
        client = estate.client("acme", who)
        for method, path in _CASES:
            if method == "GET":
                at = path.format_map({**estate.ids("acme", "open"), "collection": SHELF})
                told = client.ask("GET", f"{at}?tenant=ACME")
                assert (told.status, told.code) == (404, "unknown_tenant"), (path, told.raw)


def test_metrics_and_logs_hold_no_canary(estate: Estate) -> None:
    """At every level, after all that the tests before this one have asked."""
    assert told_by_metrics_and_logs(estate) == []


def test_of_a_deleted_document_no_kept_answer_is_left(estate: Estate) -> None:
    """The last: it deletes."""
    tenant = "a"
    number = TENANTS.index(tenant)
    client = estate.client(tenant, "hr")
    told = client.ask("POST", "/v1/rag/chat", {"collection": SHELF, "question": QUESTION})
    assert told.headers["x-passerelle-cache"] == "hit"
    assert client.ask("DELETE", f"{DOCUMENTS}/{estate.documents[tenant]['hr']}").status == 204

    marks = (canary(number, "hr", "text").encode(), canary(number, "hr", "title").encode())
    before = len(estate.house.model.fake.requests)
    for path, body in _questions():
        told = client.ask("POST", path, body)
        assert not any(mark in told.raw for mark in marks), path
    assert not any(mark in estate.house.model.prompts(before) for mark in marks)
    kept = estate.client(tenant, "chief").ask("GET", "/v1/cache")
    assert kept.status == 200
    for other, who in (("acme", "hr"), ("acm", "hr")):
        told = estate.client(other, who).ask(
            "POST", "/v1/rag/chat", {"collection": SHELF, "question": QUESTION}
        )
        assert told.headers["x-passerelle-cache"] == "hit"  # others' are as they were
