"""The marks by which people and programs set a text apart from what they ask about it, in French and English.

Fences, tags, labels at the start of a line, and the first words of an order. Only patterns; `parts.py` uses
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from passerelle.text.words import folded

_TAGS = (
    r"contexte?|documents?|docs?|sources?|passages?|texte?|articles?|extraits?|excerpts?|data|donnees|"
    r"content|contenu|input|review|avis|results?|chunks?|search_results|knowledge"
)
_OPENING = re.compile(
    rf"<(?P<tag>{_TAGS})\b[^<>\n]{{0,200}}>"
    r"|(?P<fence>```)[\w-]*\n?"
    r"|(?P<quotes>\"\"\"|''')"
    r"|^(?P<rule>-{3,})[ \t]{0,8}\n",
    re.IGNORECASE | re.MULTILINE,
)
_CONTEXT = (
    r"contexte?s?|texte?s?|documents?|passages?|articles?|sources?|extraits?|excerpts?|input|entr[ée]e|"
    r"contenu|content|donn[ée]es|data|knowledge(?: base)?|search results|r[ée]sultats(?: de recherche)?|"
    r"reviews?|avis|comments?|commentaires?|verbatims?|feedback|messages?|e-?mails?|courriels?|"
    r"informations?|faits|facts|notes?"
)
_QUESTION = (
    r"(?:user |new |follow[- ]?up |input )?(?:questions?|query|request)|q|demande|consignes?|instructions?|"
    r"task|t[âa]che|requ[êe]te|nouvelle question|question de l['’]utilisateur"
)
_ANSWER = (
    r"(?:your |final |helpful )?(?:answer|response|reply)|r[ée]ponse(?: finale)?|a|r|"
    r"summary|r[ée]sum[ée]|json|output"
)
LABEL = re.compile(
    r"^[ \t]{0,8}[#>*_\[]{0,8}[ \t]{0,8}"
    rf"(?:(?P<context>{_CONTEXT})|(?P<question>{_QUESTION})|(?P<answer>{_ANSWER}))"
    r"(?:[ \t]{1,8}(?:n°[ \t]?)?\d{1,3}|[ \t]{0,8}\([^()\n]{0,60}\))?"
    r"[ \t]{0,8}[*_]{0,8}(?:[ \t]{0,8}:[*_]{0,8}|\]|(?=\n))",
    re.IGNORECASE | re.MULTILINE,
)
_ORDER = re.compile(
    r"(?:please|kindly|merci de|veuillez|s'il (?:te|vous) plait|(?:peux-tu|pouvez-vous|pourriez-vous|"
    r"can you|could you)|(?:tu|vous|you) \w+|(?:ton|votre|your) (?:role|but|task|job|goal|tache|mission)|i (?:want|"
    r"need|would like) you|je (?:veux|voudrais)|be|act|answer|respond|reply|use|write|give|say|tell|quote|"
    r"cite|classify|categori[sz]e|label|extract|identify|choose|select|pick|rate|detect|analy[sz]e|"
    r"translate|rewrite|explain|describe|list|return|output|read|find|summari[sz]e|sum up|tl;?dr|condense|"
    r"shorten|only|always|never|do not|don't|if|based on|using|according to|given|here (?:is|are)|below|"
    r"following|the following|sois|soyez|reponds|repondez|repondre|utilise[zr]?|ecris|ecrivez|donne[zr]?|"
    r"dis|dites|cite[zr]?|classe[zr]?|classifie[zr]?|categorise[zr]?|extrais|extraire|extrayez|"
    r"identifie[zr]?|choisis|choisissez|selectionne[zr]?|note[zr]?|detecte[zr]?|analyse[zr]?|tradui[st]|"
    r"traduisez|reformule[zr]?|explique[zr]?|decris|decrivez|liste[zr]?|renvoie|renvoyez|retourne[zr]?|lis|"
    r"lisez|trouve[zr]?|resume[zr]?|synthetise[zr]?|fais|faites|redige[zr]?|uniquement|toujours|jamais|n'|"
    r"ne|si|d'apres|selon|a partir|en (?:te|vous) (?:basant|appuyant)|voici|ci-dessous|sers-toi|servez-vous|"
    r"en (?:une|deux|trois|\d+) (?:phrases?|mots)|in (?:one|two|three|\d+) (?:sentences?|words))(?![\w'])"
)
_ABOUT_THE_TASK = re.compile(
    r"\b(?:textes?|contexte?s?|documents?|passages?|questions?|reponses?|answers?|answering|following|"
    r"suivante?s?|below|ci-dessous|ci-apres|phrases?|sentences?|mots|words|francais|french|anglais|english|"
    r"json|assistante?|expert|concis|concise|brief|bref|brievement|helpful|utile|poli|polite|summar\w+|"
    r"resum\w+|synthes\w+|utilisateur|user|extraits?|excerpts?|articles?|avis|reviews?|sources?|cite|"
    r"citations?|quotes?|invente|invent|make up|know|sais)\b"
)

_HEADING = re.compile(r"#{1,6}[ \t][^\n]*|={3,}|-{3,}")
_POINTS_BACK = re.compile(
    r"(?:ils?|elles?|ce(?:lui|lle|ux|lles)?(?:-ci|-la)?|cela|ceci|cet(?:te)?|ces|c'|he|she|it|they|this|"
    r"that|these|those|its|their|his|her|son|sa|ses|leurs?)(?![\w-])|c'"
)


def fences(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Each fenced text: where its fence begins, where the text begins and ends, and where its fence ends.

    Tags, backticks, triple quotes and rules of dashes; the first closing mark ends a fence, none ends at the
    end. Linear in the text: a mark that is never closed is looked for once.
    """
    closings: dict[str, re.Pattern[str]] = {}
    unclosed: set[str] = set()
    done = 0
    for opening in _OPENING.finditer(text):
        kind = (opening["tag"] or opening["fence"] or opening["quotes"] or "---").lower()
        if opening.start() < done or kind in unclosed:
            continue
        if kind not in closings:
            closings[kind] = re.compile(_closing(kind), re.IGNORECASE | re.MULTILINE)
        closing = closings[kind].search(text, opening.end())
        if closing is None:
            unclosed.add(kind)
            continue
        done = closing.end()
        yield opening.start(), opening.end(), closing.start(), done


def _closing(kind: str) -> str:
    if kind == "---":
        return r"^-{3,}[ \t]*$"
    return re.escape(kind) if not kind[0].isalpha() else rf"</{kind}\s{{0,8}}>"


def is_question(sentence: str) -> bool:
    """Does it end in a question mark?"""
    return sentence.rstrip(" \t\n\"'»”)*_\xa0\u202f").endswith("?")


def is_heading(sentence: str) -> bool:
    """Is it a heading of Markdown, or the rule under one?"""
    return _HEADING.fullmatch(sentence.strip()) is not None


def is_order(sentence: str) -> bool:
    """Does it begin as an order does, or announce what follows?"""
    plain = folded(sentence).lstrip(" \t\n-*#>\"'«")
    return _ORDER.match(plain) is not None


def points_back(sentence: str) -> bool:
    """Does it begin with a pronoun that stands for something in the sentence before?"""
    return _POINTS_BACK.match(folded(sentence).lstrip(" \t\n-*\"'«")) is not None


def is_about_the_task(sentence: str) -> bool:
    """Is it an order about answering, and not about the world (`Press the red button` is about the world)?"""
    return is_order(sentence) and _ABOUT_THE_TASK.search(folded(sentence)) is not None
