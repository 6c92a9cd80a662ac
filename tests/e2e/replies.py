"""A reply to a request, whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Reply:
    """A reply, whole."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    raw: bytes

    @property
    def json(self) -> Any:
        """Its body's document."""
        return orjson.loads(self.raw)

    @property
    def code(self) -> str | None:
        """The code of the error it tells of."""
        return self.json["error"]["code"] if self.status >= 400 and self.raw else None

    @property
    def told(self) -> tuple[int, str, str]:
        """An error's status, code and message."""
        error = self.json["error"]
        return self.status, error["code"], error["message"]

    @property
    def everything(self) -> bytes:
        """Headers and body."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return head.encode("latin-1") + b"\n\n" + self.raw
