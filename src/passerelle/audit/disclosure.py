"""What people are told who talk to a tenant's models (Regulation (EU) 2024/1689, article 50(1)): its own words, or ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from passerelle.domain.privacy import Marking

SHIPPED: Mapping[str, str] = {
    "en": "You are talking to an artificial intelligence system, not to a person. Its answers are generated "
    "automatically and may contain errors: please check important information.",
    "fr": "Vous échangez avec un système d’intelligence artificielle, et non avec une personne. Ses réponses sont "
    "générées automatiquement et peuvent contenir des erreurs : vérifiez les informations importantes.",
}
_OTHERWISE = "en"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A text, the language that it is in, and whether the tenant wrote it."""

    text: str
    language: str
    own: bool


def disclosure(marking: Marking, language: str) -> Disclosure:
    """What people are told, in their language where there is a text in it; else in English, or as the tenant says it.

    A tenant's own words come before ours in the same language, and ours before its own in another.
    """
    own = marking.disclosure
    for wanted in (language, _OTHERWISE):
        if wanted in own:
            return Disclosure(own[wanted], wanted, own=True)
        if wanted in SHIPPED:
            return Disclosure(SHIPPED[wanted], wanted, own=False)
    raise AssertionError  # there is an English text
