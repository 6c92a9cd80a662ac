"""What the rules have found so far on one side of a call, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from passerelle.domain.errors import Blocked, Unavailable
from passerelle.domain.guardrails import Moderation, Rule, Side, Topics, Verdict
from passerelle.guardrails.judges import MOST_TEXTS, TOO_LONG, Judge

_log = structlog.get_logger(__name__)
_BREATH = 8_192  # characters that are looked at before others are let go on; each text counts as some besides
_TEXT = 64
_DID = {Side.INPUT: "what is asked", Side.OUTPUT: "what was answered"}


@dataclass(frozen=True, slots=True)
class Held:
    """A rule, compiled. It does not hold the value it was made of, so that both can be dropped together."""

    name: str
    rule: Rule
    sides: frozenset[Side]
    blocks: bool
    judge: Judge | None  # None: the rule does not look at single texts


class Findings:
    """Collects verdicts of one side; each rule says at most one thing."""

    def __init__(self, side: Side, tenant: str) -> None:
        self._side = side
        self._tenant = tenant
        self._found: dict[str, Verdict] = {}

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What was found so far."""
        return tuple(self._found.values())

    def has(self, rule: Held) -> bool:
        """Has the rule said what it has to say?"""
        return rule.name in self._found

    def add(self, rule: Held, label: str) -> None:
        """The rule found something. Raises Blocked where it blocks."""
        self._found.setdefault(rule.name, Verdict(rule.name, self._side, rule.blocks, label))
        if rule.blocks:
            raise Blocked(
                f"The guardrail {rule.name!r} refuses {_DID[self._side]}.",
                rule=rule.name,
                verdicts=self.verdicts,
            )

    async def ask(self, rule: Held, texts: Sequence[str]) -> None:
        """Have a rule look at texts, until it finds something.

        Raises Blocked, and Unavailable where a rule that blocks could not look.
        """
        if rule.judge is None or self.has(rule):
            return
        if len(texts) > MOST_TEXTS and isinstance(rule.rule, Moderation | Topics):
            # One call would make any number of others, which no limit of calls counts.
            self.add(rule, TOO_LONG)
            return
        looked = 0
        for text in texts:
            looked += len(text) + _TEXT
            if looked > _BREATH:
                looked = 0
                await asyncio.sleep(0)
            try:
                label = await rule.judge.judge(text, self._tenant)
            # An embedder and a model of the file fail in every way there is. What they say may quote the text.
            except Exception as error:  # noqa: BLE001
                _log.warning(
                    "guardrail_failed",
                    rule=rule.name,
                    tenant=self._tenant,
                    side=self._side.value,
                    blocks=rule.blocks,
                    error=type(error).__name__,
                )
                if not rule.blocks:
                    return
                raise Unavailable(
                    f"The guardrail {rule.name!r} cannot be asked, so nothing goes through it.",
                    code="guardrail_unavailable",
                ) from None
            if label is not None:
                self.add(rule, label)
                return
