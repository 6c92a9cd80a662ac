"""A tenant's data goes nowhere its policy forbids: not first, not as a fallback, not after a reload."""

from dataclasses import replace
from typing import Any

from passerelle.domain.catalog import Policy
from tests.fakes.script import Fail
from tests.fakes.vllm import VllmFake
from tests.serving import serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "x"}]}


def _configuration(here: str, there: str, *, countries: list[str] | None) -> dict[str, Any]:
    return {
        "backends": {
            "here": {"kind": "vllm", "url": here, "location": {"country": "FR", "operator": "self"}},
            "there": {"kind": "vllm", "url": there, "location": {"country": "US"}},
            "nowhere": {"kind": "vllm", "url": there},
        },
        "models": {
            "assistant": {
                "targets": [{"backend": name, "model": "m"} for name in ("there", "nowhere", "here")]
            }
        },
        "policies": {"eu-only": {"countries": countries}} if countries else {},
        "tenants": {"acme": {"policy": "eu-only"} if countries else {}},
    }


async def test_forbidden_and_unknown_places_are_never_asked_also_when_the_permitted_one_fails() -> None:
    async with VllmFake(model="m") as here, VllmFake(model="m") as there:
        configuration = _configuration(here.url, there.url, countries=["EEA"])
        async with serving(configuration) as served, served.client() as http:
            async with http.post("/v1/chat/completions", json=_BODY) as good:
                assert good.headers["x-passerelle-country"] == "FR"
            here.always(Fail("overloaded"))
            async with http.post("/v1/chat/completions", json=_BODY) as bad:
                payload = await bad.json()

        assert good.status == 200
        assert (bad.status, payload["error"]["code"]) == (503, "upstream_overloaded")
        assert there.requests == []


async def test_a_tenant_that_gets_a_policy_is_bound_from_the_next_request_on() -> None:
    async with VllmFake(model="m") as here, VllmFake(model="m") as there:
        async with (
            serving(_configuration(here.url, there.url, countries=None)) as served,
            served.client() as http,
        ):
            async with http.post("/v1/chat/completions", json=_BODY) as before:
                assert before.headers["x-passerelle-country"] in ("US", "unknown", "FR")
            served.publish(_configuration(here.url, there.url, countries=["FR"]))
            count = len(there.requests)
            for _ in range(20):
                async with http.post("/v1/chat/completions", json=_BODY) as after:
                    assert after.headers["x-passerelle-country"] == "FR"

        assert len(there.requests) == count


async def test_each_answer_leaves_evidence_of_the_decision() -> None:
    async with VllmFake(model="m") as here, VllmFake(model="m") as there:
        configuration = _configuration(here.url, there.url, countries=["EEA"])
        configuration["tenants"]["acme"]["cache"] = {"scope": "tenant"}
        async with serving(configuration) as served, served.client() as http:
            for _ in range(2):
                async with http.post("/v1/chat/completions", json=_BODY) as reply:
                    shown = reply.headers["x-passerelle-policy"]
                    assert reply.status == 200
            first, again = served.ledger.began
            served.publish(_configuration(here.url, there.url, countries=["FR"]))
            async with http.post("/v1/chat/completions", json=_BODY) as narrowed:
                assert narrowed.headers["x-passerelle-policy"] != shown
            served.publish(_configuration(here.url, there.url, countries=None))
            async with http.post("/v1/chat/completions", json=_BODY) as free:
                assert "x-passerelle-policy" not in free.headers

    assert shown.startswith("eu-only@")
    assert first.evidence == {
        "policy": shown,
        "operator": "self",
        "left_out": {"there/m": "R01", "nowhere/m": "R01"},
    }
    assert again.evidence == first.evidence  # of the cache's answer
    assert served.ledger.began[-1].evidence is None


async def test_a_refused_request_is_told_the_rule_and_the_reason() -> None:
    async with VllmFake(model="m") as here, VllmFake(model="m") as there:
        configuration = _configuration(here.url, there.url, countries=["EEA"])
        configuration["models"]["assistant"]["targets"].pop()
        # No file that leaves a tenant without a target is ever in force, so it is put there past the checks.
        async with serving({**configuration, "tenants": {"acme": {}}}) as served, served.client() as http:
            catalog = served.editions.catalog
            tenant = replace(catalog.tenants["acme"], policy=Policy("eu-only", countries=frozenset({"FR"})))
            served.editions.publish(replace(catalog, tenants={"acme": tenant}))
            for stream in (False, True):
                async with http.post("/v1/chat/completions", json={**_BODY, "stream": stream}) as reply:
                    error = (await reply.json())["error"]
                    assert (reply.status, error["code"]) == (403, "R01")
                    assert "US" in error["message"]

        assert here.requests == there.requests == []
