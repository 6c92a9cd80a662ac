"""Lengths of time as they are written in `providers.yaml`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = r"^(\d+(?:\.\d+)?)(ms|s|m|min|h)$"
_LONGEST = 86_400.0  # seconds; nothing this file times takes longer than a day


def parse_duration(value: Any) -> Any:
    """Seconds meant by `600`, `"600s"`, `"10m"`, `"250ms"`. Raises ValueError for anything else."""
    match = re.fullmatch(_DURATION, value.strip()) if isinstance(value, str) else None
    if match is not None:
        value = float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("is not a duration; write seconds (30) or a unit (250ms, 30s, 10m, 1h)")
    if not 0 < value <= _LONGEST:
        raise ValueError("is out of range; write more than 0 and at most 24h")
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
