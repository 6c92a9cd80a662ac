"""Which column of a file is what: proposed from its heading and from what stands in it, in French and English.

A proposal says why, and a person may say otherwise; what they say is checked before a row is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from passerelle.domain.errors import BadRequest
from passerelle.domain.survey_data import SCALES, SCORES, Column, Columns, Role
from passerelle.pipelines.surveys.importing_cells import day_of, months_first, number_of, scale_of
from passerelle.text.personal import personal
from passerelle.text.words import folded

SAMPLE = 500  # rows that a proposal looks at
_MOST_COLUMNS = 300
_HEADINGS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (Role.PERSONAL, re.compile(
        r"\be ?mails?\b|\bcourriels?\b|\bmail\b|telephone|\bphone\b|\bmobile\b|\bportable\b|^(?:votre )?(?:nom|prenom)s?\b"
        r"|nom et prenom|\b(?:first|last|full) ?name\b|^(?:your )?name$|adresse|\baddress\b|\bip\b|naissance|birth|\biban\b"
        r"|securite sociale|^(?:stagiaire|apprenant|participant|respondent|learner|student)s?(?: name)?$")),
    (Role.DATE, re.compile(r"\bdates?\b|horodat|timestamp|\bsubmitted\b|\bcompleted\b|\brepondu le\b|^le$|^quand\b|\bcreated at\b")),
    (Role.NPS, re.compile(r"\bnps\b|recommand|recommend|net promoter|likelihood|likely")),
    (Role.CES, re.compile(r"\bces\b|\beffort\b|facilite|facile|\beas[ey]\b|\beasily\b|simplicite")),
    (Role.COMMENT, re.compile(
        r"comment|remarque|verbatim|suggestion|\bavis\b|appreciation|feedback|\breviews?\b|opinion|point?s? (?:forts?|faibles?)"
        r"|ameliorer|amelioration|improve|\bpourquoi\b|\bwhy\b|\btext|observations?|temoignage|\baime\b|\bliked?\b|\bautres?\b")),
    (Role.CSAT, re.compile(r"\bcsat\b|satisfait|satisfaction|satisfied")),
    (Role.RATING, re.compile(
        r"\bnotes?\b|rating|\bscore\b|etoiles?|\bstars?\b|evaluation|qualite|quality|\bevaluez\b|\bnotez\b|\brate\b")),
    (Role.SEGMENT, re.compile(
        r"session|formateur|formatrice|trainer|instructor|teacher|\bsite\b|\bville\b|\bcity\b|\blieu\b|location|agence|groupe"
        r"|\bgroup\b|\bcours\b|course|module|formation|training|entreprise|company|client|region|promotion|cohort|langue"
        r"|language|\bcanal\b|channel|service|department|\bposte\b|metier|fonction|\bsalle\b|\broom\b|categorie|type|modalite"
        r"|country|\bpays\b|\bage\b|\bgenre\b|\bgender\b|equipe|\bteam\b|niveau|\blevel\b")),
)  # fmt: skip
_IDENTIFIER = re.compile(r"^(?:id|n°|no|num|numero|uuid|index|ref|reference|identifiant|response id|#)\b|^#")
_SCALE_IN_HEADING = re.compile(
    r"(?:/|\bsur\b|\bout of\b)\s*(\d{1,3})\b|\b([01])\s*(?:a|to|-|–|…|\.\.\.?)\s*(\d{1,3})\b"
)
_ENDS = (5.0, 7.0, 10.0, 20.0, 100.0)
_FROM_NOUGHT = (10.0, 20.0, 100.0)
_MOSTLY = 0.8
_WRITTEN = 25  # characters that a comment has on average
_NPS_BY_NAME = re.compile(r"\bnps\b|net promoter")
_NPS_ENDS = (7.0, 10.0)  # where a scale without words ends whose highest marks nobody gave, too
_HALF = 0.5  # of the cells are on a scale that is believed
_ENOUGH = 10  # cells, among which one may be a slip
_STRAY, _FAR = 0.02, 2.0  # the share of slips, and how often the end of the scale they are
_A_FEW = 10  # rows, of which nobody can tell that a segment repeats itself


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a column seems to be. `why` is a code: heading, content, heading_and_content, personal, nothing_fits, empty."""

    column: Column
    why: str
    filled: int  # of the rows looked at
    examples: tuple[str, ...] = ()  # of what is no personal data


def propose(header: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[Proposal, ...]:
    """A proposal for each column, in the file's order. At most one column each is NPS, CSAT, CES and the date."""
    found: list[Proposal] = []
    taken: set[Role] = set()
    names = unique(header)
    for index, name in enumerate(names):
        values = [row[index].strip() for row in sample if index < len(row) and row[index].strip()]
        proposal = _proposal(index, name, values)
        role = proposal.column.role
        if role in (Role.NPS, Role.CSAT, Role.CES, Role.DATE) and role in taken:
            column = proposal.column
            second = Role.IGNORED if role is Role.DATE else Role.RATING
            proposal = replace(proposal, column=replace(column, role=second))
        taken.add(role)
        found.append(proposal)
    return tuple(found)


def proposed(proposals: Sequence[Proposal], header: Sequence[str]) -> Columns:
    """The proposals as they stand."""
    return Columns(tuple(header), tuple(each.column for each in proposals))


def unique(header: Sequence[str]) -> list[str]:
    """Names of columns: a heading that is missing or there twice gets its column's number."""
    names: list[str] = []
    seen: set[str] = set()
    for index, heading in enumerate(header[:_MOST_COLUMNS]):
        name = " ".join(heading.split())[:120] or f"#{index + 1}"
        while name.casefold() in seen:
            name = f"{name} (#{index + 1})"
        seen.add(name.casefold())
        names.append(name)
    return names


def chosen(header: Sequence[str], roles: Mapping[str, Mapping[str, Any]]) -> Columns:
    """What a person says the columns are: by heading, `{"role", "name", "low", "high", "month_first"}`.

    Columns that nobody names are ignored. Raises BadRequest where a heading is not in the file or does not fit.
    """
    names = unique(header)
    by_name = {name.casefold(): index for index, name in enumerate(names)}
    columns = {index: Column(index, Role.IGNORED, name) for index, name in enumerate(names)}
    for heading, said in roles.items():
        index = by_name.get(" ".join(heading.split())[:120].casefold())
        if index is None:
            raise _wrong(
                f"The file has no column {heading[:120]!r}: its columns are {', '.join(names[:30])}."
            )
        try:
            role = Role(said["role"])
        except (KeyError, ValueError):
            raise _wrong(f"Column {names[index]!r} needs a role: one of {', '.join(Role)}.") from None
        low, high = SCALES.get(role, (1.0, 5.0)) if role in SCORES else (0.0, 0.0)
        low, high = float(said.get("low", low)), float(said.get("high", high))
        if role in SCORES and not low < high:
            raise _wrong(
                f"The scale of column {names[index]!r} goes from {low:g} to {high:g}: turn it round."
            )
        name = str(said.get("name") or names[index])[:120]
        columns[index] = Column(index, role, name, low, high, month_first=said.get("month_first") is True)
    mapped = Columns(tuple(header), tuple(columns.values()))
    check(mapped)
    return mapped


def check(columns: Columns) -> None:
    """Raises BadRequest where nothing could be done with answers that are read so."""
    if not columns.of(Role.COMMENT, *SCORES):
        raise _wrong("No column holds comments or scores: name at least one of them.")
    for role in (Role.NPS, Role.CSAT, Role.CES, Role.DATE):
        if len(several := columns.of(role)) > 1:
            named = ", ".join(repr(each.name) for each in several)
            raise _wrong(f"{named} are all {role}: a file has one; call the others rating or ignored.")
    for roles in ((Role.COMMENT,), (Role.RATING,), (Role.SEGMENT,)):
        called = [each.name.casefold() for each in columns.of(*roles)]
        if len(set(called)) < len(called):
            raise _wrong("Two columns of a kind have the same name: give each its own.")
    for role, ends in SCALES.items():
        for column in columns.of(role):
            if (column.low, column.high) != ends:
                raise _wrong(
                    f"Column {column.name!r} is {role}, whose scale is {ends[0]:g} to {ends[1]:g}: call it a rating."
                )


def _wrong(message: str) -> BadRequest:
    return BadRequest(message, code="survey_columns_wrong", param="columns")


def _proposal(index: int, name: str, values: list[str]) -> Proposal:
    plain = " ".join(folded(name).replace("_", " ").split())
    said = next((role for role, pattern in _HEADINGS if pattern.search(plain)), None)
    if not values:
        return Proposal(Column(index, Role.IGNORED, name), "empty", 0)
    many = sum(personal(value) not in (None, "name") for value in values[:100]) > 0.5 * min(len(values), 100)
    written = sum(map(len, values)) / len(values)
    if said is Role.PERSONAL or (many and written < 3 * _WRITTEN):
        return Proposal(Column(index, Role.PERSONAL, name), "personal", len(values))
    column = _fitting(index, name, plain, said, values, written)
    if column is None:
        return Proposal(Column(index, Role.IGNORED, name), "nothing_fits", len(values), _examples(values))
    why = "heading_and_content" if column.role is said else "content"
    return Proposal(column, why, len(values), _examples(values))


def _fitting(
    index: int, name: str, plain: str, said: Role | None, values: list[str], written: float
) -> Column | None:
    """By what stands in it, and among roles that fit, by its heading. None where nothing does."""
    days = sum(day_of(value) is not None or day_of(value, month_first=True) is not None for value in values)
    if days >= _MOSTLY * len(values):
        return Column(index, Role.DATE, name, month_first=months_first(values) is True)
    numbers = [number for number in map(number_of, values) if number is not None]
    if len(numbers) >= _MOSTLY * len(values):
        if _IDENTIFIER.search(plain):
            return None
        score = _score(index, name, plain, said, values, numbers)
        if score or said is not Role.SEGMENT:
            return score
    distinct = len({value.casefold() for value in values})
    if said is Role.COMMENT or (
        written >= _WRITTEN and distinct > 0.5 * len(values) and said is not Role.SEGMENT
    ):
        return Column(index, Role.COMMENT, name)
    if _IDENTIFIER.search(plain):
        return None
    few = distinct <= max(20, len(values) // 20) and distinct < 0.7 * len(values)
    if (said is Role.SEGMENT and (distinct < 0.9 * len(values) or len(values) < _A_FEW)) or (
        few and written < 60
    ):
        return Column(index, Role.SEGMENT, name)
    return None


def _score(
    index: int, name: str, plain: str, said: Role | None, values: list[str], numbers: list[float]
) -> Column | None:
    """A score on the scale that its heading says, else on the one that its cells fit."""
    written = _written(plain, numbers)
    if not written and _NPS_BY_NAME.search(plain) and _within(numbers, 0, 10) >= _HALF:
        written = (0.0, 10.0)
    scale = written or _fitted(values, numbers)
    if scale is None:
        return None
    if said is Role.NPS and not written and scale[1] in _NPS_ENDS:
        scale = SCALES[said]
    if said is not None and said in SCALES and scale == SCALES[said]:
        return Column(index, said, name, *scale)
    if said not in SCORES and not written and (scale[1] > 10 or said is Role.SEGMENT):
        return None
    return Column(index, Role.RATING, name, *scale)


def _written(plain: str, numbers: list[float]) -> tuple[float, float] | None:
    """The scale that a heading says; None where it says none, or where most cells are not on it."""
    match = _SCALE_IN_HEADING.search(plain)
    if match is None:
        return None
    high = float(match[1] or match[3])
    if high <= 1 or _within(numbers, 0, high) < _HALF:
        return None
    return (float(match[2]) if match[2] else _low(numbers, high)), high


def _fitted(values: list[str], numbers: list[float]) -> tuple[float, float] | None:
    """The scale its cells say, else the smallest usual one that holds all but what is far off it."""
    wholes = [whole for whole in map(scale_of, values[:50]) if whole and whole > 1]
    if wholes and _within(numbers, 0, max(wholes)) >= _HALF:
        return _low(numbers, max(wholes)), max(wholes)
    few = max(1, int(_STRAY * len(numbers))) if len(numbers) >= _ENOUGH else 0
    for high in _ENDS:
        off = [number for number in numbers if not 0 <= number <= high]
        if len(off) <= few and all(number < 0 or number > _FAR * high for number in off):
            return _low(numbers, high), high
    return None


def _low(numbers: list[float], high: float) -> float:
    least = min((number for number in numbers if 0 <= number <= high), default=0.0)
    return 0.0 if high in _FROM_NOUGHT or least < 1 else 1.0


def _within(numbers: list[float], low: float, high: float) -> float:
    """The share of numbers on a scale."""
    return sum(low <= number <= high for number in numbers) / len(numbers)


def _examples(values: list[str]) -> tuple[str, ...]:
    shown = dict.fromkeys(value[:80] for value in values[:50] if personal(value) in (None, "name"))
    return tuple(shown)[:3]
