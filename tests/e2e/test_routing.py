"""Which target answers: by what a request needs, by rank, by weight, by what is up."""

from collections import Counter
from typing import Any

import pytest

from tests.fakes.engine import closed_port, unanswered_port
from tests.fakes.script import Fail
from tests.fakes.vllm import VllmFake
from tests.serving import serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "x"}]}
_PATH = "/v1/chat/completions"


def _configuration(targets: list[dict[str, Any]], urls: dict[str, str], **tenant: Any) -> dict[str, Any]:
    return {
        "backends": {name: {"kind": "vllm", "url": url} for name, url in urls.items()},
        "models": {"assistant": {"targets": [{"model": "m", **target} for target in targets]}},
        "tenants": {"acme": tenant},
    }


_TOOLS = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}
_IMAGE = {
    "messages": [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
        }
    ]
}
_SCHEMA = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
}


@pytest.mark.parametrize(
    ("lacks", "fields", "param"),
    [
        ("tools", _TOOLS, "tools"),
        ("vision", _IMAGE, "messages"),
        ("structured_output", _SCHEMA, "response_format"),
    ],
)
async def test_a_request_goes_where_its_needs_are_met_or_is_refused_by_name(
    lacks: str, fields: dict[str, Any], param: str
) -> None:
    async with VllmFake(model="m") as plain, VllmFake(model="m") as able:
        urls = {"plain": plain.url, "able": able.url}
        both = _configuration([{"backend": "plain", "lacks": [lacks]}, {"backend": "able", "rank": 2}], urls)
        one = _configuration([{"backend": "plain", "lacks": [lacks]}], {"plain": plain.url})
        async with serving(both) as served, served.client() as http:
            async with http.post(_PATH, json=_BODY) as simple:
                assert simple.headers["x-passerelle-backend"] == "plain"
            async with http.post(_PATH, json={**_BODY, **fields}) as needing:
                assert needing.headers["x-passerelle-backend"] == "able"
            served.publish(one)
            async with http.post(_PATH, json={**_BODY, **fields}) as refused:
                payload = await refused.json()

    assert refused.status == 400
    assert (payload["error"]["code"], payload["error"]["param"]) == ("unsupported_parameter", param)


async def test_a_request_longer_than_every_context_is_refused_before_it_is_sent() -> None:
    async with VllmFake(model="m") as engine:
        configuration = _configuration([{"backend": "gpu", "context": 1000}], {"gpu": engine.url})
        async with serving(configuration) as served, served.client() as http:
            async with http.post(_PATH, json={**_BODY, "max_tokens": 900}) as fits:
                assert fits.status == 200
            async with http.post(_PATH, json={**_BODY, "max_tokens": 2000}) as long:
                payload = await long.json()

        assert (long.status, payload["error"]["code"]) == (400, "context_length_exceeded")
        assert len(engine.requests) == 1


async def test_equal_ranks_share_the_load_of_many_conversations_by_weight() -> None:
    async with VllmFake(model="m") as one, VllmFake(model="m") as other:
        targets = [{"backend": "one", "weight": 3}, {"backend": "other", "weight": 1}]
        async with (
            serving(_configuration(targets, {"one": one.url, "other": other.url})) as served,
            served.client() as http,
        ):
            seen: Counter[str] = Counter()
            for number in range(200):
                opening = {"role": "user", "content": f"Question {number}"}
                async with http.post(_PATH, json={**_BODY, "messages": [opening]}) as reply:
                    seen[reply.headers["x-passerelle-backend"]] += 1

    assert 125 <= seen["one"] <= 175  # 150 expected; the hashes are always the same


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_degraded_answer_comes_last_is_marked_and_only_where_allowed(allowed: bool) -> None:
    async with VllmFake(model="m") as gpu, VllmFake(model="m") as spare:
        targets = [{"backend": "spare", "degraded": True}, {"backend": "gpu", "rank": 5}]
        configuration = _configuration(
            targets, {"spare": spare.url, "gpu": gpu.url}, degraded=allowed, attempts=1
        )
        async with serving(configuration) as served, served.client() as http:
            async with http.post(_PATH, json=_BODY) as good:
                assert good.headers["x-passerelle-backend"] == "gpu"
                assert "x-passerelle-degraded" not in good.headers
            gpu.always(Fail("overloaded"))
            async with http.post(_PATH, json=_BODY) as bad:
                pass

    if allowed:
        assert bad.headers["x-passerelle-degraded"] == "true"
    else:
        assert bad.status == 503


async def test_an_engine_that_accepts_nobody_costs_no_more_than_the_connect_limit() -> None:
    with unanswered_port() as silent, closed_port() as closed:
        for url, code in ((silent, "upstream_connect_timeout"), (closed, "upstream_unreachable")):
            configuration = _configuration([{"backend": "gpu"}], {"gpu": url}, attempts=1)
            configuration["backends"]["gpu"]["timeouts"] = {"connect": "100ms"}
            async with (
                serving(configuration) as served,
                served.client() as http,
                http.post(_PATH, json=_BODY) as reply,
            ):
                payload = await reply.json()

            assert payload["error"]["code"] == code


async def test_a_passing_failure_is_tried_again_on_the_only_target() -> None:
    async with VllmFake(model="m") as engine:
        engine.script(Fail("overloaded"))
        async with (
            serving(_configuration([{"backend": "gpu"}], {"gpu": engine.url})) as served,
            served.client() as http,
        ):
            async with http.post(_PATH, json=_BODY) as reply:
                assert reply.status == 200

    assert reply.headers["x-passerelle-attempts"] == "2"
    assert [attempt.fault for attempt in served.records[0].attempts] == ["overloaded", None]


async def test_a_tenant_only_sees_and_uses_its_own_models() -> None:
    async with VllmFake(model="m") as engine:
        configuration = _configuration(
            [{"backend": "gpu"}], {"gpu": engine.url}, models={"allow": ["assistant"]}
        )
        configuration["models"]["secret-project"] = configuration["models"]["assistant"]
        configuration["tenants"]["other"] = {}
        async with serving(configuration, whole=True) as served, served.client() as http:
            async with http.get("/v1/models") as listed:
                names = [card["id"] for card in (await listed.json())["data"]]
            async with http.get("/v1/models/secret-project") as found:
                pass
            async with http.post(_PATH, json={**_BODY, "model": "secret-projec"}) as near:
                payload = await near.json()

    assert names == ["assistant"]
    assert found.status == 404
    assert near.status == 404
    assert "secret-project" not in payload["error"]["message"].replace("'secret-projec'", "")
