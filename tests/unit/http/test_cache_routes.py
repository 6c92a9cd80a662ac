"""`/v1/cache`: members say what was wrong, chiefs see and delete their tenant's, the operator anybody's by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import Unavailable
from tests.fakes.desk import DeskFake, entry_of
from tests.serving import Served, one_backend, serving

_CALLERS = {
    b"member-of-acme": Caller("key_m", "acme", Role.MEMBER),
    b"chief-of-acme": Caller("key_a", "acme", Role.TENANT_ADMIN),
    b"chief-of-other": Caller("key_b", "other", Role.TENANT_ADMIN),
    b"operator": Caller("key_o", None, Role.ADMIN),
}


def _desk() -> DeskFake:
    return DeskFake(
        entries={"acme": {"ca_1": entry_of("ca_1", tags=("spring",)), "ca_2": entry_of("ca_2")}},
        users={"ca_2": "jean@exemple.fr/2"},
    )


@asynccontextmanager
async def _running(desk: DeskFake) -> AsyncIterator[Served]:
    configuration = one_backend("vllm", "http://localhost:1")
    configuration["tenants"] = {"acme": {"cache": True}, "other": {"cache": True}, "plain": {}}
    async with serving(configuration, callers=_CALLERS, whole=True, desk=desk) as served:
        yield served


async def _ask(
    served: Served, who: str, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    async with (
        served.client(who) as http,
        http.request(method, f"/v1/cache{path}", json=body) as reply,
    ):
        return reply.status, await reply.json() if reply.status != 204 else {}


async def test_figures_are_a_tenants_own_and_every_ones_to_the_operator() -> None:
    async with _running(_desk()) as served:
        status, own = await _ask(served, "chief-of-acme", "GET", "")
        _, whole = await _ask(served, "operator", "GET", "")
        _, named = await _ask(served, "operator", "GET", "?tenant=plain")
        refused, error = await _ask(served, "chief-of-acme", "GET", "?tenant=other")

    assert status == 200
    (card,) = own["data"]
    assert (card["tenant"], card["answers"], card["looks"]) == (
        "acme",
        2,
        {"exact": 3, "semantic": 1, "miss": 4},
    )
    assert (card["promise"]["rule"], card["promise"]["proven"]) == ("guarded", True)
    assert [each["tenant"] for each in whole["data"]] == ["acme", "other"]
    assert [each["tenant"] for each in named["data"]] == ["plain"]
    assert (refused, error["error"]["code"]) == (404, "unknown_tenant")


async def test_an_entry_is_shown_and_deleted_within_its_tenant_only() -> None:
    desk = _desk()
    async with _running(desk) as served:
        for who, path in (("chief-of-other", "/ca_1"), ("operator", "/ca_1?tenant=other")):
            for method in ("GET", "DELETE"):
                status, error = await _ask(served, who, method, path)
                assert (status, error["error"]["code"]) == (404, "cache_entry_not_found")
        status, card = await _ask(served, "chief-of-acme", "GET", "/ca_1")
        assert (status, card["id"], card["created"]) == (200, "ca_1", "1970-01-01T00:16:40Z")
        assert (await _ask(served, "operator", "GET", "/ca_1"))[1]["error"]["code"] == "missing_tenant"
        assert (await _ask(served, "operator", "DELETE", "/ca_1?tenant=acme"))[0] == 204
        assert (await _ask(served, "chief-of-acme", "GET", "/ca_1"))[0] == 404


async def test_a_member_says_that_an_answer_was_wrong_and_nothing_more() -> None:
    desk = _desk()
    async with _running(desk) as served:
        said = {"verdict": "wrong"}
        status, taken = await _ask(served, "member-of-acme", "POST", "/ca_1/feedback", said)
        assert (status, taken["verdict"]) == (200, "wrong")
        assert (await _ask(served, "chief-of-other", "POST", "/ca_1/feedback", said))[0] == 404
        assert (await _ask(served, "member-of-acme", "POST", "/ca_1/feedback", {"verdict": "bad"}))[0] == 400
        for method, path in (("GET", ""), ("DELETE", "?all=true"), ("GET", "/ca_1"), ("POST", "/explain")):
            status, error = await _ask(served, "member-of-acme", method, path, {})
            assert (status, error["error"]["code"]) == (403, "wrong_role")

    assert desk.verdicts == [("acme", "ca_1", True)]


@pytest.mark.parametrize(
    "query", ["", "?tag=a&model=assistant", "?all=false", "?tag=", "?model=nobodys", "?prompt=x"]
)
async def test_a_purge_says_exactly_what_it_means(query: str) -> None:
    desk = _desk()
    async with _running(desk) as served:
        status, _ = await _ask(served, "chief-of-acme", "DELETE", query)

    assert status in (400, 404)
    assert len(desk.entries["acme"]) == 2


async def test_a_purge_is_counted_where_it_can_be() -> None:
    desk = _desk()
    async with _running(desk) as served:
        assert (await _ask(served, "chief-of-acme", "DELETE", "?tag=spring"))[1]["count"] == 1
        assert (await _ask(served, "operator", "DELETE", "?all=true"))[0] == 400
        assert (await _ask(served, "operator", "DELETE", "?all=true&tenant=acme"))[1]["count"] is None
    assert desk.entries["acme"] == {}


async def test_a_person_is_forgotten_whatever_their_name() -> None:
    desk = _desk()
    async with _running(desk) as served:
        path = "/subjects/jean@exemple.fr/2"
        assert (await _ask(served, "chief-of-other", "DELETE", path))[1] == {
            "object": "cache.deleted",
            "count": 0,
        }
        assert (await _ask(served, "chief-of-acme", "DELETE", path))[1]["count"] == 1
        assert (await _ask(served, "chief-of-acme", "DELETE", "/subjects/"))[0] == 400
        assert (await _ask(served, "chief-of-acme", "DELETE", "?user="))[0] == 400
        assert set(desk.entries["acme"]) == {"ca_1"}
        desk.users["ca_1"] = "//a b/../%2F?"
        status, deleted = await _ask(
            served, "chief-of-acme", "DELETE", f"?user={quote(desk.users['ca_1'], safe='')}"
        )
        assert (status, deleted["count"]) == (200, 1)


async def test_a_question_is_explained_by_its_neighbours_ids() -> None:
    desk = _desk()
    async with _running(desk) as served:
        body = {"model": "assistant", "text": "Combien ?"}
        status, told = await _ask(served, "chief-of-acme", "POST", "/explain", body)
        assert status == 200
        assert (told["result"], told["reason"], told["near"][0]["objection"]) == ("miss", "guard", "numbers")
        whole = {"model": "assistant", "messages": [{"role": "user", "content": "x"}], "temperature": 0.1}
        assert (await _ask(served, "chief-of-acme", "POST", "/explain", whole))[0] == 200
        for wrong in (
            {"model": "assistant"},
            {**whole, "text": "x"},
            {**whole, "messages": [{}]},
            {"text": "x"},
        ):
            assert (await _ask(served, "chief-of-acme", "POST", "/explain", wrong))[0] == 400

    assert [ask.body for ask in desk.asked] == [
        {"model": "assistant", "messages": [{"role": "user", "content": "Combien ?"}]},
        whole,
    ]


class _Away(DeskFake):
    async def forget(self, tenant: str, user: str) -> int:
        raise Unavailable("The shared store does not answer; ask again.")


async def test_an_erasure_that_did_not_reach_everywhere_is_not_called_done() -> None:
    async with _running(_Away()) as served, served.client("chief-of-acme") as http:
        async with http.delete("/v1/cache/subjects/jean") as reply:
            assert reply.status == 503
