"""What a tenant is charged: exact to the pico-unit, the margin apart, nothing silently nought."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.domain.billing import Terms
from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import Certainty, Line, Priced, TokenKind, Unit
from passerelle.domain.prices import Cost
from passerelle.ledger.exchange import SAME, Rate
from passerelle.ledger.quotes import per_unit_of
from passerelle.ledger.resale import charged, resale_meters

_RATE = Rate("0.895094880057", date(2026, 10, 30))
_MARKUPS = st.decimals(-100, 1000, places=4, allow_nan=False)
_LINES = st.lists(
    st.builds(
        Line,
        meter=st.sampled_from([kind.value for kind in TokenKind]),
        quantity=st.integers(0, 10**9),
        unit=st.just(Unit.TOKENS),
        currency=st.just("USD"),
        amount=st.integers(0, 10**20),
        certainty=st.sampled_from([Certainty.EXACT, Certainty.ESTIMATED]),
        price_id=st.just("x:y@z=1"),
        saved=st.integers(0, 10),
    ),
    max_size=5,
).map(tuple)


def _line(
    meter: str = "input", quantity: int = 1000, amount: int = 1_000_000, unit: Unit = Unit.TOKENS
) -> Line:
    return Line(meter, quantity, unit, "USD", amount, Certainty.EXACT, "b/m:input@v=1000")


def _meters(cost: Cost) -> dict[str, Priced]:
    made = resale_meters(Terms(prices={"m": cost}), "m", currency="EUR", version="v1")
    assert made is not None
    return dict(made)


def _nearest(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_HALF_EVEN))


@given(_LINES, _MARKUPS)
def test_what_is_billed_less_what_it_cost_is_exactly_the_margin(
    lines: tuple[Line, ...], markup: Decimal
) -> None:
    made = charged(lines, rate=_RATE, terms=Terms(markup=markup), resale=None)

    assert len(made) == len(lines)
    with localcontext() as context:
        context.prec = 80
        for line, before in zip(made, lines, strict=True):
            assert line.cost == _nearest(before.amount * Decimal(_RATE.text))
            assert line.billed == _nearest(line.cost * (100 + markup) / 100)
            assert {type(line.cost), type(line.billed), type(line.amount)} == {int}
            margin = line.billed - line.cost
            assert abs(margin - line.cost * markup / 100) <= Decimal("0.5")
            assert (line.meter, line.quantity, line.amount, line.certainty, line.price_id, line.saved) == (
                before.meter, before.quantity, before.amount, before.certainty, before.price_id, before.saved,
            )  # fmt: skip


@given(
    _LINES, st.sampled_from([None, Terms(), Terms(markup=Decimal("0.00"))]), st.sampled_from([SAME, _RATE])
)
def test_without_a_markup_what_is_billed_is_what_it_cost(
    lines: tuple[Line, ...], terms: Terms | None, rate: Rate
) -> None:
    made = charged(lines, rate=rate, terms=terms, resale=None)

    assert (
        [line.billed for line in made]
        == [line.cost for line in made]
        == [rate.of(line.amount) for line in lines]
    )
    assert charged(made, rate=rate, terms=terms, resale=None) == made


def test_lines_that_are_charged_already_are_not_made_again() -> None:
    made = charged((_line(), _line("output")), rate=SAME, terms=None, resale=None)

    assert charged(made, rate=SAME, terms=Terms(), resale=None) is made


@given(_LINES)
def test_a_currency_whose_rate_nobody_knows_is_unpriced_and_bills_nothing(lines: tuple[Line, ...]) -> None:
    made = charged(lines, rate=None, terms=Terms(markup=Decimal(10)), resale=None)

    assert {(line.cost, line.billed, line.certainty) for line in made} <= {(0, 0, Certainty.UNPRICED)}
    assert [line.amount for line in made] == [line.amount for line in lines]


@pytest.mark.parametrize(
    ("amount", "markup", "billed"), [(1, "50", 2), (3, "50", 4), (5, "50", 8), (10, "-25", 8)]
)
def test_half_a_pico_unit_goes_to_the_even_one(amount: int, markup: str, billed: int) -> None:
    (line,) = charged((_line(amount=amount),), rate=SAME, terms=Terms(markup=Decimal(markup)), resale=None)

    assert (line.cost, line.billed) == (amount, billed)


@given(st.integers(0, 10**9), st.decimals(0, 1000, places=6, allow_nan=False))
def test_a_model_with_a_price_of_its_own_is_charged_at_that_whatever_it_cost(
    quantity: int, price: Decimal
) -> None:
    resale = _meters(Cost("EUR", price, price))
    lines = tuple(_line(kind.value, quantity) for kind in TokenKind)
    made = charged(lines, rate=_RATE, terms=Terms(markup=Decimal(20)), resale=resale)

    for line in made:
        assert line.cost == _RATE.of(line.amount)
        assert line.billed * 1_000_000 == _nearest(price.scaleb(12)) * quantity
        assert per_unit_of(resale[line.meter].price_id) * quantity == line.billed
    assert resale["input"].price_id.startswith("resale/m:input@v1=")


def test_what_is_unpriced_upstream_is_sold_all_the_same() -> None:
    unpriced = Line("input", 10, Unit.TOKENS, "EUR", 0, Certainty.UNPRICED)
    (line,) = charged((unpriced,), rate=SAME, terms=None, resale=_meters(Cost("EUR", Decimal(2), Decimal(2))))

    assert (line.cost, line.billed, line.certainty) == (0, 20_000_000, Certainty.UNPRICED)


def test_seconds_that_we_pay_for_are_not_billed_beside_tokens_that_are_sold() -> None:
    lines = (_line(amount=0), _line("second", 3, 9_000_000, Unit.SECONDS))
    made = charged(
        lines, rate=SAME, terms=Terms(markup=Decimal(50)), resale=_meters(Cost("EUR", Decimal(1), Decimal(1)))
    )

    assert [(line.cost, line.billed) for line in made] == [(0, 1_000_000_000), (9_000_000, 0)]


def test_tokens_of_a_kind_that_is_not_sold_apart_are_charged_at_cost_and_markup() -> None:
    resale = _meters(Cost("EUR", Decimal(1)))  # a model that reads
    (line,) = charged((_line("output"),), rate=SAME, terms=Terms(markup=Decimal(50)), resale=resale)

    assert line.billed == 1_500_000


def test_seconds_and_images_that_are_sold_are_counted_where_nobody_pays_for_them() -> None:
    by_second = _meters(Cost("EUR", per_second=Decimal("0.5")))
    by_image = _meters(Cost("EUR", per_image=Decimal(2)))
    token, second = charged((_line(),), rate=SAME, terms=None, resale=by_second, milliseconds=1001)
    paid = _line("second", 7, 5, Unit.SECONDS)

    assert (token.billed, token.cost) == (0, 1_000_000)
    assert (second.meter, second.quantity, second.billed, second.cost) == ("second", 2, 10**12, 0)
    assert [line.billed for line in charged((paid,), rate=SAME, terms=None, resale=by_second)] == [
        35 * 10**11
    ]
    (told,) = charged((), rate=SAME, terms=None, resale=by_image, images=3)
    assert (told.billed, told.certainty, told.currency) == (6 * 10**12, Certainty.EXACT, "EUR")
    (untold,) = charged((), rate=SAME, terms=None, resale=by_image)
    assert (untold.billed, untold.certainty) == (2 * 10**12, Certainty.ESTIMATED)


def test_a_model_without_a_price_of_its_own_has_no_resale_meters() -> None:
    assert resale_meters(Terms(), "m", currency="EUR", version="v") is None


def test_a_resale_price_in_another_currency_is_refused_and_says_which_is_wanted() -> None:
    terms = Terms(prices={"m": Cost("USD", Decimal(1), Decimal(1))})

    with pytest.raises(CannotRun, match="is in USD, and the operator's currency is EUR") as caught:
        resale_meters(terms, "m", currency="EUR", version="v")
    assert "Write it in EUR" in caught.value.cure


@pytest.mark.parametrize(
    "cost",
    [
        Cost("EUR"),
        Cost("EUR", per_hour=Decimal(1)),
        Cost("EUR", output_per_million=Decimal(1)),
        Cost("EUR", Decimal(-1), Decimal(1)),
        Cost("EUR", Decimal(1), Decimal("NaN")),
        Cost("EUR", Decimal(1), Decimal(1_000_001)),
        Cost("EUR", per_image=Decimal(-1)),
        Cost("EUR", per_second=Decimal("Infinity")),
    ],
)
def test_a_price_that_nothing_can_be_sold_at_is_refused(cost: Cost) -> None:
    with pytest.raises(CannotRun, match="none that a call can be sold at") as caught:
        resale_meters(Terms(prices={"m": cost}), "m", currency="EUR", version="v")
    assert "per million tokens, per image or per second" in caught.value.cure
