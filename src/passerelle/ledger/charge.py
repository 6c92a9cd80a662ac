"""From what was used and what it costs to the lines of a bill: whole pico-units, no fraction and no float. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from passerelle.domain.ledger import Certainty, Line, Priced, Unit
from passerelle.ledger.quotes import IMAGE, SECOND, Quote
from passerelle.ledger.usage import INPUT_KINDS, OUTPUT_KINDS, Counted

_ORDER = (*INPUT_KINDS, *OUTPUT_KINDS)


def charge(
    used: Counted, quote: Quote, *, milliseconds: int = 0, images: int | None = None
) -> tuple[Line, ...]:
    """One line for each kind of token used, in a fixed order, and one for time or images where those are paid.

    It depends on what was used and on nothing else: a stream costs what the same answer costs in one piece.
    `milliseconds` are those of the try; a second that has begun counts. `images` were made; None = not said, of
    which one is taken, where they are paid.
    """
    priced = quote.meters(used.prompt) if quote.tiers else quote.priced or {}
    tokens, certainty = used.tokens, used.certainty
    lines = [
        _line(kind.value, tokens[kind], Unit.TOKENS, quote, priced, certainty)
        for kind in _ORDER
        if tokens.get(kind)
    ]
    if SECOND in priced:
        seconds = -(-max(milliseconds, 0) // 1000)
        lines.append(_line(SECOND, seconds, Unit.SECONDS, quote, priced, Certainty.EXACT))
    if IMAGE in priced:
        counted = Certainty.ESTIMATED if images is None else Certainty.EXACT
        made = 1 if images is None else max(images, 0)
        lines.append(_line(IMAGE, made, Unit.IMAGES, quote, priced, counted))
    return tuple(lines)


def most(quote: Quote, *, prompt: int, completion: int, seconds: int = 0, images: int = 0) -> int | None:
    """The most that a call of this size can cost, in pico-units, for a hold; None where that is not known.

    Every token is taken to be of the dearest kind of its side; a kind without a price is one nobody can hold for.
    Audio is left out where it has no price, because a text model never counts any.
    """
    if quote.priced is None:
        return None
    total = 0
    for kinds, tokens in ((INPUT_KINDS, prompt), (OUTPUT_KINDS, completion)):
        tables = [quote.priced, *(tier for above, tier in quote.tiers if prompt > above)]
        prices = [table[kind].per_unit for table in tables for kind in kinds if kind in table]
        if tokens and kinds[0] not in quote.priced:
            return None
        total += max(prices, default=0) * tokens
    for meter, count in ((SECOND, seconds), (IMAGE, images)):
        if meter in quote.priced:
            total += quote.priced[meter].per_unit * count
    return total


def _line(
    meter: str,
    quantity: int,
    unit: Unit,
    quote: Quote,
    priced: Mapping[str, Priced],
    certainty: Certainty,
) -> Line:
    price = priced.get(meter)
    if price is None:
        return Line(meter, quantity, unit, quote.currency, 0, Certainty.UNPRICED)
    if meter in quote.guessed:
        certainty = Certainty.ESTIMATED
    amount = quantity * price.per_unit
    # As if it were in the operator's currency and charged as it is: `charged` changes what is not so.
    return Line(meter, quantity, unit, price.currency, amount, certainty, price.price_id, amount, amount)
