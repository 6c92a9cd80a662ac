"""Whether an impact assessment seems needed: the nine criteria of the EDPB (WP 248 rev. 01), scored from what is set.

A configuration shows what is declared and switched on, never what a tenant does with an answer: what it cannot show is
`confirm`, for a person. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from passerelle.domain.catalog import Tenant


class Answer(StrEnum):
    """What the configuration says of a criterion."""

    YES = "yes"
    CONFIRM = "confirm"  # a person must say
    NO = "no"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of the nine. `why`: the reason's id, in the words of each language; `facts`: what it was read from."""

    number: int
    answer: Answer
    why: str
    facts: tuple[str, ...] = ()


def criteria(tenant: Tenant) -> tuple[Criterion, ...]:
    """The nine, in their order."""
    privacy = tenant.privacy
    special = tuple(sorted(each.value for each in privacy.special))
    return (
        Criterion(1, Answer.CONFIRM, "surveys" if tenant.surveys is not None else "answers"),
        Criterion(2, Answer.CONFIRM, "decision"),
        Criterion(3, Answer.CONFIRM, "prompt-log")
        if privacy.prompt_log is not None
        else Criterion(3, Answer.NO, "no-prompt-log", ("privacy.log_prompts",)),
        Criterion(4, Answer.YES, "special", special)
        if special
        else Criterion(4, Answer.CONFIRM, "free-text", ("privacy.special",)),
        Criterion(5, Answer.CONFIRM, "scale"),
        Criterion(6, Answer.CONFIRM, "documents")
        if tenant.rag is not None
        else Criterion(6, Answer.NO, "none"),
        Criterion(7, Answer.YES, "minors", ("privacy.minors",))
        if privacy.minors
        else Criterion(7, Answer.CONFIRM, "weak", ("privacy.minors",)),
        Criterion(8, Answer.YES, "generative"),
        Criterion(9, Answer.CONFIRM, "service"),
    )


def presumed(found: tuple[Criterion, ...]) -> bool:
    """Two that are met are enough for an assessment to be presumed needed."""
    return sum(each.answer is Answer.YES for each in found) >= 2
