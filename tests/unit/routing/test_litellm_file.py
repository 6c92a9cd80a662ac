"""A LiteLLM proxy's configuration becomes a file that loads; what does not is told, and no secret is copied."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from passerelle.domain.ask import Task
from passerelle.domain.catalog import Catalog
from passerelle.routing.litellm_file import TENANT, import_litellm
from tests.unit.routing.files import KINDS
from tests.unit.routing.litellm_kinds import catalog_of, imported, told

_SECRET = "sk-a-secret-in-the-clear-0123456789"


def _entries(*entries: str, rest: str = "") -> str:
    return "model_list:\n" + "".join(f"  - {entry}\n" for entry in entries) + rest


def _entry(model: str, name: str = "assistant", info: str = "", **params: Any) -> str:
    said = "".join(f", {key}: {orjson.dumps(value).decode()}" for key, value in params.items())
    about = f", model_info: {info}" if info else ""
    return f'{{model_name: "{name}", litellm_params: {{model: "{model}"{said}}}{about}}}'


def _targets(catalog: Catalog, model: str = "assistant") -> list[tuple[str, str, int, int]]:
    return [(t.backend, t.model, t.rank, t.weight) for t in catalog.models[model].targets]


@pytest.mark.parametrize(
    ("model", "params", "options", "identity"),
    [
        (
            "hosted_vllm/Qwen/Qwen2.5-7B-Instruct",
            {"api_base": "http://vllm:8000/v1"},
            {"kind": "vllm", "url": "http://vllm:8000/v1", "token": None},
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "openai/mine",
            {"api_base": "http://host:1/v1/", "api_key": "os.environ/MINE"},
            {"kind": "openai", "url": "http://host:1/v1", "token": "env:MINE"},
            "mine",
        ),
        ("gpt-4o", {}, {"kind": "openai", "url": "https://api.openai.com/v1", "token": "env:OPENAI_API_KEY"}, "gpt-4o"),
        ("ollama/llama3.1:8b", {}, {"kind": "openai", "url": "http://localhost:11434/v1"}, "llama3.1:8b"),
        (
            "ollama_chat/mistral",
            {"api_base": "http://gpu:11434/v1"},
            {"kind": "openai", "url": "http://gpu:11434/v1"},
            "mistral",
        ),
        (
            "huggingface/Qwen/Qwen2.5-7B-Instruct",
            {"api_base": "http://tgi:80", "api_key": "none"},
            {"kind": "tgi", "url": "http://tgi:80", "token": None},
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "huggingface/Qwen/Qwen2.5-7B-Instruct",
            {"api_base": "https://x.eu-west-1.aws.endpoints.huggingface.cloud/v1/chat/completions"},
            {
                "kind": "openai",
                "url": "https://x.eu-west-1.aws.endpoints.huggingface.cloud/v1",
                "token": "env:HF_TOKEN",
            },
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "huggingface/scaleway/Qwen/Qwen2.5-7B-Instruct",
            {"api_key": "os.environ/HF_MINE"},
            {"kind": "hf-providers", "provider": "scaleway", "token": "env:HF_MINE"},
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "huggingface/Qwen/Qwen2.5-7B-Instruct:cheapest",
            {"api_base": "https://router.huggingface.co/v1"},
            {"kind": "hf-providers", "provider": "cheapest", "token": "env:HF_TOKEN"},
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "huggingface/Qwen/Qwen2.5-7B-Instruct",
            {},
            {"kind": "hf-providers", "provider": "auto", "token": "env:HF_TOKEN"},
            "Qwen/Qwen2.5-7B-Instruct",
        ),
        (
            "anthropic/claude-sonnet-4-5",
            {"api_key": "os.environ/ANTHROPIC"},
            {"kind": "litellm", "provider": "anthropic", "api_key": "env:ANTHROPIC"},
            "claude-sonnet-4-5",
        ),
        (
            "bedrock/converse/eu.anthropic.claude",
            {"aws_region_name": "eu-west-3"},
            {"kind": "litellm", "provider": "bedrock", "region": "eu-west-3", "api_key": None},
            "converse/eu.anthropic.claude",
        ),
        (
            "azure/mine",
            {"api_base": "https://a.openai.azure.com/", "api_version": "2024-05-01", "api_key": "os.environ/AZ"},
            {"kind": "litellm", "provider": "azure", "api_base": "https://a.openai.azure.com", "api_version": "2024-05-01"},
            "mine",
        ),
        ("mine", {"custom_llm_provider": "mistral"}, {"provider": "mistral", "api_key": "env:MISTRAL_API_KEY"}, "mine"),
    ],
)  # fmt: skip
def test_a_provider_becomes_the_kind_that_speaks_to_it(
    model: str, params: dict[str, Any], options: dict[str, Any], identity: str
) -> None:
    catalog = catalog_of(imported(_entries(_entry(model, **params))))
    (target,) = catalog.models["assistant"].targets
    made = catalog.backends[target.backend].options.model_dump()

    assert target.model == identity
    assert {name: made[name] for name in options} == options


def test_entries_of_one_name_share_the_load_by_their_weights() -> None:
    by_weight = imported(
        _entries(
            _entry("openai/a", api_base="http://a/v1", weight=0.5, rpm=9),
            _entry("openai/b", api_base="http://b/v1", weight=1.5),
            _entry("openai/c", api_base="http://c/v1"),
        )
    )
    by_rate = imported(
        _entries(
            _entry("openai/a", api_base="http://a/v1", tpm="20_000"),
            _entry("openai/b", api_base="http://b/v1", tpm=100_000),
        )
    )

    assert [target[2:] for target in _targets(catalog_of(by_weight))] == [(1, 333), (1, 1000), (2, 1)]
    assert [target[2:] for target in _targets(catalog_of(by_rate))] == [(1, 1), (1, 5)]
    assert "rpm or tpm" in told(by_rate, "L03")[0][1]


def test_an_order_is_a_rank_and_without_one_an_entry_comes_last() -> None:
    made = imported(
        _entries(
            _entry("openai/last", api_base="http://a/v1"),
            _entry("openai/second", api_base="http://a/v1", order=7),
            _entry("openai/first", api_base="http://a/v1", order=2),
        )
    )

    assert [target[1:3] for target in _targets(catalog_of(made))] == [
        ("first", 1),
        ("second", 2),
        ("last", 3),
    ]


def test_fallbacks_are_further_ranks_and_aliases_are_models() -> None:
    rest = (
        "router_settings:\n"
        "  fallbacks: [{assistant: [other, {model: cheap}, gone]}]\n"
        "  default_fallbacks: [cheap]\n"
        "  model_group_alias: {gpt-4: assistant, quiet: {model: other, hidden: true}, lost: nowhere}\n"
        "  num_retries: 3\n"
    )
    made = imported(
        _entries(
            _entry("openai/a", api_base="http://h/v1"),
            _entry("openai/b", "other", api_base="http://h/v1"),
            _entry("openai/c", "cheap", api_base="http://h/v1"),
            rest=rest,
        )
    )
    catalog = catalog_of(made)

    assert [target[1:3] for target in _targets(catalog)] == [("a", 1), ("b", 2), ("c", 3)]
    assert _targets(catalog, "gpt-4") == _targets(catalog)
    assert [target[1] for target in _targets(catalog, "other")] == ["b", "c"]
    assert [target[1] for target in _targets(catalog, "cheap")] == ["c"]
    assert "quiet" in catalog.models
    assert catalog.tenants[TENANT].attempts == 7
    said = " ".join(message for _, message in told(made, "L01"))
    assert "to 'gone' is left out" in said
    assert "'lost'" in said


def test_a_fallback_is_followed_by_its_own_and_a_circle_ends() -> None:
    made = imported(
        _entries(
            _entry("openai/a", api_base="http://h/v1"),
            _entry("openai/b", "b", api_base="http://h/v1"),
            _entry("openai/c", "c", api_base="http://h/v1"),
            rest="litellm_settings: {fallbacks: [{assistant: [b]}, {b: [c]}, {c: [assistant]}]}\n",
        )
    )

    catalog = catalog_of(made)
    assert [target[1] for target in _targets(catalog)] == ["a", "b", "c"]
    assert [target[1] for target in _targets(catalog, "c")] == ["c", "a", "b"]


def test_what_a_model_can_do_and_how_long_it_may_take_is_taken_over() -> None:
    info = "{mode: chat, max_input_tokens: 32_768, supports_vision: false, supports_function_calling: true}"
    rest = "router_settings: {timeout: 90, stream_timeout: 20}\nlitellm_settings: {request_timeout: 600}\n"
    made = imported(
        _entries(
            _entry("openai/a", info=info, api_base="http://h/v1"),
            _entry("openai/e5-small", "vectors", api_base="http://h/v1", timeout=5),
            rest=rest,
        )
    )
    catalog = catalog_of(made)
    (target,) = catalog.models["assistant"].targets

    assert (target.context, sorted(target.lacks)) == (32768, ["vision"])
    assert catalog.models["vectors"].task is Task.EMBED
    limits = {spec.limits.total: spec.limits.first_content for spec in catalog.backends.values()}
    assert limits == {90: 20, 5: 20}


def test_shared_credentials_are_followed() -> None:
    rest = (
        "credential_list:\n"
        "  - {credential_name: ours, credential_values: {api_key: os.environ/OURS, api_base: 'http://h/v1', x: 1}}\n"
        "  - {credential_name: idle, credential_values: {api_key: os.environ/IDLE}}\n"
    )
    made = imported(_entries(_entry("openai/a", litellm_credential_name="ours"), rest=rest))

    (spec,) = catalog_of(made).backends.values()
    assert (spec.options.url, spec.options.token) == ("http://h/v1", "env:OURS")
    assert [re.findall("`(.*)`", message)[0] for _, message in told(made, "L01")] == [
        "credential_list.0.credential_values.x",
        "credential_list.1",
    ]


def test_everything_that_is_not_taken_over_is_told_once_with_its_line_and_a_cure() -> None:
    text = """\
model_list:
  - model_name: assistant
    litellm_params:
      model: openai/a
      api_base: http://h/v1
      temperature: 0.2
      rpm: 10
    model_info:
      id: one
    tpm: 5
litellm_settings:
  callbacks: [langfuse]
general_settings:
  master_key: sk-1234
  database_url:
environment_variables:
  REDIS_HOST: localhost
mcp_servers: {}
"""
    made = imported(text)
    said = {
        (found.line, re.findall("`(.*?)`", found.message)[0]): found.cure
        for found in made.findings
        if found.rule == "L01"
    }

    assert list(said) == [
        (6, "model_list.0.litellm_params.temperature"),
        (7, "model_list.0.litellm_params.rpm"),
        (9, "model_list.0.model_info.id"),
        (10, "model_list.0.tpm"),
        (12, "litellm_settings.callbacks"),
        (14, "general_settings.master_key"),
        (17, "environment_variables.REDIS_HOST"),
        (18, "mcp_servers"),
    ]
    assert all(said.values())
    assert "sk-1234" not in str(made)
    assert len(told(made, "L05")) == 2


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (_entry("openai/*", "*"), "wildcard"),
        (_entry("anthropic/*", "all"), "wildcard"),
        (_entry("mistralai/mistral-7b-instruct"), "does not begin with a provider"),
        (_entry("openai/dall-e-3", info="{mode: image_generation}"), "'image_generation' is not served"),
        (_entry("openai/a", "my model"), "model_name is no name"),
        (_entry("huggingface/nobody/org/model"), "is not a provider"),
        (_entry("os.environ/WHICH"), "is not set here"),
        ("{model_name: assistant}", "no litellm_params"),
        ("just-a-word", "no litellm_params"),
    ],
)
def test_an_entry_that_cannot_be_taken_over_is_told_and_the_others_are(entry: str, why: str) -> None:
    made = imported(_entries(_entry("openai/good", "good", api_base="http://h/v1"), entry))

    assert set(catalog_of(made).models) == {"good"}
    ((line, message),) = told(made, "L04")
    assert line == 3
    assert why in message


def test_an_address_in_a_variable_is_looked_up_in_the_file_and_else_left_to_be_written() -> None:
    rest = "environment_variables: {HERE: 'http://here:1/v1'}\n"
    made = imported(
        _entries(
            _entry("openai/a", api_base="os.environ/HERE"),
            _entry("hosted_vllm/b", api_base="os.environ/ELSEWHERE"),
            _entry("hosted_vllm/c", name="other"),
            rest=rest,
        )
    )
    urls = {spec.options.url for spec in catalog_of(made).backends.values()}

    assert urls == {"http://here:1/v1", "http://elsewhere.invalid", "http://vllm.invalid"}
    assert "'ELSEWHERE'" in " ".join(message for _, message in told(made, "L05"))
    assert len(told(made, "L05")) == 4


def test_secrets_in_the_clear_become_references_with_names_of_their_own() -> None:
    made = imported(
        _entries(
            _entry("openai/a", api_key=_SECRET),
            _entry("openai/b", api_key=_SECRET),
            _entry("openai/c", api_key="another-secret"),
            _entry("openai/d", api_key="os.environ/OPENAI_API_KEY"),
            _entry("anthropic/e", api_key=_SECRET + "x", extra_headers={"x-token": _SECRET}),
            _entry("openai/f", api_base=f"https://user:{_SECRET}@h/v1?key={_SECRET}"),
        )
    )
    tokens = [
        spec.options.model_dump().get("token") or spec.options.model_dump().get("api_key")
        for spec in catalog_of(made).backends.values()
    ]

    assert tokens == [
        "env:OPENAI_API_KEY_2",
        "env:OPENAI_API_KEY_3",
        "env:OPENAI_API_KEY",
        "env:ANTHROPIC_API_KEY",
        None,
    ]
    assert _SECRET not in str(made)
    assert "another-secret" not in str(made)
    assert len(told(made, "L02")) == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("just text", None),
        ("model_list: []", 1),
        ("model_list: [{model_name: '*', litellm_params: {model: openai/*}}]", 1),
        ("model_list: !!python/object/apply:os.system [id]", 1),
        ("a: &a [*a]", 1),
        ("model_list: [", 1),
    ],
)
def test_a_file_with_nothing_to_take_over_is_an_error(text: str, line: int | None) -> None:
    made = imported(text)

    assert made.text is None
    (error,) = (found for found in made.findings if found.severity == "error")
    assert error.line == line
    assert error.cure


def test_a_kind_that_this_installation_lacks_istold() -> None:
    few = {name: options for name, options in KINDS.items() if name != "vllm"}
    made = import_litellm(
        _entries(
            _entry("hosted_vllm/a", api_base="http://h/v1"), _entry("openai/b", "b", api_base="http://h/v1")
        ),
        kinds=few,
    )

    assert "needs a backend of kind vllm" in told(made, "L04")[0][1]
    assert made.text is not None
