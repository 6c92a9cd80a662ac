"""Sizes as they are written in `providers.yaml`."""

from __future__ import annotations

import re
from typing import Any

KIBIBYTE, MEBIBYTE = 1_024, 1_048_576  # bytes
_UNITS = {"": 1, "B": 1, "kB": 1_000, "MB": 1_000_000, "KiB": KIBIBYTE, "MiB": MEBIBYTE}
SIZE = r"^(\d{1,15}) ?(B|kB|MB|KiB|MiB)?$"


def parse_size(value: Any) -> Any:
    """Bytes meant by `32 MiB`, `500 kB`, `1048576`. Raises ValueError for anything else."""
    match = re.fullmatch(SIZE, value.strip()) if isinstance(value, str) else None
    if match is not None:
        return int(match[1]) * _UNITS[match[2] or ""]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not a size; write bytes (1048576) or a unit (500 kB, 32 MiB)")  # noqa: TRY004 - what pydantic tells of
    return value
