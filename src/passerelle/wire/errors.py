"""What engines say when they fail, in the shapes they say it, as one `UpstreamFailed`.

Shapes in the wild: `{"error": {...}}` (OpenAI, vLLM, router), `{"error": "text"}` (router), `{"error": "text",
"error_type": ...}` (TGI), `{"detail": ...}` (FastAPI servers), `{"message", "code", "type"}` (TEI, older vLLM),
and plain text or HTML (axum, reverse proxies).
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from passerelle.domain.errors import Fault, Told, UpstreamFailed

_LONGEST_MESSAGE = 500  # characters of an engine's own words that a caller is shown

_TEI_TYPES = frozenset({"overloaded", "validation", "tokenizer", "backend", "empty", "unhealthy"})
_MODEL_CODES = frozenset({"model_not_found", "model_not_supported"})

# Of Hugging Face's router, which gives no code with them.
_MODEL_WORDS = ("not supported by provider", "not supported by any provider")

_BY_STATUS = {
    401: Fault.CREDENTIALS,
    402: Fault.CREDITS,
    403: Fault.CREDENTIALS,
    404: Fault.MODEL,
    405: Fault.MODEL,
    429: Fault.RATE_LIMITED,
    503: Fault.OVERLOADED,
    529: Fault.OVERLOADED,
}

# Words of an error that came with status 200. They are asked before any status inside it: TGI writes 422 there
# whatever went wrong.
_BY_WORD = (
    ("overloaded", Fault.OVERLOADED),
    ("loading model", Fault.OVERLOADED),
    ("rate limit", Fault.RATE_LIMITED),
    ("failed during generation", Fault.SERVER),
    ("incomplete generation", Fault.SERVER),
)


def failure(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamFailed:
    """The failure that an HTTP reply of status 300 or more tells of."""
    told = _told(body, status, retry_after_of(headers))
    return UpstreamFailed(_fault(status, told), f"The engine answered {status}.", told=told)


def failure_inside(payload: Any) -> UpstreamFailed:
    """The failure that a payload with an error tells of although its status was 200."""
    told = _told_of(payload, None, None)
    status = told.status
    fault = next((fault for word, fault in _BY_WORD if word in told.message.lower()), None)
    if fault is None:
        fault = _fault(status, told) if status else Fault.SERVER
    return UpstreamFailed(fault, "The engine answered 200 with an error inside.", told=told)


def _fault(status: int, told: Told) -> Fault:
    if told.code in _MODEL_CODES:
        return Fault.MODEL
    if status == 400 and any(words in told.message for words in _MODEL_WORDS):
        return Fault.MODEL
    if status < 400:
        return Fault.BROKEN  # a redirect: backends are named by the configuration, nobody else may name one
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 424 or status >= 500:
        return Fault.SERVER
    return Fault.REQUEST


def _told(body: bytes, status: int, retry_after: float | None) -> Told:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", errors="replace").strip()
        # A page of a reverse proxy says nothing about the request.
        payload = {} if text.startswith("<") else {"message": text}
    return _told_of(payload, status, retry_after)


def _told_of(payload: Any, status: int | None, retry_after: float | None) -> Told:
    if not isinstance(payload, dict):
        payload = {"message": payload if isinstance(payload, str) else ""}
    inner = payload.get("error")
    if isinstance(inner, dict):
        payload = inner
    message = payload.get("message") or inner or payload.get("detail") or ""
    if isinstance(message, list):  # FastAPI's validation errors
        message = "; ".join(str(item.get("msg", "")) for item in message if isinstance(item, dict))
    code = _code(payload)
    said = payload.get("http_status_code")
    if status is None:
        status = next((n for n in (said, payload.get("code")) if isinstance(n, int) and 400 <= n < 600), None)
    param = payload.get("param")
    return Told(
        status=status,
        message=message[:_LONGEST_MESSAGE] if isinstance(message, str) else "",
        param=param[:100] if isinstance(param, str) else None,
        code=code[:100] if code else None,
        retry_after=retry_after,
    )


def _code(payload: Mapping[str, Any]) -> str | None:
    """An engine's stable word for what went wrong; TEI's stand in `type` beside a number, and in either case."""
    code, kind = payload.get("code"), payload.get("error_type")
    if isinstance(code, str) and code:
        return code
    if isinstance(code, int) and str(payload.get("type")).lower() in _TEI_TYPES:
        kind = payload["type"]
    return kind.lower() if isinstance(kind, str) else None


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` in either form (RFC 9110, section 10.2.3)."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("Retry-After")
    try:
        if milliseconds:
            seconds = float(milliseconds) / 1000
        elif value and value.strip().isdigit():
            seconds = float(value)
        elif value:
            seconds = (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        else:
            return None
    except (ValueError, TypeError):
        return None
    return seconds if 0 <= seconds <= 86_400 else None
