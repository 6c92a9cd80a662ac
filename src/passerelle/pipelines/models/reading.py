"""The one JSON value in what a model said: thoughts left out, fences taken off, words around it passed over. Pure.

A value that could be read in two ways is none: two fenced blocks that differ, a key that stands twice.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from passerelle.pipelines.models.outcome import Reason

LONGEST = 1_048_576  # characters that are read
_OPENED_ANYWHERE = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_OPENED = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_CLOSED = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_OPENS = re.compile(r"[{\[]")


class NoValue(ValueError):
    """There is no one value. `wrong` says why, for the model, and quotes little of it."""

    def __init__(self, reason: Reason, wrong: str) -> None:
        super().__init__(wrong)
        self.reason = reason
        self.wrong = wrong


def read(text: str) -> tuple[Any, str]:
    """The value, and the text that is it and nothing else. Raises NoValue."""
    if len(text) > LONGEST:
        raise NoValue(Reason.NOT_JSON, "The answer is too long.")
    said = unthought(text).strip().removeprefix("\ufeff").strip()
    if not said:
        raise NoValue(Reason.EMPTY, "The answer is empty.")
    whole = _loaded(said)
    if whole is not None:
        return _checked(whole[0], said)
    found: list[tuple[Any, str]] = []
    for block in _blocks(said):
        loaded = _loaded(block)
        if loaded is not None and loaded[0] not in [value for value, _ in found]:
            found.append((loaded[0], block))
        if len(found) > 1:
            raise NoValue(Reason.SEVERAL, "The answer holds more than one JSON value; give one.")
    if not found:
        raise NoValue(Reason.NOT_JSON, f"The answer is not JSON: {_why(said)}.")
    return _checked(*found[0])


def unthought(text: str) -> str:
    """What was said after a model's thoughts; nothing where it has not come to an end of them.

    Some templates open the thoughts in the prompt, so that only their end is seen. Only thoughts that stand first are
    thoughts: a value may quote the word.
    """
    at = 0
    while begins := _OPENED.match(text, at):
        end = _CLOSED.search(text, begins.end())
        if end is None:
            return ""
        at = end.end()
    said = text[at:]
    ends = [match.end() for match in _CLOSED.finditer(said)]
    if not ends or _OPENED_ANYWHERE.search(said) or _loaded(said) is not None:
        return said
    return said[ends[-1] :]


def _blocks(said: str) -> list[str]:
    """The parts of an answer that may be its value: what is fenced, or from each first bracket to its own end."""
    fenced = _fenced(said)
    return fenced if any(_loaded(block) is not None for block in fenced) else _bracketed(said)


def _fenced(said: str) -> list[str]:
    """What stands between lines of backquotes or tildes; the last such line may be missing."""
    blocks: list[list[str]] = []
    fence = ""
    for line in said.split("\n"):
        bare = line.strip()
        if not fence:
            if bare.startswith(("```", "~~~")):
                fence = bare[:3]
                blocks.append([])
        elif bare.startswith(fence):
            fence = ""
        else:
            blocks[-1].append(line)
    return ["\n".join(lines).strip() for lines in blocks]


def _bracketed(said: str) -> list[str]:
    """Objects and lists among words, one after the other.

    Nothing, where one cannot be read: it may have been cut off, and what is inside of it is not the answer.
    """
    decoder, found, at = json.JSONDecoder(), list[str](), 0
    while begin := _OPENS.search(said, at):
        try:
            _, at = decoder.raw_decode(said, begin.start())
        except (ValueError, RecursionError):
            return []
        found.append(said[begin.start() : at])
    return found


def _loaded(text: str) -> tuple[Any] | None:
    """The value of a text that is JSON, strictly: no NaN, no half characters."""
    try:
        return (orjson.loads(text),)
    except orjson.JSONDecodeError:
        return None


def _checked(value: Any, text: str) -> tuple[Any, str]:
    try:
        json.loads(text, object_pairs_hook=_undoubled)
    except _Doubled as error:
        raise NoValue(Reason.NOT_JSON, "A key stands twice in one object of the answer.") from error
    except (ValueError, RecursionError) as error:
        raise NoValue(
            Reason.NOT_JSON, "The answer is nested too deeply, or holds too large a number."
        ) from error
    return value, text


class _Doubled(ValueError):
    pass


def _undoubled(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubled
    return found


def _why(said: str) -> str:
    try:
        orjson.loads(said)
    except orjson.JSONDecodeError as error:
        return f"{error.msg} at character {error.pos}"
    return "it cannot be read"
