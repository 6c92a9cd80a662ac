"""A person who left data in every store is exported, restricted, erased, and found nowhere any more; then its tenant is.

Another person and another tenant have the like of it all, and keep it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.money import verb
from tests.e2e.rag_scene import Client, House, house
from tests.processes.texts_estate import BOOK, all_it_was_shown, asked, sent

USER, OTHER = "canary4711ana", "canary4712bob"
PEOPLE = (USER, OTHER)
SPOKEN = {USER: "yellow feathers moult", OTHER: "brown antlers grow"}  # what each of them says
TENANTS = ("acme", "globex")
_BOOK = {
    "language": "en",
    "categories": [
        {"id": "trainer", "name": "Trainer", "definition": "How they teach.", "examples": ["Clear."]},
        {"id": "room", "name": "Room", "definition": "Where it was.", "examples": ["Cold."]},
    ],
}
_PLACES = {"documents", "search", "corrections", "texts", "written", "prompts"}
# Stores of which an export has words, those that keep something of a person, and the others.
_WORDS = {"conversations", "documents", "surveys", "corrections", "enrichment", "prompts"}
_KEPT = {
    *_WORDS,
    "cache-exact",
    "cache-semantic",
    "jobs",
    "sightings",
    "restrictions",
    "exports",
    "idempotency",
}
_NONE = {"webhooks", "keys", "files", "ledger", "audit", "requests"}


def _configuration(url: str) -> dict[str, Any]:
    offline = [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]
    cost = {"input_per_million": 0.1, "output_per_million": 0.4, "currency": "EUR"}
    tenant = {
        "rag": {"conversations": {"keep": "1d"}},
        "cache": {"ttl": "1h", "scope": "tenant", "semantic": {"max_error_rate": 0.05}},
        "privacy": {"log_prompts": {"purpose": "quality of answers", "keep": "7d", "until": "2099-01-01"}},
    }
    return {
        "version": 1,
        "operator": {"currency": "EUR"},
        "backends": {
            "offline": {"kind": "builtin"},
            "hosted": {"kind": "openai", "url": url, "cost": cost, "location": {"country": "FR"}},
        },
        "models": {
            "assistant": {"task": "chat", "targets": [{"backend": "hosted", "model": "m"}]},
            "embeddings": {"task": "embed", "targets": offline},
        },
        "tenants": dict.fromkeys(TENANTS, tenant),
    }


def _chat(client: Client, user: str, words: str, **headers: str) -> Any:
    body = {"model": "assistant", "user": user, "messages": [{"role": "user", "content": words}]}
    return client.ask("POST", "/v1/chat/completions", body, headers=headers)


def _live(home: House, tenant: str, user: str) -> None:
    """What somebody leaves by calls of the moment."""
    client, said = home.keys[tenant]["open"], SPOKEN[user]
    for _ in range(2):
        assert _chat(client, user, f"Tell me of {said}.").status == 200
    again = {"idempotency-key": f"once-{user}"}
    assert _chat(client, user, f"And more of {said}?", **again).status == 200
    assert _chat(client, user, f"And more of {said}?", **again).headers["idempotency-replayed"] == "true"
    question = {"collection": "faq", "question": f"When does it {said}?", "user": user}
    asked(client, "POST", "/v1/rag/chat", question)


def _documents(home: House, tenant: str) -> None:
    client = home.keys[tenant]["open"]
    documents = [
        {
            "key": f"of-{user}",
            "text": f"They {SPOKEN[user]} on Monday.",
            "title": f"On {SPOKEN[user]}",
            "metadata": {"subjects": [user]},
        }
        for user in PEOPLE
    ]
    asked(client, "POST", "/v1/rag/collections/faq/documents", {"documents": documents})
    for each in asked(client, "GET", "/v1/rag/collections/faq/documents")["data"]:
        _ready(client, f"/v1/rag/collections/faq/documents/{each['id']}", "ready")


def _ready(client: Client, path: str, state: str) -> Any:
    deadline = time.monotonic() + 60
    while (card := asked(client, "GET", path))["state"] != state:
        assert time.monotonic() < deadline, card
        time.sleep(0.05)
    return card


def _survey(home: House, tenant: str) -> str:
    """Read and corrected, with themes, and asked; its id."""
    client = home.keys[tenant]["open"]
    asked(client, "POST", f"/v1/surveys/codebooks/{BOOK}", _BOOK)
    rows = [f"The trainer {SPOKEN[user]}, day {n}.;{user};{n}" for n, user in enumerate(PEOPLE)]
    rows += [f"The room was cold and loud, day {n}.;nobody{n};{n}" for n in range(8)]
    table = "\n".join(["comment;respondent;nps", *rows]).encode()
    columns = {"comment": {"role": "comment"}, "respondent": {"role": "segment"}, "nps": {"role": "nps"}}
    said = {"title": "Course", "language": "en", "codebook": BOOK, "columns": columns}
    survey = str(sent(client, "/v1/surveys", "answers.csv", table, "text/csv", **said)["id"])
    at = f"/v1/surveys/{survey}"
    _ready(client, at, "ready")
    run = asked(client, "POST", f"{at}/runs", {})
    home.over(client, run["job"])
    for each in asked(client, "GET", f"{at}/runs/{run['id']}/comments")["data"]:
        if any(words in each["text"] for words in SPOKEN.values()):
            right = {"right": ["room"], "polarity": "negative"}
            asked(client, "POST", f"{at}/comments/{each['comment']}/correction", right)
    home.over(client, asked(client, "POST", f"{at}/themes", {})["job"])
    asked(client, "POST", f"{at}/chat", {"question": "Which animals are told of?"})
    return survey


def _texts(home: House, tenant: str) -> str:
    """Written for both, and decided on; the job."""
    client = home.keys[tenant]["open"]
    items = [{"key": user, "text": f"They {SPOKEN[user]}.", "title": "What"} for user in PEOPLE]
    job = str(
        asked(client, "POST", "/v1/content/jobs", {"recipe": "rewrite-en", "items": items})["job"]["id"]
    )
    home.over(client, job)
    for number in (1, 2):
        edited = {"text": {"decision": "edited", "value": f"Better: {SPOKEN[PEOPLE[number - 1]]}."}}
        asked(client, "POST", f"/v1/content/jobs/{job}/items/{number}/decisions", edited)
    return job


@dataclass
class Estate:
    """The house, and by tenant what has an id."""

    home: House
    folder: Path
    surveys: dict[str, str]
    jobs: dict[str, str]

    def chief(self, tenant: str) -> Client:
        return self.home.keys[tenant]["chief"]

    def about(self, tenant: str, user: str, deed: str) -> dict[str, Any]:
        """Ask for something about a person, and wait until it is done."""
        card = asked(self.chief(tenant), "POST", f"/v1/privacy/subjects/{user}/{deed}")
        for _ in range(4):
            if card["finished_at"] is not None:
                break
            card = asked(self.chief(tenant), "GET", f"/v1/privacy/requests/{card['id']}?wait=15")
        assert card["state"] == "done", card
        found: dict[str, Any] = card
        return found

    def receipt(self, tenant: str, request: str) -> dict[str, Any]:
        """Its stores by name, after its signature was checked on the command line."""
        document = asked(self.chief(tenant), "GET", f"/v1/privacy/requests/{request}/receipt")
        return _verified(self.folder, document)

    def read(self, tenant: str) -> dict[str, str]:
        """What a tenant that has documents only can still read."""
        client = self.home.keys[tenant]["open"]
        found = {"documents": _read(client, "GET", "/v1/rag/collections/faq/documents", None)}
        return {**found, **{user: _talks(client, user) for user in PEOPLE}}

    def everything(self, tenant: str) -> dict[str, str]:
        """What a tenant's people can still read, by where."""
        client, survey, job = self.home.keys[tenant]["open"], self.surveys[tenant], self.jobs[tenant]
        reads = {
            "documents": ("GET", "/v1/rag/collections/faq/documents", None),
            "search": ("POST", "/v1/rag/search", {"collection": "faq", "query": "feathers antlers Monday"}),
            "report": ("GET", f"/v1/surveys/{survey}/report?format=json", None),
            "themes": ("GET", f"/v1/surveys/{survey}/themes", None),
            "comments": ("POST", f"/v1/surveys/{survey}/chat", {"question": "Which animals are told of?"}),
            "corrections": ("GET", f"/v1/surveys/codebooks/{BOOK}/corrections", None),
            "texts": ("GET", f"/v1/content/jobs/{job}/items", None),
            "written": ("GET", f"/v1/content/jobs/{job}/export?format=json", None),
            "jobs": ("GET", "/v1/jobs", None),
        }
        found = {name: _read(client, *each) for name, each in reads.items()}
        prompts = self.chief(tenant).ask("GET", "/v1/privacy/prompts?limit=200")
        talks = {user: _talks(client, user) for user in PEOPLE}
        return {**found, "prompts": prompts.raw.decode(), **talks}

    def sums(self) -> dict[str, Any]:
        """The ledger's by tenant, once every call is in it."""
        found: list[dict[str, Any]] = [{}, {}]
        while not found[-1] or found[-1] != found[-2]:
            time.sleep(1.0)  # the spool is emptied several times in one
            reports = {
                tenant: asked(self.home.admin, "GET", f"/v1/costs?tenant={tenant}") for tenant in TENANTS
            }
            found.append({name: (each["total"], each["requests"]) for name, each in reports.items()})
        return found[-1]


def _read(client: Client, method: str, path: str, body: Any) -> str:
    deadline = time.monotonic() + 60
    while True:  # what is asked of comments is made anew after an erasure
        told = client.ask(method, path, body)
        if told.status != 503:
            assert told.status == 200, (path, told.raw)
            return told.raw.decode()
        assert time.monotonic() < deadline, told.raw
        time.sleep(0.1)


def _talks(client: Client, user: str) -> str:
    """A person's conversations, in full."""
    found = asked(client, "GET", f"/v1/rag/conversations?user={user}")["data"]
    whole = [asked(client, "GET", f"/v1/rag/conversations/{each['id']}?user={user}") for each in found]
    return json.dumps(whole)


def _verified(folder: Path, document: Any) -> dict[str, Any]:
    file = folder / "receipt.json"
    file.write_bytes(orjson.dumps(document))
    assert verb("privacy", "verify", str(file)).returncode == 0
    digit = document["receipt"]["asked_at"][-2]
    flipped = orjson.dumps(document).replace(
        document["receipt"]["asked_at"].encode(),
        (document["receipt"]["asked_at"][:-2] + str((int(digit) + 1) % 10) + "Z").encode(),
    )
    file.write_bytes(flipped)
    assert verb("privacy", "verify", str(file)).returncode == 1
    return {each["store"]: each for each in document["receipt"]["stores"]}


def _settle(home: House, folder: Path) -> Estate:
    made = Estate(home, folder, {}, {})
    for tenant in TENANTS:
        home.make(tenant, "open")
        home.make(tenant, "chief", role="tenant-admin")
        _documents(home, tenant)
        for user in PEOPLE:
            _live(home, tenant, user)
    made.surveys["acme"] = _survey(home, "acme")
    made.jobs["acme"] = _texts(home, "acme")
    return made


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("erasure")
    with house(folder, _configuration, answer=all_it_was_shown, models=model_cache) as home:
        yield _settle(home, folder)


def _of(said: Mapping[str, str], user: str) -> set[str]:
    """Where something of a person can be read."""
    words = (user, *SPOKEN[user].split())
    return {place for place, text in said.items() if any(word in text for word in words)}


def _fetched(estate: Estate, request: str) -> dict[str, str]:
    """What an export holds, by store; of stores that had something."""
    whole = asked(estate.chief("acme"), "GET", f"/v1/privacy/requests/{request}/export")
    return {name: json.dumps(rows) for name, rows in whole["stores"].items() if rows}


def test_a_person_is_erased_everywhere_and_nobody_else_is(estate: Estate) -> None:
    client, chief = estate.home.keys["acme"]["open"], estate.chief("acme")
    before = estate.everything("acme")
    assert _of(before, USER) >= _PLACES | {USER}
    exported = estate.about("acme", USER, "export")["id"]
    found = _fetched(estate, exported)
    assert _of(found, USER) == _WORDS
    assert set(found) == _WORDS | {"jobs", "sightings"}
    assert _of(found, OTHER) == set(), "somebody else's"
    estate.about("acme", USER, "restrict")
    assert _chat(client, USER, "Anything?").json["error"]["code"] == "subject_restricted"
    sums = estate.sums()

    request = estate.about("acme", USER, "erase")["id"]

    stores = estate.receipt("acme", request)
    had = {name: each["total_before"] > 0 for name, each in stores.items()}
    assert had == {**dict.fromkeys(_KEPT, True), **dict.fromkeys(_NONE, False)}
    assert not any(each["total_after"] for each in stores.values())
    assert estate.sums() == sums, "the ledger's sums are unchanged"
    after = estate.everything("acme")
    assert _of(after, USER) == set()
    assert _of(after, OTHER) >= _PLACES | {OTHER}
    assert _fetched(estate, estate.about("acme", USER, "export")["id"]) == {}
    gone = chief.ask("GET", f"/v1/privacy/requests/{exported}/export")
    assert gone.json["error"]["code"] == "export_gone"
    assert _chat(client, USER, f"Tell me of {SPOKEN[USER]}.").headers["x-passerelle-cache"] == "miss"
    assert _chat(client, OTHER, f"Tell me of {SPOKEN[OTHER]}.").headers["x-passerelle-cache"] == "hit"


def test_a_tenant_is_wiped_and_the_other_one_has_everything_still(estate: Estate) -> None:
    operator, chief = estate.home.admin, estate.chief("acme")
    control, sums = estate.read("globex"), estate.sums()
    card = asked(operator, "POST", "/v1/privacy/wipe?tenant=acme", {"confirm": "acme"})
    at = f"/v1/privacy/requests/{card['id']}"
    for _ in range(4):
        if card["finished_at"] is None:
            card = asked(operator, "GET", f"{at}?tenant=acme&wait=15")
    document = asked(operator, "GET", f"{at}/receipt?tenant=acme")
    stores = _verified(estate.folder, document)
    assert document["receipt"]["key_destroyed"]
    had = {name for name, each in stores.items() if each["total_before"]}
    assert had >= {*_KEPT, "keys"} - {"restrictions", "exports"}
    assert not any(each["total_after"] for each in stores.values())
    assert chief.ask("GET", "/v1/models").status == 401
    assert estate.read("globex") == control
    assert estate.sums() == sums
    logs = estate.home.service.output.read_text()
    assert not [word for user in PEOPLE for word in (user, *SPOKEN[user].split()) if word in logs]
