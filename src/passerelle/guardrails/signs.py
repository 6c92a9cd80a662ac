"""Signs of prompt injection, in French and English: what they are and how much each weighs.

A sign of words is looked for only where one of its first words stands, in the next `REACH` words of the folded text:
lower case, no accents, no punctuation, one space between words. Its pattern is matched there and nowhere else, so the
cost is bounded by the number of words. A mark is a plain piece of the folded text, punctuation kept.

The families follow the kinds of attack named in OWASP's list for LLM applications (LLM01, 2025): orders to forget the
instructions, a new role, questions for the hidden prompt, forged turns of the conversation, hidden sending of data,
and orders that are encoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REACH = 16  # words from where a sign begins to where it ends, at most


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign made of words. `weight` is 1 where it is enough by itself."""

    name: str
    weight: float
    firsts: frozenset[str]  # the words it may begin with
    pattern: re.Pattern[str]  # matched from such a word on


# Up to four words between two that matter; possessive, so that nothing is tried twice.
_GAP = r"(?:[^ ]{1,20} ){0,4}?"
_EN_RULES = r"(?:instructions?|rules?|directions?|guidelines?|prompts?|directives?|guardrails?|restrictions?|polic(?:y|ies)|commands?|training|programming)\b"
_EN_BEFORE = r"(?:all|any|every|your|the|these|those|previous|prior|above|earlier|preceding|foregoing|original|initial)"
_FR_RULES = r"(?:instructions?|consignes?|regles?|directives?|ordres?|prompts?|restrictions?|recommandations|limites|limitations)\b"

# name, weight, first words, what follows them
_ROWS: tuple[tuple[str, float, str, str], ...] = (
    (
        "ignore-instructions", 1.0,
        "ignore ignoring disregard forget bypass override overrule skip neglect discard",
        rf" {_GAP}(?:previous|prior|above|earlier|preceding|foregoing|original|initial|former|system|your|my previous) (?:[^ ]{{1,20}} ){{0,2}}?{_EN_RULES}",
    ),
    (
        "ignore-instructions", 1.0,
        "ignore disregard forget",
        rf" (?:all|any|every) (?:of )?(?:the |your |these |those )?{_EN_RULES}",
    ),
    (
        "ignore-instructions", 1.0,
        "ignore disregard forget",
        r" (?:everything|anything|all|what) (?:[^ ]{1,20} ){0,4}?(?:above|before|earlier|previously|so far|prior|told)\b",
    ),
    (
        "ignore-instructions", 1.0,
        "ignore ignores ignorer ignorez oublie oublies oublier oubliez neglige negligez contourne contournez outrepasse outrepassez annule annulez",
        rf" {_GAP}{_FR_RULES} (?:[^ ]{{1,20}} ){{0,3}}?(?:precedentes?|precedents?|anterieure?s?|initiales?|initiaux|ci dessus|au dessus|plus haut|recues?|donnees|systeme|d origine|avant)\b",
    ),
    (
        "ignore-instructions", 1.0,
        "ignore ignorez oublie oubliez neglige negligez",
        rf" (?:toutes? |tous )?(?:tes|vos) {_FR_RULES}",
    ),
    (
        "ignore-instructions", 1.0,
        "ignore ignorez oublie oubliez",
        r" (?:tout )?(?:ce qui precede|ce qui a ete dit|ce qu on t a dit|ce qu on vous a dit|tout ce que (?:tu|vous)|ce que je t ai dit)\b",
    ),
    (
        "do-not-follow", 1.0,
        "do don stop",
        rf" (?:not |t )?(?:follow|following|obey|obeying) (?:{_EN_BEFORE} ){{1,3}}{_EN_RULES}",
    ),
    ("do-not-follow", 1.0, "ne", rf" (?:suis|suivez|respecte|respectez|tiens|tenez) (?:pas|plus) {_GAP}{_FR_RULES}"),
    (
        "new-instructions", 0.6,
        "new your updated real from",
        r" (?:new |real |actual |updated )?(?:instructions?|task|orders|directives?|mission|system prompt) (?:is|are|from|follow|begin|below)\b",
    ),
    (
        "new-instructions", 0.6,
        "voici tes vos nouvelles",
        r" (?:tes |vos |les )?(?:nouvelles? |vraies? |veritables )?(?:instructions?|consignes|directives?) (?:sont|est|a suivre|suivantes?|du systeme)\b",
    ),
    (
        "other-role", 0.6,
        "you act pretend behave roleplay",
        r" (?:are now|will now act|must now act|as if you|to be|like|as) (?:[^ ]{1,20} ){0,6}?(?:unrestricted|uncensored|unfiltered|jailbroken|jailbreak|evil|dan|no (?:restrictions|rules|limits|filters)|without (?:any )?(?:restrictions|rules|limits|filters)|developer mode|root|amoral)\b",
    ),
    (
        "other-role", 0.6,
        "tu vous agis agissez fais faites joue jouez comporte",
        r" (?:es|etes|comme|toi|vous|le role|semblant) (?:[^ ]{1,20} ){0,7}?(?:sans (?:aucune? |la moindre )?(?:restrictions?|regles?|limites?|filtres?|censure)|non censuree?|debridee?|malveillante?|mode developpeur|dan)\b",
    ),
    ("jailbreak", 1.0, "you", r" (?:are|re) now (?:a |an |in )?(?:dan|jailbroken|unrestricted|uncensored|unfiltered|evil|developer mode)\b"),
    ("jailbreak", 1.0, "tu vous", r" (?:es|etes) (?:maintenant|desormais) (?:un |une |en )?(?:dan|debridee?s?|non censuree?s?|sans filtre|mode developpeur)\b"),
    ("jailbreak", 1.0, "do", r" anything now\b"),
    ("jailbreak", 1.0, "dan jailbreak developer god", r" mode (?:enabled|activated|on|active)\b"),
    ("jailbreak", 1.0, "enable activate enter activer active activez", r" (?:the |le )?(?:dan|jailbreak|developer|god|mode) (?:mode|dan|developpeur|jailbreak|debride|sans filtre)\b"),
    (
        "show-prompt", 1.0,
        "reveal show print repeat output display tell give leak expose reproduce write summarize translate",
        rf" {_GAP}(?:your|the) (?:[^ ]{{1,20}} ){{0,2}}?(?:system prompt|system message|system instructions|hidden prompt|hidden instructions|initial instructions|initial prompt|original instructions|secret instructions|developer message)\b",
    ),
    (
        "show-prompt", 1.0,
        "what",
        r" (?:is|are|was|were|does) (?:your|the) (?:[^ ]{1,20} ){0,2}?(?:system prompt|system message|hidden prompt|hidden instructions|initial instructions|initial prompt|secret instructions)\b",
    ),
    (
        "show-prompt", 1.0,
        "repeat print output copy",
        r" (?:[^ ]{1,20} ){0,3}?(?:everything|all|the (?:words|text|content)|verbatim) (?:[^ ]{1,20} ){0,3}?above\b",
    ),
    (
        "show-prompt", 1.0,
        "revele revelez montre montrez affiche affichez repete repetez donne donnez dis dites recopie recopiez ecris ecrivez quel quelles traduis resume",
        rf" {_GAP}(?:ton|votre|tes|vos|le|les|du) (?:[^ ]{{1,20}} ){{0,2}}?(?:prompt systeme|prompt initial|prompt cache|message systeme|instructions? systeme|instructions? initiales?|instructions? cachees?|instructions? secretes?|consignes? initiales?|consignes? cachees?|consignes? secretes?)\b",
    ),
    (
        "hide-from-user", 0.6,
        "do don without never",
        r" (?:not |t )?(?:tell|telling|mention|mentioning|inform|informing|reveal|show|alert)(?:ing)? (?:this |it |that )?(?:to )?(?:the )?(?:user|human|operator)\b",
    ),
    ("hide-from-user", 0.6, "ne sans", r" (?:le |l |en )?(?:dis|dites|mentionne|mentionnez|informe|informez|revele|prevenir|informer|dire|parle) (?:pas |rien )?(?:[^ ]{1,20} ){0,3}?(?:utilisateur|usager|apprenant|humain|operateur)\b"),
    (
        "send-data", 0.8,
        "send post upload forward exfiltrate transmit email",
        r" (?:[^ ]{1,20} ){0,6}?(?:conversation|chat history|api keys?|passwords?|credentials|secrets|tokens|system prompt|personal data) (?:[^ ]{1,20} ){0,4}?(?:to|at|via|http|https)\b",
    ),
    (
        "send-data", 0.8,
        "envoie envoyez transmets transmettez poste postez exfiltre exfiltrez transfere transferez",
        r" (?:[^ ]{1,20} ){0,6}?(?:conversation|historique|cles? api|mots? de passe|identifiants|secrets|jetons|prompt|donnees personnelles) (?:[^ ]{1,20} ){0,4}?(?:a|vers|sur|par|http|https)\b",
    ),
    ("decode-and-do", 0.8, "decode decoding decrypt", r" (?:[^ ]{1,20} ){0,6}?(?:and|then) (?:follow|execute|obey|run|do|perform|comply)\b"),
    ("decode-and-do", 0.8, "decode decodez dechiffre dechiffrez", r" (?:[^ ]{1,20} ){0,6}?(?:et|puis) (?:suis|suivez|execute|executez|obeis|obeissez|fais|faites|applique|appliquez)\b"),
    ("encoding", 0.4, "base64 rot13", r"\b"),
    ("encoding", 0.4, "base rot", r" (?:64|13)\b"),
)  # fmt: skip

SIGNS: tuple[Sign, ...] = tuple(
    Sign(name, weight, frozenset(firsts.split()), re.compile(r"[^ ]+" + rest))
    for name, weight, firsts, rest in _ROWS
)

# Marks of chat templates and forged turns: nobody types them by accident, documents about templates do.
MARKS: tuple[tuple[str, str, float], ...] = (
    ("template-mark", "<|im_start|>", 1.0),
    ("template-mark", "<|im_end|>", 1.0),
    ("template-mark", "<|endoftext|>", 1.0),
    ("template-mark", "<|eot_id|>", 1.0),
    ("template-mark", "<|start_header_id|>", 1.0),
    ("template-mark", "<|begin_of_text|>", 1.0),
    ("template-mark", "<|system|>", 1.0),
    ("template-mark", "<|assistant|>", 1.0),
    ("template-mark", "<start_of_turn>", 1.0),
    ("template-mark", "<<sys>>", 1.0),
    ("template-mark", "[/inst]", 0.8),
    ("template-mark", "[inst]", 0.8),
    ("template-mark", "[system_prompt]", 1.0),
    ("forged-turn", "</system>", 0.6),
    ("forged-turn", "<system>", 0.6),
    ("forged-turn", "### system:", 0.6),
    ("forged-turn", "### instruction:", 0.5),
    ("forged-turn", "\nsystem:", 0.5),
    ("forged-turn", "begin system prompt", 0.8),
    ("forged-turn", "end of system prompt", 0.8),
    ("forged-turn", "[system override]", 1.0),
    ("hidden-link", "![](http", 0.4),
)
