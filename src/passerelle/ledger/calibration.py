"""What a token of each kind costs an engine, found from the time that its tries took.

Least squares with no coefficient below nought: `seconds ~ fixed + a * input + b * cached + c * output`, normalised to
`a = 1`. Tries that shared the engine took longer than alone, so a quiet machine is measured best. What the tries
cannot tell is refused with a sentence, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from passerelle.domain.errors import Unavailable
from passerelle.domain.ledger import TokenKind
from passerelle.stores.database import Database, Outage, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]

FEWEST = 50  # tries
_MOST = 10_000  # tries
_LEAST_R2 = 0.5
_LEAST_SPREAD = 0.05  # smallest beside largest singular value of the kinds, each brought to length 1
_RAREST = 0.1  # share of the tries in which a kind must occur to be weighed
_SECONDS = 30.0
_DIGITS, _SMALLEST = 4, Decimal("0.000001")  # of a weight: significant ones, and where they end

_INPUTS = (TokenKind.INPUT, TokenKind.CACHE_WRITE, TokenKind.AUDIO_INPUT)
_OUTPUTS = (TokenKind.OUTPUT, TokenKind.REASONING, TokenKind.AUDIO_OUTPUT)
_COLUMNS: tuple[tuple[str, tuple[TokenKind, ...]], ...] = (
    ("input", _INPUTS),
    ("cached_input", (TokenKind.CACHED_INPUT,)),
    ("output", _OUTPUTS),
)

_TRIES = text("""
WITH tries AS (
    SELECT attempt_id, payer, began_at, ended_at FROM ledger_attempts
    WHERE backend = :backend AND ended_at >= :since AND ended_at > began_at AND served
    AND usage_source = 'provider' AND outcome = 'answered' ORDER BY ended_at DESC LIMIT :most
)
SELECT CAST(extract(epoch FROM t.ended_at - t.began_at) * 1000 AS bigint) AS ran,
    jsonb_object_agg(e.meter, e.quantity) AS tokens
FROM tries t JOIN ledger_entries e
ON e.attempt_id = t.attempt_id AND e.kind = 'settle' AND e.account = t.payer AND e.unit = 'tokens'
    AND e.at >= :since
GROUP BY t.attempt_id, ran
""")


@dataclass(frozen=True, slots=True)
class Sample:
    """A try: how long it took, and its tokens by kind."""

    milliseconds: int
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights beside one token of plain input, or why there are none. What is not in them keeps its default.

    `r2` is the share of the tries' differences in time that the weights explain; None where nothing was fitted.
    """

    tries: int
    why: str  # one sentence
    r2: float | None = None
    weights: Mapping[str, Decimal] = field(default_factory=dict)  # empty = refused


def calibrate(samples: Sequence[Sample]) -> Calibration:
    """The weights that these tries show."""
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and only here

    count = len(samples)
    if count < FEWEST:
        return Calibration(count, f"{count} tries are too few to tell: {FEWEST} are needed.")
    seconds = np.array([each.milliseconds for each in samples], dtype=float) / 1000
    counts = {
        name: np.array([sum(each.tokens.get(kind, 0) for kind in kinds) for each in samples], dtype=float)
        for name, kinds in _COLUMNS
    }
    counts = {name: each for name, each in counts.items() if np.count_nonzero(each) >= _RAREST * count}
    if problem := _too_alike(counts):
        return Calibration(count, f"The {count} tries cannot tell: {problem}.")
    matrix = np.column_stack([np.ones(count), *counts.values()])
    found, explained = _fit(matrix, seconds)
    rates = dict(zip(counts, found[1:], strict=True))
    if explained < _LEAST_R2:
        why = f"Tokens explain only {explained:.0%} of the differences in time between the {count} tries."
        return Calibration(count, why, explained)
    if rates["input"] <= 0:
        return Calibration(count, f"In the {count} tries, input takes no time that can be seen.", explained)
    return Calibration(
        count, f"Measured on {count} tries, R² {explained:.3f}.", explained, _weights(counts, rates)
    )


async def samples(database: Database, backend: str, since: datetime) -> list[Sample]:
    """The newest tries of a backend that were answered whole and counted by the engine, at most 10,000.

    Raises Unavailable while the database does not answer.
    """
    try:
        return await within(_SECONDS, _samples(database, backend, since))
    except (psycopg.Error, DBAPIError, *Outage) as error:
        raise Unavailable("The ledger's database does not answer.", code="ledger_unavailable") from error


async def _samples(database: Database, backend: str, since: datetime) -> list[Sample]:
    async with database.begin() as connection:
        rows = await connection.execute(_TRIES, {"backend": backend, "since": since, "most": _MOST})
        return [Sample(int(row.ran), {name: int(each) for name, each in row.tokens.items()}) for row in rows]


def _too_alike(counts: Mapping[str, Matrix]) -> str | None:
    """Why the kinds cannot be told apart, None where they can."""
    import numpy as np  # noqa: PLC0415

    for name in ("input", "output"):
        if name not in counts:
            return f"too few have tokens of {name}"
    centred = [each - each.mean() for each in counts.values()]
    for name, each in zip(counts, centred, strict=True):
        if np.linalg.norm(each) < _LEAST_SPREAD * np.linalg.norm(counts[name]):
            return f"all have about as many tokens of {name}"
    singular = np.linalg.svd(
        np.column_stack([each / np.linalg.norm(each) for each in centred]), compute_uv=False
    )
    if singular[-1] < _LEAST_SPREAD * singular[0]:
        return f"their tokens of {' and '.join(counts)} grow together"
    return None


def _fit(matrix: Matrix, seconds: Matrix) -> tuple[Matrix, float]:
    """Coefficients at or above nought with the least squares, and R².

    The best of all choices of columns whose unbounded fit has no coefficient below nought; there are few columns.
    """
    import numpy as np  # noqa: PLC0415

    columns = matrix.shape[1]
    whole = float(((seconds - seconds.mean()) ** 2).sum())
    best, least = np.zeros(columns), float((seconds**2).sum())
    for size in range(1, columns + 1):
        for chosen in combinations(range(columns), size):
            part = matrix[:, chosen]
            lengths = np.linalg.norm(part, axis=0)
            solved = np.linalg.lstsq(part / lengths, seconds, rcond=None)[0] / lengths
            error = float(((seconds - part @ solved) ** 2).sum())
            if (solved >= 0).all() and error < least:
                best, least = np.zeros(columns), error
                best[list(chosen)] = solved
    return best, 1 - least / whole if whole else 0.0


def _weights(counts: Mapping[str, Matrix], rates: Mapping[str, float]) -> dict[str, Decimal]:
    weights: dict[str, Decimal] = {}
    for name, kinds in _COLUMNS:
        if name in counts:
            each = Decimal(f"{rates[name] / rates['input']:.{_DIGITS}g}").quantize(_SMALLEST).normalize()
            weights |= {kind.value: Decimal(format(each, "f")) for kind in kinds}
    return weights
