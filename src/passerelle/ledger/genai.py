"""The prices inside the package `genai-prices`: those in force at a moment, exact, read from its data alone.

Importing it costs up to two seconds, so that it happens when its list is read and not before; its code that
asks a network for newer prices is never called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any

from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import TokenKind
from passerelle.ledger.quotes import Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_FIELDS = {
    "input_mtok": TokenKind.INPUT,
    "output_mtok": TokenKind.OUTPUT,
    "cache_read_mtok": TokenKind.CACHED_INPUT,
    "cache_write_mtok": TokenKind.CACHE_WRITE,
    "output_reasoning_mtok": TokenKind.REASONING,
    "input_audio_mtok": TokenKind.AUDIO_INPUT,
    "output_audio_mtok": TokenKind.AUDIO_OUTPUT,
}
# What is paid beside tokens on every call: tokens alone would be too cheap, and the whole is therefore unknown.
_BESIDE_TOKENS = frozenset({"requests_kcount", "output_citation_mtok", "input_text_messages_kcount"})
_THROUGH_THE_HUB = "huggingface_"
# How it calls providers that others call otherwise: LiteLLM, or Hugging Face where one is paid directly.
_NAMES = {
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "vertex_ai": "google",
    "gemini": "google",
    "xai": "x-ai",
    "zai-org": "zai",
    "voyage": "voyageai",
    "moonshot": "moonshotai",
    "azure_ai": "azure",
    "cohere_chat": "cohere",
}
_DECIMALS = Decimal(1).scaleb(-12)
_LONGEST = 300  # characters of a model's id; each is compared with hundreds of patterns
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class GenaiTable:
    """The list of one version of the package. Which model a name means is the package's own reading."""

    providers: Mapping[str, Provider]
    as_of: str  # the package's version
    _found: dict[tuple[str, str], ModelInfo | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return f"genai-prices {self.as_of}"

    def rates(
        self,
        provider: str,
        model: str,
        *,
        region: str | None = None,
        hub: bool = False,
        at: datetime | None = None,
    ) -> Rates | None:
        """What it lists for a model of a provider, in US dollars; `at` None = now.

        `hub`: asked through Hugging Face's router, whose prices are a list of their own; a provider that it lacks
        is looked up as if asked directly, because the router adds nothing.
        """
        direct = _NAMES.get(provider, provider)
        for known_as in (f"{_THROUGH_THE_HUB}{provider}", direct) if hub else (direct,):
            listed = self._model(known_as, model)
            if listed is not None:
                return _rates(listed.get_prices(at or datetime.now(UTC)))
        return None

    def _model(self, provider: str, model: str) -> ModelInfo | None:
        listed = self.providers.get(provider)
        if listed is None or not model or len(model) > _LONGEST:
            return None
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found[key] = listed.find_model(model, all_providers=list(self.providers.values()))
        return self._found[key]


def read_genai(*, as_of: str) -> GenaiTable:
    """The list of the package that is installed. Slow the first time: not inside the event loop.

    Raises CannotRun for a package that is not whole.
    """
    try:
        # A second without compiled bytecode, and only where prices are looked up.
        from genai_prices.data import providers  # noqa: PLC0415
    except (ImportError, SyntaxError) as error:
        raise CannotRun(
            "The prices of genai-prices cannot be read.", "Install genai-prices again."
        ) from error
    return GenaiTable({each.id: each for each in providers}, as_of)


def _rates(price: ModelPrice) -> Rates | None:
    given = {name: value for name, value in vars(price).items() if value is not None}
    if _BESIDE_TOKENS & set(given):
        return None
    known = {kind: given[name] for name, kind in _FIELDS.items() if name in given}
    base = _at(known, 0)
    if not any(base.values()):
        return None
    starts = sorted({tier.start for value in known.values() for tier in _tiers(value)})
    return Rates("USD", base, tuple((start, _at(known, start + 1)) for start in starts))


def _tiers(value: Any) -> Iterable[Any]:
    """Ascending, as the package keeps them."""
    return getattr(value, "tiers", ())


def _at(known: Mapping[TokenKind, object], prompt: int) -> dict[TokenKind, Decimal]:
    """The prices of a call whose prompt has so many tokens; a tier holds for all of its tokens."""
    prices = {}
    for kind, value in known.items():
        price = getattr(value, "base", value)
        for tier in _tiers(value):
            if prompt > tier.start:
                price = tier.price
        if isinstance(price, Decimal) and price.is_finite() and price >= 0:
            # Some are float's digits: 1.0399999999999998.
            prices[kind] = price.quantize(_DECIMALS, rounding=ROUND_HALF_EVEN)
    return prices
