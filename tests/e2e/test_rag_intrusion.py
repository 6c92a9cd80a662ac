"""Whoever asks for more than their own, by filters, names, headers or another's document, gets none of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.e2e.rag_estate import (
    DOCUMENTS,
    QUESTION,
    SHELF,
    TENANTS,
    Estate,
    leaks_of,
    own,
    sees,
    settled,
    told_by_metrics_and_logs,
)
from tests.e2e.rag_scene import canary

_ACCENTS = ("HANDBOOK", "handbook.", "handbook-", "hand.book")  # one name to a hurried eye
_Try = tuple[str, dict[str, Any], dict[str, str]]  # a path, a body and headers
_CHAT: dict[str, Any] = {"collection": SHELF, "question": QUESTION}
_MODEL: dict[str, Any] = {"model": f"rag/{SHELF}", "messages": [{"role": "user", "content": QUESTION}]}
_FILTERS: list[dict[str, Any]] = [
    {"tenant_id": "ACME"},
    {"tenant": ["acme", "ACME"]},
    {"tenant": {"not": "acme"}},
    {"collection": SHELF},
    {"groups": ["hr"]},
    {"groups": {"not": "open"}},
    {"metadata.groups": "hr"},
    {"metadata.tenant_id": "ACME"},
    {"document": {"not": "x"}},
    {"$or": [1]},
    {"note": {"not": "x"}},
    {"note": "x' OR '1'='1"},
    {"note\u0000": "x"},
    {"no\u202ete": {"not": "x"}},
    {'note"]': {"not": "x"}},
    {"tenant\uff3fid": "ACME"},
    {"key": {"gte": 0}},
]


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Estate]:
    with settled(tmp_path_factory.mktemp("estate"), model_cache) as made:
        yield made


def _wider(other: str) -> Iterator[_Try]:
    """Filters and groups of more than the key's own."""
    for wide in _FILTERS:
        yield "/v1/rag/chat", {**_CHAT, "filter": wide}, {}
        yield "/v1/rag/search", {"collection": SHELF, "query": QUESTION, "filter": wide}, {}
        yield "/v1/chat/completions", {**_MODEL, "rag": {"filter": wide, "tenant": other}}, {}
    for groups in (["hr"], ["*"], ["open", "hr"], ["hr\u200b"], ["HR"], [""], ["hr' OR '1'='1"]):
        yield "/v1/rag/chat", {**_CHAT, "groups": groups}, {}
        yield "/v1/rag/search", {"collection": SHELF, "query": QUESTION, "groups": groups}, {}
        for name in ("rag", "metadata"):
            yield "/v1/chat/completions", {**_MODEL, name: {"groups": groups}}, {}


def _elsewhere(estate: Estate, tenant: str, other: str) -> Iterator[_Try]:
    """Names, conversations, caches and headers of somebody else's."""
    theirs = estate.ids(other, "hr")
    for more in ({"tenant": other}, {"tenant_id": other}, {"collection": f"{other}/{SHELF}"}):
        yield "/v1/rag/chat", {**_CHAT, **more}, {}
    for named in (f"../{other}/{SHELF}", f"{other}:{SHELF}", f"{SHELF}\u0000", f"{SHELF}%00", own(other)):
        yield "/v1/rag/chat", {**_CHAT, "collection": named}, {}
        yield "/v1/chat/completions", {**_MODEL, "model": f"rag/{named}"}, {}
    for user in ("somebody", "somebody\u0000", "' OR ''='"):
        for conversation in (theirs["conversation"], estate.conversations[tenant]["hr"]):
            yield "/v1/rag/chat", {**_CHAT, "user": user, "conversation": conversation}, {}
    for namespace in ("hr", theirs["document"], other):
        yield "/v1/rag/chat", {**_CHAT, "cache": {"namespace": namespace}}, {}
    given = {"x-tenant": other, "x-passerelle-tenant": other, "x-groups": "hr", "forwarded": "for=x"}
    for path, body in (("/v1/rag/chat", _CHAT), ("/v1/chat/completions", _MODEL)):
        for name, value in given.items():
            yield path, body, {name: value}


def test_a_request_that_would_see_more_sees_no_more(estate: Estate) -> None:
    tenant, other = "acme", "ACME"
    client = estate.client(tenant, "open")
    leaks = {}
    before = len(estate.house.model.fake.requests)
    for path, body, headers in (*_wider(other), *_elsewhere(estate, tenant, other)):
        told = client.ask("POST", path, body, headers=headers)
        assert told.status < 500, (path, body, told.raw)
        asked = orjson.dumps(body)
        found = {one for one in leaks_of(told.everything, tenant, {"open"}) if one.encode() not in asked}
        if found:
            leaks[path, asked] = found

    assert leaks == {}
    assert leaks_of(estate.house.model.prompts(before), tenant, {"open"}) == set()


@pytest.mark.parametrize("stream", [False, True])
def test_labels_of_a_question_are_labels(estate: Estate, stream: bool) -> None:
    client = estate.client("acm", "open")
    labels = {"metadata": {"course": "cooking", "groups": "hr", "tenant_id": "ACME"}, "stream": stream}
    messages = [{"role": "user", "content": QUESTION}]
    for path, body in (
        ("/v1/rag/chat", {"collection": SHELF, "question": QUESTION, **labels}),
        ("/v1/chat/completions", {"model": f"rag/{SHELF}", "messages": messages, **labels}),
    ):
        told = client.ask("POST", path, body)
        assert told.status == 200, told.raw
        assert canary(TENANTS.index("acm"), "open", "text").encode() in told.raw
        assert leaks_of(told.everything, "acm", {"open"}) == set()


def test_another_keys_idempotency_key_gives_nothing_of_its_answer(estate: Estate) -> None:
    body = {"collection": SHELF, "question": QUESTION, "k": 9}
    headers = {"idempotency-key": "the-same"}
    first = estate.client("acme", "hr").ask("POST", "/v1/rag/chat", body, headers=headers)
    assert canary(0, "hr", "text").encode() in first.raw

    for tenant, who in (("acme", "open"), ("acme", "sales"), ("acme", "chief"), ("ACME", "hr")):
        told = estate.client(tenant, who).ask("POST", "/v1/rag/chat", body, headers=headers)
        assert leaks_of(told.everything, tenant, sees(who)) == set(), (tenant, who)


def test_a_document_of_another_group_is_not_replaced_and_tells_nothing(estate: Estate) -> None:
    client = estate.client("acme", "open")
    for body in (
        {"text": "Mine now.", "key": "guide-hr"},
        {"documents": [{"text": "New.", "key": "new"}, {"text": "Mine now.", "key": "guide-hr"}]},
    ):
        told = client.ask("POST", DOCUMENTS, body)
        assert (told.status, told.code) == (403, "document_not_yours")
        assert leaks_of(told.everything, "acme", {"open"}) == set()
    file = (f"{canary(0, 'hr', 'file')}.pdf", b"Mine now.", "text/plain")
    assert client.upload(SHELF, [file]).code == "document_not_yours"

    kept = estate.client("acme", "hr").ask("GET", f"{DOCUMENTS}/{estate.documents['acme']['hr']}/content")
    assert canary(0, "hr", "text").encode() in kept.raw
    keys = [card["key"] for card in estate.client("acme", "chief").ask("GET", DOCUMENTS).json["data"]]
    assert "new" not in keys


def test_what_is_wrong_with_a_groups_document_its_own_card_says(estate: Estate) -> None:
    path = f"{DOCUMENTS}/{estate.documents['acme']['page']}"
    told = estate.client("acme", "hr").ask("GET", path).json["error"]
    assert canary(0, "hr", "host") in told["message"]

    job = estate.jobs["acme"]
    for rest in ("items", "events"):
        shown = estate.client("acme", "open").ask("GET", f"/v1/jobs/{job}/{rest}")
        assert told["code"].encode() in shown.raw
        assert b"its card says why" in shown.raw
        assert leaks_of(shown.raw, "acme", {"open"}) == set()


def test_names_that_look_the_same_are_not(estate: Estate) -> None:
    client = estate.client("acm", "any")
    jobs = []
    for number, name in enumerate((*_ACCENTS, "Handbook")):
        path = f"/v1/rag/collections/{quote(name)}/documents"
        body = {"text": f"The bar is open on day {number}.", "key": "bar", "groups": ["caf\u00e9"]}
        taken = client.ask("POST", path, body)
        assert taken.status == 202, taken.raw
        jobs.append(taken.json["job"])
    for job in jobs:
        estate.house.over(client, job)
    twin = estate.house.make("acm", "twin", groups=["cafe\u0301"])
    for number, name in enumerate((*_ACCENTS, "Handbook")):
        wanted = {"collection": name, "query": "When is the bar open?", "mode": "text"}
        assert twin.ask("POST", "/v1/rag/search", wanted).json["data"] == []
        found = client.ask("POST", "/v1/rag/search", {**wanted, "groups": ["caf\u00e9"]}).json["data"]
        assert [one["text"] for one in found] == [f"The bar is open on day {number}."]


def test_metrics_and_logs_hold_no_canary(estate: Estate) -> None:
    """At every level, after all that the tests before this one have asked."""
    assert told_by_metrics_and_logs(estate) == []
