"""A question about what people say, freed of saying that people say it: every comment is said by one of them.

"Que disent les participants de la plateforme ?" is looked for as "la plateforme ?". By rule, French and English. Pure.
A question that is about nothing else is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from passerelle.text.words import stems

_LONGEST = 500  # characters of a question that begins so
_P = (
    r"(?:les|des|nos|vos|mes|tes|ces|le|l'|ceux|la plupart des|tous les)\s*(?:participant(?:e|\(e\)|·e)?s?|stagiaires?|apprenant(?:e|\(e\)|·e)?s?"
    r"|gens|personnes|r[ée]pondant(?:e|·e)?s?|client(?:e|·e)?s?|[ée]l[èe]ves?|[ée]tudiant(?:e|·e)?s?|salari[ée]e?s?|collaborateurs?|utilisateurs?"
    r"|commentaires?|avis|retours?|r[ée]ponses?|verbatims?)"
)
_S = (
    r"(?:disent|pensent|racontent|[ée]crivent|reprochent|trouvent|appr[ée]cient|aiment|n'aiment pas|critiquent|jugent|per[çc]oivent"
    r"|voient|[ée]valuent|notent|ressentent|vivent|rel[èe]vent|signalent)"
)
_SAID = r"(?:dit|pens[ée]|racont[ée]|[ée]crit|reproch[ée]|trouv[ée]|appr[ée]ci[ée]|aim[ée]|critiqu[ée]|jug[ée]|per[çc]u|v[ée]cu|relev[ée]|signal[ée])"
_THEY = r"(?:[-\s](?:t-)?(?:ils|elles|on))?"
_OF = r"(?:(?:à propos|au sujet|au niveau|en mati[èe]re) (?:de |du |des |d')|(?:du|de|des|d'|sur|au|aux|à|dans|chez|concernant|quant (?:à|au|aux))\b\s*)"
_VIEW = r"(?:avis|opinions?|retours?|ressenti|impressions?|sentiments?|commentaires?|remarques?|critiques?|reproches?|points? de vue)"
_FEELING = (
    r"(?:satisfaite?s?|contente?s?|m[ée]contente?s?|d[ée]çue?s?|insatisfaite?s?|heureux|ravis?|enchant[ée]s?)"
)
_FRENCH = (
    rf"que\s+{_S}\s*{_THEY}\s*{_P}\s+{_OF}",
    rf"qu'\s*(?:est-ce\s+qu(?:e\s+|'))?(?:on\s+(?:dit|pense)|{_P}\s+(?:{_S}|ont\s+{_SAID}))\s+{_OF}",
    rf"qu'est-ce\s+que\s+{_P}\s+(?:{_S}|ont\s+{_SAID})\s+{_OF}",
    rf"qu'ont\s+{_SAID}\s+{_P}\s+{_OF}",
    rf"que\s+(?:dit|pense)-t-on\s+{_OF}",
    rf"quel(?:le)?s?\s+(?:est|sont|[ée]tait|[ée]taient|fut|furent)\s+(?:l'|les\s+|le\s+|la\s+)?{_VIEW}\s+(?:(?:de|d')\s*)?(?:{_P}\s+)?{_OF}",
    rf"comment\s+{_P}\s+(?:{_S}{_THEY}|ont{_THEY}\s+{_SAID})\s+",
    rf"(?:est-ce\s+que\s+)?{_P}\s+(?:sont|ont[-\s](?:ils|elles)\s+[ée]t[ée]|ont\s+[ée]t[ée]|[ée]taient){_THEY}\s+{_FEELING}\s+{_OF}",
    rf"(?:est-ce\s+que\s+)?{_P}\s+(?:ont{_THEY}\s+{_SAID}|{_S}{_THEY})\s+",
)
_PEOPLE = (
    r"(?:the\s+|our\s+|your\s+|most\s+|all\s+)?(?:participants?|trainees?|learners?|attendees?|students?|people|respondents?|customers?|clients?"
    r"|employees|users|comments?|reviews?|answers|everybody|everyone|they)"
)
_SAY = (
    r"(?:say|think|said|thought|write|wrote|like(?:d)?|dislike(?:d)?|complain(?:ed)?|enjoy(?:ed)?|mention(?:ed)?|report(?:ed)?|love(?:d)?|hate(?:d)?)"
    r"(?:\s+(?:about|of))?"
)
_ABOUT = r"(?:about|of|on|regarding|concerning|with|for|when it comes to)\b\s*"
_OPINION = r"(?:opinions?|views?|feedback|impressions?|comments?|complaints?|thoughts?|experience)"
_GLAD = r"(?:happy|satisfied|pleased|content|unhappy|dissatisfied|disappointed|annoyed)"
_ENGLISH = (
    rf"what\s+(?:do|did|does|have|has)\s+{_PEOPLE}\s+(?:{_SAY})\s*(?:{_ABOUT})?",
    rf"how\s+(?:do|did)\s+{_PEOPLE}\s+(?:feel|think)\s+{_ABOUT}",
    rf"how\s+(?:do|did)\s+{_PEOPLE}\s+(?:find|rate|judge|see|like|experience)\s+",
    rf"what\s+(?:is|was|are|were)\s+(?:the\s+)?{_PEOPLE}(?:'s?|’s?)\s+{_OPINION}\s+{_ABOUT}",
    rf"what\s+(?:is|was|are|were)\s+(?:the\s+)?{_OPINION}\s+(?:of\s+{_PEOPLE}\s+)?{_ABOUT}",
    rf"what\s+{_OPINION}\s+(?:do|did)\s+{_PEOPLE}\s+(?:give|have|leave|make)\s+{_ABOUT}",
    rf"(?:are|were)\s+{_PEOPLE}\s+{_GLAD}\s+{_ABOUT}",
    rf"(?:do|did)\s+{_PEOPLE}\s+(?:like|enjoy|love|hate|dislike|appreciate)\s+",
)
_FRAMES = tuple(re.compile(rf"\W*{each}", re.IGNORECASE) for each in (*_FRENCH, *_ENGLISH))
_SPELT = str.maketrans({"’": "'", "ʼ": "'", "\u00a0": " ", "\u202f": " ", "‑": "-"})


def freed(question: str) -> str:
    """What the question is about, in its own words; the question where it has no such frame."""
    plain = question.translate(_SPELT)  # sign by sign
    if len(plain) > _LONGEST:
        return question
    rest = next(_rests(question, plain), None)
    return question if rest is None else rest


def _rests(question: str, plain: str) -> Iterator[str]:
    for frame in _FRAMES:
        found = frame.match(plain)
        if found and stems(rest := question[found.end() :].strip()):
            yield rest
