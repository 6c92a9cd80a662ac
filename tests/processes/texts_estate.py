"""Tenants with names that are easily taken for each other, each with surveys and texts full of canaries.

They keep codebooks, recipes and texts under the same names, and comments that say the same; each word that matters is a
canary, and the model puts all that it is shown into every answer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e import rag_scene
from tests.e2e.rag_scene import CANARY, Client, House, canary, form, house
from tests.fakes.script import Answer
from tests.fakes.wire import Received

TENANTS = ("acme", "ACME")
BOOK, RECIPE, KEY = "grid", "sheet", "course-12"  # that all of them have
QUESTION = "Was the trainer patient and clear?"
_FENCED = re.compile(r"=== (\w+) ===\n(.*?)\n=== \1 ===", re.DOTALL)
_LONGEST = 3_000


def all_it_was_shown(received: Received) -> Answer:
    """The least discreet of models, in whatever form it is asked for."""
    wanted = received.body.get("response_format") or {}
    if wanted.get("type") != "json_schema":
        return rag_scene.all_it_was_shown(received)
    shown = "\n".join(str(each["content"]) for each in received.body["messages"])
    texts = _FENCED.findall(shown)
    quote = texts[-1][1][:200] if texts else ""
    return Answer(json.dumps(_filled(wanted["json_schema"]["schema"], shown[-_LONGEST:], quote)))


def _filled(schema: dict[str, Any], said: str, quote: str) -> Any:
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {
            name: quote if name in ("quote", "name") else _filled(each, said, quote)
            for name, each in schema["properties"].items()
        }
    if kind == "array":
        return [_filled(schema["items"], said, quote)]
    return {"number": 0.4, "integer": 1, "boolean": False}.get(str(kind), said)


@dataclass
class Estate:
    """What each tenant has: `ids[tenant]` by the names that paths have for it."""

    house: House
    ids: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, list[str]] = field(default_factory=dict)

    def client(self, tenant: str, who: str = "open") -> Client:
        return self.house.keys[tenant][who]


def own(tenant: str, what: str) -> str:
    """A name that only this tenant has."""
    return canary(TENANTS.index(tenant), "open", what)


def config(url: str) -> dict[str, Any]:
    hosted = {"targets": [{"backend": "hosted", "model": "m"}]}
    offline = [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]
    return {
        "version": 1,
        "backends": {"offline": {"kind": "builtin"}, "hosted": {"kind": "openai", "url": url}},
        "models": {
            "assistant": {"task": "chat", **hosted},
            "embeddings": {"task": "embed", "targets": offline},
        },
        "defaults": {"cache": {"ttl": "1h", "scope": "tenant", "semantic": {"max_error_rate": 0.05}}},
        "tenants": {name: {} for name in TENANTS},
    }


def _book(tenant: str) -> dict[str, Any]:
    def mark(where: str) -> str:
        return own(tenant, where)

    return {
        "language": "en",
        "categories": [
            {
                "id": "trainer",
                "name": f"Trainer {mark('category')}",
                "definition": f"How they teach. {mark('definition')}",
                "examples": [f"The trainer was {mark('example')}."],
            },
            {"id": "room", "name": "Room", "definition": "Where it was."},
        ],
        "note": mark("note"),
    }


def _table(tenant: str) -> bytes:
    said = ("The trainer was patient and clear", "The room was loud and cold")
    rows = [f"comment;trainer;{own(tenant, 'heading')};nps"]
    rows += [
        f"{said[n % 2]}, day {n}: {own(tenant, 'comment')}.;{own(tenant, 'segment')};;{n}" for n in range(10)
    ]
    rows.append(f"Nothing else {own(tenant, 'other')}.;{own(tenant, 'segment')};;{own(tenant, 'score')}")
    return "\n".join(rows).encode()


def asked(client: Client, method: str, path: str, body: Any = None) -> Any:
    told = client.ask(method, path, body)
    assert told.status < 300, (method, path, told.status, told.raw)
    return told.json if told.raw else None


def sent(client: Client, path: str, name: str, content: bytes, media: str, **fields: Any) -> Any:
    said = {each: value if isinstance(value, str) else json.dumps(value) for each, value in fields.items()}
    body, kind = form([(name, content, media)], said)
    told = client.ask("POST", path, body, headers={"content-type": kind})
    assert told.status < 300, (path, told.raw)
    return told.json


def send_survey(client: Client, tenant: str, content: bytes | None = None) -> Any:
    """Hand a file of answers in."""
    roles = {"comment": {"role": "comment"}, "trainer": {"role": "segment"}, "nps": {"role": "nps"}}
    return sent(
        client,
        "/v1/surveys",
        f"{own(tenant, 'file')}.csv",
        content or _table(tenant),
        "text/csv",
        title=own(tenant, "title"),
        language="en",
        codebook=BOOK,
        columns={**roles, own(tenant, "heading"): {"role": "ignored"}},
    )


def _settle_surveys(estate: Estate, tenant: str) -> None:
    client, ids = estate.client(tenant), estate.ids[tenant]
    for name in (BOOK, own(tenant, "grid")):
        asked(client, "POST", f"/v1/surveys/codebooks/{name}", _book(tenant))
    card = send_survey(client, tenant)
    ids["survey"] = card["id"]
    estate.jobs[tenant].append(card["job"])
    at = f"/v1/surveys/{card['id']}"
    deadline = time.monotonic() + 60
    while asked(client, "GET", at)["state"] == "reading":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for number in range(2):
        run = asked(client, "POST", f"{at}/runs", {})
        estate.jobs[tenant].append(run["job"])
        estate.house.over(client, run["job"])
        ids["before" if not number else "run"] = run["id"]
        if not number:
            comments = asked(client, "GET", f"{at}/runs/{run['id']}/comments")["data"]
            assert [each for each in comments if each["error"]] == [], comments
            ids["comment"] = comments[0]["comment"]
            said = {"right": ["room"], "polarity": "negative"}
            kept = asked(client, "POST", f"{at}/comments/{ids['comment']}/correction", said)
            ids["correction"] = kept["id"]
    ids["after"] = ids["run"]
    job = asked(client, "POST", f"{at}/themes", {})["job"]
    estate.jobs[tenant].append(job)
    estate.house.over(client, job)
    ids["theme"] = asked(client, "GET", f"{at}/themes")["data"][0]["id"]
    answer = asked(client, "POST", f"{at}/chat", {"question": QUESTION})
    assert own(tenant, "comment") in json.dumps(answer), answer


def _settle_texts(estate: Estate, tenant: str) -> None:
    client, ids = estate.client(tenant), estate.ids[tenant]

    def mark(where: str) -> str:
        return own(tenant, where)

    brand = {"tone": mark("tone"), "banned": [mark("banned")], "names": [mark("brandname")]}
    asked(client, "PUT", "/v1/content/brand", brand)
    for name in (RECIPE, mark("recipe")):
        recipe = {
            "name": name,
            "extends": "rewrite-en",
            "title": mark("recipetitle"),
            "context": mark("context"),
        }
        asked(client, "POST", "/v1/content/recipes", recipe)
    items = [
        {"key": key, "text": f"A course of 3 days. {mark('text')}.", "title": mark("texttitle")}
        for key in (KEY, mark("key"))
    ]
    started = asked(client, "POST", "/v1/content/jobs", {"recipe": RECIPE, "items": items})
    ids |= {"content": started["job"]["id"], "number": 1, "key": mark("key")}
    name = f"{mark('textfile')}.txt"
    more = sent(
        client, "/v1/content/jobs", name, mark("file").encode(), "text/plain", order={"recipe": RECIPE}
    )
    for job in (ids["content"], more["job"]["id"]):
        estate.jobs[tenant].append(job)
        estate.house.over(client, job)
    at = f"/v1/content/jobs/{ids['content']}"
    for number in (1, 2):
        edited = {"text": {"decision": "edited", "value": f"Better. {mark('edited')}"}}
        asked(client, "POST", f"{at}/items/{number}/decisions", edited)


@contextmanager
def settled(folder: Path, models: Path) -> Iterator[Estate]:
    """A house in which all of them have had their comments read and their texts written."""
    with house(folder, config, answer=all_it_was_shown, models=models) as running:
        made = Estate(running)
        for tenant in TENANTS:
            running.make(tenant, "open")
            running.make(tenant, "chief", role="tenant-admin")
            made.ids[tenant], made.jobs[tenant] = {}, []
            _settle_surveys(made, tenant)
            _settle_texts(made, tenant)
        yield made


def leaks_of(seen: bytes, tenant: str) -> set[str]:
    """Canaries that are not theirs."""
    number = TENANTS.index(tenant)
    return {found[0].decode() for found in CANARY.finditer(seen) if int(found[1]) != number}


def whose(seen: bytes) -> set[int]:
    """The tenants that something speaks of."""
    return {int(found[1]) for found in CANARY.finditer(seen)}
