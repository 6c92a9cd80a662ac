"""Whether a request may be answered from the cache, and if not, the first reason why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from passerelle.cache.moment import momentary
from passerelle.cache.words import action, fresh
from passerelle.domain.ask import Ask, Route
from passerelle.domain.cache import Caching, Reason
from passerelle.text.personal import personal
from passerelle.text.words import Language, folded, language_of

LONGEST = 1000  # characters of a question that is compared: about what an encoder reads (256 tokens)
SHORTEST = 2  # letters or digits, below which nothing is asked
TOOL_WORDS = ("tools", "functions", "tool_choice", "function_call")
TEXT_PARTS = frozenset({"text", "input_text"})


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What the cache may do for a request. `reason` says why not exactly, or else why not by meaning."""

    exact: bool
    semantic: bool
    reason: Reason | None
    text: str = ""  # of the last message, as its user wrote it
    language: Language = "en"


def eligible(ask: Ask, caching: Caching) -> Eligibility:
    """May this request be answered from the cache, and for the very same question only?"""
    reason = _unfit_request(ask, caching) or _unfit_settings(ask.body, caching)
    if reason is not None:
        return Eligibility(exact=False, semantic=False, reason=reason)
    text, earlier, reason = _question(ask)
    if reason is None and (not text or sum(map(str.isalnum, text)) < SHORTEST):
        reason = Reason.SHAPE
    if reason is None:
        reason = _unfit_text(text, earlier, caching)
    language = language_of(text) if text else "en"
    if reason is not None:
        return Eligibility(exact=False, semantic=False, reason=reason, text=text, language=language)
    if not caching.exact and caching.semantic is None:
        return Eligibility(exact=False, semantic=False, reason=Reason.OFF, text=text, language=language)
    inexact = _inexact(ask, text, caching, turns=len(earlier))
    return Eligibility(
        exact=caching.exact, semantic=inexact is None, reason=inexact, text=text, language=language
    )


def _unfit_request(ask: Ask, caching: Caching) -> Reason | None:
    if ask.use:
        return Reason.INTERNAL
    if ask.route not in {Route.CHAT, Route.COMPLETIONS}:
        return Reason.ROUTE
    return None if ask.wishes.keep else Reason.UNASKED


def _unfit_settings(body: Mapping[str, Any], caching: Caching) -> Reason | None:
    # Without any options a search is still one.
    if any(body.get(word) for word in TOOL_WORDS) or body.get("web_search_options") is not None:
        return Reason.TOOLS
    if _more_than(body.get("n"), 1) or _more_than(body.get("best_of"), 1):
        return Reason.MANY
    logprobs = body.get("logprobs")
    if (logprobs is not None and logprobs is not False) or body.get("top_logprobs"):
        return Reason.LOGPROBS
    if body.get("audio") or body.get("modalities") not in (None, ["text"]):
        return Reason.IMAGES
    return Reason.TEMPERATURE if _more_than(body.get("temperature"), caching.temperature) else None


def _more_than(value: object, limit: float) -> bool:
    """Also for what is no number at all: nobody knows what an engine makes of that."""
    if value is None:
        return False
    return isinstance(value, bool) or not isinstance(value, int | float) or not value <= limit


def _question(ask: Ask) -> tuple[str, list[str], Reason | None]:
    """The last text of a user, the texts of the turns before it, and what in them forbids an answer."""
    if ask.route is Route.COMPLETIONS:
        prompt = ask.body.get("prompt")
        several = (
            isinstance(prompt, list) and not all(isinstance(part, int) for part in prompt) and len(prompt) > 1
        )
        if several:
            return "", [], Reason.MANY
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        return (prompt if isinstance(prompt, str) else ""), [], None
    messages = ask.body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "", [], Reason.SHAPE
    turns: list[tuple[str, str]] = []
    for message in messages:
        if not isinstance(message, dict):
            return "", [], Reason.SHAPE
        role = message.get("role")
        if role in {"tool", "function"} or message.get("tool_calls") or message.get("function_call"):
            return "", [], Reason.TOOLS
        parts = list(_texts(message.get("content")))
        if None in parts:
            return "", [], Reason.IMAGES
        if role not in {"system", "developer"}:
            turns.append((str(role), "\n".join(part for part in parts if part)))
    if not turns or turns[-1][0] != "user":
        return "", [], Reason.SHAPE
    return turns[-1][1], [text for _, text in turns[:-1]], None


def _texts(content: object) -> Iterator[str | None]:
    """The texts of a message; None for a part that is none."""
    if isinstance(content, str):
        yield content
    elif content is not None and not isinstance(content, list):
        yield None
    elif content:
        for part in content:
            text = part.get("text") if isinstance(part, dict) and part.get("type") in TEXT_PARTS else None
            yield text if isinstance(text, str) else None


def _unfit_text(text: str, earlier: list[str], caching: Caching) -> Reason | None:
    # What the operator wrote (system messages) may name the operator: the partition covers it anyway.
    if any(personal(part) is not None for part in (text, *earlier)):
        return Reason.PERSONAL
    plain = folded(text)
    own = fresh(tuple(folded(word) for word in caching.fresh))
    if momentary(plain) or (own is not None and own.search(plain)):
        return Reason.FRESH
    if action(tuple(folded(word) for word in caching.actions)).search(plain):
        return Reason.ACTION
    return None


def _inexact(ask: Ask, text: str, caching: Caching, *, turns: int) -> Reason | None:
    if caching.semantic is None:
        return Reason.OFF
    if turns:
        return Reason.HISTORY
    if len(text) > LONGEST:
        return Reason.LONG
    return Reason.SHAPE if ask.route is Route.COMPLETIONS and not text.rstrip().endswith("?") else None
