"""What the words of a LiteLLM proxy's file mean: numbers, addresses, which provider a model's name begins with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from passerelle.config.durations import parse_duration
from passerelle.routing.litellm_providers import BARE, PROVIDERS

ENVIRONMENT = "os.environ/"  # before the name of a variable

_ROUTES = ("/chat/completions", "/completions", "/embeddings")
_ENCODER = re.compile(r"embed|(^|[/-])(bge|e5|gte|minilm)-|voyage-", re.IGNORECASE)


def number(value: Any) -> float | None:
    """A number, `20_000` included, which is a text here and a number to YAML 1.1; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9][0-9_]{0,29}(\.[0-9]{1,9})?", value):
        return float(value.replace("_", ""))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def per_million(value: Any) -> int | float | None:
    """Of a price for one token the price for a million, where it is one that a file of ours can hold exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = Decimal(str(value).replace("_", "")) * 1_000_000
    except InvalidOperation:
        return None
    if not price.is_finite() or not 0 <= price <= 1_000_000 or price != round(price, 6):
        return None
    return int(price) if price == int(price) else float(price)


def seconds_of(value: Any) -> float | int | None:
    """Seconds that a time limit of ours may hold; None for anything else."""
    seconds = number(value)
    try:
        parse_duration(seconds)
    except ValueError:
        return None
    return int(seconds) if seconds and seconds.is_integer() else seconds


def whole(value: Any) -> int | None:
    """A whole number; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def provider_of(stated: Any, name: str | None) -> tuple[str | None, str]:
    """The provider and the model's id there, as LiteLLM takes a model's name apart."""
    if name is None:
        return None, ""
    first, _, rest = name.partition("/")
    if isinstance(stated, str) and stated in PROVIDERS:
        return stated, rest if first == stated else name
    if rest and first in PROVIDERS:
        return first, rest
    return next((provider for word, provider in BARE.items() if name.startswith(word)), None), name


def unnamed(name: str | None, stated: Any) -> tuple[str, str]:
    """Why a name leads to no provider, and the way out."""
    if name is None:
        said = "Its model is not set here." if stated else "It names no model."
        return said, "Write the provider and the model's id."
    if "*" in name:
        return "A wildcard stands for models that are not named.", "Name each model that clients ask for."
    return "The name does not begin with a provider.", "Write `provider/model`."


def encodes(model: str) -> bool:
    """Does a model embed, as far as its name tells?"""
    return _ENCODER.search(model) is not None


def variable_of(provider: str) -> str:
    """The usual variable of a provider's key."""
    name = re.sub(r"[^A-Za-z0-9]", "_", provider).upper()
    return name if name.endswith(("_KEY", "_TOKEN")) else f"{name}_API_KEY"


def texts(value: Any) -> Iterator[str]:
    """Every text below a value."""
    open_ = [value]
    while open_:
        top = open_.pop()
        if isinstance(top, str):
            yield top
        elif isinstance(top, dict):
            open_ += top.values()
        elif isinstance(top, list):
            open_ += top


def host_of(url: str | None) -> str:
    """The host of an address; nothing where it has none."""
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:  # brackets that hold no IPv6 address
        return ""


def plain_url(text: str) -> tuple[str, bool]:
    """An address without route, query and credentials, and whether it had neither of the last two.

    What is no address stays one that no kind takes.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:  # a port out of range, or brackets that hold no IPv6 address
        return "invalid", True
    way = parts.path.rstrip("/")
    for route in _ROUTES:
        way = way.removesuffix(route)
    host = f"[{host}]" if ":" in host else host
    bare = not (parts.username or parts.password or parts.query)
    return f"{parts.scheme or 'http'}://{host}{port}{way}", bare
