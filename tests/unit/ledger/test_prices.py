"""Which price applies to a target, and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from passerelle.domain.catalog import BackendSpec, Party, Target
from passerelle.domain.errors import CannotRun
from passerelle.domain.facts import Facts, Host, Known, Price
from passerelle.domain.ledger import Certainty, TokenKind
from passerelle.domain.prices import Cost, Listed
from passerelle.ledger.charge import charge, most
from passerelle.ledger.price_tables import LiteLLMTable, packaged, read_litellm
from passerelle.ledger.prices import PriceBook, Seen
from passerelle.ledger.quotes import PriceSource, Quote
from passerelle.ledger.usage import counted

_AT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
_TABLE = LiteLLMTable(
    {
        "claude": {
            "litellm_provider": "anthropic",
            "input_cost_per_token": 3e-06,
            "output_cost_per_token": 1.5e-05,
            "cache_read_input_token_cost": 3e-07,
            "cache_creation_input_token_cost": 3.75e-06,
            "input_cost_per_token_above_200k_tokens": 6e-06,
            "output_cost_per_token_above_200k_tokens": 2.25e-05,
        },
        "together_ai/m": {
            "litellm_provider": "together_ai",
            "input_cost_per_token": 1.0399999999999998e-06,
            "output_cost_per_token": 1.04e-06,
        },
        "scaleway/m": {"litellm_provider": "scaleway", "input_cost_per_token": 0, "output_cost_per_token": 0},
        "bedrock/eu-west-3/m": {"litellm_provider": "bedrock", "input_cost_per_token": 2e-06},
        "m": {"litellm_provider": "bedrock_converse", "input_cost_per_token": 1e-06},
        "voyage/e": {
            "litellm_provider": "voyage",
            "mode": "embedding",
            "input_cost_per_token": 1e-07,
            "output_cost_per_token": 0.0,
        },
    },
    "1.2.3",
)
_BOOK = PriceBook(currency="EUR", version="abc", tables=(_TABLE,))


def _spec(kind: str, *, cost: Cost | Listed | None = Listed.AUTO, **options: str) -> BackendSpec:
    return BackendSpec("b", kind, SimpleNamespace(**options), cost=cost)


def _host(name: str, into: str | None, out: str | None) -> Host:
    price = Price("USD", Decimal(into) if into else None, Decimal(out) if out else None)
    return Host(name, Party(name), Facts(price=price))


def _seen(*hosts: Host, price: Price | None = None) -> Seen:
    return Seen(Known(Facts(price=price), hosts), _AT)


def _each(quote: Quote) -> dict[str, int]:
    return {meter: price.per_unit for meter, price in (quote.priced or {}).items()}


_MARKET = _seen(_host("novita", "0.1", "0.45"), _host("groq", "0.29", "0.59"), _host("free", "0", "0"))


def test_the_operators_word_goes_before_every_list() -> None:
    cost = Cost("EUR", Decimal("0.1"), Decimal("0.2"))
    quote = _BOOK.quote(_spec("hf-providers", cost=cost), Target("b", "m"), provider="groq", seen=_MARKET)

    assert (quote.source, quote.currency, _each(quote)["input"]) == (PriceSource.CONFIGURED, "EUR", 100_000)
    assert quote.priced is not None
    assert quote.priced["input"].price_id == "b/m:input@abc=100000"


def test_a_targets_cost_goes_before_its_backends() -> None:
    spec = _spec("vllm", cost=Cost("EUR", per_hour=Decimal(1)))
    own = Target("b", "m", cost=Cost("EUR", Decimal(5), Decimal(5)))

    assert _BOOK.quote(spec, Target("b", "m")).capacity is not None
    assert _BOOK.quote(spec, own).capacity is None
    assert _each(_BOOK.quote(spec, own))["output"] == 5_000_000


def test_what_nobody_prices_is_unknown_and_says_the_way_out() -> None:
    quote = _BOOK.quote(_spec("vllm", cost=None), Target("b", "m"))

    assert (quote.priced, quote.source) == (None, PriceSource.UNKNOWN)
    assert "`cost`" in quote.why


def test_what_runs_in_this_process_costs_nothing_and_that_is_known() -> None:
    quote = _BOOK.quote(_spec("builtin", cost=None), Target("b", "extractive"))
    lines = charge(counted([{"prompt_tokens": 3, "completion_tokens": 2}], sent=9, received=9), quote)

    assert {(line.amount, line.certainty, line.currency) for line in lines} == {(0, Certainty.EXACT, "EUR")}


@pytest.mark.parametrize(("provider", "price"), [("novita", 100_000), ("groq", 290_000)])
def test_a_router_is_paid_at_the_price_of_the_provider_that_served(provider: str, price: int) -> None:
    spec = _spec("hf-providers", provider="auto")
    quote = _BOOK.quote(spec, Target("b", "m"), provider=provider, seen=_MARKET)

    assert (_each(quote)["input"], quote.source, quote.as_of) == (price, PriceSource.PROVIDER, "2026-11-20")
    assert TokenKind.INPUT not in quote.guessed
    # The router's list has no price of what is read from a cache.
    assert quote.guessed == {TokenKind.CACHED_INPUT, TokenKind.CACHE_WRITE}


def test_without_the_provider_that_served_it_is_the_dearest_listed_and_marked() -> None:
    quote = _BOOK.quote(_spec("hf-providers", provider="auto"), Target("b", "m"), seen=_MARKET)
    lines = charge(counted([{"prompt_tokens": 3, "completion_tokens": 2}], sent=9, received=9), quote)

    assert _each(quote)["input"] == 290_000
    assert {line.certainty for line in lines} == {Certainty.ESTIMATED}


def test_a_provider_chosen_for_the_tenant_or_named_in_the_file_needs_no_header() -> None:
    chosen = Target("b", "m", host=Party("novita"))
    named = _spec("hf-providers", provider="novita")

    assert (
        _each(_BOOK.quote(_spec("hf-providers", provider="cheapest"), chosen, seen=_MARKET))["input"]
        == 100_000
    )
    assert _each(_BOOK.quote(named, Target("b", "m"), seen=_MARKET))["input"] == 100_000


def test_a_list_of_noughts_may_mean_free_or_unknown_and_is_not_believed() -> None:
    spec = _spec("hf-providers", provider="free")

    assert _BOOK.quote(spec, Target("b", "m"), seen=_MARKET).priced is None
    assert (
        _BOOK.quote(_spec("hf-providers", provider="scaleway"), Target("b", "m"), seen=_MARKET).priced is None
    )


def test_a_price_that_only_a_packaged_list_has_is_rounded_of_its_dirt_and_marked() -> None:
    quote = _BOOK.quote(_spec("hf-providers", provider="together"), Target("b", "m"), seen=_MARKET)

    assert (quote.source, _each(quote)["input"]) == (PriceSource.TABLE, 1_040_000)
    assert TokenKind.INPUT in quote.guessed
    assert "LiteLLM 1.2.3" in quote.why


@pytest.mark.parametrize(("into", "out"), [("-1", "1"), ("1000001", "1"), ("NaN", "1"), ("Infinity", "1")])
def test_a_listed_price_that_nothing_could_have_is_not_taken(into: str, out: str) -> None:
    seen = _seen(_host("novita", into, out))
    quote = _BOOK.quote(_spec("hf-providers", provider="novita"), Target("b", "m"), seen=seen)
    lines = charge(counted([{"prompt_tokens": 3, "completion_tokens": 2}], sent=9, received=9), quote)

    assert [(line.meter, line.certainty) for line in lines] == [
        ("input", Certainty.UNPRICED),
        ("output", Certainty.EXACT),
    ]
    assert most(quote, prompt=1, completion=1) is None


def test_an_endpoint_costs_its_hours() -> None:
    spec = _spec("hf-endpoint")
    quote = _BOOK.quote(spec, Target("b", "m"), seen=_seen(price=Price("USD", per_hour=Decimal("0.8"))))

    assert quote.capacity is not None
    assert (quote.capacity.per_hour, quote.capacity.currency) == (800_000_000_000, "USD")
    assert quote.capacity.price_id == "b:hour@2026-11-20=800000000000"
    for unsaid in (None, _seen(), _seen(price=Price("USD", per_hour=Decimal(0)))):
        assert _BOOK.quote(spec, Target("b", "m"), seen=unsaid).priced is None


def test_litellms_list_prices_the_cache_apart() -> None:
    quote = _BOOK.quote(_spec("litellm", provider="anthropic"), Target("b", "claude"))

    assert (quote.source, quote.guessed) == (PriceSource.TABLE, frozenset())
    assert _each(quote) == {
        "input": 3_000_000,
        "cached_input": 300_000,
        "cache_write": 3_750_000,
        "output": 15_000_000,
        "reasoning": 15_000_000,
    }


def test_audio_that_a_list_does_not_price_is_unpriced() -> None:
    quote = _BOOK.quote(_spec("litellm", provider="anthropic"), Target("b", "claude"))
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"audio_tokens": 9}}
    lines = charge(counted([usage], sent=9, received=9), quote)

    assert (lines[0].meter, lines[0].certainty) == ("audio_input", Certainty.UNPRICED)


@pytest.mark.parametrize(("prompt", "each"), [(200_000, 3_000_000), (200_001, 6_000_000)])
def test_a_long_prompt_is_paid_at_its_tier(prompt: int, each: int) -> None:
    quote = _BOOK.quote(_spec("litellm", provider="anthropic"), Target("b", "claude"))
    lines = charge(counted([{"prompt_tokens": prompt, "completion_tokens": 1}], sent=9, received=9), quote)

    assert lines[0].amount == prompt * each
    assert most(quote, prompt=prompt, completion=1) >= sum(line.amount for line in lines)  # type: ignore[operator]


def test_litellms_list_is_read_by_provider_and_region() -> None:
    here = _spec("litellm", provider="bedrock", region="eu-west-3")

    assert _each(_BOOK.quote(here, Target("b", "m")))["input"] == 2_000_000
    assert _each(_BOOK.quote(_spec("litellm", provider="bedrock"), Target("b", "m")))["input"] == 1_000_000
    assert _BOOK.quote(_spec("litellm", provider="azure"), Target("b", "claude")).priced is None


def test_what_an_embedding_answers_costs_nothing() -> None:
    assert _each(_BOOK.quote(_spec("litellm", provider="voyage"), Target("b", "e")))["output"] == 0


def test_without_a_list_a_backends_facts_are_taken() -> None:
    book = PriceBook(currency="EUR", version="abc")
    seen = _seen(price=Price("USD", Decimal(3), Decimal(15)))
    quote = book.quote(_spec("litellm", provider="anthropic"), Target("b", "claude"), seen=seen)

    assert (_each(quote)["output"], quote.source) == (15_000_000, PriceSource.PROVIDER)


@pytest.mark.parametrize("text", ["", '{"a": {"input_cost', "[]", "null"])
def test_a_price_file_half_written_is_one_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)

    with pytest.raises(CannotRun, match="Install litellm again"):
        read_litellm(file, as_of="1")


def test_the_packaged_list_is_read_without_running_the_package() -> None:
    table = next((table for table in packaged() if isinstance(table, LiteLLMTable)), None)
    if table is None:
        pytest.skip("litellm is not installed")
    rates = table.rates("mistral", "mistral-large-latest")

    assert rates is not None
    assert rates.per_million[TokenKind.INPUT] > 0
    for odd in ("", "sample_spec", "\x00", "a" * 5000):
        assert table.rates(odd, odd) is None or odd == "sample_spec"


def test_the_list_that_is_fresher_goes_first() -> None:
    assert [type(table).__name__ for table in packaged()][:1] == ["GenaiTable"]
    book = PriceBook(currency="EUR", version="abc", tables=packaged())
    quote = book.quote(_spec("litellm", provider="anthropic"), Target("b", "claude-sonnet-4-5"))

    assert re.fullmatch(r"From genai-prices \d[\d.]+, for anthropic\.", quote.why)
    assert quote.source is PriceSource.TABLE


@pytest.mark.parametrize("price", ["-1", "1000001", "NaN", "Infinity"])
@pytest.mark.parametrize("form", ["input_per_million", "per_hour", "per_image", "per_second"])
def test_a_stated_price_that_nothing_could_have_is_unknown(form: str, price: str) -> None:
    quote = _BOOK.quote(_spec("vllm", cost=Cost("EUR", **{form: Decimal(price)})), Target("b", "m"))

    assert (quote.priced, quote.capacity, quote.source) == (None, None, PriceSource.UNKNOWN)
    assert "mend its `cost`" in quote.why


def test_a_model_that_only_reads_is_charged_without_a_price_of_answers() -> None:
    stated = _BOOK.quote(_spec("tei", cost=Cost("EUR", Decimal("0.1"))), Target("b", "bge-m3"))
    table = LiteLLMTable(
        {"e": {"litellm_provider": "voyage", "mode": "embedding", "input_cost_per_token": 1e-07}}, "1"
    )
    listed = PriceBook(currency="EUR", version="abc", tables=(table,)).quote(
        _spec("litellm", provider="voyage"), Target("b", "e")
    )

    for quote in (stated, listed):
        used = counted([{"prompt_tokens": 9, "total_tokens": 9}], sent=30, received=9000, generates=False)
        (line,) = charge(used, quote)
        assert (line.meter, line.amount, line.certainty) == ("input", 900_000, Certainty.EXACT)
        assert most(quote, prompt=9, completion=0) == 900_000


def test_a_model_on_no_list_is_unpriced_and_never_costs_nought() -> None:
    """LiteLLM prices every Hugging Face route at 0, without an error (its #12337, #21023)."""
    usage = counted([{"prompt_tokens": 3, "completion_tokens": 2}], sent=9, received=9)
    for spec, seen in (
        (_spec("hf-providers", provider="together"), _seen()),
        (_spec("hf-providers", provider="together"), None),
        (_spec("hf-providers", provider="scaleway"), _seen(_host("scaleway", None, None))),
        (_spec("litellm", provider="together_ai"), None),
        (_spec("vllm", cost=None), None),
    ):
        quote = _BOOK.quote(spec, Target("b", "nobody/lists-this"), seen=seen)
        lines = charge(usage, quote)

        assert {line.certainty for line in lines} == {Certainty.UNPRICED}
        assert {line.price_id for line in lines} == {None}
        assert most(quote, prompt=1, completion=1) is None  # so that nothing can be held for it


def test_a_fallback_is_paid_at_the_price_of_the_target_that_answered() -> None:
    """LiteLLM priced a fallback's tokens as the first target's (its PR 39294: 35 % too little, 109 % too much)."""
    usage = counted([{"prompt_tokens": 1000, "completion_tokens": 0}], sent=9, received=0)
    first = _spec("hf-providers", provider="auto")
    own = BackendSpec("gpu", "vllm", None, cost=Cost("EUR", Decimal(7), Decimal(7)))
    tries = [
        _BOOK.quote(first, Target("b", "m"), provider="groq", seen=_MARKET),
        _BOOK.quote(first, Target("b", "m"), provider="novita", seen=_MARKET),
        _BOOK.quote(own, Target("gpu", "m")),
        _BOOK.quote(own, Target("gpu", "m-large", cost=Cost("EUR", Decimal(9), Decimal(9)))),
    ]
    lines = [charge(usage, quote)[0] for quote in tries]

    assert [line.amount for line in lines] == [290_000_000, 100_000_000, 7_000_000_000, 9_000_000_000]
    assert [(line.price_id or "").split(":")[0] for line in lines] == [
        "b/groq/m",
        "b/novita/m",
        "gpu/m",
        "gpu/m-large",
    ]
