"""The router fake chooses providers by suffix and fails in as many forms as the real one."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient

from tests.fakes.client import Heard, get, post
from tests.fakes.router import Account, RouterFake
from tests.fakes.script import Fail

MODEL = "Qwen/Qwen2.5-7B-Instruct"
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Bonjour"}]}
TOKEN = {"Authorization": "Bearer hf_test"}


async def chat(router: RouterFake, headers: dict[str, str] | None = None, **body: Any) -> Heard:
    return await post(f"{router.url}/v1/chat/completions", {**ASK, **body}, {**TOKEN, **(headers or {})})


@pytest.mark.parametrize(
    ("suffix", "provider"),
    [("", "together"), (":fastest", "together"), (":cheapest", "scaleway"), (":preferred", "featherless-ai"),
     (":scaleway", "scaleway")],
)  # fmt: skip
async def test_a_suffix_chooses_the_provider(suffix: str, provider: str) -> None:
    async with RouterFake(account=Account(preference=("featherless-ai",))) as router:
        heard = await chat(router, model=MODEL + suffix)
        assert (heard.status, heard.headers["x-inference-provider"]) == (200, provider)
        assert heard.json["model"] == MODEL
        assert router.served == [provider]
        assert "x-request-id" in heard.headers


async def test_a_provider_whose_probe_failed_is_not_chosen_but_can_be_pinned() -> None:
    async with RouterFake() as router:
        fastest = await chat(router, model="openai/gpt-oss-120b")
        pinned = await chat(router, model="openai/gpt-oss-120b:cerebras")
        assert fastest.headers["x-inference-provider"] == "groq"
        assert pinned.headers["x-inference-provider"] == "cerebras"


async def test_auto_is_not_a_suffix() -> None:
    async with RouterFake() as router:
        heard = await chat(router, model=f"{MODEL}:auto")
        assert heard.status == 400
        assert heard.json == {
            "error": {
                "message": "the provider you attempted to explicitly specify 'auto' is not a valid provider.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_supported",
            }
        }


@pytest.mark.parametrize("model", ["org/unknown", f"{MODEL}:groq"])
async def test_a_model_nobody_serves_is_a_400(model: str) -> None:
    async with RouterFake() as router:
        error = (await chat(router, model=model)).json["error"]
        assert error["code"] == "model_not_supported"
        assert (
            error["message"]
            == f"The requested model '{model}' is not supported by any provider you have enabled."
        )


async def test_a_disabled_provider_is_passed_over() -> None:
    account = Account(disabled=frozenset({"together", "scaleway", "featherless-ai"}))
    async with RouterFake(account=account) as router:
        assert (await chat(router)).status == 400


async def test_errors_about_the_account_are_strings() -> None:
    async with RouterFake() as router:
        stranger = await chat(router, {"Authorization": "Bearer hf_other"})
        assert (stranger.status, stranger.json) == (401, {"error": "Invalid username or password."})
        for kind, status in (("credits", 402), ("rate_limited", 429), ("server", 500), ("timeout", 504)):
            router.script(Fail(kind))  # type: ignore[arg-type]
            heard = await chat(router)
            assert heard.status == status
            assert isinstance(heard.json["error"], str)
            assert "retry-after" not in heard.headers


async def test_who_pays_is_recorded_and_checked() -> None:
    async with RouterFake() as router:
        await chat(router)
        await chat(router, {"X-HF-Bill-To": "formation"})
        assert router.billed == [None, "formation"]
        assert (await chat(router, {"X-HF-Bill-To": "someone"})).status == 403


async def test_usage_is_streamed_only_when_asked_for() -> None:
    async with RouterFake() as router:
        plain = await chat(router, stream=True)
        asked = await chat(router, stream=True, stream_options={"include_usage": True})
        assert not any("usage" in event for event in plain.events)
        assert asked.events[-1]["usage"]["completion_tokens"] == 3


async def test_the_catalogue_lists_providers_with_gaps() -> None:
    async with RouterFake() as router:
        listed = (await get(f"{router.url}/v1/models")).json["data"]
        one = (await get(f"{router.url}/v1/models/{MODEL}")).json
        assert listed[0] == one
        assert one["architecture"]["input_modalities"] == ["text"]
        together, _, featherless = one["providers"]
        assert together["pricing"] == {"input": 0.3, "output": 0.3}
        assert set(featherless) == {"provider", "status", "is_model_author"}


async def test_a_providers_own_route_refuses_with_a_string() -> None:
    async with RouterFake() as router:
        served = await post(f"{router.url}/scaleway/v1/chat/completions", ASK, TOKEN)
        refused = await post(f"{router.url}/groq/v1/chat/completions", ASK, TOKEN)
        assert served.headers["x-inference-provider"] == "scaleway"
        assert (refused.status, refused.json) == (400, {"error": "Model not supported by provider groq"})


async def test_hugging_faces_own_client_is_at_home() -> None:
    async with (
        RouterFake() as router,
        AsyncInferenceClient(base_url=f"{router.url}/v1", api_key="hf_test") as client,
    ):
        answer = await client.chat_completion(ASK["messages"], model=MODEL)
        assert answer.choices[0].message.content == "Bonjour le monde."
