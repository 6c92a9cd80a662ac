"""A stream of text in whole sentences, each with the markers behind it: the same ones, however the stream was cut. Pure.

The end of a line ends a sentence, unless it plainly goes on in the next. Reasoning that a model writes between tags is
left out, wherever it stands, and so is what nobody sees. Some models never write the tag that opens it: what begins as
reasoning does is held until the tag that closes it, or the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from passerelle.backends.builtin.sentences import ABBREVIATIONS, TITLES
from passerelle.pipelines.rag.citing_markers import opens
from passerelle.pipelines.rag.fencing import visible
from passerelle.text.words import folded

LONGEST = 1_200  # characters: longer ones are cut at a space

_END = re.compile(r"\n|[.!?…。！？]+[\"'”’»)*_]*(?:[\u00a0\u202f ]»)?")
_LAST_WORD = re.compile(r"[\w.\-]+$")
_NUMBERED = re.compile(r"^\W*\d{1,3}$")
_THINKS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THOUGHT = re.compile(r"</think(?:ing)?>\s*", re.IGNORECASE)
_ASIDE = re.compile(r"[ \t]?<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
_LONE = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
# A thought that begins, or what may yet become a tag.
_OPENED = re.compile(
    r"[ \t]?(?:(?P<tag><think(?:ing)?>)|</?(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\Z)", re.IGNORECASE
)
_REASONING = re.compile(
    r"(?:ok(?:ay)?|alright|all right|hmm+|wait|bon|d'accord|tres bien)[,.! ]|let(?:'s| me| us)\b|(?:so,? )?(?:the user|we need|"
    r"i need|i have to|i should|i'll|i will)\b|(?:first,? )(?:i|let|we)\b|l'utilisateur|(?:je|on) (?:dois|doit|vais|cherche|regarde)\b|"
    r"voyons|l'utilisatrice|looking at\b|thinking\b|analys"
)
_OPENING = 24  # characters that tell


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a line, and the white space behind it."""

    text: str
    gap: str


class Sentences:
    """Takes pieces of a stream and gives whole sentences."""

    def __init__(self) -> None:
        self._buffer = ""
        self._begun = False
        self._thinks = False
        self._reasons = False

    def feed(self, piece: str) -> list[Sentence]:
        """The sentences that are whole now."""
        self._buffer += visible(piece)
        return list(self._whole(final=False))

    def finish(self) -> list[Sentence]:
        """The rest."""
        return list(self._whole(final=True))

    def _whole(self, *, final: bool) -> Iterator[Sentence]:
        if not self._spoken(final=final):
            return
        self._buffer = _LONE.sub("", _ASIDE.sub("", self._buffer))
        opened = _OPENED.search(self._buffer)
        aside = ""  # a thought that has not ended
        if opened is not None and not (final and not opened["tag"]):
            aside = "" if final else self._buffer[opened.start() :]
            self._buffer = self._buffer[: opened.start()]
        while (cut := _cut(self._buffer, final=final)) is not None:
            end, on = cut
            yield Sentence(self._buffer[:end], self._buffer[end:on])
            self._buffer = self._buffer[on:]
        self._buffer += aside

    def _spoken(self, *, final: bool) -> bool:
        """Has the answer begun, and not only the thoughts before it?"""
        if self._begun:
            return True
        self._buffer = self._buffer.lstrip()
        if not self._thinks and not self._reasons:
            if not final and len(self._buffer) < _OPENING:
                return False
            self._thinks = _THINKS.match(self._buffer) is not None
            self._reasons = _REASONING.match(folded(self._buffer[:_OPENING])) is not None
        if self._thinks or self._reasons:
            ended = _THOUGHT.search(self._buffer)
            if ended is None:
                if final and self._thinks:
                    self._buffer = ""
                self._begun = final and bool(self._buffer)
                return self._begun
            self._buffer = self._buffer[ended.end() :]
            self._thinks = self._reasons = False
            return self._spoken(final=final)
        self._begun = bool(self._buffer)
        return self._begun


def answered(text: str) -> str:
    """A whole text without the reasoning before it, also where only its end has a tag."""
    opened = _ASIDE.sub("", text)
    *_, last = [0, *(found.end() for found in _THOUGHT.finditer(opened))]
    return opened[last:]


def _cut(text: str, *, final: bool) -> tuple[int, int] | None:
    """Where the first sentence ends, and where the next begins; None: it is not known yet, or there is none."""
    for found in _END.finditer(text, 0, LONGEST + 64):
        if found.start() >= LONGEST:
            break
        line = found[0] == "\n"
        if not line and not final and found.end() >= len(text):
            return None
        at = found.start() if line else found.end()
        if not line and at < len(text) and text[at] not in " \t\n\u00a0\u202f[［【〔⁰¹²³⁴⁵⁶⁷⁸⁹":
            continue
        end = _with_markers(text, found.end() if line else at, line=line, final=final)
        if end is None:
            return None
        if line and end == found.end():
            end = at
        on = _next(text, end)
        if on == len(text) and not final:
            return None
        if (
            on < len(text)
            and not line
            and "\n" not in text[end:on]
            and not _ends(text, found, text[on], glued=on == end)
        ):
            continue
        if line and on < len(text) and _wrapped(text, end, on):
            continue
        return end, on
    if len(text) > LONGEST and (space := _space(text)) is not None:
        return space, _next(text, space)
    return (len(text.rstrip()), len(text)) if final and text else None


def _with_markers(text: str, at: int, *, line: bool, final: bool) -> int | None:
    """Where the markers behind a sentence end; those on a line of their own belong to the line before."""
    start = _next(text, at) if line else at
    if start == len(text) and line and not final:
        return None
    end = opens(text, start, final=final)
    if end is None:
        return None
    if line:
        if end == start:
            return at
        rest = text[end:].lstrip(" \t\u00a0")
        if not rest and not final:
            return None
        return end if not rest or rest[0] == "\n" else at
    return end


def _ends(text: str, found: re.Match[str], following: str, *, glued: bool) -> bool:
    """Does that punctuation end a sentence, before a character that is seen?"""
    if found[0][0] in "。！？":
        return True
    if glued or following.islower():
        return False
    if not found[0].startswith(".") or found[0].startswith(".."):
        return True
    before = text[: found.start()]
    if _NUMBERED.match(before):
        return False
    last = _LAST_WORD.search(before[-24:])
    word = folded(last.group()).strip(".-") if last else ""
    if last and last.group()[0].isupper() and word in TITLES:
        return False
    return not (word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()))


def _wrapped(text: str, end: int, on: int) -> bool:
    """Does a sentence only go on in the next line there?"""
    return text[on].islower() and text.count("\n", end, on) == 1 and text[:end].rstrip()[-1:].isalnum()


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _space(text: str) -> int | None:
    """The last space before the longest sentence's end, in no brackets."""
    at = LONGEST
    while (at := max(text.rfind(" ", 0, at), text.rfind("\t", 0, at))) > 0:
        if text.rfind("[", 0, at) <= text.rfind("]", 0, at):
            return at
    return None
