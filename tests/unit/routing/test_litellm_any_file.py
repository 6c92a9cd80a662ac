"""Whatever a LiteLLM proxy's file lists, what is made of it loads and holds no secret; LiteLLM's own examples too."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.routing.litellm_file import import_litellm
from passerelle.routing.litellm_providers import PROVIDERS
from passerelle.routing.load import load
from passerelle.routing.providers_text import providers_text
from passerelle.routing.source import Source, read_source
from tests.unit.routing.litellm_kinds import ALL, catalog_of, imported, told

_SECRET = "sk-a-secret-in-the-clear-0123456789"

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "NO", "1e5", "0o17", "a b", "é", "os.environ/NAME", "os.environ/", "*", "none", "x" * 300]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12),
)
_params = st.fixed_dictionaries(
    {
        "model": st.one_of(
            st.builds(
                "{}/{}".format,
                st.sampled_from(["openai", "huggingface", "hosted_vllm", "ollama", "anthropic", "bedrock", "nobody"]),
                st.sampled_from(["m", "org/m", "scaleway/org/m", "org/m:fastest", "*", "e5-small", "NO"]),
            ),
            _scalars,
        )
    },
    optional={
        "api_base": st.one_of(
            st.sampled_from(
                ["http://h:1", "http://h:99999/v1", "https://u:" + _SECRET + "@h/v1?k=" + _SECRET, "http://[::1]:8/v1", "http://["]
            ),
            _scalars,
        ),
        "api_key": st.one_of(st.just(_SECRET), st.just("os.environ/KEY"), _scalars),
        "weight": _scalars,
        "rpm": _scalars,
        "order": _scalars,
        "timeout": _scalars,
        "api_version": _scalars,
        "region_name": _scalars,
        "custom_llm_provider": st.sampled_from(["openai", "mistral", "nobody"]) | _scalars,
        "extra_headers": st.just({"authorization": _SECRET}),
    },
)  # fmt: skip
_names = st.sampled_from(["one", "two", "NO", "42", "*", "1e5", "a/b:c"]) | _scalars
_documents = st.fixed_dictionaries(
    {
        "model_list": st.lists(
            st.fixed_dictionaries(
                {"model_name": _names, "litellm_params": _params},
                optional={
                    "model_info": st.fixed_dictionaries(
                        {}, optional={"mode": st.sampled_from(["chat", "embedding", "rerank"]), "max_input_tokens": _scalars}
                    )
                },
            ),
            max_size=6,
        )
    },
    optional={
        "router_settings": st.fixed_dictionaries(
            {},
            optional={
                "fallbacks": st.lists(st.dictionaries(st.sampled_from(["one", "two", "NO"]), st.lists(_names, max_size=3)), max_size=3),
                "default_fallbacks": st.lists(_names, max_size=2),
                "model_group_alias": st.dictionaries(st.sampled_from(["one", "x", "é"]), _names),
                "num_retries": _scalars,
                "timeout": _scalars,
            },
        ),
        "general_settings": st.just({"master_key": _SECRET}),
    },
)  # fmt: skip


@settings(max_examples=300)
@given(document=_documents)
def test_whatever_is_listed_the_new_file_loads_and_holds_no_secret(document: dict[str, Any]) -> None:
    made = imported(
        orjson.dumps(document, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode() if _fits(document) else ""
    )

    assert _SECRET not in str(made)
    if made.text is None:
        assert any(found.severity == "error" for found in made.findings)
        return
    catalog = catalog_of(made)
    said = {found.line for found in made.findings}
    listed = {
        str(entry["model_name"]) for entry in document["model_list"] if isinstance(entry["model_name"], str)
    }
    assert (set(catalog.models) & listed) or said
    assert len(told(made, "L04")) <= len(document["model_list"])


def _fits(value: Any) -> bool:
    """orjson writes integers of 64 bits."""
    if isinstance(value, dict):
        return all(_fits(part) for part in value.values())
    if isinstance(value, list):
        return all(_fits(part) for part in value)
    return not isinstance(value, int) or abs(value) < 2**63


@given(
    value=st.recursive(
        _scalars.filter(lambda value: value is not None and not (isinstance(value, int) and abs(value) >= 10**18)),
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=6).filter(lambda key: key != "<<"), inner, max_size=3),
        max_leaves=6,
    )
)  # fmt: skip
def test_what_is_written_is_read_as_it_was_meant(value: Any) -> None:
    document = {"version": 1, "backends": {"NO": {"x": value}}, "models": {}, "tenants": {"1e5": {}}}
    read = read_source(providers_text(document, comment="Made."), file="f", foreign=True)

    assert isinstance(read, Source), read
    assert read.data["backends"] == {"NO": {"x": value}}
    assert list(read.data["tenants"]) == ["1e5"]


def _package() -> Path:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        pytest.skip("litellm is not installed")
    return Path(spec.origin).parent


def test_the_names_of_providers_are_those_of_the_installed_litellm() -> None:
    package = _package()
    tree = ast.parse((package / "types" / "utils.py").read_text(encoding="utf-8"))
    (enumeration,) = (
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "LlmProviders"
    )
    names = {ast.literal_eval(node.value) for node in enumeration.body if isinstance(node, ast.Assign)}
    names |= set(orjson.loads((package / "llms" / "openai_like" / "providers.json").read_bytes()))

    assert names == PROVIDERS


def test_the_examples_that_litellm_ships_are_taken_over_ortold() -> None:
    package = _package()
    files = [
        *sorted((package / "proxy" / "example_config_yaml").glob("*.yaml")),
        *(package / "proxy" / name for name in ("proxy_config.yaml", "dev_config.yaml", "model_config.yaml")),
    ]
    usable = 0
    for file in files:
        made = import_litellm(file.read_text(encoding="utf-8"), kinds=ALL, source=file.name)
        if made.text is None:
            assert any(found.severity == "error" and found.cure for found in made.findings), file
        else:
            outcome = load(made.text, kinds=ALL, environment={})
            assert outcome.catalog is not None, (file, outcome.errors)
            usable += 1

    assert usable >= 15
