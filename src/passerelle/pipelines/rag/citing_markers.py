"""The markers `[n]` in a model's text, in all the ways that models write them. Pure.

A list, a range, a footnote, full-width or raised figures become `[n]` each; numbers of no passage, and what has a
marker's form and is none, are taken out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MOST_OF_RANGE = 20
LONGEST_MARKER = 60  # characters

_OPEN, _CLOSE = r"[\[［【〔]", r"[\]］】〕]"
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_NUMBER = rf"(?:[0-9０-９]{{1,3}}|[{_RAISED}]{{1,3}})"
_WORDED = rf"(?:\^|(?:sources?|passages?|documents?|docs?|extraits?|ref|réf|n°|no\.?)[ \t]{{0,2}}:?[ \t]{{0,2}}n?°?[ \t]?)?{_NUMBER}"
_BETWEEN = r"[ \t\u00a0]{0,3}(?:[,;，；、&]|[-–—‑~]|et|and)[ \t\u00a0]{0,3}"
# An address right behind a marker makes it a link, which it is not to be.
_MARKER = re.compile(
    rf"[ \t\u00a0\u202f]*{_OPEN}[ \t\u00a0]*(?P<list>{_WORDED}(?:{_BETWEEN}{_WORDED})*)(?:†[^\[\]【】\n]{{0,30}})?"
    rf"[ \t\u00a0]*{_CLOSE}(?:\([^\s()]*\))?",
    re.IGNORECASE,
)
_RAISED_MARKER = re.compile(
    rf"(?:(?<=[.!?…»\")\]])|(?<=[^\W\d_]{{4}}))(?P<list>[{_RAISED}]+(?:[,ʼ˒][{_RAISED}]+)*)(?!\w)"
)
_MALFORMED = re.compile(
    rf"[ \t\u00a0\u202f]*{_OPEN}(?:[\s0-9０-９{_RAISED},;&.\-–—‑~^†]{{0,40}}|(?:{_WORDED})[^\[\]\n]{{0,3}}){_CLOSE}(?:\([^\s()]*\))?"
    rf"|[ \t]*{_OPEN}\s*\^?(?:{_NUMBER}[\s,;&\-–—]{{0,4}})*\Z",
    re.IGNORECASE,
)
_ONE = re.compile(rf"(?P<to>[-–—‑~])|(?P<number>{_NUMBER})")
_ADDRESS_ENDS = re.compile(r"[\s)]")
_CLOSES = re.compile(_CLOSE)
_HELD = re.compile("\x04(\\d+)\x05")


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence with its markers in place, as `held` writes them, the sentence without them, and their numbers."""

    text: str
    bare: str
    numbers: tuple[int, ...]


def marked(text: str, most: int) -> Marked:
    """Reads the markers of a text where passages have the numbers 1 to `most`."""
    numbers: list[int] = []

    def read(found: re.Match[str]) -> str:
        named = [number for number in _numbers(found["list"]) if 1 <= number <= most]
        named = list(dict.fromkeys(named))
        numbers.extend(named)
        if not named:
            return ""
        lead = " " if found[0][:1].isspace() else ""
        return lead + held(named)

    text = _RAISED_MARKER.sub(read, _MARKER.sub(read, text.replace("\x04", "").replace("\x05", "")))
    text = _MALFORMED.sub("", text)
    bare = re.sub(r"[ \t\u00a0]*\x04\d+\x05", "", text)
    return Marked(text, bare, tuple(dict.fromkeys(numbers)))


def held(numbers: list[int]) -> str:
    """Markers in a form that nothing else has, so that a text can be worked on before they are written."""
    return "".join(f"\x04{number}\x05" for number in numbers)


def written(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """A text with `[n]` for held markers, and for each its number, and where it begins and ends."""
    places: list[tuple[int, int, int]] = []
    pieces: list[str] = []
    at = length = 0
    for found in _HELD.finditer(text):
        pieces += [text[at : found.start()], f"[{found[1]}]"]
        length += found.start() - at
        places.append((int(found[1]), length, length + len(pieces[-1])))
        length += len(pieces[-1])
        at = found.end()
    return "".join([*pieces, text[at:]]), places


def opens(text: str, at: int, *, final: bool) -> int | None:
    """Where the markers that stand at a place of a text end; the place itself for none; None: it is not known yet."""
    while True:
        begins = at
        while begins < len(text) and text[begins] in " \t\u00a0\u202f":
            begins += 1
        if begins == len(text):
            return at if final else None
        if text[begins] not in "[［【〔" + _RAISED:
            return at
        closing = _CLOSES.search(text, begins, begins + LONGEST_MARKER)
        if text[begins] in _RAISED:
            end = begins
            while end < len(text) and text[end] in _RAISED:
                end += 1
            if end == len(text) and not final:
                return None
            at = end
            continue
        if closing is None:
            line = text.find("\n", begins, begins + LONGEST_MARKER)
            return at if final or line >= 0 or len(text) - begins >= LONGEST_MARKER else None
        if closing.end() == len(text) and not final:
            return None  # an address may follow
        found = _MARKER.match(text, begins)
        if found is None or found.end() < closing.end():
            return at
        address = text[closing.end() : closing.end() + 1] == "(" and found.end() == closing.end()
        if address and not final and not _ADDRESS_ENDS.search(text, closing.end() + 1):
            return None
        at = found.end()


def _numbers(said: str) -> list[int]:
    found: list[int] = []
    ranged = False
    for match in _ONE.finditer(said):
        if match["to"]:
            ranged = bool(found)
            continue
        number = int(unicodedata.normalize("NFKC", match["number"]))
        if ranged and 0 < number - found[-1] <= MOST_OF_RANGE:
            found.extend(range(found[-1] + 1, number + 1))
        else:
            found.append(number)
        ranged = False
    return found
