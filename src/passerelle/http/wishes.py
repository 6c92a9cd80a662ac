"""What a caller wants of the cache: from `Cache-Control` (RFC 9111, 5.2.1) and from the body's `cache`, as LiteLLM has it.

What is not understood of the header is ignored, as the RFC says; the body is ours, so what is wrong in it is told.
Where both speak, the stricter holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from passerelle.domain.cache import NO_WISHES, Wishes
from passerelle.domain.errors import BadRequest

_MOST_TAGS, _LONGEST_TAG, _LONGEST_NAMESPACE = 16, 64, 128
_LONGEST_HEADER = 1_024  # bytes that are read
# Commas part directives, unless they stand in quotes. A quote that is never closed lasts to the end.
_PIECES = re.compile(rb'"(?:[^"\\]|\\.)*"?|[^",]+|,', re.DOTALL)
_SECONDS = re.compile(rb"[0-9]{1,10}")


def wishes_of(control: bytes | None, cache: Any) -> Wishes:
    """What both say; `cache` is None where the body says nothing. Raises BadRequest naming what is wrong in it."""
    said = _directives(control) if control is not None else {}
    body = _checked(cache) if cache is not None else {}
    ages = [_seconds(said.get(b"max-age")), body.get("s-maxage")]
    age = min((float(each) for each in ages if each is not None), default=None)
    keep = b"no-store" not in said and not body.get("no-store") and body.get("use-cache") is not False
    wishes = Wishes(
        look=keep and b"no-cache" not in said and not body.get("no-cache") and age != 0,
        keep=keep,
        max_age=age,
        ttl=float(body["ttl"]) if body.get("ttl") is not None else None,
        only_kept=b"only-if-cached" in said,
        namespace=body.get("namespace") or "",
        tags=tuple(dict.fromkeys(body.get("tags") or ())),
    )
    return NO_WISHES if wishes == NO_WISHES else wishes


def _directives(control: bytes) -> dict[bytes, bytes]:
    """The directives by their names in lower case, with what they are given; of one that stands twice, the first."""
    found: dict[bytes, bytes] = {}
    whole = b""
    for piece in [*_PIECES.findall(control[:_LONGEST_HEADER]), b","]:
        if piece != b",":
            whole += piece
            continue
        name, _, value = whole.partition(b"=")
        found.setdefault(name.strip().lower(), value.strip().strip(b'"'))
        whole = b""
    return found


def _seconds(value: bytes | None) -> float | None:
    return float(value) if value is not None and _SECONDS.fullmatch(value) else None


def _is_switch(value: Any) -> bool:
    return type(value) is bool


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def _is_ttl(value: Any) -> bool:
    return _is_time(value) and value > 0


def _is_namespace(value: Any) -> bool:
    return type(value) is str and len(value) <= _LONGEST_NAMESPACE


def _is_tags(value: Any) -> bool:
    return type(value) is list and len(value) <= _MOST_TAGS and all(map(is_tag, value))


def is_tag(value: Any) -> bool:
    """Can it be a tag of an answer?"""
    return type(value) is str and 0 < len(value) <= _LONGEST_TAG and value.isprintable()


_WORDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "ttl": (_is_ttl, "a number of seconds above 0"),
    "s-maxage": (_is_time, "a number of seconds"),
    "no-cache": (_is_switch, "true or false"),
    "no-store": (_is_switch, "true or false"),
    "use-cache": (_is_switch, "true or false"),
    "namespace": (_is_namespace, f"a string of at most {_LONGEST_NAMESPACE} characters"),
    "tags": (_is_tags, f"a list of at most {_MOST_TAGS} strings of 1 to {_LONGEST_TAG} printable characters"),
}


def _checked(cache: Any) -> dict[str, Any]:
    if type(cache) is not dict:
        raise BadRequest("`cache` must be an object.", code="invalid_value", param="cache")
    for name, value in cache.items():
        rule = _WORDS.get(name)
        if rule is None:
            message = f"`cache` has no field {name[:100]!r}; it takes {', '.join(_WORDS)}."
            raise BadRequest(message, code="invalid_value", param="cache")
        if value is not None and not rule[0](value):
            raise BadRequest(
                f"`cache.{name}` must be {rule[1]}.", code="invalid_value", param=f"cache.{name}"
            )
    return cache
