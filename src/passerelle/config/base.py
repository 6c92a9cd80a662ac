"""What all fields of `providers.yaml` stand on: strict models, and secrets that are only referred to."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

URL = r"^https?://[A-Za-z0-9.\-_\[\]:]+(/[^\s?#]*)?$"
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"


def is_url(value: str) -> bool:
    """Is it http(s)://host[:port][/path], without query or credentials?"""
    try:
        whole = re.fullmatch(URL, value) is not None and bool(urlsplit(value).hostname)
        port = urlsplit(value).port if whole else None
    except ValueError:  # a port out of range, or brackets that hold no IPv6 address
        return False
    return whole and port != 0


def host_of(url: str) -> str:
    """`host:port` of such a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _secret_reference(value: str) -> str:
    if not re.fullmatch(_REFERENCE, value):
        raise ValueError(
            "holds no reference to a secret; write env:NAME or file:/path, never the secret itself"
        )
    return value


SecretReference = Annotated[
    str, AfterValidator(_secret_reference), WithJsonSchema({"type": "string", "pattern": _REFERENCE})
]


class Strict(BaseModel):
    """Unknown keys are refused, values are not coerced from other types, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def matching(pattern: str, said: str) -> AfterValidator:
    """Text must match all of a pattern; `said` is what is told of text that does not."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(said)
        return value

    return AfterValidator(check)


def written(pattern: str) -> WithJsonSchema:
    """What editors are told of such text."""
    return WithJsonSchema({"type": "string", "pattern": pattern})
