"""Whether a sentence says that there is no answer, in the ways that models say it, in French and English. Pure."""

from __future__ import annotations

import re
from enum import Enum

from passerelle.backends.builtin.phrases import PHRASES
from passerelle.pipelines.rag.prompts_text import NO_ANSWER, REFUSALS
from passerelle.text.words import folded


class Refusing(Enum):
    """How sure it is."""

    NOT = "it says something else"
    PERHAPS = "it says that something is not there; what follows may yet be an answer"
    PLAINLY = "it says that there is no answer"


_SIGNS = re.compile(r"[\W_]+")
_OWN = tuple(
    _SIGNS.sub(" ", folded(re.split(r"(?<=[.])\s", phrase)[0])).strip()
    for phrase in (*NO_ANSWER.values(), *REFUSALS.values(), *PHRASES.values())
)
_PLAINLY = re.compile(
    r"^(?:(?:desole|je suis desole\w*|sorry|i am sorry|i m sorry|unfortunately|malheureusement|i apologi[sz]e)(?: mais| but)? )?"
    r"(?:je ne (?:le )?sais pas(?! (?:si|seulement))|je n ai pas (?:trouve |pu trouver )?(?:de |la |cette |d )?(?:reponse|information)|"
    r"je ne trouve (?:pas|aucune)|je ne (?:peux|suis) pas (?:en mesure de |pouvoir )?(?:repondre|trouver)|"
    r"je ne dispose (?:pas|d aucune)|i (?:do not|don t) (?:know|have (?:enough |the |any |that )?(?:information|answer))|"
    r"i (?:cannot|can t|could not|couldn t|can not|am unable to|m unable to|am not able to|did not|didn t) (?:find|answer|determine|locate)|"
    r"i found (?:no|nothing)|no answer|aucune reponse|pas de reponse)\b"
)
_GIVEN = r"(?:documents?|passages?|contexte?|sources?|textes?|texts?|extraits?|excerpts?|informations?(?: fournies?| provided| given)?)"
_PERHAPS = re.compile(
    rf"\b{_GIVEN}(?: \w+){{0,4}} (?:ne|n|do not|does not|don t|doesn t|did not|didn t|never|contain no|contains no|says? nothing|give no)\b"
    rf"|\b(?:aucune? (?:information|mention|precision|passage|document|source|reponse)|no (?:information|mention|passage|document|source))\b"
    rf"|\b(?:not|pas|nulle part|nowhere) (?:\w+ )?(?:mentioned|given|stated|provided|specified|mentionne\w*|precise\w*|indique\w*|"
    rf"fourni\w*|available)\b(?: \w+){{0,3}} (?:in|by|dans|par)\b"
    rf"|\b(?:cannot|can t|could not|couldn t|ne peux pas|ne peut pas|impossible)(?: \w+){{0,2}} (?:answer\w*|repondre|be answered|be found)\b"
)


def refusing(sentence: str) -> Refusing:
    """Reads one sentence without its markers."""
    plain = _SIGNS.sub(" ", folded(sentence)).strip()
    if any(plain.startswith(own) for own in _OWN) or _PLAINLY.match(plain):
        return Refusing.PLAINLY
    return Refusing.PERHAPS if _PERHAPS.search(plain) else Refusing.NOT
