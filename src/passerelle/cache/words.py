"""Words that make a question an order, or an answer a refusal, in French and English.

Folded, as `text.words.folded` gives them. A tenant adds its own verbs (`actions`), and its
own words for what holds for the moment only (`fresh`); what the languages have for that is in `moment`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Verbs that do something in the world, so that doing it once is not doing it twice.
ACTIONS_EN = """send|cancel|delete|remove|book|order|buy|pay|transfer|wire|call|phone|schedule|reschedule|remind|post
    publish|deploy|run|execute|reboot|restart|block|unblock|lock|unlock|close|open|create|add|update|change|set
    subscribe|unsubscribe|refund|forward|reply|email|text|notify|approve|reject|submit|register|assign|move|rename
    reserve|confirm|start|stop|turn (?:on|off)|switch (?:on|off)|activate|deactivate|enable|disable|upload|save"""
ACTIONS_FR = """envo[iy]|annul|supprim|efface|reserv|command|achet|pay|transfer|vire|appel|telephon|planifi|programm
    rappel|publi|deploi|deploy|execut|redemarr|bloqu|debloqu|verrouill|deverrouill|ferm|ouvr|cre|ajout|modifi
    chang|inscri|desinscri|desabonn|abonn|rembours|repond|notifi|approuv|rejet|soumet|enregistr|assign|deplac
    renomm|confirm|demarr|lanc|arret|activ|desactiv|allum|etein|resili|previen|transmet"""
_POLITE = (
    r"(?:(?:please|kindly|now|then|ok|okay|hi|hello|hey|bonjour|bonsoir|salut|stp|svp|alors|et|and"
    r"|s'il (?:te|vous) plait|merci de(?: bien vouloir)?|veuillez|priere de)[ ,!.:]+)*"
)
_ASKED_EN = (
    r"(?:(?:can|could|would|will) you|i(?:'d| would) like you to|i (?:want|need) you to|you (?:must|should))"
)
_ASKED_FR = (
    r"(?:(?:peux|pourrais)[- ]tu|(?:pouvez|pourriez)[- ]vous|tu (?:peux|dois)|vous (?:pouvez|devez)"
    r"|je (?:veux|voudrais|souhaite) que (?:tu|vous)|merci de|veux-tu(?: bien)?|voulez-vous(?: bien)?)"
)
_CLITIC = r"(?:(?:me|m'|moi|nous|les?|la|l'|lui|leur|y|en) ?)*"
REFUSALS = re.compile(
    r"""^\W*(?:(?:i'?m|i am|we are)\ (?:very\ |so\ |really\ )?(?:sorry|afraid)
    |sorry\b
    |i\ (?:can\ ?not|can't|am\ unable|am\ not\ able|won't|will\ not|do\ not\ feel)\b|i'm\ (?:unable|not\ able)
    |unfortunately,?\ i\ |as\ an?\ (?:ai|language|large)|i\ (?:must|have\ to)\ (?:decline|refuse)|i\ apologi[sz]e
    |my\ apologies|i\ (?:don't|do\ not)\ (?:know|have\ (?:access|enough|any\ information))
    |(?:je\ suis\ |nous\ sommes\ )?(?:vraiment\ |sincerement\ )?(?:desole|navre)|je\ regrette
    |je\ ne\ (?:peux|puis|suis\ pas\ (?:en\ mesure|capable|autorise)|sais\ pas|dispose\ pas|souhaite\ pas)
    |je\ n'ai\ pas\ (?:acces|assez|d'information|la\ possibilite)
    |malheureusement,?\ je\ |en\ tant\ qu(?:e\ |')(?:ia|intelligence|modele|assistant)
    |je\ dois\ (?:decliner|refuser)|(?:toutes\ )?mes\ excuses|je\ m'excuse|il\ m'est\ impossible)""",
    re.VERBOSE,
)


def _any(*lists: str) -> str:
    return "|".join(
        part for words in lists for line in words.strip().splitlines() for part in line.strip().split("|")
    )


@lru_cache(maxsize=64)
def fresh(more: tuple[str, ...]) -> re.Pattern[str] | None:
    """The folded words by which a tenant knows what holds for the moment only; None where it names none."""
    listed = [re.escape(word) for word in more if word]
    return re.compile(rf"(?<!\w)(?:{'|'.join(listed)})(?!\w)") if listed else None


@lru_cache(maxsize=64)
def action(more: tuple[str, ...]) -> re.Pattern[str]:
    """An order to do something, at the beginning of a sentence; `more` are folded verbs of the tenant."""
    english = _joined(_any(ACTIONS_EN), more)
    french = rf"(?:{_any(ACTIONS_FR)})(?:e|es|ez|er|s|t|re|is|issez|ir|oie|oyer|oyez|le|ler|les|ds|dre|tes|tez|ttre)?"
    if more:
        french = _joined(french, more)
    return re.compile(
        rf"(?:^|[.!?;\n]\s*){_POLITE}"
        rf"(?:(?:{_ASKED_EN} (?:please |also |just )?)?(?:{english})(?= (?:my|the|a|an|this|that|these|those|all|it|him"
        rf"|her|them|me|us|our|your|to|for|an?|\d|every|\w+ to|email|mail|money|\$|€))"
        rf"|(?:{_ASKED_FR} (?:s'il (?:te|vous) plait )?)?{_CLITIC}(?:{french})(?:-(?:moi|le|la|les|lui|leur|nous))*"
        rf"(?= (?:l[ea']|les|mon|ma|mes|mon|ce|cet|cette|ces|un|une|des|du|de|notre|nos|votre|vos|ton|ta|tes|tout|toute"
        rf"|tous|toutes|a|au|aux|d'|l'|\d)|[ ,.!?-]*$))"
    )


def _joined(pattern: str, more: Iterable[str]) -> str:
    return "|".join([pattern, *(re.escape(word) for word in more if word)])
