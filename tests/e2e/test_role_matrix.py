"""Every route answers every kind of caller as its declared policy says; another tenant's ids do not exist."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import orjson
import pytest
from fastapi.routing import APIRoute

from passerelle.domain.caller import Role
from passerelle.http.access import PUBLIC, Allow, every_route, policy_of
from passerelle.http.build import build_app
from passerelle.http.services import Services
from tests.e2e.money import KEYS, Shop, configuration, engine, shop
from tests.e2e.surface import Asked, ask

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
# Callers by name, and their role; None: nobody whom the gateway knows.
_WHO: dict[str, Role | None] = {
    "anonymous": None,
    "garbage": None,
    "revoked": None,
    "member": Role.MEMBER,
    "chief of a": Role.TENANT_ADMIN,
    "chief of b": Role.TENANT_ADMIN,
    "admin": Role.ADMIN,
}
_OWN_MODEL = "org/of-acme"
_OWN_COLLECTION = "of-acme"
_FINDINGS = ("survey", "run", "after", "comment", "theme", "correction", "key")
_DOCUMENTS = "/v1/rag/collections/{collection}/documents"
# Bodies that are right, for routes that would else refuse them before they look for what the path names.
_BODIES: dict[tuple[str, str], object] = {
    ("POST", "/v1/cache/{answer}/feedback"): {"verdict": "right"},
    ("POST", "/v1/rag/answers/{answer}/feedback"): {"thumb": "up"},
    ("PATCH", "/v1/rag/collections/{collection}"): {"description": "Of somebody else."},
    ("PATCH", "/v1/content/jobs/{job}"): {"budget": None},
    ("POST", "/v1/content/jobs/{job}/items/{number}/decisions"): {"text": {"decision": "accepted"}},
    ("POST", "/v1/content/jobs/{job}/decisions"): {"decision": "accepted"},
    ("POST", "/v1/content/pieces/{key}/rollback"): {"field": "text", "number": 1},
    ("PATCH", "/v1/surveys/{survey}"): {"title": "Of somebody else."},
    ("POST", "/v1/surveys/{survey}/runs/{run}/reviewed"): {"comments": ["comment-of-acme"]},
    ("POST", "/v1/surveys/{survey}/comments/{comment}/correction"): {"right": []},
    ("POST", "/v1/surveys/{survey}/themes/{theme}/merge"): {"codebook": "grid", "category": "trainer"},
    ("POST", "/v1/surveys/{survey}/chat"): {"question": "What do they say?"},
}
# What a query has to say, too.
_QUERIES = {("GET", "/v1/surveys/{survey}/runs/{after}/difference"): "?with=run-of-acme"}
# A collection's name and a codebook's are each tenant's own: whoever hands something in under one makes it.
_MAKES = {("POST", _DOCUMENTS), ("POST", "/v1/surveys/codebooks/{name}")}
# And each tenant has its own names for people: nobody knows whether another one has the same.
_MAKES |= {
    ("POST", f"/v1/privacy/subjects/{{subject}}/{deed}") for deed in ("export", "erase", "restrict", "lift")
}


@dataclass
class Scene:
    """A running service, its document, and a key of every kind of caller."""

    shop: Shop
    document: dict[str, Any]
    keys: dict[str, str | None]
    stranger: str  # the id of a key of tenant a
    taken: dict[str, str]  # ids of a document of tenant a, and of the job that reads it
    policies: dict[tuple[str, str], Allow]

    def ask(self, method: str, path: str, *, who: str, body: object = None) -> Asked:
        return ask(self.shop.service.url, method, path, key=self.keys[who], body=body)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Path, method and description of every documented operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation


def _policies() -> dict[tuple[str, str], Allow]:
    """What the routes themselves declare."""
    app = build_app(cast("Services", MagicMock(around=None))).app
    found: dict[tuple[str, str], Allow] = {}
    for route in every_route(cast("Any", app)):
        assert isinstance(route, APIRoute)
        policy = policy_of(route)
        assert policy is not None, route.path
        found |= {(route.path_format, method): policy for method in route.methods}
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with engine() as url:
        config = configuration(url)
        config["models"][_OWN_MODEL] = config["models"]["assistant"]
        for tenant in ("resold", "idle"):
            config["tenants"][tenant]["models"] = {"allow": ["assistant"]}
        with shop(folder, config) as running:
            a, b, admin = running.chief("acme"), running.chief("resold"), running.admin
            made = [
                orjson.loads(ask(running.service.url, "POST", "/admin/keys", key=a, body={"name": name}).body)
                for name in ("kept-of-acme", "revoked")
            ]
            gone = made[1]
            assert (
                ask(running.service.url, "DELETE", f"/admin/keys/{gone['card']['id']}", key=a).status == 204
            )
            document = orjson.loads(ask(running.service.url, "GET", "/openapi.json").body)
            keys = {
                "anonymous": None,
                "garbage": "garbage-that-is-nobodys-key-000",
                "revoked": gone["key"],
                "member": KEYS["acme"],
                "chief of a": a,
                "chief of b": b,
                "admin": admin,
            }
            taken = _take(running)
            yield Scene(running, document, keys, made[0]["card"]["id"], taken, _policies())


def _take(running: Shop) -> dict[str, str]:
    """Hand a document of tenant a in."""
    path = _DOCUMENTS.replace("{collection}", _OWN_COLLECTION)
    body = {"text": "Livré en deux jours.", "key": "kept-of-acme"}
    told = ask(running.service.url, "POST", path, key=KEYS["acme"], body=body)
    assert told.status == 202, told
    card = orjson.loads(told.body)
    return {"document": card["documents"][0]["id"], "job": card["job"]}


def _filled(path: str, value: str = "none") -> str:
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def test_every_route_is_documented_and_every_operation_has_a_policy(scene: Scene) -> None:
    documented = {(path, method) for path, method, _ in scene.operations()}

    assert documented <= set(scene.policies)
    hidden = {path for path, method in scene.policies if (path, method) not in documented}
    assert all(path.startswith(("/docs", "/redoc", "/openapi.json")) for path in hidden)


@pytest.mark.parametrize("who", _WHO)
def test_every_operation_answers_as_its_policy_says(scene: Scene, who: str) -> None:
    role = _WHO[who]
    wrong = []
    for path, method, _ in scene.operations():
        policy = scene.policies[path, method]
        told = scene.ask(method, _filled(path), who=who, body={} if method in ("POST", "PUT") else None)
        if policy is PUBLIC:
            right = told.status not in (401, 403)
        elif role is None:
            right = told.status == 401
        elif role in policy.roles:
            right = told.status not in (401, 405, 500) and told.code != "wrong_role"
        else:
            right = (told.status, told.code) == (403, "wrong_role")
        if not right:
            wrong.append((method, path, told.status, told.code))

    assert wrong == []


def _declared(scene: Scene, path: str, method: str) -> bool:
    """Does a route take it? What stands in one path may also be an id in another's."""
    patterns = (re.sub(r"\{[^}]+\}", "[^/]+", other) for other, taken in scene.policies if taken == method)
    return any(re.fullmatch(pattern, _filled(path)) for pattern in patterns)


@pytest.mark.parametrize("who", ["anonymous", "admin"])
def test_a_method_that_no_route_declares_is_none(scene: Scene, who: str) -> None:
    wrong = []
    for path in scene.document["paths"]:
        for method in _METHODS:
            if not _declared(scene, path, method):
                told = scene.ask(method, _filled(path), who=who)
                if told.status != 405:
                    wrong.append((method, path, told.status))

    assert wrong == []


def test_another_tenants_ids_do_not_exist(scene: Scene) -> None:
    """Of the path: 404 everywhere. Of a query or a body: refused, or answered without a word of the other's.

    But erasing a person whom nobody knows is done at once.
    """
    theirs = {"key_id": scene.stranger, "model": _OWN_MODEL, "name": None}
    theirs |= {"answer": "ca_0123456789abcdef01234567", "user": "somebody", "request_id": "privacy_of_acme"}
    theirs |= {"collection": _OWN_COLLECTION, "conversation": "conv_of_acme", **scene.taken}
    # With the ids that another tenant really has, these are asked in tests/processes/test_texts_isolation.py.
    theirs |= {name: f"{name}-of-acme" for name in _FINDINGS} | {"number": "1", "version": "1"}
    marks = [scene.stranger.encode(), _OWN_MODEL.encode(), b"kept-of-acme"]
    marks += [each.encode() for each in scene.taken.values()]
    seen = set()
    for path, method, operation in scene.operations():
        policy = scene.policies[path, method]
        if policy is PUBLIC or Role.TENANT_ADMIN not in policy.roles or (method, path) in _MAKES:
            continue
        for given in operation.get("parameters", ()):
            body = _BODIES.get((method, path), {} if method in ("POST", "PUT") else None)
            if given["in"] == "path":
                assert given["name"] in theirs, f"{path}: which {given['name']} is another tenant's?"
                at = path.format_map(theirs) + _QUERIES.get((method, path), "")
                told = scene.ask(method, at, who="chief of b", body=body)
                nothing = told.status == 200 and orjson.loads(told.body).get("count") == 0
                assert told.status == 404 or (given["name"] == "user" and nothing), (method, path, told)
                seen.add(given["name"])
            elif given["in"] == "query" and given["name"] in ("tenant", "model", "key", "key_id"):
                value = {"tenant": "acme", "model": _OWN_MODEL}.get(given["name"], scene.stranger)
                told = scene.ask(method, f"{path}?{given['name']}={value}", who="chief of b", body=body)
                assert told.status in (200, 400, 403, 404), (method, path, told)
                assert told.status != 200 or not any(mark in told.body for mark in marks), (method, path)
                seen.add(given["name"])

    assert {"key_id", "model", "tenant"} <= seen
    assert scene.ask("DELETE", f"/admin/keys/{scene.stranger}", who="chief of a").status == 204


def test_a_key_for_another_tenant_is_not_made(scene: Scene) -> None:
    told = scene.ask("POST", "/admin/keys", who="chief of b", body={"tenant": "acme"})

    assert (told.status, told.code) == (404, "tenant_not_found")


def test_another_tenants_model_is_not_asked(scene: Scene) -> None:
    for path, method, operation in scene.operations():
        if "OpenAI" in operation.get("tags", ()) and method == "POST":
            body = {"model": _OWN_MODEL, "input": "x", "prompt": "x", "query": "x", "documents": ["x"]}
            body["messages"] = cast("Any", [{"role": "user", "content": "x"}])
            told = scene.ask(method, path, who="chief of b", body=body)
            assert (told.status, told.code) == (404, "model_not_found"), (path, told)
