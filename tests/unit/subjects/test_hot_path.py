"""People on the path of a request: the cache, restrictions and the routes know them by their pseudonyms alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from passerelle.gateway.record import Outcome
from passerelle.stores.database import Database
from passerelle.subjects.people import People
from passerelle.subjects.prompts import Prompts
from passerelle.subjects.prompts_store import PromptStore
from passerelle.subjects.pseudonyms import Pseudonyms
from passerelle.subjects.restrictions import Restrictions
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.serving import KEY, PEPPER, Served, one_backend, serving
from tests.unit.subjects.seals import Seals

ANNA = "anna@example.org"
OURS = Pseudonyms(PEPPER)
PSEUDONYM = OURS.of("acme", ANNA)
MEMBER = "test-key-of-a-member-0123456789abcd"
ADMIN = {KEY.encode(): Caller("key_admin", "acme", Role.TENANT_ADMIN)}


@pytest.fixture
async def engine() -> AsyncIterator[OpenAiLike]:
    async with OpenAiLike(OPENAI, answer="Dans le placard.") as engine:
        yield engine


def configuration(engine: OpenAiLike, **tenant: Any) -> dict[str, Any]:
    said = one_backend("openai", engine.url, model=engine.model)
    said["tenants"] = {"acme": tenant}
    return said


async def ask(served: Served, words: str = "Où est la canne?", **said: Any) -> tuple[int, Any, Any]:
    body = {"model": "assistant", "messages": [{"role": "user", "content": words}], **said}
    async with served.client() as client, client.post("/v1/chat/completions", json=body) as reply:
        return reply.status, await reply.json(), reply.headers


@pytest.mark.parametrize("user", ["pseudonym", "drop"])
async def test_answers_are_kept_for_each_person_alone(engine: OpenAiLike, user: str) -> None:
    said = configuration(engine, cache=True, privacy={"user": user})
    async with serving(said) as served:
        seen = [(await ask(served, user=who))[2]["x-passerelle-cache"] for who in (ANNA, ANNA, "boris")]
        assert seen == ["miss", "hit", "miss"]
        assert (await ask(served))[2]["x-passerelle-cache"] == "miss"
        assert [began.subject for began in served.ledger.began][:2] == [PSEUDONYM] * 2


@pytest.mark.parametrize("name", [ANNA, PSEUDONYM])
async def test_answers_given_to_a_person_are_deleted_by_its_name_or_pseudonym(
    engine: OpenAiLike, name: str
) -> None:
    said = configuration(engine, cache=True)
    async with serving(said, callers=ADMIN, whole=True) as served, served.client() as client:
        await ask(served, user=ANNA)
        await ask(served, user="boris")
        async with client.delete("/v1/cache", params={"user": name}) as reply:
            assert await reply.json() == {"object": "cache.deleted", "count": 1}
        seen = [(await ask(served, user=who))[2]["x-passerelle-cache"] for who in (ANNA, "boris")]
        assert seen == ["miss", "hit"]


async def test_explain_knows_a_person_as_a_request_does(engine: OpenAiLike) -> None:
    said = configuration(engine, cache=True)
    async with serving(said, callers=ADMIN, whole=True) as served, served.client() as client:
        await ask(served, user=ANNA)
        for user, result in ((ANNA, "exact"), ("boris", "miss")):
            asked = {"model": "assistant", "text": "Où est la canne?", "user": user}
            async with client.post("/v1/cache/explain", json=asked) as reply:
                assert (await reply.json())["result"] == result


async def test_a_restricted_person_reaches_no_engine_and_no_cache(
    engine: OpenAiLike, database: Database
) -> None:
    restrictions = Restrictions(database)
    people = People(OURS, restrictions)
    async with serving(configuration(engine, cache=True), people=people) as served:
        assert (await ask(served, user=ANNA))[0] == 200
        await restrictions.restrict("acme", PSEUDONYM)
        status, said, _ = await ask(served, user=ANNA)
        assert (status, said["error"]["code"]) == (403, "subject_restricted")
        assert "anna" not in str(said)
        assert (await ask(served, user="boris"))[0] == 200
        assert (await ask(served, safety_identifier=ANNA))[0] == 403
        assert len(engine.requests) == 2
        assert [each.outcome for each in served.records].count(Outcome.REFUSED) == 2
        await restrictions.lift("acme", PSEUDONYM)
        assert (await ask(served, user=ANNA))[2]["x-passerelle-cache"] == "hit"


@pytest.mark.parametrize("field", ["user", "safety_identifier", "prompt_cache_key"])
@pytest.mark.parametrize("bad", [42, ["anna"], "x" * 513])
async def test_a_name_that_is_none_is_refused(engine: OpenAiLike, field: str, bad: Any) -> None:
    async with serving(configuration(engine)) as served:
        status, said, _ = await ask(served, **{field: bad})
    assert (status, said["error"]["param"]) == (400, field)
    assert not engine.requests


async def test_prompts_are_read_by_administrators_and_found_by_name(
    engine: OpenAiLike, database: Database
) -> None:
    prompts = Prompts(PromptStore(database, Seals()))
    log = {"purpose": "quality review", "keep": "7d", "until": "2099-12-31"}
    said = configuration(engine, privacy={"log_prompts": log})
    callers = {**ADMIN, MEMBER.encode(): Caller("key_member", "acme", Role.MEMBER)}
    async with serving(said, callers=callers, whole=True, prompts=prompts) as served:
        for user in (ANNA, "boris"):
            await ask(served, user=user)
        await prompts.aclose()
        async with (
            served.client() as client,
            client.get("/v1/privacy/prompts", params={"user": ANNA}) as reply,
        ):
            found = await reply.json()
        async with served.client(MEMBER) as client, client.get("/v1/privacy/prompts") as reply:
            assert reply.status == 403
    (card,) = found["data"]
    assert (card["subject"], found["has_more"]) == (PSEUDONYM, False)
    assert card["content"]["answered"][0]["text"] == "Dans le placard."
