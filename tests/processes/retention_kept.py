"""What a tenant does that keeps things, with a canary in every word: chats, documents, texts, surveys, rights."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from tests.e2e.rag_scene import Client, form
from tests.e2e.replies import Reply
from tests.processes.retention_calls import chat
from tests.processes.retention_estate import KEPT, Estate
from tests.processes.retention_traces import CONTENT, NAMED, PERSON, canary, personal
from tests.processes.texts_estate import asked, sent

CHAT, LIBRARY = "/v1/chat/completions", "/v1/rag/collections"
COLLECTION, BOOK, RECIPE = (canary(NAMED, each) for each in ("collection", "codebook", "recipe"))
WHO = canary(PERSON, "subject")
_QUESTION = "Le formateur était-il patient et clair ?"


def said(where: str) -> str:
    """What a person writes: words of content, and personal data to redact."""
    return f"{canary(CONTENT, where)} le formateur était patient et clair. {personal(where)}"


def chats(made: Estate) -> None:
    """Asked, asked again, streamed, failed; answers and stops of the cache."""
    client = made.client(KEPT, "open")
    for stream in (False, True, False):
        body = {
            "model": "assistant",
            "stream": stream,
            "user": WHO,
            "messages": [{"role": "user", "content": said("chat")}],
        }
        made.post(client, CHAT, body, "cached")
    told = made.post(client, CHAT, body, "cached", **{"idempotency-key": canary(CONTENT, "idempotency")})
    assert told.status == 200, told.raw
    assert told.headers["x-passerelle-redacted"], told.headers
    assert told.headers["x-passerelle-cache"] == "hit", told.headers
    made.ids["answer"] = told.headers["x-passerelle-cache-id"]
    at = f"/v1/cache/{made.ids['answer']}"
    entry = made.client(KEPT).ask("GET", at)
    assert entry.status == 200, entry.raw
    made.ids["looked"] = [(at, entry.raw)]
    for model in ("fails", "refuses", "breaks", "garbled", "cut"):
        for stream in (False, True):
            made.post(client, CHAT, {**body, "model": model, "stream": stream}, model)
    full = chat(
        lambda what: said(what) if what not in ("stop", "metadata") else canary(CONTENT, what), user=WHO
    )
    assert made.post(client, CHAT, full, "full").status == 200
    texts = {"input": [said("input")], "user": WHO}
    for model in ("embeddings", "elsewhere"):
        assert made.post(client, "/v1/embeddings", {"model": model, **texts}, model).status == 200
    made.post(
        client, "/v1/completions", {"model": "assistant", "prompt": said("prompt"), "user": WHO}, "legacy"
    )
    ranked = {"model": "ranker", "query": said("query"), "documents": [said("ranked"), "b"]}
    assert made.post(client, "/v1/rerank", ranked, "ranked").status == 200
    assert (
        made.post(client, "/v1/classify", {"model": "sorter", "input": said("sorted")}, "sorted").status
        == 200
    )


def documents(made: Estate) -> None:
    """Handed in as JSON, in files and in vain, searched, asked about, spoken about."""
    client = made.client(KEPT)
    asked(client, "POST", LIBRARY, {"name": COLLECTION, "description": canary(NAMED, "description")})
    at = f"{LIBRARY}/{COLLECTION}/documents"
    papers = [
        {
            "key": canary(NAMED, f"key{'ab'[number]}"),
            "title": canary(CONTENT, "title"),
            "text": f"# {canary(CONTENT, 'heading')}\n\n{said('document')} Numéro {number}.",
            "metadata": {"course": canary(NAMED, "metadata"), "subjects": [WHO]},
        }
        for number in range(2)
    ]
    asked(client, "POST", at, {"documents": papers})
    name = f"{canary(NAMED, 'file')}.md"
    body, kind = form(
        [
            (name, said("upload").encode(), "text/markdown"),
            ("broken.pdf", said("broken").encode(), "application/pdf"),
        ],
        {},
    )
    assert client.ask("POST", at, body, headers={"content-type": kind}).status == 202
    _until(lambda: all(each["state"] in ("ready", "failed") for each in asked(client, "GET", at)["data"]))
    made.ids["document"] = asked(client, "GET", at)["data"][0]["id"]
    for mode in ("text", "dense", "hybrid"):
        told = asked(
            client,
            "POST",
            "/v1/rag/search",
            {"collection": COLLECTION, "query": said("search"), "mode": mode},
        )
    assert told["data"], told
    for stream in (False, True):
        asking = {
            "collection": COLLECTION,
            "question": f"{_QUESTION} {personal('question')}",
            "user": WHO,
            "stream": stream,
        }
        told = made.post(client, "/v1/rag/chat", asking, "rag")
        assert told.status == 200, told.raw
    talks = asked(client, "GET", f"/v1/rag/conversations?user={WHO}")["data"]
    assert talks, "no conversation is kept"
    made.ids["conversation"] = talks[0]["id"]
    at = f"/v1/rag/conversations/{talks[0]['id']}?user={WHO}"
    talk = asked(client, "GET", at)
    made.ids["talk"] = client.ask("GET", at).raw
    answer = next(each["answer_id"] if "answer_id" in each else each["id"] for each in talk["turns"])
    asked(
        client,
        "POST",
        f"/v1/rag/answers/{answer}/feedback",
        {"thumb": "down", "comment": canary(CONTENT, "feedback")},
    )


def texts(made: Estate) -> None:
    """A brand, a recipe, a job, decisions on what was written, files that are taken away."""
    client = made.client(KEPT)
    asked(
        client,
        "PUT",
        "/v1/content/brand",
        {
            "tone": canary(NAMED, "tone"),
            "banned": [canary(NAMED, "banned")],
            "names": [canary(NAMED, "brand")],
        },
    )
    recipe = {
        "name": RECIPE,
        "extends": "rewrite-fr",
        "title": canary(NAMED, "recipetitle"),
        "context": canary(NAMED, "context"),
    }
    asked(client, "POST", "/v1/content/recipes", recipe)
    item = {
        "key": canary(NAMED, "piece"),
        "text": f"Un cours de 3 jours. {said('text')}",
        "title": canary(CONTENT, "texttitle"),
    }
    job = asked(client, "POST", "/v1/content/jobs", {"recipe": RECIPE, "items": [item]})["job"]["id"]
    file = sent(
        client,
        "/v1/content/jobs",
        f"{canary(NAMED, 'textfile')}.txt",
        said("textfile").encode(),
        "text/plain",
        order={"recipe": RECIPE},
    )
    for each in (job, file["job"]["id"]):
        made.house.over(client, each)
    at = f"/v1/content/jobs/{job}"
    edited = {"text": {"decision": "edited", "value": f"Mieux. {said('edited')}"}}
    asked(client, "POST", f"{at}/items/1/decisions", edited)
    asked(client, "GET", f"{at}/items")
    for path in (
        f"{at}/items/1/diff",
        f"{at}/export?format=csv",
        f"/v1/jobs/{job}/items",
        f"/v1/jobs/{job}/events",
    ):
        assert client.ask("GET", path).status == 200, path
    made.ids["content"] = job


def surveys(made: Estate) -> None:
    """A file of answers, read by a model; corrections, themes, questions, a report."""
    client = made.client(KEPT)
    category = {
        "id": "trainer",
        "name": canary(CONTENT, "category"),
        "definition": canary(CONTENT, "definition"),
        "examples": [said("example")],
    }
    book = {
        "language": "fr",
        "categories": [category, {"id": "room", "name": "Salle"}],
        "note": canary(CONTENT, "note"),
    }
    asked(client, "POST", f"/v1/surveys/codebooks/{BOOK}", book)
    rows = [f"remarque;formateur;{canary(NAMED, 'column')};nps"]
    rows += [
        f"{said('comment')} Jour {n}.;{canary(CONTENT, 'segment')};{canary(CONTENT, 'cell')};{n}"
        for n in range(8)
    ]
    rows.append(f"{said('wrong')};{canary(CONTENT, 'segment')};;{canary(CONTENT, 'score')}")
    roles: dict[str, Any] = {
        "remarque": {"role": "comment"},
        "formateur": {"role": "segment"},
        "nps": {"role": "nps"},
    }
    roles[canary(NAMED, "column")] = {"role": "ignored"}
    table = "\n".join(rows).encode()
    sent(client, "/v1/surveys/columns", f"{canary(NAMED, 'table')}.csv", table, "text/csv")
    card = sent(
        client,
        "/v1/surveys",
        f"{canary(NAMED, 'table')}.csv",
        table,
        "text/csv",
        title=canary(NAMED, "survey"),
        language="fr",
        codebook=BOOK,
        columns=roles,
    )
    at = f"/v1/surveys/{card['id']}"
    _until(lambda: asked(client, "GET", at)["state"] != "reading")
    assert asked(client, "GET", at)["state"] == "ready", asked(client, "GET", at)
    for number in range(2):
        run = asked(client, "POST", f"{at}/runs", {})
        made.house.over(client, run["job"])
        comments = asked(client, "GET", f"{at}/runs/{run['id']}/comments")["data"]
        if not number:
            right = {"right": ["room"], "polarity": "negative"}
            asked(client, "POST", f"{at}/comments/{comments[0]['comment']}/correction", right)
    made.house.over(client, asked(client, "POST", f"{at}/themes", {})["job"])
    asked(client, "GET", f"{at}/themes")
    asked(client, "POST", f"{at}/chat", {"question": f"{_QUESTION} {personal('surveychat')}", "user": WHO})
    for path in ("/report", "/report?format=html", "/troubles", f"/runs/{run['id']}/queue"):
        assert client.ask("GET", at + path).status == 200, path
    made.ids["survey"] = card["id"]


def rights(made: Estate) -> None:
    """A person is restricted, exported and erased; what the tenant may look at is looked at."""
    client = made.client(KEPT)
    at = f"/v1/privacy/subjects/{quote(WHO)}"
    asked(client, "POST", f"{at}/restrict", {})
    body = {"model": "assistant", "user": WHO, "messages": [{"role": "user", "content": said("restricted")}]}
    told = made.post(client, CHAT, body, "restricted")
    assert told.status == 403, told.raw
    asked(client, "POST", f"{at}/lift", {})
    exported = _requested(client, f"{at}/export")
    whole = client.ask("GET", f"/v1/privacy/requests/{exported}/export").raw
    assert WHO.encode() in whole
    _requested(client, f"{at}/erase")
    asked(client, "DELETE", f"/v1/cache/subjects/{WHO}")
    asked(
        client,
        "DELETE",
        f"{LIBRARY}/{COLLECTION}/documents/{asked(client, 'GET', f'{LIBRARY}/{COLLECTION}/documents')['data'][0]['id']}",
    )
    for path in (
        "/v1/costs",
        "/v1/costs?format=csv",
        "/v1/usage",
        "/v1/cache",
        "/v1/privacy/audit",
        "/v1/jobs",
        "/v1/privacy/requests",
        "/v1/privacy/retention",
    ):
        asked_for = client.ask("GET", path)
        assert asked_for.status == 200, (path, asked_for.raw)
        made.ids["looked"].append((path, asked_for.raw))


def wiped(made: Estate) -> None:
    """Everything of the tenant."""
    client = made.client(KEPT)
    asked(client, "DELETE", f"/v1/surveys/{made.ids['survey']}")
    told: Reply = client.ask("POST", "/v1/privacy/wipe", {"confirm": KEPT})
    assert told.status == 202, told.raw
    at = f"/v1/privacy/requests/{told.json['id']}?tenant={KEPT}"
    _until(lambda: made.house.admin.ask("GET", at).json["state"] == "done")


def _requested(client: Client, path: str) -> str:
    request: str = asked(client, "POST", path, {})["id"]
    _until(lambda: asked(client, "GET", f"/v1/privacy/requests/{request}?wait=5")["state"] == "done")
    return request


def _until(condition: Any, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
