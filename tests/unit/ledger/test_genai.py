"""The prices of `genai-prices`: in force at a moment, without dirt, never guessed as nought."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.ledger import TokenKind
from passerelle.domain.prices import Listed
from passerelle.ledger.genai import GenaiTable, read_genai
from passerelle.ledger.prices import PriceBook


@pytest.fixture(scope="module")
def packaged() -> GenaiTable:
    return read_genai(as_of=version("genai-prices"))


def _table(*models: tuple[str, ModelPrice | list[ConditionalPrice]], provider: str = "acme") -> GenaiTable:
    listed = [ModelInfo(name, ClauseEquals(name), prices=price) for name, price in models]
    return GenaiTable(
        {provider: Provider(provider, provider, "https://example\\.org", models=listed)}, "1.2.3"
    )


def _price(table: GenaiTable, model: str, *, at: datetime | None = None) -> dict[TokenKind, Decimal] | None:
    rates = table.rates("acme", model, at=at)
    return dict(rates.per_million) if rates else None


def test_each_kind_of_token_has_its_own_price_and_the_rest_is_not_listed() -> None:
    price = ModelPrice(
        input_mtok=Decimal(3),
        output_mtok=Decimal(15),
        cache_read_mtok=Decimal("0.3"),
        cache_write_mtok=Decimal("3.75"),
        output_reasoning_mtok=Decimal(20),
        input_audio_mtok=Decimal(40),
        output_audio_mtok=Decimal(80),
        web_searches_kcount=Decimal(10),
    )
    found = _price(_table(("m", price)), "m")

    assert found is not None
    assert list(found) == [
        TokenKind.INPUT,
        TokenKind.OUTPUT,
        TokenKind.CACHED_INPUT,
        TokenKind.CACHE_WRITE,
        TokenKind.REASONING,
        TokenKind.AUDIO_INPUT,
        TokenKind.AUDIO_OUTPUT,
    ]
    assert _price(_table(("m", ModelPrice(input_mtok=Decimal(3)))), "m") == {TokenKind.INPUT: Decimal(3)}


def test_the_digits_of_a_float_are_cleaned_off() -> None:
    table = _table(("m", ModelPrice(input_mtok=Decimal("1.0399999999999998"), output_mtok=Decimal("0.1"))))

    assert _price(table, "m") == {TokenKind.INPUT: Decimal("1.04"), TokenKind.OUTPUT: Decimal("0.1")}


@pytest.mark.parametrize(
    "price",
    [
        ModelPrice(),
        ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0)),  # free and not known look the same
        ModelPrice(input_mtok=Decimal(-1)),
        ModelPrice(input_mtok=Decimal("NaN")),
        ModelPrice(audio_hours=Decimal(1)),
        ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1), requests_kcount=Decimal(12)),
    ],
)
def test_what_tokens_alone_do_not_pay_is_unknown(price: ModelPrice) -> None:
    assert _price(_table(("m", price)), "m") is None


def test_the_price_is_the_one_in_force_when_it_is_asked_for() -> None:
    prices = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(5))),
        ConditionalPrice(StartDateConstraint(date(2026, 3, 1)), prices=ModelPrice(input_mtok=Decimal(4))),
    ]
    table = _table(("m", prices))

    for moment, price in (
        (datetime(2026, 2, 28, 23, 59, tzinfo=UTC), 5),
        (datetime(2026, 3, 1, tzinfo=UTC), 4),
    ):
        assert _price(table, "m", at=moment) == {TokenKind.INPUT: Decimal(price)}
        spec = BackendSpec("b", "litellm", SimpleNamespace(provider="acme"), cost=Listed.AUTO)
        quote = PriceBook(currency="EUR", version="v", tables=(table,)).quote(
            spec, Target("b", "m"), at=moment
        )
        assert quote.priced is not None
        assert quote.priced["input"].price_id == f"b/m:input@1.2.3={price}000000"
        assert quote.why == "From genai-prices 1.2.3, for acme."


def test_a_tier_has_all_prices_and_begins_above_its_threshold() -> None:
    price = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(200_000, Decimal(2)), Tier(500_000, Decimal(3))]),
        output_mtok=TieredPrices(Decimal(10), [Tier(200_000, Decimal(20))]),
        cache_read_mtok=Decimal("0.1"),
    )
    rates = _table(("m", price)).rates("acme", "m")

    assert rates is not None
    assert [(above, [int(each * 10) for each in tier.values()]) for above, tier in rates.tiers] == [
        (200_000, [20, 200, 1]),
        (500_000, [30, 200, 1]),
    ]
    assert [int(each * 10) for each in rates.per_million.values()] == [10, 100, 1]


def test_through_the_hub_its_own_list_goes_first_and_the_providers_own_stands_in() -> None:
    def one(provider: str, price: int) -> Provider:
        model = ModelInfo("m", ClauseEquals("m"), prices=ModelPrice(input_mtok=Decimal(price)))
        return Provider(provider, provider, "https://example\\.org", models=[model])

    both = GenaiTable(
        {"huggingface_together": one("huggingface_together", 1), "together": one("together", 2)}, "1"
    )
    direct = GenaiTable({"together": one("together", 2)}, "1")

    def asked(table: GenaiTable, provider: str, *, hub: bool) -> Decimal:
        rates = table.rates(provider, "m", hub=hub)
        assert rates is not None
        return rates.per_million[TokenKind.INPUT]

    assert asked(both, "together", hub=True) == 1
    assert asked(both, "together", hub=False) == 2
    assert asked(both, "together_ai", hub=False) == 2
    assert asked(direct, "together", hub=True) == 2


def test_the_package_prices_hugging_faces_routes_and_embeddings(packaged: GenaiTable) -> None:
    route = packaged.rates("novita", "meta-llama/Llama-3.1-8B-Instruct", hub=True)
    reading = packaged.rates("voyage", "voyage-3.5")

    assert route is not None
    assert 0 < route.per_million[TokenKind.INPUT] < 10
    assert reading is not None
    assert set(reading.per_million) == {TokenKind.INPUT}
    assert packaged.rates("together", "nobody/lists-this", hub=True) is None
    assert packaged.rates("nobody", "gpt-4o") is None
    for odd in ("", "\x00", "a" * 5000, "("):
        assert packaged.rates("openai", odd) is None
        assert packaged.rates(odd, "gpt-4o") is None


def test_every_price_of_the_package_can_be_one_of_ours_or_is_unknown(packaged: GenaiTable) -> None:
    known = 0
    for provider in packaged.providers.values():
        for model in provider.models:
            rates = packaged.rates(provider.id, model.id)
            if rates is None:
                continue
            known += 1
            prices = [
                *rates.per_million.values(),
                *(each for _, tier in rates.tiers for each in tier.values()),
            ]
            assert all(price.is_finite() and 0 <= price < 1_000_000 for price in prices)
            assert all(price == round(price, 12) for price in prices)
    assert known > 1000


def test_importing_our_module_does_not_import_the_package() -> None:
    program = (
        "import sys, passerelle.ledger.price_tables, passerelle.ledger.prices\n"
        "assert 'genai_prices' not in sys.modules and 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_reading_the_list_opens_no_connection_and_does_not_run_litellm() -> None:
    program = (
        "import sys, threading\n"
        "from passerelle.ledger.price_tables import packaged\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(name) if name.startswith('socket.conn') "
        "or name == 'socket.getaddrinfo' else None)\n"
        "assert packaged()\n"
        "assert not seen, seen\n"
        "assert threading.active_count() == 1\n"
        "assert 'litellm' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
