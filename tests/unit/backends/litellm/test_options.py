"""What an operator may write for kind `litellm`, and how it reaches LiteLLM."""

from typing import Any

import pytest
from pydantic import ValidationError

from passerelle.backends.litellm.options import LiteLLMOptions


def _options(**fields: Any) -> LiteLLMOptions:
    return LiteLLMOptions.model_validate({"kind": "litellm", **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"provider": "openai"}, "write kind: openai"),
        ({"provider": "anthropic", "access_key_id": "env:A"}, "which is for provider bedrock"),
        ({"provider": "bedrock", "access_key_id": "env:A"}, "together"),
        (
            {
                "provider": "bedrock",
                "access_key_id": "env:A",
                "secret_access_key": "env:B",
                "api_key": "env:C",
            },
            "write one of them",
        ),
        ({"provider": "anthropic", "region": "eu-west-3"}, "does not ask for"),
        ({"provider": "azure", "api_key": "env:A"}, "needs api_base, api_version"),
        ({"provider": "Anthropic"}, "pattern"),
        ({"provider": "anthropic", "api_key": "sk-ant-secret"}, "never the secret itself"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _options(**fields)

    assert words in str(caught.value)
    assert "sk-ant-secret" not in str(caught.value)


def test_every_secret_is_a_reference_of_its_own() -> None:
    options = _options(
        provider="bedrock", access_key_id="env:A", secret_access_key="env:B", session_token="env:C"
    )

    assert options.secrets() == {
        "access_key_id": "env:A",
        "secret_access_key": "env:B",
        "session_token": "env:C",
    }


def test_access_keys_and_region_go_by_the_names_of_aws() -> None:
    options = _options(
        provider="bedrock", access_key_id="env:A", secret_access_key="env:B", region="eu-west-3"
    )

    assert options.access({"access_key_id": "AKIA", "secret_access_key": "s"}) == {
        "api_key": "",
        "aws_access_key_id": "AKIA",
        "aws_secret_access_key": "s",
        "aws_region_name": "eu-west-3",
    }


def test_without_a_key_none_is_taken_from_the_environment() -> None:
    assert _options(provider="anthropic").access({}) == {"api_key": "none"}


def test_a_provider_whose_library_finds_credentials_by_itself_is_left_to_it() -> None:
    assert _options(provider="bedrock").access({}) == {}
