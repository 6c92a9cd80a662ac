"""The annotated example is valid, whole, and what the shipped configuration points at."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from passerelle.routing.file import FileFields
from tests.unit.routing.files import HF_TOKEN, KINDS, loaded

_ROOT = Path(__file__).parents[3]
_EXAMPLE = (_ROOT / "docs" / "providers.example.yaml").read_text(encoding="utf-8")
_DATA = yaml.safe_load(_EXAMPLE)
_ENVIRONMENT = {
    "HF_TOKEN": HF_TOKEN,
    "TGI_TOKEN": "a-token-of-the-container",
    "SCALEWAY_KEY": "scw-a-key",
    "ANTHROPIC_API_KEY": "a-key-of-anthropic",
    "AZURE_API_KEY": "a-key-of-azure",
    "AWS_ACCESS_KEY_ID": "an-id",
    "AWS_SECRET_ACCESS_KEY": "a-key-of-aws",
    "AWS_SESSION_TOKEN": "a-token-of-aws",
    "FINANCE_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def _inside(annotation: Any) -> Any:
    """The model that an annotation leads to, through unions with None, lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, list, tuple, dict):
        return next((model for part in get_args(annotation) if (model := _inside(part))), None)
    return None


def _collections(model: type[BaseModel], data: Any) -> list[dict[str, Any]]:
    """The mappings in data that have the model's fields."""
    if isinstance(data, list):
        return [found for item in data for found in _collections(model, item)]
    if isinstance(data, dict) and not set(data) & set(model.model_fields):
        return [found for item in data.values() for found in _collections(model, item)]
    return [data] if isinstance(data, dict) else []


def _unused(model: type[BaseModel], mappings: list[dict[str, Any]]) -> set[str]:
    """Fields of a model, and of the models inside it, that no mapping uses."""
    unused: set[str] = set()
    for name, field in model.model_fields.items():
        values = [mapping[name] for mapping in mappings if name in mapping]
        if not values:
            unused.add(f"{model.__name__}.{name}")
        elif inner := _inside(field.annotation):
            unused |= _unused(inner, _collections(inner, values))
    return unused


def test_the_example_is_valid_in_every_word() -> None:
    outcome = loaded(_EXAMPLE, environment=_ENVIRONMENT)

    # Its one secret file does not exist here; nothing else is to be said against it.
    assert [finding.rule for finding in outcome.findings if finding.severity != "info"] == ["C10"]
    assert outcome.exit_code == 0


def test_the_example_shows_every_field_of_the_file() -> None:
    # `tenants` and `defaults` share their fields, which the tenants show.
    assert {name for name in _unused(FileFields, [_DATA]) if not name.startswith("Tenant")} == set()
    tenants = [tenant for tenant in _DATA["tenants"].values() if tenant]
    assert _unused(_inside(FileFields.model_fields["tenants"].annotation), tenants) == set()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_shows_every_field_of_every_kind(kind: str) -> None:
    backends = [options for options in _DATA["backends"].values() if options["kind"] == kind]
    assert backends, f"no backend of kind {kind}"
    # The fields that all kinds share are shown once.
    shared = set(KINDS["vllm"].model_fields) if kind != "tgi" else set()
    shown = {name for options in backends for name in options}

    assert set(KINDS[kind].model_fields) - shared <= shown


def test_the_example_needs_no_yaml_but_1_2() -> None:
    """PyYAML's own reading, which is YAML 1.1's, agrees: no editor sees another file than we do."""
    read = loaded(_EXAMPLE, environment=_ENVIRONMENT).catalog

    assert read is not None
    assert set(read.tenants) == set(_DATA["tenants"])
    assert set(read.backends) == set(_DATA["backends"])


def test_the_shipped_configuration_is_valid_with_and_without_a_token() -> None:
    text = (_ROOT / "providers.yaml").read_text(encoding="utf-8")

    assert loaded(text, environment={}).exit_code == 0
    assert loaded(text, environment={"HF_TOKEN": HF_TOKEN}).exit_code == 0


@pytest.mark.parametrize("file", ["providers.yaml", "docs/providers.example.yaml"])
def test_editors_are_pointed_at_the_schema(file: str) -> None:
    path = _ROOT / file
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")

    assert (path.parent / schema).resolve() == _ROOT / "docs" / "providers.schema.json"
