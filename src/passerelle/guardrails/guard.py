"""The rules that hold for a tenant's call, asked in the order of the file; a rule that cannot be asked refuses."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from passerelle.domain.ask import Ask, Task
from passerelle.domain.catalog import Tenant
from passerelle.domain.guardrails import (
    Embedder,
    Guardrail,
    Injection,
    Moderation,
    Moderator,
    Schema,
    Side,
    Topics,
    Verdict,
    Words,
)
from passerelle.guardrails import schema
from passerelle.guardrails.findings import Findings, Held
from passerelle.guardrails.judges import InjectionJudge, ModerationJudge, TopicJudge, WordJudge
from passerelle.guardrails.reading import Asked, asked
from passerelle.guardrails.watch import Watch

TOKEN_IDS = "token-ids"  # noqa: S105 - the word for a prompt that is numbers, not a secret

# What each kind reads of a request. An application's own messages are held to banned words alone: a system message
# speaks of instructions and of topics in order to forbid them.
_READS: dict[str, Callable[[Asked], Sequence[str]]] = {
    Topics.kind: lambda texts: texts.users,
    Injection.kind: lambda texts: (*texts.users, *texts.results, *texts.about),
    Words.kind: lambda texts: (*texts.users, *texts.results, *texts.about, *texts.own),
    Moderation.kind: lambda texts: (*texts.users, *texts.results),
}


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one tenant that hold for one model."""

    tenant: str
    rules: tuple[Held, ...]

    async def check_input(self, ask: Ask) -> tuple[Verdict, ...]:
        """What the rules that only monitor found in what is asked.

        Raises Blocked where a rule refuses it, Unavailable where one that would cannot be asked.
        """
        findings = Findings(Side.INPUT, self.tenant)
        texts: Asked | None = None
        for rule in self.rules:
            if isinstance(rule.rule, Schema):
                self._check_schema(rule, ask, findings)
            elif Side.INPUT in rule.sides:
                texts = texts or asked(ask)
                if texts.ids:
                    findings.add(rule, TOKEN_IDS)
                await findings.ask(rule, _READS[rule.rule.kind](texts))
        return findings.verdicts

    def output(self, ask: Ask) -> Watch | None:
        """What watches the answer; None where no rule looks at it, or it holds no text that a model wrote."""
        if ask.route.task is not Task.CHAT:
            return None
        rules = tuple([rule for rule in self.rules if Side.OUTPUT in rule.sides])
        return Watch(rules, ask, tenant=self.tenant) if rules else None

    def _check_schema(self, rule: Held, ask: Ask, findings: Findings) -> None:
        """An answer that no rule could judge is better not asked for."""
        if ask.route.task is Task.CHAT:
            try:
                schema.wanted(ask.body)
            except schema.Unreadable:
                findings.add(rule, schema.UNREADABLE)


class Guards:
    """Finds the rules of a call. What is compiled of a rule lives exactly as long as the rule's own value does."""

    def __init__(self, embedder: Embedder, moderator: Moderator) -> None:
        self._embedder = embedder
        self._moderator = moderator
        self._held: dict[int, tuple[weakref.ref[Guardrail], Held]] = {}

    def of(self, tenant: Tenant, model: str) -> Guard | None:
        """The rules of a tenant that hold for a model, by its own name and not as `default`; None without any."""
        if not tenant.guardrails:
            return None
        rules = tuple(
            [self._of(rule) for rule in tenant.guardrails if rule.models is None or model in rule.models]
        )
        return Guard(tenant.name, rules) if rules else None

    def _of(self, guardrail: Guardrail) -> Held:
        key = id(guardrail)
        found = self._held.get(key)
        if found is not None:
            return found[1]
        held = self._compiled(guardrail)
        # The number may be another value's once this one is gone: by then its entry is gone too.
        gone = weakref.ref(guardrail, lambda _, held=self._held, key=key: held.pop(key, None))  # type: ignore[misc]
        self._held[key] = (gone, held)
        return held

    def _compiled(self, guardrail: Guardrail) -> Held:
        rule = guardrail.rule
        judge: WordJudge | InjectionJudge | TopicJudge | ModerationJudge | None
        match rule:
            case Words():
                judge = WordJudge(rule)
            case Injection():
                judge = InjectionJudge(rule)
            case Topics():
                judge = TopicJudge(rule, self._embedder)
            case Moderation():
                judge = ModerationJudge(rule, self._moderator)
            case Schema():
                judge = None
        return Held(guardrail.name, rule, guardrail.sides, guardrail.blocks, judge)
