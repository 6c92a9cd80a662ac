"""A question that leans on its conversation, made one that stands alone: without a model, or checked after one.

What stands alone is left as it is. French and English. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.domain.rag import MOST_QUESTION, Turn
from passerelle.pipelines.rag.fencing import visible
from passerelle.text.words import ASKING, ELISION, STOP, folded, stem, stems

MOST_BACK = 3  # questions before it that may be looked at
MOST_KEPT_WHOLE = 2  # telling words of a question of which none is left out
MOST_WORDS = 16  # taken from them
LONGEST_REWRITTEN = 400  # characters that a model may write
FEW_WORDS = 3  # a question of so many is no sentence of its own, unless it has a verb of being
KNOWN_SHARE = 0.6  # of a rewritten question's words that must come from the conversation


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OPENERS = re.compile(
    r"^\W*(?:et|and|ou bien|or|mais|but|sinon|otherwise|alors|so|then|puis|ensuite|(?:and )?(?:what|how) about|"
    r"qu'en est-il|idem|(?:la )?meme (?:question|chose)|same (?:question|for|thing)|why not|pourquoi pas|"
    r"par exemple|for example|for instance|plus precisement|more precisely|c'est-a-dire|meaning)(?![\w'-])"
)
# Pronouns that stand for nothing.
_EMPTY = re.compile(
    r"\bil y (?:a|avait|aura)(?:it)?\b|\by a-t-il\b|\by avait-il\b|\bil (?:faut|fallait|faudra|s'agit|est (?:possible|necessaire|"
    r"obligatoire|interdit|permis|vrai))\b|\b(?:faut|fallait|faudra|faudrait|s'agit)-il\b|\best-il (?:possible|"
    r"necessaire|obligatoire|interdit|permis|vrai)\b|\bs'il (?:vous|te) plait\b|\b(?:qu')?est-ce(?: que?)?\b|\bce (?:que?|qui)\b|\bqu'|"
    r"\bc'est\b|\bcelui (?:qui|que|de)\b|\b(?:is|was|does|will) it (?:possible|necessary|mandatory|true|allowed|"
    r"forbidden|take)\b|\bit (?:is|was) (?:possible|necessary|true)\b|\bis there\b|\bare there\b|\bthere (?:is|are|was|were)\b"
)
_POINTING = _set("""il elle ils elles celui celle ceux celles celui-ci celle-ci ceux-ci celles-ci cela ceci ca lui leur leurs son sa ses
    ce cet cette ces it he she they them him her his its their this that these those one ones latter former dernier
    derniere y""")
_DETERMINERS = _set("le la les l un une des du au aux de d the a an mon ma mes notre votre my our your")
_SMALL = _set("en y ce")
_BEING = _set("est sont etait etaient sera fut suis is are was were be been will does do did ont has have")
_VAGUE = _set(
    "detail details exemple exemples example examples continue continuer more plus precision precisions exact exactly "
    "exactement suite reste rest meme same autre autres other others ok d'accord merci thanks raison reason"
)
_TOKEN = re.compile(r"[^\W_]+(?:[.,]\d+)*")
# With one of these in front, something is said of what was asked before.
_LINKING = _set("""pour a au aux en dans chez avec sans sous sur par avant apres pendant depuis entre vers contre
    au-dela jusqu for in on at by with without under over above below before after during since between from to
    until as within outside against per""")
_ABOUT = re.compile(
    r"about|qu'en est-il|c'est-a-dire|meaning|en est-il"
)  # behind these the thing itself is named
_DONE = re.compile(r"(?:[^e]ed|[^\W\d_]{2}ée?s?)$")  # participles, which say what is asked and not of what
_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_LABEL = re.compile(
    r"^(?:(?:rewritten |standalone )?question(?: réécrite| autonome)?|réécriture)\s?:\s*", re.IGNORECASE
)
_ADDRESS = re.compile(r"://|www\.|\]\(|<[a-z/!]", re.IGNORECASE)
_WRAPPING = "\"'`*«»“” \t\xa0"


@dataclass(frozen=True, slots=True)
class Understood:
    """A way in which a question can be taken: what is looked for then.

    `layers` are the stems of its telling words: first its own, then those taken from each question before it.
    """

    text: str
    layers: tuple[frozenset[str], ...]
    taken: tuple[str, ...] = ()


def leans(question: str, turns: Sequence[Turn]) -> bool:
    """Does a question need what was asked before it, the turns before being these?"""
    if not any(turn.role == "user" and turn.text.strip() for turn in turns):
        return False
    plain = folded(visible(question))
    if _OPENERS.match(plain):
        return True
    telling = _content(question)
    if not telling:
        return True
    words = [found.group() for found in _TOKEN.finditer(ELISION.sub(" ", _EMPTY.sub(" ", plain)))]
    whole = _TOKEN.findall(ELISION.sub(" ", plain))
    if len(telling) == 1 and len(whole) <= FEW_WORDS and not _BEING.intersection(whole):
        return True
    return _points(question, words, few=len(telling) <= 1)


def condensed(question: str, turns: Sequence[Turn]) -> str:
    """The question as it is, or with the telling words of what was asked before it in front."""
    return understood(question, turns)[0].text


def understood(question: str, turns: Sequence[Turn]) -> tuple[Understood, ...]:
    """The ways in which a question can be taken after its conversation, the one with the most words of it first.

    One way only, where it says itself whether it goes on with what was asked before. `rewriting_choice` tells which of
    several fits what is found.
    """
    if not leans(question, turns):
        return (Understood(question, ()),)
    own = _content(question)
    layers = _before(question, own, turns)
    ways = [_with(question, own, layers[: len(layers) - less]) for less in range(len(layers))]
    if not layers or (own and _may_turn(question)):
        ways.append(_with(question, own, []))
    return tuple(ways)


def _with(question: str, own: Sequence[str], layers: Sequence[Sequence[str]]) -> Understood:
    taken = [word for layer in reversed(layers) for word in layer][:MOST_WORDS]
    text = with_words(question, taken)
    return Understood(text, tuple(_roots(words) for words in (own, *layers)), tuple(taken))


def with_words(question: str, words: Sequence[str]) -> str:
    """A question with words before it that make it one that stands alone."""
    return f"{' '.join(words)} – {question.strip()}"[:MOST_QUESTION] if words else question


def _before(question: str, own: Sequence[str], turns: Sequence[Turn]) -> list[list[str]]:
    """The telling words of what was asked before, question by question, the last first; none twice."""
    seen = set(_roots(own))
    dated = any(character.isdigit() for character in question)
    layers: list[list[str]] = []
    earlier = [turn.text for turn in turns if turn.role == "user" and turn.text.strip()]
    for back in range(min(MOST_BACK, len(earlier))):
        at = len(earlier) - 1 - back
        before = []
        for word in _content(earlier[at]):
            root = stem(folded(word))
            if root in seen or (dated and word[0].isdigit()):
                continue  # another year was asked about than now
            seen.add(root)
            before.append(word)
        if own and len(before) > MOST_KEPT_WHOLE and _DONE.search(before[-1].lower()):
            before.pop()  # what was asked of the same thing before
        if before:
            layers.append(before)
        if not leans(earlier[at], [Turn("user", text) for text in earlier[:at]]):
            break
    return layers


def _may_turn(question: str) -> bool:
    """May it be about another thing than what was asked before: "Et le télétravail ?", and not "Et en 2020 ?"?"""
    plain = ELISION.sub(" ", folded(visible(question)))
    opener = _OPENERS.match(plain)
    rest = plain[opener.end() :] if opener else plain
    words = _TOKEN.findall(rest)
    if not words or _POINTING.intersection(words) - _SMALL:
        return False
    return not (words[0] in _LINKING and not (opener and _ABOUT.search(opener.group())))


def _roots(words: Sequence[str]) -> frozenset[str]:
    return frozenset(stem(folded(word)) for word in words)


def checked(said: str, question: str, turns: Sequence[Turn]) -> str | None:
    """What a model made of a question, if it is one line, short, and of the conversation's words; else None."""
    text = _LABEL.sub("", _THOUGHT.sub("", said).strip()).strip(_WRAPPING)
    if not text or "\n" in text or len(text) > LONGEST_REWRITTEN or _ADDRESS.search(text):
        return None
    text = visible(text)
    known = {root for turn in turns for root in stems(turn.text)} | set(stems(question))
    used = set(stems(text))
    if not used or sum(root in known for root in used) < KNOWN_SHARE * len(used):
        return None
    return text


def _content(text: str) -> list[str]:
    """The telling words of a text as they are written."""
    found = []
    for match in _TOKEN.finditer(ELISION.sub(" ", visible(text).replace("’", "'")) if text else ""):
        word = folded(match.group())
        if (
            word in STOP
            or word in ASKING
            or word in _VAGUE
            or word in _BEING
            or (len(word) == 1 and not word.isdigit())
        ):
            continue
        found.append(match.group())
    return found


def _points(question: str, words: Sequence[str], *, few: bool) -> bool:
    """Is there a word that stands for something, which nothing before it in the question names?"""
    names = {folded(word) for word in _content(question) if word[:1].isupper()}
    named = False
    for index, word in enumerate(words):
        if word in _POINTING and word not in _SMALL and (few or not named):
            return True
        if word in ("ce", "y") and index + 1 < len(words) and not named and (word == "ce" or few):
            return True
        if word in STOP or word in ASKING:
            continue
        if (index and words[index - 1] in _DETERMINERS) or (word in names and len(words) > 1):
            named = True
    return False
