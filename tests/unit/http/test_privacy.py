"""`/v1/privacy` as its callers see it: who may ask, what is told, and that no person's name comes back."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from passerelle.rights.opening import Opened
from passerelle.rights.proofs import holds
from passerelle.stores.database import Database
from tests.serving import FixedKeys, Served, one_backend, serving
from tests.unit.http.rag_scene import CALLERS
from tests.unit.rights.scene import PSEUDONYMS, Scene, scene

USER = "ana perez+é@example.org"
PATH = f"/v1/privacy/subjects/{quote(USER, safe='')}"
MINE = ("acme", PSEUDONYMS.of("acme", USER))


@dataclass
class _Rights:
    opened: Opened

    async def office(self) -> Opened:
        return self.opened


@asynccontextmanager
async def _running(made: Scene | None) -> AsyncIterator[Served]:
    configuration = one_backend("vllm", "http://localhost:1")
    configuration["tenants"] = {"acme": {}, "other": {}}
    rights = None if made is None else _Rights(made.office)
    async with serving(configuration, keys=FixedKeys(CALLERS), whole=True, rights=rights) as served:
        yield served


async def _ask(
    served: Served, method: str, path: str, *, key: str = "chief", body: Any = None
) -> tuple[int, Any]:
    async with served.client(key) as client, client.request(method, path, json=body) as reply:
        raw = await reply.read()
        assert USER.encode() not in raw, "a person's name is told"
        return reply.status, json.loads(raw) if reply.content_type == "application/json" else raw


async def test_an_erasure_is_asked_for_followed_and_proven(database: Database) -> None:
    made = scene(database, "documents", tenants=("acme", "other"))
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    async with _running(made) as served, made.worked():
        status, card = await _ask(served, "POST", f"{PATH}/erase")
        assert (status, card["subject"], card["late"]) == (202, MINE[1], False)
        assert (await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}/receipt"))[0] in (200, 409)
        status, card = await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}?wait=20")
        assert (status, card["state"]) == (200, "done")
        status, receipt = await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}/receipt")
        assert status == 200
        assert holds(receipt)
        status, key = await _ask(served, "GET", "/v1/privacy/key")
        assert key["key"] == receipt["signature"]["key"]
        assert key["pem"].startswith("-----BEGIN PUBLIC KEY")
        status, page = await _ask(served, "GET", f"/v1/privacy/requests?user={quote(USER, safe='')}")
        assert [each["id"] for each in page["data"]] == [card["id"]]
        assert not page["has_more"]
        assert (await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}", key="stranger"))[0] == 404


async def test_an_export_is_fetched_as_json_and_as_a_zip(database: Database) -> None:
    made = scene(database, "documents")
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    async with _running(made) as served, made.worked():
        _, card = await _ask(served, "POST", f"{PATH}/export")
        await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}?wait=20")
        status, whole = await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}/export")
        assert status == 200
        assert whole["stores"]["documents"] == [{"n": 1}]
        status, packed = await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}/export?format=zip")
        assert status == 200
        assert "documents.json" in zipfile.ZipFile(io.BytesIO(packed)).namelist()


async def test_restrictions_are_made_and_lifted_at_once(database: Database) -> None:
    made = scene(database)
    async with _running(made) as served:
        status, card = await _ask(served, "POST", f"{PATH}/restrict")
        assert (status, card["state"]) == (200, "done")
        assert made.restrictions.holds(*MINE)
        assert (await _ask(served, "POST", f"{PATH}/lift"))[0] == 200
        assert not made.restrictions.holds(*MINE)


@pytest.mark.parametrize(
    ("key", "status"),
    [("member", 403), ("nobody", 401), ("chief", 200), ("operator", 400), ("stranger", 200)],
)
async def test_only_administrators_may_ask_and_each_for_its_own(
    database: Database, key: str, status: int
) -> None:
    made = scene(database, tenants=("acme", "other"))
    async with _running(made) as served:
        assert (await _ask(served, "POST", f"{PATH}/restrict", key=key))[0] == status
        found = await _ask(served, "GET", "/v1/privacy/requests", key="chief")
        assert len(found[1]["data"]) == (key == "chief")
        assert (await _ask(served, "POST", f"{PATH}/restrict?tenant=other", key="chief"))[0] == 404


async def test_a_wipe_names_its_tenant_and_reaches_one_that_is_configured_no_more(database: Database) -> None:
    made = scene(database, tenants=("acme", "other"))
    async with _running(made) as served:
        assert (await _ask(served, "POST", "/v1/privacy/wipe", body={}))[1]["error"][
            "code"
        ] == "tenant_configured"
        assert (await _ask(served, "POST", "/v1/privacy/wipe", body={"confirm": "acme"}))[0] == 202
        status, card = await _ask(served, "POST", "/v1/privacy/wipe?tenant=gone", key="operator", body={})
        assert (status, card["tenant"], card["subject"]) == (202, "gone", None)
        path = f"/v1/privacy/requests/{card['id']}"
        assert (await _ask(served, "GET", f"{path}?tenant=gone", key="operator"))[0] == 200
        assert (await _ask(served, "GET", path))[0] == 404


async def test_names_that_are_too_long_or_hold_a_nul_are_refused_without_being_told(
    database: Database,
) -> None:
    async with _running(scene(database)) as served:
        assert (await _ask(served, "POST", f"/v1/privacy/subjects/{'a' * 513}/erase"))[0] == 400
        assert (await _ask(served, "POST", "/v1/privacy/subjects/a%00b/erase"))[0] == 400


async def test_retention_is_told_with_its_settings(database: Database) -> None:
    async with _running(scene(database, "conversations")) as served:
        status, found = await _ask(served, "GET", "/v1/privacy/retention")
    stores = {each["store"]: each for each in reversed(found["data"])}
    assert status == 200
    assert not found["late"]
    assert stores["conversations"]["setting"] == "rag.conversations.keep"
    assert stores["jobs"]["seconds"] == 30 * 86_400


async def test_where_there_is_no_office_it_is_said() -> None:
    async with _running(None) as served:
        status, told = await _ask(served, "POST", f"{PATH}/erase")
    assert (status, told["error"]["code"]) == (503, "privacy_unavailable")


@pytest.mark.parametrize("name", ["https://id.example.org/ana?x#y", "a/b\\c", "ana/erase", "/", "%2F"])
async def test_names_may_hold_what_separates_paths(database: Database, name: str) -> None:
    made = scene(database)
    path = f"/v1/privacy/subjects/{quote(name, safe='')}"
    async with _running(made) as served, served.client("chief") as client:
        async with client.post(URL(served.url + path + "/restrict", encoded=True)) as reply:
            assert reply.status == 200, await reply.text()
        assert made.restrictions.holds("acme", PSEUDONYMS.of("acme", name))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/privacy/subjects/ana-canary/erasee",
        "/v1/privacy/subject/ana-canary/erase",
        "/v1/privacy/subjects/ana-canary",
        "/v1/privacy/subjects/ana-canary/b/erase",
        "/v1/privacy/subjects/a%2F..%2Fana-canary/erase",
        "/v1/privacy/subjects/../ana-canary/erase",
        "/privacy/ana-canary",
    ],
)
async def test_a_mistyped_route_tells_no_name_again(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    async with _running(None) as served, served.client("chief") as client:
        async with client.post(URL(served.url + path, encoded=True)) as reply:
            assert reply.status == 404
            assert "canary" not in await reply.text()
    said = capfd.readouterr()
    assert "canary" not in said.out + said.err


# Everything that a request's id, a person's name or a tenant's name can be tried on.
_TRIED = [
    ("GET", "/v1/privacy/requests/{id}"),
    ("GET", "/v1/privacy/requests/{id}/receipt"),
    ("GET", "/v1/privacy/requests/{id}/export"),
    ("GET", "/v1/privacy/requests/{id}/export?format=zip"),
    ("GET", "/v1/privacy/requests?before={id}"),
    ("GET", "/v1/privacy/requests"),
    ("GET", f"/v1/privacy/requests?user={quote(USER, safe='')}"),
    ("GET", "/v1/privacy/prompts"),
    ("GET", "/v1/privacy/retention"),
    ("POST", f"{PATH}/restrict"),
    ("POST", f"{PATH}/lift"),
    ("POST", f"{PATH}/export"),
    ("POST", f"{PATH}/erase"),
    ("POST", "/v1/privacy/wipe"),
]
_TRICKS = [
    "",
    "tenant=acme",
    "tenant=acme&tenant=other",
    "tenant=other&tenant=acme",
    "tenant=ACME",
    "tenant=%61cme",
]


async def test_no_trick_with_ids_or_names_reaches_another_tenants_data(database: Database) -> None:
    made = scene(database, "documents", tenants=("acme", "other"))
    made.stores["documents"].rows = {MINE: [{"secret": "canary"}]}
    async with _running(made) as served:
        async with made.worked():
            _, card = await _ask(served, "POST", f"{PATH}/export")
            await _ask(served, "GET", f"/v1/privacy/requests/{card['id']}?wait=20")
        for method, path in _TRIED:
            for trick in _TRICKS:
                whole = path.format(id=card["id"])
                whole += ("&" if "?" in whole else "?") + trick if trick else ""
                body = {"confirm": "acme"} if path.endswith("wipe") else None
                status, found = await _ask(served, method, whole, key="stranger", body=body)
                assert "acme" not in str(found).replace("'acme'", ""), (whole, found)
                assert card["id"] not in str(found).replace(repr(card["id"]), ""), (whole, found)
                assert MINE[1] not in str(found), (whole, found)
                assert "canary" not in str(found), (whole, found)
                if "{id}" in path:
                    assert status in (400, 404), (whole, status)
                member, told = await _ask(served, method, whole, key="member", body=body)
                assert member == 403, (whole, member, told)
        _, listed = await _ask(served, "GET", "/v1/privacy/requests")
        assert [each["id"] for each in listed["data"]] == [card["id"]]
        assert not made.restrictions.holds(*MINE)
        async with made.worked():
            for each in (await _ask(served, "GET", "/v1/privacy/requests", key="stranger"))[1]["data"]:
                await _ask(served, "GET", f"/v1/privacy/requests/{each['id']}?wait=20", key="stranger")
        assert made.stores["documents"].rows == {MINE: [{"secret": "canary"}]}


async def test_two_erasures_at_once_are_one(database: Database) -> None:
    made = scene(database, "documents")
    made.stores["documents"].rows = {MINE: [{"n": 1}]}
    async with _running(made) as served, made.worked():
        both = await asyncio.gather(*(_ask(served, "POST", f"{PATH}/erase") for _ in range(5)))
        assert {status for status, _ in both} == {202}
        (request,) = {card["id"] for _, card in both}
        await _ask(served, "GET", f"/v1/privacy/requests/{request}?wait=20")
        _, receipt = await _ask(served, "GET", f"/v1/privacy/requests/{request}/receipt")
    stores = {each["store"]: each for each in receipt["receipt"]["stores"]}
    assert stores["documents"]["before"] == {"rows": 1}
