"""What of a question must be the same for its answer to be the same: numbers, names, negations, words, order.

Worked out once for each question; two are compared by `guard`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from passerelle.cache.lexicon import DROP, LEXICA, Lexicon, root, singular
from passerelle.cache.numbers import SPELT, Number, listed, number_at
from passerelle.text.words import ASKING, ENGLISH_STOP, FRENCH_STOP, Language, folded

TOKEN = re.compile(
    r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:-\d+){2,}|\d+(?:[.,:/]\d+)*[^\W\d_]*\d*"
    r"|[^\W\d_]+(?:\d[^\W_]*)?(?:\+\+|\#)?|°[CFcf]?|[€$£¥%]|[,;:.!?]"
)
CONTRACTED = re.compile(r"(?i)\b(ca|wo|sha)n['’]?t\b|\b(do|does|did|is|are|was|were|has|have|had|could|should|would|must|need)n['’]?t\b|\bcannot\b")  # fmt: skip
TAIL = re.compile(r"(?i)\b(?:or|ou)\s+(?:not|non|pas)\b|[, ]+n['’]est-ce pas(?=[\s?.!]*$)")
SYMBOLS = frozenset("€$£¥")
MEANT = (("a.change", "c.", "a.convert"), ("a.buy+", "p.order", "a.sort"))
MARKS = ",;:.!?"
_DENIED_EN = "not no never without neither nor none nothing nobody nowhere unable impossible incapable"
_DENIED_FR = """pas jamais rien aucun aucune ni sans non guere nul nulle personne impossible incapable
    impossibilite"""
NEGATIONS = {"en": frozenset(_DENIED_EN.split()), "fr": frozenset(_DENIED_FR.split())}
ROLES = {
    "en": {"from": "from", "to": "to", "into": "to", "onto": "to", "towards": "to", "of": "of", "in": "of",
           "for": "of", "on": "of", "at": "of", "with": "of", "by": "by", "than": "than", "and": "and", "or": "and", "vs": "and", "versus": "and", "then": "then", "minus": "than",
           "instead": "than", "rather": "than", "out": "from"},
    "fr": {"de": "from", "des": "from", "du": "from", "d": "from", "depuis": "from", "en": "to", "vers": "to",
           "a": "to", "au": "to", "aux": "to", "par": "by", "que": "than", "qu": "than", "et": "and", "ou": "and",
           "pour": "of", "dans": "of", "puis": "then", "moins": "than", "plutot": "than", "lieu": "than"},
}  # fmt: skip
STOP = {
    "en": ENGLISH_STOP | ASKING,
    "fr": FRENCH_STOP | ASKING | {"qu", "jusqu", "lorsqu", "puisqu", "quelqu"},
}
# Forms that only agree with their noun.
LEVEL = {
    form: forms[0]
    for forms in (
        ["quel", "quelle", "quels", "quelles"], ["le", "la", "les", "l"], ["un", "une"], ["de", "du", "des", "d"],
        ["a", "au", "aux"], ["mon", "ma", "mes"], ["son", "sa", "ses"], ["ce", "cet", "cette", "ces", "c"],
        ["est", "sont"], ["que", "qu"], ["ne", "n"], ["se", "s"], ["is", "are"], ["do", "does"], ["has", "have"],
        ["tout", "toute", "tous", "toutes"], ["il", "elle", "ils", "elles"],
    )
    for form in forms
}  # fmt: skip
# After these `to` has been the sign of a verb, and says nothing of the next noun.
INFINITIVES = frozenset(
    [
        "get",
        "make",
        "take",
        "go",
        "use",
        "give",
        "have",
        "know",
        "tell",
        "let",
        "try",
        "find",
        "put",
        "be",
        "do",
        "see",
        "provide",
    ]
)
ATTACHED = frozenset({"without", "no", "sans", "aucun", "aucune"})
DENIED = "!"  # before a concept that a word denies by itself: what failed has not worked
FLIPPED = MappingProxyType({"a.accept+": "a.accept-"})  # what was not accepted was refused
TITLE = 0.6  # of the words begin with a capital: that says nothing about any of them
TOPIC = 3  # concepts at most, in front of a comma or colon, that say what the question is about


@dataclass(frozen=True, slots=True)
class Features:
    """What the guard compares. `concepts` stand in their order, with the role a preposition gives each."""

    language: Language
    words: tuple[str, ...]  # every word, folded
    content: tuple[bool, ...]  # of every word: whether it belongs to a concept
    concepts: tuple[str, ...]
    roles: tuple[str, ...]
    bag: frozenset[str]
    topic: frozenset[str]
    numbers: tuple[Number, ...]
    ids: frozenset[str]
    names: frozenset[str]
    negations: int
    negated: tuple[str, ...] = field(default=())  # the concept after each negation
    lacking: frozenset[str] = field(default=frozenset())  # what `without` or `no` denies, and nothing else


def features_of(text: str, language: Language) -> Features:
    """The features of a question in that language."""
    return _Reader(text, language).read()


def _expanded(match: re.Match[str]) -> str:
    if match[1] is not None:
        return {"ca": "can", "wo": "will"}.get(match[1].lower(), "shall") + " not"
    return f"{match[2]} not" if match[2] is not None else "can not"


@lru_cache(maxsize=20_000)
def _meant(word: str, language: Language) -> str:
    """The concept of a word that stands in no list as it is, or its root."""
    lexicon = LEXICA[language]
    found = lexicon.forms.get(singular(word))
    if found is None and language == "en" and word.endswith("ing"):
        found = lexicon.forms.get(f"{word[:-3]}e", lexicon.forms.get(word[:-3]))
    if found is not None:
        return found
    stem = root(word, language)
    return lexicon.roots.get(stem, stem)


class _Reader:
    """Reads one question from its first word to its last."""

    def __init__(self, text: str, language: Language) -> None:
        text = text if text.isascii() else unicodedata.normalize("NFC", text)
        if language == "en":
            text = CONTRACTED.sub(_expanded, text)
        self.surfaces = TOKEN.findall(TAIL.sub("", text))
        self.tokens = folded("\n".join(self.surfaces)).split("\n") if self.surfaces else []
        self.singular = tuple(map(singular, self.tokens))
        self.language: Language = language
        self.lexicon: Lexicon = LEXICA[language]
        self.stop = STOP[language]
        self.negating = NEGATIONS[language]
        self.governing = ROLES[language]
        self.accented = language == "fr" and not text.isascii()
        letters = [surface for surface in self.surfaces if surface[0].isalpha()]
        capitals = sum(surface[0].isupper() for surface in letters)
        self.titled = len(letters) > TOPIC and capitals > TITLE * len(letters)
        self.content = [False] * len(self.tokens)
        self.concepts: list[str] = []
        self.roles: list[str] = []
        self.role = ""
        self.numbers: list[Number] = []
        self.ids: set[str] = set()
        self.names: set[str] = set()
        self.topic: frozenset[str] = frozenset()
        self.negations: list[int] = []  # how many concepts stood before each
        self.attached: list[int] = []  # the same, of negations that belong to the next word
        self.ne = False

    def read(self) -> Features:
        at = 0
        while at < len(self.tokens):
            at += self._step(at)
        if self.ne:  # `ne ... que` without a word that denies
            self._add("l.only", len(self.tokens) - 1)
        self._settle()
        return Features(
            language=self.language,
            words=tuple(LEVEL.get(word, word) for word in self.tokens if word not in MARKS),
            content=tuple(
                used for word, used in zip(self.tokens, self.content, strict=True) if word not in MARKS
            ),
            concepts=tuple(self.concepts),
            roles=tuple(self.roles),
            bag=frozenset(concept for concept in self.concepts if concept[0] != "#"),
            topic=self.topic,
            numbers=tuple(sorted(self.numbers)),
            ids=frozenset(self.ids),
            names=frozenset(self.names),
            negations=len(self.negations),
            negated=tuple(sorted((self.concepts[n : n + 1] or [""])[0] for n in self.negations)),
            lacking=frozenset(concept for n in self.attached for concept in self.concepts[n : n + 1]),
        )

    def _settle(self) -> None:
        """Some words mean what stands beside them says: one changes euros, and orders from small to large."""
        found = set(self.concepts)
        for concept, beside, meant in MEANT:
            if concept in found and any(other.startswith(beside) for other in found):
                self.concepts = [meant if here == concept else here for here in self.concepts]

    def _add(self, concept: str, at: int, taken: int = 1) -> None:
        if concept[0] == DENIED:
            self.negations.append(len(self.concepts))
            concept = concept[1:]
            if not concept:
                return
        elif concept in FLIPPED and self.negations:
            between = self.concepts[self.negations[-1] :]
            if len(between) <= 1:  # was not my payment accepted
                concept = FLIPPED[concept]
        self.concepts.append(concept)
        self.roles.append(self.role)
        self.role = ""
        for index in range(at, min(at + taken, len(self.content))):
            self.content[index] = True

    def _step(self, at: int) -> int:
        """Read what begins at a word; returns how many tokens it takes."""
        word = self.tokens[at]
        if word in MARKS:
            if word in ",:" and not self.topic and 0 < len(self.concepts) <= TOPIC:
                self.topic = frozenset(self.concepts)
            return 1
        for phrase, concept in self.lexicon.phrases.get(self.singular[at], ()):
            if self.singular[at : at + len(phrase)] == phrase:
                if concept != DROP:
                    self._add(concept, at, len(phrase))
                return len(phrase)
        if word[0].isdigit() and word in self.lexicon.forms:
            return self._word(at)
        return self._negation(at) or self._number(at) or self._word(at)

    def _negation(self, at: int) -> int:
        word = self.tokens[at]
        if self.language == "fr":
            if word in {"ne", "n"}:
                rest = self.tokens[at + 1 : at + 7]
                self.ne = (
                    not self.negating.intersection(rest)
                    and "plus" not in rest
                    and bool({"que", "qu"} & set(rest))
                )
                if not self.ne and "plus" in rest and not self.negating.intersection(rest):
                    self.negations.append(len(self.concepts))
                return 1
            if word == "personne" and not {"ne", "n"} & set(self.tokens):
                return 0
        if word not in self.negating:
            return 0
        self.negations.append(len(self.concepts))
        if word in ATTACHED:
            self.attached.append(len(self.concepts))
        return 1

    def _number(self, at: int) -> int:
        word = self.tokens[at]
        if word in SYMBOLS:
            return 1
        if not word[0].isdigit() and word not in SPELT[self.language]:
            return 0
        if word[0].isdigit():
            several = listed(word)
            if several is not None:
                self.ids.add(several)
                self._add(f"#{several}", at)
                return 1
        found = number_at(self.tokens, at, self.language)
        if found is None:
            if word[0].isdigit():
                self.ids.add(word)
                self._add(f"#{word}", at)
                return 1
            return 0
        number, taken = found
        if self.tokens[at + taken : at + taken + 1] == ["old"]:
            taken += 1
        self.numbers.append(number)
        self._add(f"#{number.value if number.dimension else number.written}{number.dimension}", at, taken)
        return taken

    def _word(self, at: int) -> int:
        word, surface = self.tokens[at], self.surfaces[at]
        if surface == "US":
            word = "usa"
        if word not in self.lexicon.forms and (
            surface[-1] in "+#" or (surface[0].isalpha() and any(map(str.isdigit, surface)))
        ):
            self.ids.add(word)
            self._add(f"#{word}", at)
            return 1
        if len(word) == 1 and self._is_letter(at):
            self.ids.add(word)
            self._add(f"#{word}", at)
            return 1
        concept = self.lexicon.forms.get(word)
        if concept is None:
            if word in self.stop:
                if not (word == "a" and self.accented and surface == "a"):  # the verb, beside `à`
                    if word in INFINITIVES:
                        self.role = ""
                    role = self.governing.get(word, self.role)
                    self.role = (
                        self.role if word == "of" and self.role in {"from", "than"} else role
                    )  # out of
                return 1
            concept = _meant(word, self.language)
            if concept[1:2] != "." and concept[0] != DENIED and concept != DROP and self._is_name(at):
                concept = word
                self.names.add(word)
        if concept != DROP:
            self._add(concept, at)
        elif word in INFINITIVES:
            self.role = ""
        return 1

    def _is_letter(self, at: int) -> bool:
        """A capital letter alone is a name (vitamin C), where it cannot be a word."""
        surface = self.surfaces[at]
        return (
            at > 0
            and surface.isupper()
            and surface not in ("IO" if self.language == "en" else "À")
            and not self.titled
            and self.surfaces[at - 1] not in MARKS
        )

    def _is_name(self, at: int) -> bool:
        surface = self.surfaces[at]
        if self.titled or not surface[0].isupper():
            return False
        if len(surface) > 1 and surface.isupper():
            return True
        return at > 0 and self.surfaces[at - 1] not in ".!?:"
