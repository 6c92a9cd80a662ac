"""What an engine says it used, as kinds of tokens that do not overlap and add up to the whole. Pure.

OpenAI's usage counts cached and audio tokens inside `prompt_tokens` and reasoning inside `completion_tokens`; some
providers count them beside, which `total_tokens` shows. What cannot be is never nought and never negative: it is
marked, and what is believable of it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from passerelle.domain.ledger import Certainty, TokenKind, UsageSource

# One token is about four bytes of English and three of French; four is OpenAI's rule of thumb. This is a figure for a
# report, marked as estimated; what is held before a call is more careful.
BYTES_A_TOKEN = 4
_MOST = 1_000_000_000  # tokens: no context is a hundredth of it

_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
_CACHED = ("prompt_cache_hit_tokens", "cache_read_input_tokens")
_WRITTEN = ("cache_creation_input_tokens",)
# Where these stand beside `input_tokens` and no `prompt_tokens` does, it is Anthropic's usage, which counts them apart.
_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens by kind, none of them nought or of two kinds.

    `doubts` says in sentences why the count is estimated, where it is; they quote nothing but numbers' names.
    """

    tokens: Mapping[TokenKind, int]
    certainty: Certainty
    source: UsageSource
    doubts: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All tokens."""
        return sum(self.tokens.values())

    @property
    def prompt(self) -> int:
        """All tokens of the prompt."""
        return sum(self.tokens.get(kind, 0) for kind in INPUT_KINDS)


INPUT_KINDS = (TokenKind.INPUT, TokenKind.CACHED_INPUT, TokenKind.CACHE_WRITE, TokenKind.AUDIO_INPUT)
OUTPUT_KINDS = (TokenKind.OUTPUT, TokenKind.REASONING, TokenKind.AUDIO_OUTPUT)


def estimate(size: int) -> int:
    """Tokens in so many bytes of text, when nobody counted them: ceil(bytes / 4)."""
    return -(-max(size, 0) // BYTES_A_TOKEN)


def counted(said: Sequence[object], *, sent: int, received: int, generates: bool = True) -> Counted:
    """What one try used, by every usage the engine sent in it, in order; none of them is a sum of the others.

    `sent` and `received` are bytes of the prompt and of the answer's text, for what the engine did not say.
    `generates` is False where an answer has no tokens of its own: embeddings, rankings, classes.
    """
    if len(said) == 1 and (plain := _plain(said[0], received if generates else 0)) is not None:
        return plain
    objects = [usage for usage in said if usage is not None]
    counts = [_count(usage, sent=sent, received=received, generates=generates) for usage in objects]
    if not counts:
        why = ("The engine did not say what it used: counted from bytes.",)
        received = received if generates else 0
        return _whole(_Sides(estimate(sent), estimate(received)), why, source=UsageSource.ESTIMATE)
    last = counts[-1]
    # A stream's usage may come in every chunk and grows. One that shrinks is two answers to one question.
    largest = max(counts, key=lambda count: count.total)
    if largest.total > last.total:
        return _doubted(largest, "Usage came more than once, and the last was not the largest.")
    return last


_SIDES = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_DETAILS = {"prompt_tokens_details": "cached_tokens", "completion_tokens_details": "reasoning_tokens"}


def _plain(usage: object, received: int) -> Counted | None:
    """What nearly every engine says, read at a tenth of the cost; None for anything that wants a second look."""
    if type(usage) is not dict:
        return None
    prompt, completion, total = (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        usage.get("total_tokens"),
    )
    if type(prompt) is not int or type(completion) is not int or not (0 < prompt <= _MOST):
        return None
    if total != prompt + completion or not (0 <= completion <= _MOST) or (received and not completion):
        return None
    inside = [0, 0]
    if len(usage) > 3:
        for name, value in usage.items():
            if name in _SIDES or value is None:
                continue
            kind = _DETAILS.get(name)
            if kind is None or type(value) is not dict:
                return None
            for part, count in value.items():
                strange = count is not None and type(count) is not int
                if strange or (count and (part != kind or count < 0)):
                    return None
                if part == kind and count:
                    inside[kind == "reasoning_tokens"] = count
    cached, reasoned = inside
    if cached > prompt or reasoned > completion:
        return None
    tokens = {TokenKind.INPUT: prompt - cached} if prompt > cached else {}
    if cached:
        tokens[TokenKind.CACHED_INPUT] = cached
    if completion > reasoned:
        tokens[TokenKind.OUTPUT] = completion - reasoned
    if reasoned:
        tokens[TokenKind.REASONING] = reasoned
    return Counted(MappingProxyType(tokens), Certainty.EXACT, UsageSource.PROVIDER)


def _doubted(count: Counted, why: str) -> Counted:
    return replace(count, certainty=Certainty.ESTIMATED, doubts=(*count.doubts, why))


@dataclass(slots=True)
class _Sides:
    """Whole sides, and the parts counted inside them."""

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0
    heard: int = 0  # audio in
    reasoned: int = 0
    spoken: int = 0  # audio out


class _Reading:
    """Reads counts out of a usage object, noting what cannot be."""

    def __init__(self, usage: Mapping[Any, Any]) -> None:
        self._usage = usage
        self.doubts: list[str] = []

    def of(self, names: Sequence[str]) -> int | None:
        """The largest count under any of these names; None where there is none to believe."""
        return self._largest(self._usage, names)

    def part(self, names: Sequence[str], parents: Sequence[str], beside: Sequence[str] = ()) -> int:
        """A count inside the details, or under another name beside them; 0 where nobody speaks of it."""
        found = [self._largest(self._usage, beside)]
        for parent in parents:
            details = self._usage.get(parent)
            if isinstance(details, Mapping):
                found.append(self._largest(details, names))
            elif details is not None:
                self.doubts.append(f"`{parent}` is no mapping.")
        return self._one([count for count in found if count], names[0]) or 0

    def _largest(self, fields: Mapping[Any, Any], names: Sequence[str]) -> int | None:
        found = [self._number(fields[name], name) for name in names if fields.get(name) is not None]
        return self._one([count for count in found if count is not None], names[0] if names else "")

    def _one(self, counts: list[int], name: str) -> int | None:
        if len(set(counts)) > 1:
            self.doubts.append(f"`{name}` is said twice and differently: the larger is taken.")
        return max(counts, default=None)

    def _number(self, value: Any, name: str) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return value
        self.doubts.append(f"`{name}` is not a count of tokens.")
        if isinstance(value, float) and value.is_integer() and 0 <= value <= _MOST:
            return int(value)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
            return self._number(int(value), name) if int(value) <= _MOST else None
        return None


def _count(usage: object, *, sent: int, received: int, generates: bool) -> Counted:
    reading = _Reading(usage if isinstance(usage, Mapping) else {})
    if not isinstance(usage, Mapping):
        reading.doubts.append("The usage is no mapping.")
    sides = _Sides(
        reading.of(_PROMPT) or 0,
        reading.of(_COMPLETION) or 0,
        cached=reading.part(("cached_tokens",), _INPUT_DETAILS, _CACHED),
        written=reading.part(("cache_creation_tokens", "cache_write_tokens"), _INPUT_DETAILS, _WRITTEN),
        heard=reading.part(("audio_tokens",), _INPUT_DETAILS),
        reasoned=reading.part(("reasoning_tokens",), _OUTPUT_DETAILS),
        spoken=reading.part(("audio_tokens",), _OUTPUT_DETAILS),
    )
    total = reading.of(("total_tokens",))
    told = bool(sides.prompt or sides.completion or total)
    if isinstance(usage, Mapping):
        _beside(sides, usage, total)
    _complete(sides, total, reading, sent=sent, received=received if generates else 0)
    if total is not None and total != sides.prompt + sides.completion and not reading.doubts:
        reading.doubts.append("`total_tokens` is not the sum of prompt and completion.")
    _inside(sides, reading)
    source = UsageSource.PROVIDER if told else UsageSource.ESTIMATE
    return _whole(sides, tuple(dict.fromkeys(reading.doubts)), source=source)


def _beside(sides: _Sides, usage: Mapping[Any, Any], total: int | None) -> None:
    """Take in what a provider counts beside its sides and not inside them."""
    if usage.get("prompt_tokens") is None and any(usage.get(name) is not None for name in _ANTHROPIC):
        sides.prompt += sides.cached + sides.written
        return
    if total is None or total == sides.prompt + sides.completion:
        return
    cache = sides.cached + sides.written
    for more_in, more_out in ((0, sides.reasoned), (cache, 0), (cache, sides.reasoned)):
        if total == sides.prompt + more_in + sides.completion + more_out:
            sides.prompt += more_in
            sides.completion += more_out
            return


def _complete(sides: _Sides, total: int | None, reading: _Reading, *, sent: int, received: int) -> None:
    """Fill a side that was not said, from the total if that is left, else from bytes."""
    if not sides.prompt and sent:
        left = (total or 0) - sides.completion
        sides.prompt = left if left > 0 and (sides.completion or not received) else estimate(sent)
        reading.doubts.append("The tokens of the prompt were not said.")
    if not sides.completion and received:
        left = (total or 0) - sides.prompt
        sides.completion = left if left > 0 else estimate(received)
        reading.doubts.append("The tokens of the answer were not said.")
    if total and not sides.prompt and not sides.completion:
        sides.prompt = total
        reading.doubts.append("Only the total of tokens was said: they are taken for the prompt's.")


def _inside(sides: _Sides, reading: _Reading) -> None:
    """Parts larger than their whole are not believed, and the whole is paid as if it had none: never too little."""
    if sides.cached + sides.written + sides.heard > sides.prompt:
        reading.doubts.append("More tokens of the prompt are cached or audio than it has.")
        sides.cached = sides.written = sides.heard = 0
    if sides.reasoned + sides.spoken > sides.completion:
        reading.doubts.append("More tokens of the answer are reasoning or audio than it has.")
        sides.reasoned = sides.spoken = 0


def _whole(sides: _Sides, doubts: tuple[str, ...], *, source: UsageSource) -> Counted:
    tokens = {
        TokenKind.INPUT: sides.prompt - sides.cached - sides.written - sides.heard,
        TokenKind.CACHED_INPUT: sides.cached,
        TokenKind.CACHE_WRITE: sides.written,
        TokenKind.AUDIO_INPUT: sides.heard,
        TokenKind.OUTPUT: sides.completion - sides.reasoned - sides.spoken,
        TokenKind.REASONING: sides.reasoned,
        TokenKind.AUDIO_OUTPUT: sides.spoken,
    }
    certainty = Certainty.ESTIMATED if doubts else Certainty.EXACT
    used = {kind: count for kind, count in tokens.items() if count}
    return Counted(MappingProxyType(used), certainty, source, doubts)
