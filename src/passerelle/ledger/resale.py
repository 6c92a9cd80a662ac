"""What a tenant is charged for what a try has cost: exchanged, and marked up or at a price of its own. Pure.

Whole numbers throughout: each line is rounded once to the pico-unit when it is exchanged and once when it is marked
up, half to even.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from passerelle.domain.billing import Terms
from passerelle.domain.errors import CannotRun
from passerelle.domain.ledger import Certainty, Line, Priced, TokenKind, Unit
from passerelle.domain.prices import Basis
from passerelle.ledger.exchange import Rate
from passerelle.ledger.quotes import IMAGE, SECOND, believable, filled, single_meter, token_meters


def resale_meters(terms: Terms, model: str, *, currency: str, version: str) -> Mapping[str, Priced] | None:
    """What each thing is sold at, by meter, where a model has a price of its own; None where it has none.

    `currency` is the operator's, which a resale price must be in; `version` is the configuration's. Raises CannotRun
    for a price that nothing can be sold at.
    """
    cost = terms.prices.get(model)
    if cost is None:
        return None
    what = f"The resale price of {model!r}"
    if cost.currency != currency:
        raise CannotRun(
            f"{what} is in {cost.currency}, and the operator's currency is {currency}.",
            f"Write it in {currency}: what a tenant agreed to pay does not move with a rate of exchange.",
        )
    known = {"sku": f"resale/{model}", "currency": currency, "valid_from": version}
    single = {
        Basis.IMAGE: (IMAGE, cost.per_image, Unit.IMAGES),
        Basis.SECOND: (SECOND, cost.per_second, Unit.SECONDS),
    }
    if cost.basis in single:
        meter, price, unit = single[cost.basis]
        if price is not None and believable(price):
            return single_meter(meter, price, unit=unit, **known)
    elif cost.basis is Basis.TOKENS and cost.input_per_million is not None:
        given = {
            TokenKind.INPUT: cost.input_per_million,
            TokenKind.OUTPUT: cost.output_per_million,
            TokenKind.CACHED_INPUT: cost.cached_input_per_million,
            TokenKind.CACHE_WRITE: cost.cache_write_per_million,
            TokenKind.REASONING: cost.reasoning_per_million,
        }
        stated = {kind: price for kind, price in given.items() if price is not None}
        if all(believable(price) for price in stated.values()):
            return token_meters(filled(stated, stated=True)[0], **known)
    raise CannotRun(
        f"{what} is none that a call can be sold at: {cost}.",
        "Write it per million tokens, per image or per second, at nought or more.",
    )


def charged(
    lines: tuple[Line, ...],
    *,
    rate: Rate | None,
    terms: Terms | None,
    resale: Mapping[str, Priced] | None,
    milliseconds: int = 0,
    images: int | None = None,
) -> tuple[Line, ...]:
    """The lines with what they cost and what is billed for them, in the operator's currency.

    `rate` is from the lines' currency; None = nobody knows it, and nothing can be billed: all are `unpriced`.
    `resale` goes before the terms' markup. It is the whole price: what it has no meter for is billed at 0, but tokens
    of a kind that it does not price at their cost and the markup. Where it is by image or second and no line counts
    those, `milliseconds` of the try and the `images` made are a line of their own, as when they are paid for.
    """
    if rate is None:
        unknown = Certainty.UNPRICED
        return tuple([replace(line, cost=0, billed=0, certainty=unknown) for line in lines])
    up, down = _markup(terms)
    if resale is not None:
        lines = _counted(lines, resale, milliseconds, images)
    elif up == down and rate.text == "1" and _are_done(lines):
        return lines
    made = []
    of = rate.of
    for line in lines:
        cost = of(line.amount)
        if resale is not None and (line.meter in resale or line.unit is not Unit.TOKENS):
            sold = resale.get(line.meter)
            billed = sold.per_unit * line.quantity if sold is not None else 0
        elif up == down:
            billed = cost
        else:
            billed = _nearest(cost * up, down)
        # By position: it is twice as fast as `replace`, and runs for every line of every try.
        made.append(
            Line(
                line.meter,
                line.quantity,
                line.unit,
                line.currency,
                line.amount,
                line.certainty,
                line.price_id,
                cost,
                billed,
                line.saved,
            )
        )
    return tuple(made)


def _are_done(lines: tuple[Line, ...]) -> bool:
    for line in lines:  # noqa: SIM110 - a generator costs as much again as the loop
        if not line.cost == line.amount == line.billed:
            return False
    return True


def _markup(terms: Terms | None) -> tuple[int, int]:
    """1 + markup / 100 as a fraction."""
    if terms is None or not terms.markup:
        return 1, 1
    over, under = terms.markup.as_integer_ratio()
    return 100 * under + over, 100 * under


def _nearest(over: int, under: int) -> int:
    whole, rest = divmod(over, under)
    rest += rest
    return whole + 1 if rest > under or (rest == under and whole & 1) else whole


def _counted(
    lines: tuple[Line, ...], resale: Mapping[str, Priced], milliseconds: int, images: int | None
) -> tuple[Line, ...]:
    """The lines, and one more for what is sold and was not paid for."""
    there = {line.meter for line in lines}
    currency = lines[0].currency if lines else None
    if SECOND in resale and SECOND not in there:
        seconds = -(-max(milliseconds, 0) // 1000)
        of = currency or resale[SECOND].currency
        lines = (*lines, Line(SECOND, seconds, Unit.SECONDS, of, 0, Certainty.EXACT))
    if IMAGE in resale and IMAGE not in there:
        certainty = Certainty.ESTIMATED if images is None else Certainty.EXACT
        made = 1 if images is None else max(images, 0)
        of = currency or resale[IMAGE].currency
        lines = (*lines, Line(IMAGE, made, Unit.IMAGES, of, 0, certainty))
    return lines
