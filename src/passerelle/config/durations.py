"""Lengths of time as they are written in `providers.yaml`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = r"^(\d+(?:\.\d+)?)(ms|s|m|min|h)$"
_LONGEST = 86_400.0  # seconds; nothing this file times takes longer than a day
DAYS = r"^(\d+(?:\.\d+)?)(s|m|min|h|d)$"
_MOST_DAYS = 30


def parse_duration(value: Any) -> Any:
    """Seconds meant by `600`, `"600s"`, `"10m"`, `"250ms"`. Raises ValueError for anything else."""
    seconds = _seconds(value, _DURATION, "write seconds (30) or a unit (250ms, 30s, 10m, 1h)")
    if not 0 < seconds <= _LONGEST:
        raise ValueError("is out of range; write more than 0 and at most 24h")
    return seconds


def parse_keeping(value: Any) -> Any:
    """Seconds that something is kept: like a duration, also in days. Raises ValueError for anything else."""
    return parse_days(value, least=1, most=_MOST_DAYS * 86_400, said=f"1s and at most {_MOST_DAYS}d")


def parse_days(value: Any, *, least: float, most: float, said: str) -> Any:
    """Seconds between two bounds, which are `said` so; also written in days. Raises ValueError for anything else."""
    seconds = _seconds(value, DAYS, "write seconds (3600) or a unit (90s, 10m, 1h, 7d)")
    if not least <= seconds <= most:
        raise ValueError(f"is out of range; write at least {said}")
    return seconds


def _seconds(value: Any, pattern: str, cure: str) -> Any:
    match = re.fullmatch(pattern, value.strip()) if isinstance(value, str) else None
    if match is not None:
        value = float(match[1]) * {**_UNITS, "d": 86_400.0}[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"is not a duration; {cure}")
    return value


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST},
                {"type": "string", "pattern": _DURATION},
            ]
        }
    ),
]
Keeping = Annotated[
    float,
    BeforeValidator(parse_keeping),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 1, "maximum": _MOST_DAYS * 86_400},
                {"type": "string", "pattern": DAYS},
            ]
        }
    ),
]
