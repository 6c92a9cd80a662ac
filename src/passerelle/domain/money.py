"""Money as whole pico-units: 1e-12 of a currency. Exact where floats and cents are not; rounded once, in a report.

The dearest token costs some 1e-4 of a currency and the cheapest some 1e-8, so that a price per token is whole in
pico-units where the price per million has six decimals or fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

PICO = 10**12
NO_CURRENCY = "XXX"  # ISO 4217's, of what no money was ever paid for


def pico(amount: Decimal) -> int:
    """An amount in pico-units. Raises ValueError for one that is not finite or not whole there."""
    if not amount.is_finite():
        raise ValueError("an amount of money is a finite number")
    scaled = amount.scaleb(12)
    if scaled != scaled.to_integral_value():
        raise ValueError("an amount of money has at most twelve decimals")
    return int(scaled)


def decimal(amount: int) -> Decimal:
    """Pico-units as an amount, exactly."""
    return Decimal(amount).scaleb(-12)


def plain(number: Decimal) -> str:
    """A decimal as people and files write it: no exponent, no noughts at its end, no nought below nought."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def exact(amount: int) -> str:
    """Pico-units as a plain decimal, all of it and nothing more: `12.3456`, never `1.2E-7`."""
    return plain(decimal(amount))


def rounded(amount: int, places: int = 2) -> Decimal:
    """For a bill: half to even, once, at its end."""
    return decimal(amount).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def shared(total: int, weights: Sequence[int]) -> list[int]:
    """A total of pico-units split by weights so that the shares add up to it (largest remainder; Hamilton, 1792).

    Equal remainders go to the earlier share. With no weight above nought, the shares are even.
    """
    if not weights:
        raise ValueError("nobody to share among")
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is nought or more")
    given = list(weights) if sum(weights) else [1] * len(weights)
    whole = sum(given)
    sign, amount = (-1, -total) if total < 0 else (1, total)
    shares = [amount * weight // whole for weight in given]
    left = amount - sum(shares)
    by_remainder = sorted(range(len(given)), key=lambda index: (-(amount * given[index] % whole), index))
    for index in by_remainder[:left]:
        shares[index] += 1
    return [sign * share for share in shares]
