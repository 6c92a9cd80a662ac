"""Lines of a bill: exact, the same for a stream, one price of one attempt."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from passerelle.domain.catalog import BackendSpec, Target
from passerelle.domain.ledger import Certainty, TokenKind, Unit, UsageSource
from passerelle.domain.money import decimal
from passerelle.domain.prices import Cost
from passerelle.ledger.charge import charge, most
from passerelle.ledger.prices import PriceBook
from passerelle.ledger.quotes import Quote, per_unit_of
from passerelle.ledger.usage import Counted, counted
from tests.unit.routing.files import changed, loaded

_BOOK = PriceBook(currency="EUR", version="v1")
_USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "total_tokens": 1200,
    "prompt_tokens_details": {"cached_tokens": 900},
    "completion_tokens_details": {"reasoning_tokens": 150},
}
_TOKENS = st.dictionaries(st.sampled_from(TokenKind), st.integers(1, 10**9))
_PRICES = st.decimals(0, 1_000_000, places=6, allow_nan=False)


def _quote(cost: Cost | None, *, name: str = "gpu", model: str = "m") -> Quote:
    return _BOOK.quote(BackendSpec(name, "openai", None, cost=cost), Target(name, model))


def _tokens(into: str, out: str, **finer: str) -> Quote:
    more = {f"{name}_per_million": Decimal(price) for name, price in finer.items()}
    return _quote(Cost("EUR", Decimal(into), Decimal(out), **more))


def _exact(tokens: dict[TokenKind, int]) -> Counted:
    return Counted(tokens, Certainty.EXACT, UsageSource.PROVIDER)


@given(_TOKENS, _PRICES, _PRICES, _PRICES)
def test_amounts_are_exactly_decimal_arithmetic(
    tokens: dict[TokenKind, int], into: Decimal, out: Decimal, cached: Decimal
) -> None:
    lines = charge(_exact(tokens), _quote(Cost("EUR", into, out, cached)))
    prices = {
        TokenKind.CACHED_INPUT: cached,
        **dict.fromkeys((TokenKind.OUTPUT, TokenKind.REASONING, TokenKind.AUDIO_OUTPUT), out),
    }

    assert {line.meter: line.quantity for line in lines} == tokens
    for line in lines:
        exact = line.quantity * prices.get(TokenKind(line.meter), into) / 1_000_000
        assert type(line.amount) is int
        assert decimal(line.amount) == exact
        assert line.price_id is not None
        assert per_unit_of(line.price_id) * line.quantity == line.amount


@given(st.integers(0, 10**12))
def test_a_configured_price_is_exact_from_the_text_of_the_file_to_the_pico_unit(micro: int) -> None:
    price = Decimal(micro).scaleb(-6)
    text = format(price, "f")
    assume("." in text)
    cost = f"cost: {{input_per_million: {text}, output_per_million: 0, currency: EUR}}"
    catalog = loaded(changed("tgi:80", "tgi:81").replace("rank: 1, weight: 3", f"rank: 1, {cost}")).catalog

    assert catalog is not None
    target = catalog.models["assistant"].targets[0]
    quote = _BOOK.quote(catalog.backends[target.backend], target)
    lines = charge(_exact({TokenKind.INPUT: 3}), quote)
    assert [line.amount for line in lines] == [3 * micro]


def test_cached_and_reasoning_tokens_are_lines_of_their_own() -> None:
    quote = _tokens("1", "4", cached_input="0.1", reasoning="5")
    lines = charge(counted([_USAGE], sent=1, received=1), quote)

    assert [(line.meter, line.quantity, line.amount) for line in lines] == [
        ("input", 100, 100_000_000),
        ("cached_input", 900, 90_000_000),
        ("output", 50, 200_000_000),
        ("reasoning", 150, 750_000_000),
    ]
    assert {line.certainty for line in lines} == {Certainty.EXACT}


def test_a_stream_costs_what_the_same_answer_costs_in_one_piece() -> None:
    """The usage of a stream may come in every chunk, growing; its last is the answer's."""
    quote = _tokens("0.0375", "0.15", cached_input="0.01")
    first = {"prompt_tokens": 1000, "completion_tokens": 1, "total_tokens": 1001}

    whole = charge(counted([_USAGE], sent=4000, received=800), quote)
    assert charge(counted([first, _USAGE, _USAGE], sent=4000, received=800), quote) == whole


def test_an_unknown_price_is_unpriced_and_not_free() -> None:
    lines = charge(counted([_USAGE], sent=1, received=1), _quote(None))

    assert {line.certainty for line in lines} == {Certainty.UNPRICED}
    assert {line.price_id for line in lines} == {None}
    assert sum(line.quantity for line in lines) == 1200
    assert most(_quote(None), prompt=1, completion=1) is None


def test_a_price_of_nought_is_known_and_not_unpriced() -> None:
    lines = charge(counted([_USAGE], sent=1, received=1), _tokens("0", "0"))

    assert {(line.amount, line.certainty) for line in lines} == {(0, Certainty.EXACT)}
    assert all(line.price_id for line in lines)


def test_a_fallback_is_priced_as_the_target_that_was_tried() -> None:
    used = counted([_USAGE], sent=1, received=1)
    cheap, dear = _tokens("0.1", "0.1"), _quote(Cost("USD", Decimal(10), Decimal(10)), name="claude")

    assert sum(line.amount for line in charge(used, dear)) == 100 * sum(
        line.amount for line in charge(used, cheap)
    )
    assert {line.currency for line in charge(used, dear)} == {"USD"}
    assert all("claude/m" in str(line.price_id) for line in charge(used, dear))


def test_an_estimated_quantity_makes_an_estimated_line() -> None:
    lines = charge(counted([], sent=400, received=40), _tokens("1", "1"))

    assert [(line.meter, line.quantity, line.certainty) for line in lines] == [
        ("input", 100, Certainty.ESTIMATED),
        ("output", 10, Certainty.ESTIMATED),
    ]


def test_hours_are_shared_out_later_and_tokens_cost_nothing_of_their_own() -> None:
    quote = _quote(Cost("EUR", per_hour=Decimal("0.76")))
    lines = charge(counted([_USAGE], sent=1, received=1), quote)

    assert quote.capacity is not None
    assert quote.capacity.per_hour == 760_000_000_000
    assert {(line.amount, line.certainty) for line in lines} == {(0, Certainty.EXACT)}


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, 0), (1, 1), (1000, 1), (1001, 2), (-5, 0)])
def test_a_second_that_has_begun_counts(milliseconds: int, seconds: int) -> None:
    quote = _quote(Cost("USD", per_second=Decimal("0.00012")))
    line = charge(counted([_USAGE], sent=1, received=1), quote, milliseconds=milliseconds)[-1]

    assert (line.meter, line.unit, line.quantity) == ("second", Unit.SECONDS, seconds)
    assert decimal(line.amount) == seconds * Decimal("0.00012")


def test_an_image_nobody_counted_is_one_and_marked() -> None:
    quote = _quote(Cost("USD", per_image=Decimal("0.04")))
    used = counted([{"prompt_tokens": 5}], sent=20, received=0)

    told, counted_by_us = charge(used, quote, images=3)[-1], charge(used, quote)[-1]
    assert (told.quantity, told.amount, told.certainty) == (3, 120_000_000_000, Certainty.EXACT)
    assert (counted_by_us.quantity, counted_by_us.certainty) == (1, Certainty.ESTIMATED)


@given(_TOKENS, _PRICES, _PRICES, st.none() | _PRICES)
def test_what_is_held_is_never_less_than_what_the_call_costs(
    tokens: dict[TokenKind, int], into: Decimal, out: Decimal, cached: Decimal | None
) -> None:
    quote = _quote(Cost("EUR", into, out, cached))
    used = _exact(tokens)
    held = most(quote, prompt=used.prompt, completion=used.total - used.prompt)

    assert held is not None
    assert held >= sum(line.amount for line in charge(used, quote))
