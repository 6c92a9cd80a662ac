"""Lists of prices that came with a package: read from its data, without a network.

They are somebody's copies of what providers publish, of the day the package was made: a fallback, and named as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import orjson

from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import TokenKind
from passerelle.ledger.genai import read_genai
from passerelle.ledger.quotes import Rates

_MILLION = Decimal(1_000_000)
_LITELLM_FILE = "model_prices_and_context_window_backup.json"
_FIELDS = {
    "input_cost_per_token": TokenKind.INPUT,
    "output_cost_per_token": TokenKind.OUTPUT,
    "cache_read_input_token_cost": TokenKind.CACHED_INPUT,
    "cache_creation_input_token_cost": TokenKind.CACHE_WRITE,
    "output_cost_per_reasoning_token": TokenKind.REASONING,
    "input_cost_per_audio_token": TokenKind.AUDIO_INPUT,
    "output_cost_per_audio_token": TokenKind.AUDIO_OUTPUT,
}
_TIER = re.compile(rf"({'|'.join(_FIELDS)})_above_(\d+)k_tokens")
_ANSWERLESS = frozenset({"embedding", "rerank"})  # modes whose output really costs nothing
# How LiteLLM calls providers that Hugging Face calls otherwise; the rest differ by a hyphen at most.
_HUB_NAMES = {"together": "together_ai", "fal-ai": "fal_ai", "zai-org": "zai"}


class PriceTable(Protocol):
    """A list of prices of many providers."""

    @property
    def name(self) -> str:
        """What people call it, with its version."""

    @property
    def as_of(self) -> str:
        """The date or version that its prices hold from."""

    def rates(
        self,
        provider: str,
        model: str,
        *,
        region: str | None = None,
        hub: bool = False,
        at: datetime | None = None,
    ) -> Rates | None:
        """What it lists; `provider` is LiteLLM's name for one, or Hugging Face's where `hub` says that it is asked so.

        `at` is the moment whose prices are wanted, where a list has older ones; None = now.
        """


@dataclass(frozen=True, slots=True)
class LiteLLMTable:
    """The list inside the package `litellm`, by its keys. It writes 0 for what it does not know."""

    entries: Mapping[str, Any]
    as_of: str

    @property
    def name(self) -> str:
        """What people call it."""
        return f"the list of LiteLLM {self.as_of}"

    def rates(
        self,
        provider: str,
        model: str,
        *,
        region: str | None = None,
        hub: bool = False,
        at: datetime | None = None,
    ) -> Rates | None:
        """What it lists for a model of a provider, in US dollars; it has one price of each, whenever it is asked."""
        provider = _HUB_NAMES.get(provider, provider)
        for name in dict.fromkeys((provider, provider.replace("-", "_"))):
            keys = (*((f"{name}/{region}/{model}",) if region else ()), f"{name}/{model}", model)
            for key in keys:
                entry = self.entries.get(key)
                if isinstance(entry, dict) and _of(str(entry.get("litellm_provider")), name):
                    return _rates(entry)
        return None


def _of(listed: str, provider: str) -> bool:
    """Does an entry belong to a provider? LiteLLM adds what API or whose model it is to some names."""
    return (
        listed == provider
        or listed in (f"{provider}_converse", f"{provider}_chat", f"text-completion-{provider}")
        or listed.startswith(f"{provider}-")
    )


def _rates(entry: Mapping[str, Any]) -> Rates | None:
    free = {TokenKind.OUTPUT} if entry.get("mode") in _ANSWERLESS else set()
    base = {kind: price for name, kind in _FIELDS.items() if (price := _price(entry.get(name))) is not None}
    base = {kind: price for kind, price in base.items() if price or kind in free}
    if not any(base.values()):
        return None
    tiers: dict[int, dict[TokenKind, Decimal]] = {}
    for name, value in entry.items():
        found, price = _TIER.fullmatch(name), _price(value)
        if found and price:
            tiers.setdefault(int(found[2]) * 1000, dict(base))[_FIELDS[found[1]]] = price
    return Rates("USD", base, tuple(sorted(tiers.items(), key=lambda tier: tier[0])))


def _price(value: Any) -> Decimal | None:
    """Of a million tokens, as it is written: through text, because a float's own digits are dirt."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(str(value)) * _MILLION


def read_litellm(file: Path, *, as_of: str) -> LiteLLMTable:
    """The list in a file, some 3 MB and 30 ms. Raises CannotRun for one that is not whole."""
    try:
        entries = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise CannotRun(f"{file} is no list of prices that can be read.", "Install litellm again.") from error
    if not isinstance(entries, dict):
        raise CannotRun(f"{file} holds no prices by name.", "Install litellm again.")
    return LiteLLMTable({key: entry for key, entry in entries.items() if isinstance(entry, dict)}, as_of)


def packaged() -> tuple[PriceTable, ...]:
    """The lists of the packages that are installed, the one that is kept up more often first.

    Takes a second or more, so never inside the event loop. LiteLLM itself is not imported, and nothing is fetched.
    Raises CannotRun for a broken one.
    """
    tables: list[PriceTable] = []
    if found := _installed("genai_prices", "genai-prices"):
        tables.append(read_genai(as_of=found[1]))
    if found := _installed("litellm", "litellm"):
        folder, as_of = found
        tables.append(read_litellm(folder / _LITELLM_FILE, as_of=as_of))
    return tuple(tables)


def _installed(module: str, package: str) -> tuple[Path, str] | None:
    """Where a package's files are, and its version."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    try:
        return Path(spec.origin).parent, version(package)
    except PackageNotFoundError:
        return None
