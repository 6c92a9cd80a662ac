"""What the routes note, who may read it, and that no route that deletes is forgotten."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from passerelle.audit import actions
from passerelle.audit.wire import check_lines
from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import Unavailable
from passerelle.http.access import every_route
from passerelle.http.audited import NOTED, THEMSELVES, actor_of, thing
from passerelle.routing.live import Reloaded
from tests.unit.http.audit_scene import scene


@pytest.fixture
def here(database):
    return scene(database)


async def events(here, chain="acme"):
    return [link.event for link in await here.office.audit.read(chain)]


def test_every_route_that_deletes_is_noted(here):
    routes = [route for route in every_route(here.app.app) if isinstance(route, APIRoute)]
    every = {(method, route.path) for route in routes for method in route.methods}
    deleting = {each for each in every if each[0] == "DELETE"}
    assert deleting - set(NOTED) - THEMSELVES == set()
    assert set(NOTED) | THEMSELVES <= every  # none that is gone


async def test_a_key_s_life_is_noted_with_its_tenant(here):
    made = (
        await here.ask(
            "POST", "/admin/keys", json={"tenant": "acme", "name": "Jeanne Martin", "groups": ["hr"]}
        )
    ).json()
    first = made["card"]["id"]
    rotated = (
        await here.ask("POST", f"/admin/keys/{first}/rotate", "head", json={"overlap_hours": 1})
    ).json()
    second = rotated["card"]["id"]
    assert (await here.ask("DELETE", f"/admin/keys/{second}", "head")).status_code == 204
    assert (
        await here.ask("DELETE", f"/admin/keys/{second}", "head")
    ).status_code == 204  # nothing new to note
    assert [(each.actor, each.action, each.object, each.detail) for each in await events(here)] == [
        ("key_000000000000a", actions.KEY_CREATED, first, {"role": "member", "expires": None, "groups": 1}),
        ("key_000000000000b", actions.KEY_ROTATED, first, {"to": second, "overlap_seconds": 3600}),
        ("key_000000000000b", actions.KEY_REVOKED, second, {}),
    ]
    everything = orjson.dumps([made["key"], rotated["key"]]).decode()
    told = (await here.ask("GET", "/v1/privacy/audit", "head")).text
    assert "Jeanne" not in told
    assert made["key"] not in told
    assert made["key"] in everything


async def test_an_admin_key_is_noted_with_the_installation(here):
    await here.ask("POST", "/admin/keys", json={"role": "admin"})
    (event,) = await events(here, "")
    assert event.detail["role"] == "admin"


async def test_a_key_that_cannot_be_noted_is_not_made(here, monkeypatch):
    async def fail(*_, **__):
        raise Unavailable("away", code="audit_unavailable")

    monkeypatch.setattr(type(here.office), "note_in", fail)
    assert (await here.ask("POST", "/admin/keys", json={"tenant": "acme"})).status_code == 503
    assert (await here.ask("GET", "/admin/keys")).json()["keys"] == []


async def test_a_tenant_reads_its_own_chain_and_no_other(here):
    for tenant in ("acme", "beta"):
        await here.ask("POST", "/admin/keys", json={"tenant": tenant})
    page = (await here.ask("GET", "/v1/privacy/audit", "head")).json()
    assert [each["chain"] for each in page["data"]] == ["acme"]
    assert page["head"]["number"] == 1
    assert (await here.ask("GET", "/v1/privacy/audit?tenant=beta", "head")).status_code == 404
    assert (await here.ask("GET", "/v1/privacy/audit", "member")).status_code == 403
    assert (await here.ask("GET", "/admin/audit?chain=beta", "head")).status_code == 403
    assert [each["chain"] for each in (await here.ask("GET", "/admin/audit?chain=beta")).json()["data"]] == [
        "beta"
    ]
    assert (await here.ask("GET", "/admin/audit/chains")).json() == {"chains": ["acme", "beta"]}


async def test_an_export_is_checked_without_the_service_and_is_noted(here):
    for _ in range(3):
        await here.ask("POST", "/admin/keys", json={"tenant": "acme"})
    reply = await here.ask("GET", "/v1/privacy/audit?format=jsonl", "head")
    assert reply.headers["content-type"].startswith("application/jsonl")
    checked = check_lines(reply.content.splitlines(), public=here.office.audit.public)
    assert checked.whole
    assert checked.verdict.count == 3
    assert (await events(here))[-1].action == actions.AUDIT_READ
    part = await here.ask("GET", "/admin/audit?chain=acme&format=jsonl&after=2")
    assert check_lines(part.content.splitlines()).first == 3


async def test_pages_follow_on_each_other(here):
    for _ in range(3):
        await here.ask("POST", "/admin/keys", json={"tenant": "acme"})
    first = (await here.ask("GET", "/admin/audit?chain=acme&limit=2")).json()
    assert (len(first["data"]), first["has_more"]) == (2, True)
    rest = (await here.ask("GET", f"/admin/audit?chain=acme&after={first['data'][-1]['number']}")).json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)


async def test_verification_names_the_first_number_that_is_wrong(here, database):
    for tenant in ("acme", "acme", "beta"):
        await here.ask("POST", "/admin/keys", json={"tenant": tenant})
    assert (await here.ask("GET", "/admin/audit/verify")).json()["whole"]
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_insert_only"))
        await connection.execute(
            text("UPDATE audit_event SET actor = 'x' WHERE chain = 'acme' AND number = 2")
        )
    found = (await here.ask("GET", "/admin/audit/verify")).json()
    assert not found["whole"]
    assert [(each["chain"], each["whole"], each["broken_at"]) for each in found["chains"]] == [
        ("acme", False, 2), ("beta", True, None),
    ]  # fmt: skip


async def test_a_deletion_is_noted_once_it_is_done(database):
    class Jobs:
        async def look(self, *_):
            return SimpleNamespace(kind="x", state=SimpleNamespace(over=True))

        async def delete(self, *_):
            """It is gone."""

    here = scene(database, jobs=Jobs())
    job = "job_0123456789abcdef01234567"
    assert (await here.ask("DELETE", f"/v1/jobs/{job}", "head")).status_code == 204
    assert (await here.ask("DELETE", f"/v1/jobs/{job}?tenant=acme")).status_code == 204
    assert [(each.actor, each.action, each.object) for each in await events(here)] == [
        ("key_000000000000b", actions.JOB_DELETED, job),
        ("key_000000000000a", actions.JOB_DELETED, job),
    ]


async def test_whoever_reads_prompts_is_noted(here):
    assert (await here.ask("GET", "/v1/privacy/prompts", "head")).status_code == 200
    assert (await here.ask("GET", "/v1/privacy/prompts?tenant=acme")).status_code == 200
    assert [(each.actor, each.action) for each in await events(here)] == [
        ("key_000000000000b", actions.PROMPTS_READ),
        ("key_000000000000a", actions.PROMPTS_READ),
    ]
    assert not here.tally._counts


async def test_what_fails_is_not_noted(here):
    reply = await here.ask("DELETE", "/v1/rag/collections/handbook", "head")
    assert reply.status_code >= 400
    assert await events(here) == []


async def test_an_operator_who_reads_a_tenant_s_data_is_counted(here):
    reply = await here.ask("GET", "/v1/privacy/audit?tenant=acme")
    assert reply.status_code == 200
    await here.ask("GET", "/v1/privacy/audit?tenant=acme")
    await here.ask("GET", "/v1/privacy/audit", "head")
    ((counted, calls),) = here.tally._counts.items()
    assert (counted.chain, counted.actor, counted.action, counted.object, calls) == (
        "acme", "key_000000000000a", actions.OPERATOR_READ, "GET:/v1/privacy/audit", 2,
    )  # fmt: skip


async def test_who_asked_for_a_reload_is_noted(database):
    async def reload():
        return Reloaded(applied=True, version="abc123", findings=())

    here = scene(database, reload=reload)
    assert (await here.ask("POST", "/admin/reload")).status_code == 200
    (event,) = await events(here, "")
    assert (event.actor, event.action) == ("key_000000000000a", actions.RELOAD_ASKED)
    assert event.detail == {"applied": True, "after": "abc123"}


def test_names_that_people_give_are_not_written_down():
    assert thing("survey_0123456789abcdef01234567") == "survey_0123456789abcdef01234567"
    for name in ("jeanne.martin@example.org", "hr-dupont", "Jeanne", "salaires"):
        assert thing(name) == actions.named(name)
    token = Caller("https://login.example/|jeanne", "acme", Role.MEMBER)
    assert actor_of(token).startswith("sha256:")
    assert actor_of(Caller("operator", None, Role.ADMIN)) == "operator"
    assert actor_of(Caller("env_2", None, Role.MEMBER)) == "env_2"


async def test_no_log_at_all_is_told(database):
    from passerelle.audit.desk import Nowhere

    here = scene(database, audit=Nowhere())
    assert (await here.ask("GET", "/admin/audit")).status_code == 503
    assert (await here.ask("POST", "/admin/keys", json={"tenant": "acme"})).status_code == 201
