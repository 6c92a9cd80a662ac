"""French and English words: folding, stop words, light stems, and which language a text is in.

The stems only have to bring forms of one word together inside one text; they are never shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

Language = Literal["fr", "en"]

LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "’": "'", "ʼ": "'"})
WORD = re.compile(r"\w+(?:[.,]\d+)*")
ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|quelqu|presqu)'(?=\w)")
POSSESSIVE = re.compile(r"'s\b")
SHORTEST_Y = 3

_FRENCH_STOP = """
    a ai ainsi alors apres as assez au aucun aucune aussi autre autres aux avait avant avec avez avoir
    avons beaucoup bien c ca car ce ceci cela celle celles celui ces cet cette ceux chaque chez combien
    comme comment contre d dans de depuis des deux dit dits doit doivent donc dont du elle elles en encore
    entre es est et etaient etait etant ete etes etre eu eux fait font fut furent grace hors ici il ils j
    je jusque l la laquelle le lequel les lesquelles lesquels leur leurs lors lorsque lui m ma mais me
    meme memes mes mieux moi moins mon n ne ni non nos notre nous on ont or ou par parce parmi pas pendant
    peu peut peuvent plus plusieurs pour pourquoi pouvez puis qu quand que quel quelle quelles quelque
    quelques quels qui quoi s sa sans se sera serait seront ses si sinon soit sommes son sont sous suis
    sur t ta tandis te tel telle tes toi ton toujours tous tout toute toutes tres trop tu un une va vers
    voici voila vont vos votre vous y
"""
_ENGLISH_STOP = """
    a about above after again against all also am an and any are as at be because been before being
    between both but by can could did do does doing done down during each either every few for from
    further get gets had has have having he her here hers him his how i if in into is it its itself just
    let like many may me might more most much must my no nor not now of off on once one only or other our
    out over own same shall she should so some such than that the their them then there these they this
    those through to too under until up upon us very was we were what when where whether which while who
    whom whose why will with within without would yes yet you your
"""
# How one asks, which says nothing about what is asked for.
_ASKING = """
    cite citer cites decris decrire dire dis dites donne donner donnez explique expliquer expliquez
    indique indiquer indiquez liste lister merci precise preciser savoir veux voudrais describe explain
    find give know list name please show tell thank thanks want
"""
FRENCH_STOP = frozenset(_FRENCH_STOP.split())
ENGLISH_STOP = frozenset(_ENGLISH_STOP.split())
ASKING = frozenset(_ASKING.split())
STOP = FRENCH_STOP | ENGLISH_STOP
_LETTERS = frozenset("cdjlmnst")  # elided in French, and what is left of English contractions
FRENCH_ONLY = FRENCH_STOP - ENGLISH_STOP - _LETTERS - {"car", "son"} | {
    "bonjour",
    "bonsoir",
    "merci",
    "salut",
}
ENGLISH_ONLY = ENGLISH_STOP - FRENCH_STOP | {"hello", "hi", "please", "thank", "thanks"}

# With one of these a question begins; `comment` and `on` begin sentences of both languages.
FRENCH_OPENERS = frozenset(
    [
        "qui",
        "que",
        "quoi",
        "quel",
        "quelle",
        "quels",
        "quelles",
        "quand",
        "pourquoi",
        "combien",
        "peut",
        "peux",
        "puis",
        "est",
        "dois",
        "doit",
        "faut",
    ]
)
ENGLISH_OPENERS = frozenset(
    [
        "who",
        "what",
        "when",
        "where",
        "which",
        "why",
        "how",
        "whose",
        "is",
        "are",
        "was",
        "do",
        "does",
        "did",
        "can",
        "could",
        "should",
        "will",
        "would",
        "has",
        "have",
    ]
)
OPENING = 1.5  # small words that an opening one is worth besides itself
ASIDE = 0.1  # what a small word is worth in a title or between quotation marks
QUOTED = re.compile(r"«[^»]{1,300}»|“[^”]{1,300}”|\"[^\"]{1,300}\"|(?<!\w)'[^']{1,300}'(?!\w)")
SURFACE = re.compile(
    r"(?i:\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|quelqu|presqu)'(?=\w)|\w+(?:n't|'(?:s|re|ve|ll|m|d))?\b|\w+)"
)
CONTRACTED = re.compile(r"n't$|'(?:re|ve|ll|m|d)$|^(?:it|that|what|there|here|who|how|let)'s$")
SPELT = frozenset("éèêàùçœîôû")

_BEFORE = " \t\"'«“([-*#"  # may stand between the end of a sentence and the first word of the next

ENDING = re.compile(r"(?<=\w\w\w)(?:es|s|x|e)$")
STEM_LENGTH = 6  # letters: on French and English questions no worse than suffix tables of fifty rows


def folded(text: str) -> str:
    """Lower case, without accents or ligatures; not the same length as the text."""
    lower = text.lower()
    if lower.isascii():
        return lower
    plain = unicodedata.normalize("NFKD", lower.translate(LIGATURES))
    return "".join(character for character in plain if not unicodedata.combining(character))


def words(text: str) -> Iterator[str]:
    """The folded words and numbers of a text, without elided articles (l', d', qu') and possessives."""
    return (match.group() for match in WORD.finditer(POSSESSIVE.sub("", ELISION.sub(" ", folded(text)))))


def stem(word: str) -> str:
    """What a folded word shares with its other forms: its first letters, without plural and feminine."""
    if not word.isalpha():
        return word
    word = ENDING.sub("", word)
    if word.endswith("y") and len(word) > SHORTEST_Y:
        word = f"{word[:-1]}i"  # city, cities
    return word[:STEM_LENGTH]


def stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [
        stem(word)
        for word in words(text)
        if word not in STOP and word not in ASKING and (len(word) > 1 or word.isdigit())
    ]


def language_of(text: str, default: Language = "en") -> Language:
    """French or English, by the small words of its sentences, then by French spelling; else `default`.

    What it quotes says little about it: a title in the other language, or words between quotation marks.
    """
    text = text.replace("’", "'")
    quotes = QUOTED.finditer(text)
    quoted = next(quotes, None)
    french = english = 0.0
    accents = 0
    first = True
    for match in SURFACE.finditer(text):
        surface, at = match.group(), match.start()
        word = folded(surface)
        while quoted is not None and quoted.end() <= at:
            quoted = next(quotes, None)
        aside = (quoted is not None and quoted.start() < at) or (
            not first and surface[0].isupper() and not surface.isupper() and not _begins(text, at)
        )
        weight = ASIDE if aside else 1.0
        if word.endswith("'") or word in FRENCH_ONLY:
            french += weight
        elif CONTRACTED.search(word) is not None or word in ENGLISH_ONLY:
            english += weight
        if first:
            french += OPENING * (word in FRENCH_OPENERS)
            english += OPENING * (word in ENGLISH_OPENERS)
        accents += 0 if aside else sum(character in SPELT for character in surface.lower())
        first = False
    if french == english:
        french += accents
    if french == english:
        return default
    return "fr" if french > english else "en"


def _begins(text: str, at: int) -> bool:
    """Whether a sentence or a line begins there."""
    while at and text[at - 1] in _BEFORE:
        at -= 1
    return not at or text[at - 1] in ".!?:;\n"
