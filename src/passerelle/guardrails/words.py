"""Banned words and phrases: whole words, whatever their case and accents, also across pieces of a stream.

A phrase matches word by word, with anything but letters and digits between its words. Nothing here is slower than the
length of the text: words are looked up in a set, and only where one begins a phrase are the next ones compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from passerelle.guardrails import fold

_Node = dict[str, Any]  # from a word to the node of what may follow it
_END = ""  # no word: a phrase ends at this node


class Lexicon:
    """Phrases, ready to be looked for. `longest` is the length in characters of the longest, folded."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._root: _Node = {}
        prefixes: set[str] = set()
        self._most = self.longest = 0
        for phrase in phrases:
            parts = fold.words(phrase).split()
            node = self._root
            for part in parts:
                node = node.setdefault(part, {})
            node[_END] = {}
            joined = " ".join(parts)
            prefixes.update(joined[:end] for end in range(1, len(joined) + 1))
            self._most = max(self._most, len(parts))
            self.longest = max(self.longest, len(joined))
        self._firsts = frozenset(self._root)
        self._prefixes = frozenset(prefixes)

    def found(self, text: str) -> bool:
        """Does a whole text hold one of the phrases?"""
        return self.among(fold.words(text).split())

    def among(self, parts: list[str]) -> bool:
        """Do words in a row, folded, hold one of the phrases?"""
        if self._firsts.isdisjoint(parts):
            return False
        starts = [at for at, word in enumerate(parts) if word in self._firsts]
        for start in starts:
            node = self._root
            for word in parts[start : start + self._most]:
                below = node.get(word)
                if below is None:
                    break
                if _END in below:
                    return True
                node = below
        return False

    def begun(self, tail: str) -> int:
        """How many characters at the end of a folded text may yet become a phrase, or have just become one.

        The text begins where a word does.
        """
        at = len(tail)
        starts = [0]
        for _ in range(self._most + 1):
            at = tail.rfind(" ", 0, at)
            if at < 0:
                break
            starts.append(at + 1)
        return max([len(tail) - start for start in starts if tail[start:] in self._prefixes], default=0)


class Reading:
    """One text that comes in pieces. `begun` is how many of its folded characters may yet become a phrase."""

    __slots__ = ("_lexicon", "_tail", "_total", "begun")

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._tail = ""  # folded; starts where a word does
        self._total = 0
        self.begun = 0

    @property
    def total(self) -> int:
        """Folded characters that have come."""
        return self._total

    @property
    def complete(self) -> bool:
        """Would a phrase be whole if the text ended here?"""
        return self._lexicon.among(self._tail.split(" "))

    def take(self, piece: str) -> bool:
        """Read on. True when a phrase is whole: it has ended, and so has its last word."""
        new = fold.words(piece)
        if new.startswith(" ") and (not self._tail or self._tail.endswith(" ")):
            new = new[1:]
        if not new:
            return False
        self._total += len(new)
        tail = self._tail + new
        parts = tail.split(" ")
        last = parts.pop()  # not ended yet; "" where the text ends with a space
        if self._lexicon.among(parts):
            return True
        self.begun = begun = self._lexicon.begun(tail)
        # A word too long for any phrase stays one that is none, whatever follows; and so does one that has begun
        # wrongly, but its beginning has to be kept so that its end is not taken for a word.
        keep = max(begun, len(last))
        self._tail = "\0" if begun == 0 and len(last) > self._lexicon.longest else tail[len(tail) - keep :]
        if begun == 0 and not last:
            self._tail = " "
        return False

    def end(self) -> bool:
        """The text ends here, and with it its last word."""
        return self.take(" ")
