"""Six tenants with names that are easily taken for each other, each with documents that hold canaries.

They keep the same collections, with documents under the same keys that answer the same question; each word that
matters is a canary, and the model repeats all that it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.rag_scene import CANARY, Client, House, canary, house
from tests.e2e.replies import Reply

TENANTS = ("acme", "ACME", "acme-b", "acme.b", "acm", "a")
WHO: dict[str, list[str]] = {"open": [], "hr": ["hr"], "sales": ["sales"], "any": ["*"]}
GROUPS = ("open", "hr", "sales")
SHELF = "handbook"
QUESTION = "What is the code of the main office?"
DOCUMENTS = f"/v1/rag/collections/{SHELF}/documents"


@dataclass
class Estate:
    """What each tenant has, by tenant; `documents[tenant][group]` is an id."""

    house: House
    documents: dict[str, dict[str, str]] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, Reply]] = field(default_factory=dict)
    conversations: dict[str, dict[str, str]] = field(default_factory=dict)

    def client(self, tenant: str, who: str) -> Client:
        return self.house.keys[tenant][who]

    def ids(self, tenant: str, group: str) -> dict[str, str]:
        """Of that tenant, as that group's."""
        answer = self.answers[tenant][group].json
        return {
            "collection": own(tenant),
            "document": self.documents[tenant][group],
            "job": self.jobs[tenant],
            "answer": answer["id"],
            "conversation": self.conversations[tenant][group],
        }


def own(tenant: str) -> str:
    """A collection that only this tenant has."""
    return canary(TENANTS.index(tenant), "open", "shelf")


def _config(url: str) -> dict[str, Any]:
    hosted = {"targets": [{"backend": "hosted", "model": "m"}]}
    offline = [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]
    return {
        "version": 1,
        "backends": {"offline": {"kind": "builtin"}, "hosted": {"kind": "openai", "url": url}},
        "models": {
            "assistant": {"task": "chat", **hosted},
            "embeddings": {"task": "embed", "targets": offline},
        },
        "defaults": {
            "cache": {"ttl": "1h", "scope": "tenant", "semantic": {"max_error_rate": 0.05}},
            "rag": {"conversations": {"keep": "1h"}},
        },
        "tenants": {name: {} for name in TENANTS},
    }


def _handed_in(number: int) -> list[dict[str, Any]]:
    """A tenant's documents: one for each group, and one that cannot be had."""

    def mark(group: str, where: str) -> str:
        return canary(number, group, where)

    def content(group: str) -> dict[str, Any]:
        text = f"The code of the main office is {mark(group, 'text')}."
        # Each text is read in a process of its own; passages that come cut are not.
        return {"text": text} if number == 0 else {"chunks": [{"text": text}]}

    given: list[dict[str, Any]] = [
        {
            **content(group),
            "key": f"guide-{group}",
            "title": f"Guide {mark(group, 'title')}",
            "groups": [] if group == "open" else [group],
            "metadata": {"note": mark(group, "note"), "tenant": mark(group, "meta")},
        }
        for group in GROUPS
    ]
    page = f"http://{mark('hr', 'host')}.example/{mark('hr', 'path')}?q={mark('hr', 'query')}"
    return [*given, {"url": page, "groups": ["hr"], "title": mark("hr", "page")}]


def _settle(estate: Estate, number: int, tenant: str) -> None:
    any_one = estate.client(tenant, "any")
    made = {"name": own(tenant), "description": canary(number, "open", "description"), "words_only": True}
    assert any_one.ask("POST", "/v1/rag/collections", made).status == 201
    taken = any_one.ask("POST", DOCUMENTS, {"documents": _handed_in(number)})
    assert taken.status == 202, taken.raw
    estate.jobs[tenant] = taken.json["job"]
    estate.documents[tenant] = {
        group: card["id"] for group, card in zip((*GROUPS, "page"), taken.json["documents"], strict=True)
    }


def _broken(estate: Estate, number: int, tenant: str) -> str:
    files = [
        (f"{canary(number, 'hr', 'file')}.pdf", b"%PDF-1.4 " + canary(number, "hr", "bytes").encode(), "")
    ]
    taken = estate.client(tenant, "any").upload(SHELF, files, groups="hr")
    assert taken.status == 202, taken.raw
    estate.documents[tenant]["file"] = taken.json["documents"][0]["id"]
    job: str = taken.json["job"]
    return job


def _asked_once(estate: Estate, number: int, tenant: str, group: str) -> None:
    client = estate.client(tenant, group)
    said = {"collection": SHELF, "question": QUESTION, "user": "somebody"}
    answer = client.ask("POST", "/v1/rag/chat", said)
    assert answer.status == 200, answer.raw
    estate.answers[tenant][group] = answer
    estate.conversations[tenant][group] = answer.json["conversation"]
    told = {"thumb": "down", "comment": canary(number, group, "comment")}
    assert client.ask("POST", f"/v1/rag/answers/{answer.json['id']}/feedback", told).status == 200


@contextmanager
def settled(folder: Path, models: Path) -> Iterator[Estate]:
    """A house in which all of them have handed in their documents, and asked once."""
    with house(folder, _config, models=models) as running:
        made = Estate(running)
        for tenant in TENANTS:
            for who, groups in WHO.items():
                running.make(tenant, who, groups=groups)
            running.make(tenant, "chief", role="tenant-admin")
        jobs = []
        for number, tenant in enumerate(TENANTS):
            _settle(made, number, tenant)
            jobs += [(tenant, made.jobs[tenant]), (tenant, _broken(made, number, tenant))]
        for tenant, job in jobs:
            running.over(made.client(tenant, "any"), job)
        for number, tenant in enumerate(TENANTS):
            made.answers[tenant], made.conversations[tenant] = {}, {}
            for group in GROUPS:
                _asked_once(made, number, tenant, group)
        yield made


def leaks_of(seen: bytes, tenant: str, groups: set[str]) -> set[str]:
    """Canaries that are not theirs."""
    number = TENANTS.index(tenant)
    return {
        found[0].decode()
        for found in CANARY.finditer(seen)
        if int(found[1]) != number or found[2].decode().lower() not in groups
    }


def sees(who: str) -> set[str]:
    """What a key is shown as an answer."""
    return {"open", *WHO.get(who, ())} - {"*"}


def lists(who: str) -> set[str]:
    """What a key is shown of the documents themselves."""
    return set(GROUPS) if who in ("any", "chief") else sees(who)


def told_by_metrics_and_logs(estate: Estate) -> list[bytes]:
    """Lines with a canary, of any tenant's, at every level."""
    metrics = estate.house.admin.ask("GET", "/metrics")
    assert metrics.status == 200
    log = estate.house.service.output.read_bytes()
    assert b'"level"' in log
    return [line for line in (*metrics.everything.splitlines(), *log.splitlines()) if CANARY.search(line)]
