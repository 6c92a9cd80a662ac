"""One answer on its way: its steps in order, what they take and cost, and the calls to hang up on at its end."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from passerelle.domain.ask import Ask, Needs
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Model, Tenant
from passerelle.domain.errors import Blocked, PasserelleError
from passerelle.domain.rag import (
    MOST_TURNS,
    Answered,
    Begun,
    Citation,
    Found,
    Happened,
    Question,
    Rag,
    Refusal,
    Said,
    Seeking,
    Turn,
)
from passerelle.pipelines.models.asker import Asker, facts_of
from passerelle.pipelines.rag.answering_seams import Evidence
from passerelle.pipelines.rag.citing import Citing, nearest
from passerelle.pipelines.rag.citing_sentences import answered
from passerelle.pipelines.rag.fencing import fenced_turns, mark_of, system_of
from passerelle.pipelines.rag.prompts_text import REFUSALS, prompt
from passerelle.pipelines.rag.rewriting import Understood, checked, leans, understood
from passerelle.pipelines.rag.rewriting_choice import chosen, settled
from passerelle.pipelines.rag.tallying import Tally, tallied
from passerelle.text.words import Language, language_of

if TYPE_CHECKING:
    from passerelle.gateway.edition import Edition
    from passerelle.gateway.recalled import Given
    from passerelle.limits.limiter import Permit
    from passerelle.pipelines.rag.answering_seams import Ground

_EXTRACTIVE = "builtin"  # the kind of backend that words nothing
_NOT_FACTS = frozenset({"cost", "finish_reason", "model_provider", "model_name", "system_fingerprint"})
_SHORTEST_PATIENCE = 0.05  # seconds


@dataclass(slots=True)
class Work:
    """One answer on its way."""

    ground: Ground
    caller: Caller
    tenant: Tenant
    rules: Rag = field(kw_only=True)
    model: Model = field(kw_only=True)
    edition: Edition = field(kw_only=True)
    permit: Permit = field(kw_only=True)
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    language: Language = "en"
    turns: tuple[Turn, ...] = ()
    begun: float = 0.0
    heard: float = 0.0  # when the last call began to be answered
    given: list[Given] = field(default_factory=list)

    def close(self) -> None:
        """Hang up on every model that still speaks, at once."""
        for given in self.given:
            given.close()

    async def told(self, question: Question, *, stream: bool) -> AsyncGenerator[Happened, None]:
        """What happens, in order."""
        self.begun = self.ground.clock()
        self.tally.subject = question.subject
        if self.ground.keeper is not None:
            kept = await self.ground.keeper.turns(self.caller, question, keep=self.rules.keep)
            self.turns = tuple(kept)
        self.turns = (*self.turns, *question.turns[:-1])[-MOST_TURNS:]
        before = " ".join(turn.text for turn in self.turns if turn.role == "user")
        self.language = language_of(question.asked, default=language_of(before))
        values = await self._ground(question)
        evidence: Evidence = values["evidence"]
        passages = evidence.passages
        if not passages or evidence.refused:
            reason = Refusal.NOT_RELEVANT if values["found"] else Refusal.NOTHING_FOUND
            yield Begun({}, self.permit.standings)
            yield Said(REFUSALS[reason, self.language])
            yield await self._ended(question, values, reason=reason)
            return
        citing = Citing(passages, links=self.rules.links, language=self.language)
        said: list[Happened] = []
        async with aclosing(
            self._spoken(question, values, passages=passages, citing=citing, stream=stream)
        ) as events:
            async for event in events:
                if stream or isinstance(event, Begun):
                    yield event
                else:
                    said.append(event)
        if citing.refusal is not None:
            yield Said(REFUSALS[citing.refusal, self.language])
        elif said:
            yield Said(citing.text)
            for citation in citing.citations:
                yield citation
        yield await self._ended(question, values, reason=citing.refusal, citing=citing)

    async def _ground(self, question: Question) -> dict[str, Any]:
        from passerelle.pipelines.rag.chain import grounding, run  # noqa: PLC0415 - it imports LangChain

        looked: list[Sequence[Found]] = []  # what was found where a question could be taken in several ways

        async def rewrite(values: dict[str, Any]) -> str:
            with self._timed("rewrite"):
                asked = question.sought or question.asked
                ways = await self._understood(asked)
            if len(ways) == 1:
                return ways[0].text
            found = [await self._searched(question, way.text) for way in ways]
            place = chosen(ways, found)
            looked.append(found[place])
            return settled(asked, ways, place=place, found=found[place])

        async def search(values: dict[str, Any]) -> Sequence[Found]:
            return looked[0] if looked else await self._searched(question, values["searched"])

        async def judge(values: dict[str, Any]) -> Evidence:
            with self._timed("evidence"):
                if not values["found"]:
                    return Evidence((), refused=True)
                return self.ground.judge(
                    values["searched"],
                    values["found"],
                    language=self.language,
                    extractive=not self._generates(),
                    most=question.k or self.rules.passages,
                )

        with tallied(self.tally):
            grounded: dict[str, Any] = await run(
                grounding(rewrite, search, judge), {"question": question.asked}
            )
        return grounded

    async def _searched(self, question: Question, text: str) -> Sequence[Found]:
        with self._timed("search"):
            seeking = Seeking(
                question.collection,
                text,
                groups=question.groups,
                conditions=question.conditions,
                k=question.k,
                mode=question.mode,
            )
            return await self.ground.search(self.tenant, seeking)

    async def _understood(self, asked: str) -> Sequence[Understood]:
        """The question as it can be understood alone; in several ways, where only what is found can tell."""
        if not self.rules.rewrite or not leans(asked, self.turns):
            return (Understood(asked, ()),)
        said = await self._reworded(asked) if self._generates() else None
        return understood(asked, self.turns) if said is None else (Understood(said, ()),)

    def _generates(self) -> bool:
        """Is there a permitted target that words its answers?"""
        backends = self.edition.catalog.backends
        targets = self.edition.plan(self.tenant, self.model, Needs()).targets
        return any(backends[target.backend].kind != _EXTRACTIVE for target in targets)

    def _as_asked(self, question: Question, values: dict[str, Any]) -> dict[str, Any]:
        """A model reads the question as it was asked, also where something else was looked for in its place."""
        if question.sought and values["searched"] == question.sought and self._generates():
            return {**values, "searched": question.asked}
        return values

    def _asker(self, question: Question) -> Asker:
        return Asker(
            self._asking(question),
            self.ground.editions,
            self.caller,
            patience=self._patience(question.patience),
            wishes=question.wishes,
        )

    async def _reworded(self, asked: str) -> str | None:
        """What a model makes of the question; None where it cannot be asked or makes something else of it."""
        from passerelle.pipelines.rag.chain import rewriting, run  # noqa: PLC0415 - it imports LangChain

        mark = mark_of(self.ground.secret, [self.tenant.name, *(turn.text for turn in self.turns), asked])
        system = f"{prompt('rewrite', self.language, mark=mark)}\n\n{fenced_turns(self.turns, mark)}"
        asker = Asker.within(self._asking(), self.ground.editions, tenant=self.tenant.name, pipeline="rag")
        try:
            message = await run(rewriting(asker, self.model.name), {"system": system, "searched": asked})
        except Blocked:
            raise
        except PasserelleError:
            return None  # the question as it is, with words of the one before, is searched for as well
        self._note(message)
        return checked(str(message.text), asked, self.turns)

    async def _spoken(
        self,
        question: Question,
        values: dict[str, Any],
        *,
        passages: Sequence[Found],
        citing: Citing,
        stream: bool,
    ) -> AsyncGenerator[Begun | Said | Citation, None]:
        """Who answers, then what a model says, as far as it may be told."""
        from passerelle.pipelines.rag.chain import answering, pieces, run  # noqa: PLC0415 - it imports LangChain

        def system(_: dict[str, Any]) -> str:
            told = system_of(
                passages,
                secret=self.ground.secret,
                tenant=self.tenant.name,
                collection=question.collection,
                language=self.language,
                system=question.system,
            )
            fence = told.rpartition("\n")[2]
            citing.keep_back(told.partition(fence)[0] + fence)
            return told

        asking = answering(system, self._asker(question), self.model.name, question.options)
        values = self._as_asked(question, values)
        since = self.ground.clock()
        if not stream:
            message = await run(asking, values)
            self.seconds["first_token"] = self.seconds["answer"] = self.ground.clock() - since
            self._note(message, facts=True)
            yield self._who()
            for event in [*citing.feed(answered(str(message.text))), *citing.finish()]:
                yield event
            return
        begun = False
        async with aclosing(pieces(asking, values)) as coming:
            async for piece in coming:
                if not begun:
                    begun = True
                    yield self._who()
                words = str(piece.text)
                if words:
                    self.seconds.setdefault("first_token", self.ground.clock() - since)
                self._note(piece, facts=True)
                for event in citing.feed(words) if words else ():
                    yield event
        self.seconds["answer"] = self.ground.clock() - since
        self.tally.waited += self.ground.clock() - self.heard
        if not begun:
            yield self._who()
        for event in citing.finish():
            yield event

    def _who(self) -> Begun:
        return Begun({**facts_of(self.given[-1]), **self.facts}, self.permit.standings)

    def _asking(self, question: Question | None = None) -> Callable[[Caller, Ask], Awaitable[Given]]:
        """The gateway; for the answer itself, as this caller's call with its permit and its collection."""

        async def ask(caller: Caller, asked: Ask) -> Given:
            permit = None
            if question is not None:
                permit = self.permit
                asked = replace(
                    asked,
                    collection=question.collection,
                    request_id=question.request_id or asked.request_id,
                )
                self.facts["request_id"] = asked.request_id
            if self.tally.subject:
                asked = replace(asked, subject=self.tally.subject)
            since = self.ground.clock()
            given = await self.ground.gateway.ask(caller, asked, permit)
            self.given.append(given)
            self.heard = self.ground.clock()
            self.tally.waited += max(0.0, self.heard - since - given.overhead)
            return given

        return ask

    def _note(self, message: Any, *, facts: bool = False) -> None:
        """What a message, or the last piece of one, says of its call."""
        self.tally.used(message.usage_metadata)
        about: Mapping[str, Any] = message.response_metadata
        if "cost" in about:
            self.tally.add(about["cost"])
            if facts:
                told = {name: value for name, value in about.items() if name not in _NOT_FACTS}
                self.facts = {**{name: str(value) for name, value in told.items()}, **self.facts}
        if facts and about.get("finish_reason"):
            self.finish_reason = str(about["finish_reason"])

    async def _ended(
        self,
        question: Question,
        values: dict[str, Any],
        *,
        reason: Refusal | None,
        citing: Citing | None = None,
    ) -> Answered:
        self.seconds["total"] = self.ground.clock() - self.begun
        refused = reason is not None
        whole = Answered(
            id="ans_" + os.urandom(12).hex(),
            collection=question.collection,
            model=self.model.name,
            text=REFUSALS[reason, self.language] if reason else citing.text if citing else "",
            citations=() if refused or citing is None else citing.citations,
            refusal=reason,
            nearest=nearest(values["found"], values["searched"]) if refused else (),
            searched=values["searched"],
            usage=self.tally.usage,
            cost=self.tally.cost(self.edition.catalog.currency),
            seconds=dict(self.seconds),
            facts=self.facts,
            conversation=question.conversation,
            finish_reason=self.finish_reason,
            overhead=max(0.0, self.seconds["total"] - self.tally.waited),
        )
        if self.ground.keeper is None:
            return whole
        kept = await self.ground.keeper.keep(self.caller, question, whole, keep=self.rules.keep)
        return replace(whole, conversation=kept or question.conversation)

    def _patience(self, patience: float | None) -> float | None:
        """What is left of it."""
        if patience is None:
            return None
        return max(_SHORTEST_PATIENCE, patience - (self.ground.clock() - self.begun))

    def _timed(self, step: str) -> _Timed:
        return _Timed(self.seconds, step, self.ground.clock)


@dataclass(slots=True)
class _Timed:
    """Adds up how long a step took."""

    seconds: dict[str, float]
    step: str
    clock: Callable[[], float]
    since: float = 0.0

    def __enter__(self) -> None:
        self.since = self.clock()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.step] = self.seconds.get(self.step, 0.0) + self.clock() - self.since
