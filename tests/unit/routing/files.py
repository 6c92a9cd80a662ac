"""Files of configuration for the tests of routing: a whole one, a small one, and how they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from passerelle.backends.registry import kinds
from passerelle.config.fields import BackendOptions
from passerelle.routing.load import Loaded, load

KINDS: Mapping[str, type[BackendOptions]] = {
    name: kind.options for name, kind in kinds(Path("/nowhere")).items()
}
HF_TOKEN = "hf_a-very-secret-value-0123456789"
OTHER_TOKEN = "sk-another-secret-value-9876543210"
ENVIRONMENT = {"HF_TOKEN": HF_TOKEN, "OTHER_TOKEN": OTHER_TOKEN}

# Lines are numbered from 1 as in the findings: the first line of the text is `version: 1`.
WHOLE = """\
version: 1
operator: {name: "Formation SAS", country: FR}
backends:
  gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}
  vllm: {kind: vllm, url: "http://vllm:8000", location: {country: "NO", operator: self}}
  hub: {kind: hf-providers, token: env:HF_TOKEN}
  offline: {kind: builtin}
models:
  assistant:
    task: chat
    targets:
      - {backend: gpu, model: Qwen/Qwen2.5-7B-Instruct, rank: 1, weight: 3}
      - {backend: vllm, model: Qwen/Qwen2.5-7B-Instruct, rank: 1}
      - {backend: hub, model: Qwen/Qwen2.5-7B-Instruct, rank: 2}
      - {backend: offline, model: extractive, rank: 9, degraded: true}
  embeddings:
    task: embed
    targets: [{backend: offline, model: all-MiniLM-L6-v2}]
policies:
  eu-only: {countries: [EEA]}
tenants:
  client-a:
    models: {default: assistant, allow: [assistant, embeddings]}
    policy: eu-only
    backends: {prefer: [vllm], deny: [hub]}
  client-b:
    degraded: true
"""

SMALL = """\
version: 1
backends: {offline: {kind: builtin}}
models: {assistant: {targets: [{backend: offline, model: extractive}]}}
tenants: {demo: }
"""


def loaded(text: str, *, environment: Mapping[str, str] = ENVIRONMENT, strict: bool = False) -> Loaded:
    """The outcome of a text with every kind that exists."""
    return load(text, kinds=KINDS, environment=environment, strict=strict)


def changed(old: str, new: str, text: str = WHOLE) -> str:
    """The text with one thing replaced, which must be there once."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
