"""Options of kind `litellm`: a provider by LiteLLM's name for it, and what it asks of its customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from passerelle.config.base import SecretReference, host_of
from passerelle.config.fields import BackendOptions, Url
from passerelle.domain.ask import Capability, Task

# Providers that LiteLLM asks through a client of OpenAI's, not through one of ours; they speak OpenAI's API.
_OPENAIS = frozenset({"openai", "custom_openai", "text-completion-openai", "openai_like"})
# How LiteLLM calls the region, by the first word of a provider's name.
_REGIONS: Mapping[str, str] = {
    "bedrock": "aws_region_name",
    "sagemaker": "aws_region_name",
    "vertex": "vertex_location",
    "watsonx": "watsonx_region_name",
}
# Where LiteLLM asks a provider, by the beginning of the provider's name; the others' `api_base` says it.
_HOSTS: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset({"api.anthropic.com:443"}),
    "bedrock": frozenset({"*.amazonaws.com"}),
    "cohere": frozenset({"api.cohere.com:443", "api.cohere.ai:443"}),
    "gemini": frozenset({"generativelanguage.googleapis.com:443"}),
    "mistral": frozenset({"api.mistral.ai:443"}),
    "sagemaker": frozenset({"*.amazonaws.com"}),
    "vertex_ai": frozenset({"*.googleapis.com"}),
}
# Their libraries find credentials where the machine keeps them when none are given.
_KEYLESS = ("bedrock", "sagemaker", "vertex", "oci")
_AWS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _secret(what: str) -> Any:
    return Field(
        default=None, description=f"{what}, by reference: env:NAME or file:/path.", examples=["env:NAME"]
    )


class LiteLLMOptions(BackendOptions):
    """Options of kind `litellm`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT, Task.EMBED, Task.RERANK})
    lacks: ClassVar[frozenset[Capability]] = frozenset({Capability.COMPLETIONS})

    kind: Literal["litellm"]
    provider: Name = Field(
        description="The provider as LiteLLM names it before a model's id.",
        examples=["anthropic", "gemini", "bedrock", "mistral"],
    )
    api_key: SecretReference | None = _secret("The key it is asked with")
    api_base: Url | None = Field(
        default=None,
        description="Its address, where it is not the one that LiteLLM knows.",
        examples=["https://host"],
    )
    api_version: Word | None = Field(default=None, description="The version of its API, where it wants one.")
    region: Name | None = Field(
        default=None, description="The region it is asked in.", examples=["eu-west-3"]
    )
    access_key_id: SecretReference | None = _secret("AWS: the access key's id")
    secret_access_key: SecretReference | None = _secret("AWS: the access key")
    session_token: SecretReference | None = _secret("AWS: the token of temporary access keys")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.provider in _OPENAIS:
            raise ValueError(
                f"has provider {self.provider}, which speaks OpenAI's API; write kind: openai with a url"
            )
        aws = self.provider.startswith(("bedrock", "sagemaker"))
        keys = [name for name in _AWS if getattr(self, name) is not None]
        if keys and not aws:
            raise ValueError(f"has {keys[0]}, which is for provider bedrock and not {self.provider}")
        if keys and not (self.access_key_id and self.secret_access_key):
            raise ValueError("has part of an AWS key; write access_key_id and secret_access_key together")
        if keys and self.api_key:
            raise ValueError("has both an api_key and AWS access keys; write one of them")
        if self.provider == "azure" and not (self.api_base and self.api_version and self.api_key):
            raise ValueError("has provider azure and needs api_base, api_version and api_key")
        if self.region and self._region() is None:
            raise ValueError(f"has a region, which provider {self.provider} does not ask for")
        return self

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        given = {name: getattr(self, name) for name in ("api_key", *_AWS)}
        return {name: reference for name, reference in given.items() if reference is not None}

    def reaches(self) -> frozenset[str]:
        """Its address; empty where LiteLLM alone knows it."""
        if self.api_base:
            return frozenset({host_of(self.api_base)})
        return next(
            (hosts for start, hosts in _HOSTS.items() if self.provider.startswith(start)), frozenset()
        )

    def _region(self) -> str | None:
        return next((name for start, name in _REGIONS.items() if self.provider.startswith(start)), None)

    def access(self, secrets: Mapping[str, str]) -> dict[str, Any]:
        """How the provider is reached, in LiteLLM's words; `secrets` are the values by field name."""
        keyless = self.provider.startswith(_KEYLESS)
        # Without a key LiteLLM would look for one in the environment, where nobody said it belongs to this backend.
        # An empty one keeps it from there too, and is none where access keys sign.
        access: dict[str, Any] = {
            "api_key": secrets.get("api_key") or ("" if "access_key_id" in secrets else "none")
        }
        if keyless and not secrets:
            del access["api_key"]
        access |= {name: secrets[field] for field, name in _AWS.items() if field in secrets}
        if self.api_base:
            access["api_base"] = self.api_base
        if self.api_version:
            access["api_version"] = self.api_version
        region = self._region()
        if self.region and region:
            access[region] = self.region
        return access
