"""The JSON Schema says to an editor what the loader says to the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml

from passerelle.routing.schema import json_schema
from tests.unit.routing.files import KINDS, SMALL, WHOLE, changed, loaded

_SCHEMA = json_schema(KINDS)
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)


def _fits(data: Any) -> bool:
    """Does data fit the schema?"""
    return _VALIDATOR.is_valid(data)


def _parts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _parts(item, f"{path}/{index}")
    elif isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in ("default", "examples", "enum", "required"):
                yield from _parts(value, f"{path}/{key}")


def test_it_says_what_it_is() -> None:
    assert _SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert _SCHEMA["$id"] == "providers.schema.json"
    assert _SCHEMA["title"]
    assert _SCHEMA["description"]


def test_it_is_a_json_schema() -> None:
    assert jsonschema_rs.meta.is_valid(_SCHEMA)


def test_every_key_that_every_kind_has_is_described() -> None:
    own = {
        "HfProvidersOptions/provider",
        "HfProvidersOptions/token",
        "HfProvidersOptions/bill_to",
        "HfProvidersOptions/url",
        "TgiOptions/adapters",
    }
    bare = {
        f"{path.rpartition('/')[2]}/{key}"
        for path, part in _parts(_SCHEMA)
        for key, value in part.get("properties", {}).items()
        if isinstance(value, dict) and not {"description", "const"} & set(value)
    }

    assert bare <= own


def test_no_mapping_is_open_to_unknown_keys() -> None:
    for path, part in _parts(_SCHEMA):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, path


_RAG = """\
    rag:
      {mode: auto, chunks: {size: 500}, urls: {hosts: ["*.a.example", "2001:db8::1"], deny: [192.0.2.0/24], refresh: 6h},
       links: [a.example], conversations: {keep: never}, limits: {file_size: 500 kB}}
"""
_WORDS = changed("    degraded: true\n", _RAG)


@pytest.mark.parametrize("text", [WHOLE, SMALL, _WORDS], ids=["whole", "small", "documents"])
def test_it_accepts_what_the_loader_accepts(text: str) -> None:
    assert loaded(text).catalog is not None
    assert _fits(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        changed("version: 1", "version: 2"),
        changed("version: 1", 'version: "1"'),
        changed("kind: tgi", "kind: tgy"),
        changed(', url: "http://tgi:80"', ""),
        changed('"http://tgi:80"', '"tgi:80"'),
        changed("env:HF_TOKEN", "hf_0123456789"),
        changed("weight: 3", "wieght: 3"),
        changed("weight: 3", "weight: 0"),
        changed("weight: 3", 'weight: "3"'),
        changed("task: chat", "task: talk"),
        changed("policy: eu-only", "polcy: eu-only"),
        changed("policy: eu-only", "policy: ~"),
        changed("[EEA]", "[]"),
        changed("[EEA]", "EEA"),
        changed("  client-b:", "  client b:"),
        changed("degraded: true\n", "attempts: 99\n"),
        changed("degraded: true\n", "rag: {passages: 21}\n"),
        changed("degraded: true\n", "rag: {urls: {refresh: 4}}\n"),
        changed("degraded: true\n", "rag: {urls: {hosts: ['https://a.example']}}\n"),
        changed("degraded: true\n", "rag: {limits: {file_size: 5 GiB}}\n"),
        changed("degraded: true\n", "rag: sometimes\n"),
        changed("{kind: builtin}", "{kind: builtin, url: x}"),
        changed("{kind: builtin}", "{kind: builtin, timeouts: {total: 5 d}}"),
        changed("{kind: builtin}", "{kind: builtin, timeouts: {total: 0}}"),
        WHOLE + "budget: {}\n",
        changed("operator: {", "operator: {email: x, "),
    ],
)
def test_it_refuses_what_the_loader_refuses_for_its_shape(text: str) -> None:
    assert loaded(text).catalog is None
    assert not _fits(yaml.safe_load(text))
