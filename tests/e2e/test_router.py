"""Through Hugging Face's router: who is asked for, who answered, who pays."""

from typing import Any

import pytest

from tests.fakes.router import RouterFake
from tests.serving import one_backend, serving

_BODY: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": "Dis bonjour."}]}
_MODEL = "Qwen/Qwen2.5-7B-Instruct"


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("auto", _MODEL),
        ("fastest", f"{_MODEL}:fastest"),
        ("cheapest", f"{_MODEL}:cheapest"),
        ("preferred", f"{_MODEL}:preferred"),
        ("scaleway", f"{_MODEL}:scaleway"),
    ],
)
async def test_the_choice_of_provider_is_a_suffix_and_auto_is_none(provider: str, asked: str) -> None:
    async with RouterFake() as router:
        configuration = one_backend(
            "hf-providers",
            f"{router.url}/v1",
            model=_MODEL,
            provider=provider,
            token="env:T",
            bill_to="formation",
        )
        async with serving(configuration, environment={"T": "hf_test"}) as served, served.client() as http:
            async with http.post("/v1/chat/completions", json=_BODY) as reply:
                assert reply.status == 200, await reply.text()
                served_by = reply.headers["x-passerelle-provider"]

        assert router.requests[-1].body["model"] == asked
        assert router.requests[-1].headers["x-hf-bill-to"] == "formation"
        assert served_by == ("scaleway" if provider == "scaleway" else router.served[-1])
