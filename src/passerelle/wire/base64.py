"""OpenAI's base64 form of an embedding: little-endian 32-bit floats."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence


def to_base64(vector: Sequence[float]) -> str:
    """The base64 form of a vector."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


def from_base64(text: str) -> list[float]:
    """The floats behind a base64 form. Raises ValueError when it is none."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) % 4:
        raise ValueError("not a whole number of 32-bit floats")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))
