"""Reads the float tensors of a safetensors file without copying them: numpy views over a memory map.

Format: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, raw data.
https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.backends.builtin.errors import ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Floats = NDArray[float32]

MAX_HEADER = 100_000_000  # bytes: the format's own limit
DTYPES = {"F32": "<f4", "F16": "<f2"}


def read(path: Path) -> Mapping[str, Floats]:
    """Every floating-point tensor of the file by name, as float32; other types are left out.

    Raises ModelMissing when the file is cut short or is not a safetensors file.
    """
    import numpy as np  # noqa: PLC0415 - only when a model is built

    try:
        raw = np.memmap(path, dtype=np.uint8, mode="r")
        (length,) = struct.unpack("<Q", raw[:8].tobytes())
        if length > min(MAX_HEADER, raw.size - 8):
            raise ValueError("the header is longer than the file")
        header = json.loads(raw[8 : 8 + length].tobytes())
        body = raw[8 + length :]
        tensors: dict[str, Floats] = {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in DTYPES:
                continue
            start, end = entry["data_offsets"]
            view = body[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = view.astype(np.float32, copy=False)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelMissing(
            f"The model weights {path} cannot be read ({type(error).__name__}).",
            "Install the package that holds them again.",
        ) from error
    return tensors
