"""What we say about Hugging Face's providers is what its own library says."""

import pytest
from huggingface_hub.inference import _providers as hub
from pydantic import ValidationError

from passerelle.backends.hf_providers import PROVIDERS, ROUTER, HfProvidersOptions


def test_the_providers_are_those_of_the_installed_huggingface_hub() -> None:
    """When this fails, the library was upgraded: compare what changed and move our list along.

    `openai` is known to the library, which refuses it with a token of Hugging Face.
    """
    assert set(hub.PROVIDERS) - {"openai"} == PROVIDERS


def test_the_routers_address_is_the_one_the_installed_huggingface_hub_uses() -> None:
    helper = hub.get_provider_helper("auto", task="conversational", model="org/model")

    prepared = helper.prepare_request(inputs=[], parameters={}, headers={}, model="org/model", api_key="hf_x")

    assert prepared.url == f"{ROUTER}/chat/completions"


@pytest.mark.parametrize("provider", ["auto", "fastest", "cheapest", "preferred", "scaleway"])
def test_policies_and_providers_may_be_named(provider: str) -> None:
    assert HfProvidersOptions(kind="hf-providers", token="env:T", provider=provider).provider == provider


def test_a_provider_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="is not a provider"):
        HfProvidersOptions(kind="hf-providers", token="env:T", provider="nebius")


def test_the_router_is_a_party_beside_the_provider() -> None:
    options = HfProvidersOptions.model_validate(
        {"kind": "hf-providers", "token": "env:T", "provider": "scaleway", "location": {"country": "FR"}}
    )

    assert [party.location.country for party in options.parties("hub")] == ["US", "FR"]
