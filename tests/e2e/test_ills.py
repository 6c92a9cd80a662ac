"""What an operator is told of backends that are ill: one sentence each, with its cause, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.domain.caller import Caller, Role
from tests.fakes.endpoint import EndpointFake
from tests.fakes.hub import HubFake
from tests.fakes.router import RouterFake
from tests.fakes.vllm import VllmFake
from tests.fakes.wire import Received, Reply, json_reply
from tests.serving import KEY, one_backend, serving

_ADMIN = {KEY.encode(): Caller("key_admin", None, Role.ADMIN)}
_MODEL = "openai/gpt-oss-120b"


async def _card(configuration: dict[str, Any], token: str = "hf_test") -> dict[str, Any]:
    async with serving(configuration, environment={"T": token}, callers=_ADMIN, whole=True) as served:
        async with served.client() as http, http.get("/admin/backends") as reply:
            assert reply.status == 200
            text = await reply.text()
            assert token not in text
            (card,) = (await reply.json())["backends"]
            return dict(card)


def _endpoint(name: str = "formation/qwen-eu") -> dict[str, Any]:
    return one_backend("hf-endpoint", "", endpoint=name, token="env:T")


@pytest.mark.parametrize(
    ("name", "token", "state", "told"),
    [
        (
            "formation/nothing",
            "hf_test",
            "running",
            "There is no endpoint formation/nothing that the token may see.",
        ),
        ("formation/qwen-eu", "hf_wrong", "running", "Hugging Face does not know the token."),
        (
            "formation/qwen-eu",
            "hf_test",
            "paused",
            "It is paused: no request starts it. Resume it: passerelle doctor --resume engine.",
        ),
        ("formation/qwen-eu", "hf_test", "failed", "Hugging Face says failed."),
    ],
)
async def test_an_endpoint(name: str, token: str, state: Any, told: str) -> None:
    async with EndpointFake(VllmFake(model="m"), state=state):
        card = await _card(_endpoint(name), token)

    assert card["problems"] == [told]


async def test_an_endpoint_whose_control_plane_is_away() -> None:
    async with EndpointFake(VllmFake(model="m")) as endpoint:
        endpoint.control_down = True
        card = await _card(_endpoint())

    assert (card["state"], card["problems"]) == ("down", ["Hugging Face's control plane answered 500."])


async def test_an_endpoint_whose_price_may_not_be_seen_is_well() -> None:
    class _Shy(EndpointFake):
        def _control(self, request: Received) -> Reply:
            if "/provider/" in request.path:
                return json_reply({"error": "Forbidden"}, 403)
            return super()._control(request)

    async with _Shy(VllmFake(model="m")):
        card = await _card(_endpoint())

    assert (card["state"], card["problems"]) == ("ready", [])
    assert card["about"]["price"].startswith("not known: ")


async def test_a_router_that_is_away() -> None:
    async with RouterFake() as router:
        url = router.url
    card = await _card(one_backend("hf-providers", f"{url}/v1", model=_MODEL, token="env:T"))

    assert (card["state"], card["problems"]) == (
        "down",
        ["The router's catalogue: The engine cannot be reached."],
    )


async def test_a_hub_that_refuses() -> None:
    class _Refusing(HubFake):
        async def reply(self, request: Received, plan: Any) -> Reply:
            if request.path.startswith("/api/"):
                return json_reply({"error": "no"}, 503)
            return await super().reply(request, plan)

    async with _Refusing() as hub:
        options = {"model": "BAAI/bge-multilingual-gemma2", "task": "embed", "token": "env:T"}
        card = await _card(one_backend("hf-providers", f"{hub.url}/v1", **options))

    (problem,) = card["problems"]
    assert card["state"] == "ready"
    assert problem.startswith("Who serves BAAI/bge-multilingual-gemma2 is not known: The Hub answered 503")


@pytest.mark.parametrize("body", [{}, {"data": "x"}, {"data": []}, []])
async def test_a_catalogue_without_models(body: Any) -> None:
    class _Empty(HubFake):
        def models(self, request: Received, plan: Any) -> Reply:
            return json_reply(body)

    async with _Empty() as hub:
        card = await _card(one_backend("hf-providers", f"{hub.url}/v1", model="org/none", token="env:T"))

    assert card["state"] == "unknown"
    assert "The router's catalogue lists no models." in card["problems"]
    assert (
        "Who serves org/none is not known: The Hub has no model org/none that the token may see."
        in card["problems"]
    )


async def test_a_catalogue_of_ten_thousand_models_is_read() -> None:
    class _Long(RouterFake):
        def models(self, request: Received, plan: Any) -> Reply:
            offers = [{"provider": name, "status": "live"} for name in ("groq", "together", "novita")]
            return json_reply({"data": [{"id": f"org/m{n}", "providers": offers} for n in range(10_000)]})

    async with _Long() as router:
        options = {"model": "org/m9999", "token": "env:T", "provider": "cheapest"}
        card = await _card(one_backend("hf-providers", f"{router.url}/v1", **options))

    assert (card["state"], card["problems"]) == ("ready", [])
    assert sorted(card["models"][0]["providers"]) == ["groq", "novita", "together"]
