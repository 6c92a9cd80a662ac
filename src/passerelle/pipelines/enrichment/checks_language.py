"""Which language a text is in, when that is sure: French and English, and enough of others to tell that it is neither."""

from __future__ import annotations

import re
from collections.abc import Mapping

from passerelle.text.words import ENGLISH_ONLY, FRENCH_ONLY

_WORD = re.compile(r"[^\W\d_]+")
_SMALL: Mapping[str, str] = {
    "de": "und der das ist nicht mit fur den dem ein eine einen auf sich werden wird sie ihre auch zu im von bei oder sind",
    "es": "el los las una por para con del y como mas sus esta este lo pero muy al son puede curso usted sobre",
    "it": "il di che per con una della gli delle sono nel alla anche piu questo questa ed al corso dei lo",
    "pt": "o os uma para com nao do da dos das em por mais ao seu sua voce um curso sao pelo",
    "nl": "het een van en niet met voor zijn dat op aan ook wordt bij naar of deze worden je",
}
_OTHERS = {code: frozenset(small.split()) for code, small in _SMALL.items()}
# Romance languages share these with French, so they do not speak for it against them.
_ALSO = "la de que se en un es me te si tu le ne a sur y on son est"
_SHARED = frozenset(_ALSO.split())
FEWEST = 8  # words, below which nothing is sure


def language_of(flat: str) -> str | None:
    """The language of a folded text; None where it is not sure."""
    words = _WORD.findall(flat)
    if len(words) < FEWEST:
        return None
    french = sum(word in FRENCH_ONLY for word in words)
    own = sum(word in FRENCH_ONLY and word not in _SHARED for word in words)
    english = sum(word in ENGLISH_ONLY for word in words)
    scores = {"fr": float(french), "en": float(english)}
    for code, small in _OTHERS.items():
        count = sum(word in small for word in words)
        scores[code] = float(count) if count > max(own, english) and count >= 3 else 0.0
    other = max(("de", "es", "it", "pt", "nl"), key=scores.__getitem__)
    if scores[other]:
        return other
    best, second = ("fr", "en") if french >= english else ("en", "fr")
    if scores[best] < max(3.0, 0.1 * len(words)) or scores[best] < 2 * scores[second]:
        return None
    return best
