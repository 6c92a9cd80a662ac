"""Codebooks for the sets of the evaluation, as a training company would write one: before it has seen a comment.

Categories of course reviews are named by what is spoken of and what is said of it (`faculty response`); each half has a
definition in French and in English. Other names explain themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from passerelle.domain.surveys import Category, Codebook
from passerelle.text.words import Language

_OF: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "course": "the course as a whole",
        "faculty": "the teacher, instructor, professor or lecturer",
        "presentation": "the lectures, videos, slides and the way things are presented",
        "assignments": "the assignments, quizzes, exercises, exams and projects",
        "material": "the material, content, readings, resources and topics",
        "grades": "the grades, marks, scoring and certificate",
    },
    "fr": {
        "course": "le cours ou la formation dans son ensemble",
        "faculty": "l'enseignant, le formateur, le professeur ou l'intervenant",
        "presentation": "les présentations, vidéos, diapositives et la façon d'exposer",
        "assignments": "les devoirs, exercices, quiz, examens et projets",
        "material": "le contenu, les supports, les lectures, les ressources et les sujets",
        "grades": "les notes, la notation, la correction et le certificat",
    },
}
_SAID: Mapping[Language, Mapping[str, tuple[str, str]]] = {
    "en": {
        "general": ("overall opinion", "I love it. I recommend it. Great. Thank you."),
        "quality": (
            "its quality: well made, well done, organised, or poor",
            "well organized, well structured, high quality, excellent, poor quality",
        ),
        "comprehensiveness": (
            "how complete and how easy to understand it is: clear, detailed, thorough, in depth, or confusing",
            "clear and easy to understand, well explained, detailed, covers everything, too basic, confusing",
        ),
        "relatability": (
            "how useful, practical and relevant it is to work and real life",
            "useful in my job, practical, real world examples, relevant, applicable",
        ),
        "value": (
            "whether it is worth the time and the money",
            "worth the time, worth the money, a waste of time, price",
        ),
        "workload": (
            "how much time and effort it takes: heavy, light, pace, hours, deadlines",
            "too much work, takes many hours, heavy workload, time consuming, fast pace",
        ),
        "quantity": (
            "how much there is of it: too much, too little, more, enough",
            "too few, not enough, more of it, a lot of, too short, too long",
        ),
        "response": (
            "answers, feedback, help and support",
            "answers questions, feedback, responsive, helpful, support in the forum",
        ),
    },
    "fr": {
        "general": ("avis d'ensemble", "J'adore. Je recommande. Super. Merci."),
        "quality": (
            "sa qualité : bien fait, bien organisé, ou médiocre",
            "bien organisé, bien structuré, de grande qualité, excellent, mauvaise qualité",
        ),
        "comprehensiveness": (
            "s'il est complet et facile à comprendre : clair, détaillé, approfondi, ou confus",
            "clair et facile à comprendre, bien expliqué, détaillé, couvre tout, trop basique, confus",
        ),
        "relatability": (
            "s'il est utile, concret et pertinent pour le travail et la vie réelle",
            "utile dans mon travail, pratique, exemples concrets, monde réel, pertinent, applicable",
        ),
        "value": (
            "s'il vaut le temps et l'argent",
            "vaut le temps passé, vaut le prix, une perte de temps, une perte d'argent",
        ),
        "workload": (
            "le temps et l'effort qu'il demande : lourd, léger, rythme, heures, délais",
            "trop de travail, prend beaucoup d'heures, charge de travail, rythme rapide",
        ),
        "quantity": (
            "combien il y en a : trop, trop peu, davantage, assez",
            "pas assez, trop peu, plus de, beaucoup de, trop court, trop long",
        ),
        "response": (
            "les réponses, les retours, l'aide et l'accompagnement",
            "répond aux questions, retours, réactif, à l'écoute, aide sur le forum",
        ),
    },
}

# A French codebook has French names.
_NAMES_FR: Mapping[str, str] = {
    "course": "cours",
    "faculty": "enseignant",
    "presentation": "présentation",
    "assignments": "exercices",
    "material": "contenu",
    "grades": "notes",
    "general": "avis général",
    "quality": "qualité",
    "comprehensiveness": "clarté",
    "relatability": "utilité pratique",
    "value": "valeur",
    "workload": "charge de travail",
    "quantity": "quantité",
    "response": "réponses",
}


def codebook(name: str, categories: Sequence[str], language: Language) -> Codebook:
    """A codebook with these categories, their names being their ids."""
    return Codebook(name, 1, language, tuple(_category(one, language) for one in categories))


def _category(name: str, language: Language) -> Category:
    readable = name.replace("_", " ").strip()
    spoken_of, _, said = readable.partition(" ")
    of, about = _OF[language].get(spoken_of), _SAID[language].get(said)
    if of is None or about is None:
        return Category(name, readable)
    if language == "fr":
        readable = f"{_NAMES_FR[spoken_of]} : {_NAMES_FR[said]}"
    return Category(name, readable, f"{of}: {about[0]}", about[1])
