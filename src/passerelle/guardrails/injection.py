"""How many signs of prompt injection a text shows. Pure, and linear in the length of the text."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections import defaultdict

from passerelle.guardrails import fold
from passerelle.guardrails.signs import MARKS, REACH, SIGNS, Sign

# Runs that may be base64; its shortest is about the shortest order that can be given.
_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,}")
_MOST_RUNS, _LONGEST_RUN = 32, 16_384
_ROT13_HINT = re.compile(r"rot ?13")


def _by_first() -> dict[str, tuple[Sign, ...]]:
    signs: defaultdict[str, list[Sign]] = defaultdict(list)
    for sign in SIGNS:
        for word in sign.firsts:
            signs[word].append(sign)
    return {word: tuple(found) for word, found in signs.items()}


_BY_FIRST = _by_first()


def weigh(text: str, enough: float) -> tuple[float, str]:
    """The sum of the weights of the signs in a text, each counted once, and the name of the heaviest.

    Stops as soon as the sum is `enough`. What is written in base64, or in ROT13 where the text says so, is read too,
    one layer deep.
    """
    found: dict[str, float] = {}
    flat = fold.folded(text)
    _look(flat, found, enough)
    if sum(found.values()) < enough:
        for hidden in _hidden(text, flat):
            _look(fold.folded(hidden), found, enough)
            if sum(found.values()) >= enough:
                break
    return sum(found.values()), max(found, key=lambda name: found[name], default="")


def _look(flat: str, found: dict[str, float], enough: float) -> None:
    """Add the signs of a folded text to those found; of several of one name the heaviest counts."""
    for name, mark, weight in MARKS:
        if weight > found.get(name, 0.0) and mark in flat:
            found[name] = weight
    if sum(found.values()) >= enough:
        return
    parts = fold.words(flat).split()
    for at in [at for at, word in enumerate(parts) if word in _BY_FIRST]:
        signs = [sign for sign in _BY_FIRST[parts[at]] if sign.weight > found.get(sign.name, 0.0)]
        if not signs:
            continue
        near = " ".join([part[:40] for part in parts[at : at + REACH]])
        for sign in signs:
            if sign.pattern.match(near):
                found[sign.name] = sign.weight
        if sum(found.values()) >= enough:
            return


def _hidden(text: str, flat: str) -> list[str]:
    """Texts inside a text that are encoded."""
    hidden = []
    for number, run in enumerate(_RUN.finditer(text)):
        if number == _MOST_RUNS:
            break
        coded = run[0][:_LONGEST_RUN].replace("-", "+").replace("_", "/")
        try:
            decoded = base64.b64decode(coded[: len(coded) // 4 * 4]).decode("utf-8", "ignore")
        except binascii.Error:  # only looked like it
            continue
        hidden.append(decoded)
    if _ROT13_HINT.search(fold.words(flat)):
        hidden.append(codecs.encode(flat, "rot13"))
    return hidden
