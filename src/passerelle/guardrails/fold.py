"""Text as it is compared: without case, accents, look-alike letters, and characters nobody sees.

Every character is folded by itself, whatever stands beside it: a text folds to the same characters however it is cut
into pieces. That is why characters are decomposed (NFKD) and never composed again.
"""

from __future__ import annotations

import re
import unicodedata

_MOST_KEPT = 20_000  # folded characters that are remembered; a text of every character there is gains nothing

# Letters of other alphabets that look like a Latin one in most fonts. Each is folded on both sides of a comparison,
# so that a Greek or Cyrillic phrase is still found in a Greek or Cyrillic text.
_LOOKALIKES = str.maketrans(
    "авекмнорстухіјѕԁһӏɡɑɩαβεικνορτυχωℓ",
    "abekmhopctyxijsdhlgaiabeikvoptuxwl",
)
# Characters that show nothing though Unicode calls them letters.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
_SPECIAL = {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "œ": "oe", "æ": "ae", "\u2800": " "}


def _fold(char: str) -> str:
    """One character, folded: letters and digits as they are compared, the rest as it is, the unseen as nothing."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    out = []
    for part in folded:
        category = unicodedata.category(part)
        if category in ("Mn", "Me", "Cf") or part in _BLANK:
            continue
        if category[0] == "Z" or part in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85":
            out.append(" ")
        else:
            out.append(_SPECIAL.get(part, part).translate(_LOOKALIKES))
    return "".join(out)


class _Table(dict[int, str]):
    """A table for `str.translate` that fills itself as characters are met."""

    def __init__(self, *, words: bool) -> None:
        super().__init__()
        self._words = words
        for code in range(128):
            self.__missing__(code)

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_KEPT:
            self.clear()
        folded = _fold(chr(code))
        if self._words:
            folded = "".join([part if _is_letter(part) else " " for part in folded])
        self[code] = folded
        return folded


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char) == "Mc"


_FOLDED = _Table(words=False)
_WORDS = _Table(words=True)
_SPACES = re.compile(r" {2,}")
# An escape of JSON or the start of one that a piece of text ends with.
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_CUT = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPED = {"b": " ", "f": " ", "n": "\n", "r": "\n", "t": "\t"}


def folded(text: str) -> str:
    """The text folded, with its punctuation."""
    return text.translate(_FOLDED)


def words(text: str) -> str:
    """The text folded, with a single space for every run of characters that are neither letters nor digits."""
    return _SPACES.sub(" ", text.translate(_WORDS))


def whole_escapes(text: str) -> int:
    """How many characters from the start hold no escape of JSON that is cut off at the end."""
    cut = _CUT.search(text, max(0, len(text) - 6))
    if cut is None:
        return len(text)
    backslashes = len(text) - len(text[: cut.start() + 1].rstrip("\\")) - (len(text) - cut.start() - 1)
    return cut.start() if backslashes % 2 else len(text)


def unescaped(text: str) -> str:
    """Text out of JSON's strings, for comparing: the escapes of JSON as what they stand for."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(escape: re.Match[str]) -> str:
    if escape[1]:
        code = int(escape[1], 16)
        return " " if 0xD800 <= code <= 0xDFFF else chr(code)
    return _ESCAPED.get(escape[2], escape[2])
