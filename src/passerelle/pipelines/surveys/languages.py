"""Which language a comment is in: French and English as `text/words.py` tells them, others by their small words.

Six languages of our neighbours are named; of an alphabet that none of them uses, the alphabet is. Of two words like
`RAS` nobody can tell.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from passerelle.text.words import ENGLISH_STOP, FRENCH_STOP, SURFACE, Language, folded, language_of

_SMALL_WORDS = {
    "de": """ich du er wir ihr der die das den dem ein eine einen einem einer und oder aber nicht kein keine ist sind war
        waren hat haben wird werden mit von zu zum zur auf fur im am an bei nach uber sehr gut auch noch nur wie was wenn
        dass mehr viel viele kurs als es sich mir mich uns""",
    "es": """el la los las lo un una unos unas y o pero no muy mas es son era fue esta este esto estos estas que en de del
        al a con por para como se su sus mi me nos ha han todo todos bien bueno curso ser hay cuando tambien sin sobre yo
        gracias mucho muchas""",
    "it": """il lo la i gli le un uno una e o ma non molto piu sono era stato questo questa questi che in di del della dei
        delle al alla con per come si suo mi ci ha hanno tutto tutti bene corso essere anche quando da dal nel nella sul
        grazie troppo""",
    "pt": """o a os as um uma e ou mas nao muito mais sao era foi esta este isto que em no na nos nas de do da dos das ao com
        por para como se seu sua meu me tem todo todos bem bom curso ser quando tambem sem sobre eu voce obrigado
        obrigada""",
    "nl": """ik je hij wij het de een en of maar niet geen is zijn was waren heeft hebben wordt worden met van te op voor in
        aan bij naar over zeer goed ook nog alleen hoe wat als dat meer veel cursus deze dit er ze mij ons erg heel""",
    "pl": """i w na z do nie to sie jest byl byla bylo ze jak ale o co tak za od po dla bardzo dobry kurs tego ten ta te moze
        przez juz tylko czy oraz jestem""",
}  # fmt: skip
_OTHERS: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()
}
_ENOUGH = 8  # words after which a language should be told


class Told(NamedTuple):
    """A language of ISO 639-1, or None; `alphabet` names the letters where they are none of ours."""

    language: str | None
    alphabet: str = ""
    words: int = 0

    @property
    def should_be_known(self) -> bool:
        """Whether there is enough of it to tell."""
        return self.words >= _ENOUGH or bool(self.alphabet)


def tell(text: str) -> Told:
    """The language of a comment. Only its first 2,000 characters are read."""
    text = text[:2000]
    alphabet = "" if text.isascii() else _alphabet(text)
    if alphabet:
        return Told(None, alphabet, len(text.split()))
    words = [folded(match.group()).strip("'") for match in SURFACE.finditer(text.replace("’", "'"))]
    count = len(words)
    ours = max(sum(word in FRENCH_STOP for word in words), sum(word in ENGLISH_STOP for word in words))
    scores = {name: sum(word in small for word in words) for name, small in _OTHERS.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] >= 2 and scores[best] > ours:
        return Told(best, "", count)
    french = language_of(text, "fr")
    return Told(french if french == language_of(text, "en") else None, "", count)


def nearest(code: str, text: str) -> Language:
    """French or English: that of a language's code, else what the text is rather in."""
    if code[:2] == "fr":
        return "fr"
    return "en" if code[:2] == "en" else language_of(text)


def _alphabet(text: str) -> str:
    letters = [character for character in text if character.isalpha()][:300]
    if sum(character > "\u024f" for character in letters) * 2 <= len(letters):
        return ""
    names = Counter(
        unicodedata.name(character, "?").split()[0] for character in letters if character > "\u024f"
    )
    return names.most_common(1)[0][0].lower() if names else ""
