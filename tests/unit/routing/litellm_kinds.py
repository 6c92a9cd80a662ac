"""The kinds for tests of what is taken over from LiteLLM, and how a text is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from passerelle.config.base import SecretReference
from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Task
from passerelle.domain.catalog import Catalog
from passerelle.routing.litellm_file import Imported, import_litellm
from passerelle.routing.load import load
from tests.unit.routing.files import KINDS


class _AnyProvider(BackendOptions):
    """What is agreed of the kind `litellm`, for as long as it is not among the kinds."""

    tasks = frozenset({Task.CHAT, Task.EMBED})

    kind: Literal["litellm"]
    provider: str
    api_key: SecretReference | None = None
    api_base: str | None = None
    api_version: str | None = None
    region: str | None = None


ALL: Mapping[str, type[BackendOptions]] = {"litellm": _AnyProvider, **KINDS}


def imported(text: str) -> Imported:
    """What becomes of a text with every kind."""
    return import_litellm(text, kinds=ALL)


def catalog_of(made: Imported) -> Catalog:
    """The catalog of the text that was made, which must load."""
    assert made.text is not None, made.findings
    outcome = load(made.text, kinds=ALL, environment={})
    assert outcome.catalog is not None, outcome.errors
    return outcome.catalog


def told(made: Imported, rule: str) -> list[tuple[int | None, str]]:
    """Line and message of every finding of a rule."""
    return [(found.line, found.message) for found in made.findings if found.rule == rule]
