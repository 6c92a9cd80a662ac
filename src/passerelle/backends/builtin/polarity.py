"""Which way an opinion leans, in French and English: what labels such as `positive` mean in real sentences.

A bare label is a poor neighbour: against the words `positif`, `négatif`, `neutre` this model is at chance on
French posts (0.31 of 3 classes). A few typical sentences per label, and a count of plainly good and bad
words, reach 0.44; English 0.41 becomes 0.54. Still far below a trained classifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

from passerelle.text.words import Language, folded, stem, words

WEIGHT = 0.1  # of the word count, beside cosines
LEANING = 0.4  # a text that leans less than this is rather neutral
TURNED = 0.7  # `not good` is bad, though less than `bad`
REACH = 3  # words before an opinion word where a negation still turns it


class Pole(Enum):
    """Where an opinion stands."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"


_LABELS: Mapping[Pole, str] = {
    Pole.POSITIVE: "positive positif pos good bon favorable satisfied satisfait satisfaite happy content",
    Pole.NEGATIVE: "negative negatif neg bad mauvais unfavorable defavorable dissatisfied unsatisfied "
    "insatisfait insatisfaite unhappy mecontent",
    Pole.NEUTRAL: "neutral neutre none aucun neither",
}
LABELS = {label: pole for pole, labels in _LABELS.items() for label in labels.split()}

TYPICAL: Mapping[tuple[Pole, Language], tuple[str, ...]] = {
    (Pole.POSITIVE, "en"): (
        "This is great, I love it.",
        "I am very happy with it, thank you!",
        "Excellent, wonderful, well done.",
    ),
    (Pole.NEGATIVE, "en"): (
        "This is terrible, I hate it.",
        "I am very disappointed and angry.",
        "Awful, bad, a waste of time.",
    ),
    (Pole.NEUTRAL, "en"): (
        "It takes place on Tuesday at 10.",
        "Here is the information.",
        "It is an announcement.",
    ),
    (Pole.POSITIVE, "fr"): (
        "C'est super, j'adore !",
        "Je suis très content, merci !",
        "Excellent, génial, bravo.",
    ),
    (Pole.NEGATIVE, "fr"): (
        "C'est nul, je déteste.",
        "Je suis très déçu et en colère.",
        "Horrible, mauvais, une perte de temps.",
    ),
    (Pole.NEUTRAL, "fr"): (
        "Cela a lieu mardi à 10 h.",
        "Voici l'information.",
        "C'est une annonce.",
    ),
}

_WORDS: Mapping[tuple[Pole, Language], str] = {
    (Pole.POSITIVE, "en"): """
    good great excellent love loved like liked enjoy enjoyed best better amazing awesome wonderful perfect
    fantastic happy glad thanks thank helpful useful clear interesting nice well recommend beautiful fun
    brilliant outstanding superb easy engaging valuable won congratulations proud pleased satisfied impressive
    """,
    (Pole.NEGATIVE, "en"): """
    bad worse worst terrible awful horrible hate hated boring bored poor poorly disappointing disappointed
    useless waste wrong broken difficult hard confusing confused unclear slow lack lacking missing fail failed
    failure problem problems issue issues angry sad annoying annoyed unfortunately sorry frustrating
    frustrated error errors dead death killed war attack crisis lost lose
    """,
    (Pole.POSITIVE, "fr"): """
    bon bonne bons bien meilleur meilleure excellent excellente super génial adore aime apprécie apprécié
    parfait parfaite magnifique merveilleux formidable heureux heureuse content contente ravi merci utile
    clair claire intéressant enrichissant passionnant recommande beau belle agréable facile bravo
    félicitations gagné victoire top fier satisfait réussi qualité plaisir sympa instructif pertinent
    """,
    (Pole.NEGATIVE, "fr"): """
    mauvais mauvaise pire nul nulle horrible terrible déteste déçu déception décevant ennuyeux ennui inutile
    perte faux difficile dur confus manque manquait lent lente lenteur problème problèmes erreur échec triste
    colère énerve marre malheureusement dommage honte mort morts tué guerre attaque crise perdu peur scandale
    insuffisant bug
    """,
}
STEMS = {key: frozenset(stem(folded(word)) for word in listed.split()) for key, listed in _WORDS.items()}
_NEGATIONS = "not no never don doesn didn isn wasn without hardly pas jamais aucun aucune sans rien"
NEGATIONS = frozenset(_NEGATIONS.split())


def pole(label: str) -> Pole | None:
    """The pole that a label names, if it names one."""
    return LABELS.get(folded(label).strip())


def leaning(text: str, language: Language) -> float:
    """From -1, plainly bad words, to 1, plainly good ones."""
    good, bad = STEMS[Pole.POSITIVE, language], STEMS[Pole.NEGATIVE, language]
    found = list(words(text))
    total = 0.0
    for i, word in enumerate(found):
        value = float((stem(word) in good) - (stem(word) in bad))
        around = found[max(0, i - REACH) : i] + [after for after in found[i + 1 : i + 2] if after == "pas"]
        total += -TURNED * value if NEGATIONS.intersection(around) else value
    return math.tanh(total)


def weight(at: Pole, lean: float) -> float:
    """What a text's leaning adds to the score of a label at that pole."""
    return WEIGHT * {Pole.POSITIVE: lean, Pole.NEGATIVE: -lean, Pole.NEUTRAL: LEANING - abs(lean)}[at]
