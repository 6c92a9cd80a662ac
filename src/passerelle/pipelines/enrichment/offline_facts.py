"""Level, duration, prerequisites, objectives, title of a course text, quoted from it by rule. Pure; French and English."""

from __future__ import annotations

import re

from passerelle.pipelines.enrichment.offline_lines import Line
from passerelle.text.words import folded

_LONGEST_SLUG, _MOST_SLUG_WORDS = 60, 8
_MOST_LISTED, _LONGEST_LISTED = 20, 300
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")
_NUMBER = r"(?:(?<!\d)\d{1,6}(?:[.,]\d{1,6})?|une?|deux|trois|quatre|cinq|six|sept|huit|dix|one|two|three|four|five|six|seven|eight|ten|half an?)"
_UNIT = r"(?:demi-journees?|demi-journées?|half-days?|journées?|journees?|jours?|days?|heures?|hours?|semaines?|weeks?|mois|months?|minutes?|min|h)"
_SPAN = re.compile(
    rf"{_NUMBER}[\s\u00a0\u202f-]?{_UNIT}(?:\s?\d{{2}})?(?!\w)"
    rf"(?:\s*(?:\(|,?\s*(?:soit|i\.e\.|that is)\s|,\s|/\s?)\s*{_NUMBER}[\s\u00a0\u202f-]?{_UNIT}(?!\w)\)?)?",
    re.IGNORECASE,
)
_DURATION = re.compile(r"\b(?:duree|duration|length)\b")
_LEVEL = re.compile(r"\b(?:niveau|level|public|audience)\b")
_LEVELS = (
    ("expert", re.compile(r"\bexperts?\b")),
    ("advanced", re.compile(r"\b(?:avancee?s?|confirmee?s?|advanced|experienced)\b")),
    ("intermediate", re.compile(r"\b(?:intermediaires?|perfectionnement|intermediate|improvers?)\b")),
    ("beginner", re.compile(r"\b(?:debutante?s?|initiation|beginners?|introductory|aucun (?:prerequis|pre-requis|niveau)|no prerequisites?|sans prerequis)\b")),
)  # fmt: skip
_PREREQUISITES = re.compile(
    r"^(?:les )?pre-?\s?requis\b|^prerequisites?\b|^requirements?\b|^conditions d'acces\b|^what you need\b"
)
_OBJECTIVES = re.compile(
    r"^(?:les )?objectifs?\b|^(?:learning )?(?:objectives?|outcomes?|goals?)\b|^learning outcomes?\b|^competences visees\b|"
    r"^what you will learn\b|^ce que vous (?:apprendrez|saurez)\b|^(?:a l'issue|au terme|by the end|at the end)\b.*:$"
)
_NONE = re.compile(r"^(?:aucune?s?|none|no|neant|sans)\b")


def title_in(lines: tuple[Line, ...]) -> str:
    """The first heading, or else the first sentence."""
    heading = next((line.text.rstrip(" :") for line in lines if line.heading), "")
    return heading or (_SENTENCE.split(lines[0].text)[0].rstrip(" .:") if lines else "")


def described_in(text: str, most: int) -> str:
    """The sentences from the beginning that fit, or else the first one up to a word, marked as cut."""
    if len(text) <= most:
        return text
    kept = ""
    for sentence in _SENTENCE.split(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > most:
            break
        kept = longer
    if kept:
        return kept
    cut = text[: most - 1].rsplit(" ", 1)[0] if " " in text[:most] else text[: most - 1]
    return f"{cut.rstrip(' ,;:-–(')}…"


def slug_of(title: str) -> str:
    """Folded words joined by hyphens, as many as have room."""
    words = [word for word in re.findall(r"[a-z0-9]+", folded(title)) if len(word) > 1 or word.isdigit()]
    slug = ""
    for word in words[:_MOST_SLUG_WORDS]:
        longer = f"{slug}-{word}" if slug else word[:_LONGEST_SLUG]
        if len(longer) > _LONGEST_SLUG:
            break
        slug = longer
    return slug


def duration_in(lines: tuple[Line, ...]) -> str:
    """The words of the duration: behind such a word where there is one, else the first span of time."""
    for place, line in enumerate(lines):
        plain = folded(line.text)
        if _DURATION.search(plain):
            for near in (line, *lines[place + 1 : place + 2]):
                if span := _SPAN.search(near.text):
                    return _balanced(span[0])
    for line in lines:
        if span := _SPAN.search(line.text):
            return _balanced(span[0])
    return ""


def level_in(lines: tuple[Line, ...]) -> str:
    """The level that lines about level or audience name, else the only one that any line names; else unspecified."""
    plain = [folded(line.text) for line in lines]
    about = []
    for place, text in enumerate(plain):
        if _LEVEL.search(text):
            about += plain[place : place + (2 if lines[place].heading else 1)]
    for texts in (about, plain):
        named = {name for name, words in _LEVELS for text in texts if words.search(text)}
        if len(named) == 1:
            return named.pop()
    return "unspecified"


def prerequisites_in(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """What stands under such a heading, or behind such a word; nothing where it says that there are none."""
    return tuple(each for each in _under(lines, _PREREQUISITES) if not _NONE.match(folded(each)))


def objectives_in(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """What stands under such a heading, or behind such a word."""
    return _under(lines, _OBJECTIVES)


def _under(lines: tuple[Line, ...], named: re.Pattern[str]) -> tuple[str, ...]:
    for place, line in enumerate(lines):
        if not named.search(folded(line.text)):
            continue
        head, colon, behind = line.text.partition(":")
        if colon and behind.strip() and not line.heading and named.search(folded(f"{head}:")):
            return _sentences(behind)
        if line.heading:
            return _listed(lines[place + 1 :])
    return ()


def _listed(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """The items of the list that follows, or the sentences up to the next heading."""
    body: list[Line] = []
    for line in lines:
        if line.heading and not (not body and line.text.endswith(":")):
            break
        body.append(line)
    items = [line.text for line in body if line.item]
    if items:
        return _shown(items)
    return _shown([said for line in body if not line.heading for said in _SENTENCE.split(line.text)])


def _sentences(text: str) -> tuple[str, ...]:
    return _shown(_SENTENCE.split(text.strip()))


def _shown(said: list[str]) -> tuple[str, ...]:
    kept = [each.strip().rstrip(" ;.,") for each in said]
    return tuple(dict.fromkeys(each for each in kept if 0 < len(each) <= _LONGEST_LISTED))[:_MOST_LISTED]


def _balanced(text: str) -> str:
    """Without a bracket that is opened and not closed, or the other way about."""
    text = text.strip()
    if text.count("(") == text.count(")"):
        return text
    return f"{text})" if "(" in text else text.replace(")", "")
