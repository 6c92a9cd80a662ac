"""Whether a question is of the moment: its answer today is not its answer next week. French and English.

A word of time alone does not say so. `What is the price of gold today?` is; `I tried to pay today, why was I
declined?` tells what happened to somebody, and `how do I get today's date in Excel?` asks how something is done.
Read sentence by sentence, on folded text.
"""

from __future__ import annotations

import re
from typing import Final

SENTENCE: Final = re.compile(r"(?<=[.!?;\n])\s+")
# What is of the moment by itself, unless it is asked how it works.
_STATE = r"""
    weather|forecast for|meteo|previsions|umbrella|parapluie|temperature (?:outside|dehors)|breaking news|headlines
    live (?:score|price|rate|traffic)s?|real[- ]time (?:price|quote|score|traffic|rate)s?|stock price|share price
    (?:what(?:'s| is)|any|top|read|me) (?:in )?the news|any news|news (?:of|about|from)|quoi de neuf|actualites?
    what time is it|what day is it|quelle heure (?:est|il)|quel jour (?:est|sommes)|on est quel jour|il est quelle heure
    what(?:'s| is) the (?:date|time)(?= ?(?:[?.!]|$)| (?:now|today|right)| in [a-z]+ ?\??$)
    quelle est la date(?= ?(?:[?.!]|$)| (?:du jour|d'auj))|temps (?:fait|fera|va)[- ]t?[- ]?il
    (?:price|value|worth) of (?:gold|silver|oil|bitcoin|brent|petrol|gas|ethereum|copper)|(?:bitcoin|gold|oil) price
    (?:prix|valeur|cours) (?:de l'|du |de la )(?:or|argent metal|bitcoin|petrole|brent|essence|ethereum|cuivre|gaz)\b
    cours (?:de la bourse|de l'action|des actions|de l'euro|du dollar|du yen|du franc)|cac 40|dow jones|nasdaq
    what(?:'s| is| are) (?:the|your) (?:\w+ ){0,2}(?:exchange|conversion) rates?(?! (?:based|fee|mechanism|policy|risk|mean))
    quels? (?:est|sont) (?:le|les|votre|vos) (?:taux|cours) de change(?! (?:fixe|flottant))
    status of (?:my|our|the|an?) (?:order|parcel|package|delivery|claim|request|ticket|case|application|transfer|payment|refund)
    my (?:order|parcel|package|claim|refund|application|transfer|payment)(?:'s)? status|(?:track|where is|where's) my (?:order|parcel|package)
    (?:statut|etat|suivi|avancement) d(?:e |u )(?:ma |mon |la |notre )?(?:commande|colis|demande|dossier|livraison|reclamation|remboursement|virement)
    ou (?:en )?est (?:ma|mon|notre) (?:commande|colis|demande|dossier|livraison|reclamation|remboursement)
    what(?:'s| is) (?:my|our) (?:\w+ ){0,2}balance|how much (?:money )?(?:do i have(?! to)|have i got|is left|is there)
    (?:check|see|show) my (?:account )?balance(?= ?(?:[?.!]|$))|quel est mon solde|combien (?:ai-je|j'ai|me reste|reste-t-il|il me reste)
    is (?:the )?[\w ]{2,30} (?:down|open|closed)(?= ?\??$)|traffic (?:on|in|jam)|etat du trafic|circulation (?:sur|a)\b
"""
_PRESENT = r"""
    today|now|currently|at the moment|nowadays|these days|at present|presently|so far|as of (?:now|today)
    this (?:very )?(?:week|weekend|month|year|quarter|season|summer|winter|spring|autumn)|as we speak
    aujourd'hui|maintenant|actuellement|en ce moment|a l'heure actuelle|ces jours-ci|a ce jour|de nos jours|pour l'instant
    cette (?:semaine|annee|saison)|ce (?:mois|jour|week-end|trimestre|printemps)(?:-ci)?|cet (?:ete|hiver|automne)
"""
_COMING = r"""
    tonight|tomorrow|next (?:week|month|year|weekend|season|game|match|election|train|bus|flight|meeting|episode)
    upcoming|this (?:evening|coming)|demain|apres-demain|ce soir|bientot|cette nuit
    (?:semaine|annee|saison|fois) prochaine|(?:mois|week-end|an|trimestre) prochain
    prochaine? (?:match|train|bus|vol|metro|election|reunion|episode|saison|concert|session|vacances|depart)s?
"""
_PAST = r"""
    yesterday|last (?:night|week|month|year|weekend|season)|recently|lately|earlier today|this (?:morning|afternoon)
    hier|avant-hier|recemment|dernierement|ce (?:matin|midi)|cet apres-midi|(?:semaine|annee|nuit|saison) derniere
    (?:mois|week-end|an) dernier
"""
# Adjectives for the newest of something that changes.
_NEWEST = r"""
    (?<!my )(?<!own )(?<!electric )(?<!alternating )(?<!direct )(?<!electrical )(?<!eddy )(?<!ocean )current (?!accounts?\b|flow|through|in\b|of\b|divider)\w
    (?<!at the )latest (?!date\b|time\b|day\b|by\b|i\b|possible|to\b)\w|newest|most recent|up[- ]to[- ]date
    (?:the|'s|s') last (?:election|match|game|race|world cup|olympics|season|episode|version|release|update|film|movie|album|book|single|meeting|earthquake)
    (?<!mon )(?<!ma )(?<!mes )(?<!votre )actuel(?:le|s|les)?|(?<!mon )(?<!ma )(?<!mes )plus recente?s?
    (?:la|les|le|aux?|du|des|l'une des) derni(?:er|ere|ers|eres) (?!jours? (?:du|de|pour)|delai|recours|etage|roi|reine|empereur|tsar|mot|lettre|lignes?|colonnes?|elements?|chiffres?|wagon|etape|mois (?:de|du|avant)|volonte|minute|chance|siecle|guerre|cene|paiement|virement|trimestre|pharaon|dinosaure|mohican|fois que|cellule|caractere)\w
    est sorti(?:e|s|es)? derni|en vigueur|cours (?:actuel|du jour)|du jour\b
"""
_ASKS = re.compile(
    r"""\W*(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|has|have|will|can|could|should|any
    |quel|quels|quelle|quelles|qui|que|qu'|quand|ou|comment|combien|pourquoi|est-ce|a-t|y\ a|ya)\b""",
    re.VERBOSE,
)
_REQUEST = re.compile(
    r"""\b(?:(?:can|could|would|will)\ you\ (?:please\ )?(?:tell|give|show|let|help)\ me|please\ (?:tell|give|show)\ me|tell\ me
    |give\ me|show\ me|let\ me\ know|i(?:'d|\ would)?\ (?:want|need|like)\ to\ know|i(?:'m|\ am|\ was)?\ (?:wonder|wondering|curious)
    |do\ you\ know|(?:peux|pourrais)-?\ ?tu\ (?:me\ |m')\w+|(?:pouvez|pourriez)-?\ ?vous\ (?:me\ |nous\ |m')\w+
    |(?:dis|donne|montre)(?:s|z)?-?\ ?(?:moi|nous)|(?:dites|donnez|montrez)-?\ ?(?:moi|nous)
    |(?:je\ (?:voudrais|veux|souhaite|cherche\ a)|j'aimerais)\ (?:savoir|connaitre)|je\ me\ demande|savez-vous|sais-tu)\b""",
    re.VERBOSE,
)
_OWN = re.compile(
    r"\b(?:i|i'm|i've|i'd|i'll|im|ive|my|me|we|our|mine|we're|je|j|mon|ma|mes|moi|m|nous|notre|nos)\b"
)
# How something is done or what a word means: that holds tomorrow too.
_CONCEPT = re.compile(
    r"""\W*(?:how\ (?:to|do\ (?:i|you|we|they|people|one)|can\ (?:i|you|we|one)|should\ (?:i|you|we)|does\ (?:the|an?|one)\b.*\b(?:work|form|affect|influence)
    |is\ (?:the\ |an?\ )?[\w\ ]+\ (?:calculated|determined|defined|measured|computed|set|made|decided))
    |comment\ (?!va\b|vont\b|evolue|se\ porte)|what\ (?:does|do|did)\b.*\bmean|what\ (?:is|are|was)\ (?:an?|meant)\ |(?:explain|define|describe)\b
    |what\ is\ (?:the\ )?(?:difference|meaning|definition|purpose)|que\ (?:veut|signifie|veulent|signifient)|qu'est-ce\ qu(?:e\ |')(?:une?|le|la|les|l')\b
    |c'est\ quoi|quelle\ est\ la\ (?:difference|definition)|explique[rz]?\b|definis)""",
    re.VERBOSE,
)
# What somebody asks of their own affairs that another day answers otherwise.
_OWN_STATE = re.compile(
    r"""\W*(?:how\ (?:much|many)|(?:when|who|where)\ (?:is|are|was|will|do|does|did|can)\b|which|what\ (?:time|day|date|meetings?|appointments?|events?|is\ (?:my|our|on)|are\ (?:my|our)|did\ i\ (?:spend|buy|earn|pay)|have\ i|do\ i\ have|should\ i\ (?:wear|buy|watch|eat))
    |should\ (?:i|we)\ (?:buy|sell|invest|refinance|wear|go|wait|exchange)|do\ (?:i|we)\ (?:have|work)\b|am\ i\ (?:working|on\ call)
    |combien|quand\ (?!je|j'|nous|on)|quels?|quelles?|ou\b|qu'ai-je|qu'est-ce\ que\ (?:j'ai|je\ dois\ (?:mettre|porter))|dois-je\ (?:acheter|vendre|investir|m'habiller)|ai-je\ (?:cours|un|une|des|rendez)|faut-il\ que\ j')""",
    re.VERBOSE,
)
_TELLS = re.compile(
    r"\W*(?:the|it|this|that|there|a|an|someone|le|la|les|un|une|l(?=')|il|elle|ils|ca|cela|ce|c')\b"
)
_NOT_TIME = re.compile(
    r"\bnow that\b|^\W*now,|^\W*(?:ok|okay|so|and|et|bon) (?:now|maintenant)\b|\b(?:from|until|by|just) now\b|\bmaintenant que\b"
    r"|^\W*maintenant,|\bd'ores et deja\b|\b(?:des|jusqu'a) maintenant\b|\bcurrent accounts?\b"
)


def _words(listed: str) -> re.Pattern[str]:
    parts = "|".join(line.strip() for line in listed.strip().splitlines())
    return re.compile(rf"(?<!\w)(?:{parts})")


def _whole(listed: str) -> re.Pattern[str]:
    parts = "|".join(line.strip() for line in listed.strip().splitlines())
    return re.compile(rf"(?<!\w)(?:{parts})(?!\w)")


STATE, NEWEST = _words(_STATE), _words(_NEWEST)
PRESENT, COMING, PAST = _whole(_PRESENT), _whole(_COMING), _whole(_PAST)


def momentary(plain: str) -> bool:
    """Whether one of the sentences of a folded text asks for what holds at the moment only."""
    return any(_sentence(sentence) for sentence in SENTENCE.split(plain) if sentence)


def _sentence(sentence: str) -> bool:
    timed = PRESENT.search(sentence) or COMING.search(sentence)
    past = timed is None and PAST.search(sentence) is not None
    newest = NEWEST.search(sentence) is not None
    state = STATE.search(sentence) is not None
    if not (timed or past or newest or state):
        return False
    rest = _REQUEST.sub(" ", sentence)
    requested = rest != sentence
    rest = _NOT_TIME.sub(" ", rest)
    if _CONCEPT.match(rest) is not None:
        return False
    if state:
        return True
    if not (newest and NEWEST.search(rest)) and not any(
        word.search(rest) for word in (PRESENT, COMING, PAST)
    ):
        return False
    asks = requested or _ASKS.match(rest) is not None or rest.rstrip().endswith("?")
    if _OWN.search(rest) is not None:
        return asks and _OWN_STATE.match(rest) is not None
    return asks or (not past and _TELLS.match(rest) is None)
