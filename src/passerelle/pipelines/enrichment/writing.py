"""A piece written by a language model: asked, read into the recipe's fields, checked, mended once, and marked.

Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from passerelle.domain.cache import Wishes
from passerelle.domain.content import Brand, Flaw, Piece, Recipe, Value, Written
from passerelle.domain.errors import BadRequest, PasserelleError
from passerelle.jobs.kinds import Later
from passerelle.pipelines.enrichment.checks import check
from passerelle.pipelines.enrichment.offline import write_offline
from passerelle.pipelines.enrichment.splitting import Part, put_back
from passerelle.pipelines.enrichment.writing_prompt import Message, messages, repairing, restored
from passerelle.pipelines.enrichment.writing_schema import NOTES, schema_of, values_of
from passerelle.pipelines.enrichment.writing_spent import Spent, not_written
from passerelle.pipelines.enrichment.writing_steps import (
    Course,
    Step,
    course_of,
    of_rest,
    of_text,
    part_of,
)
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.models.forms import Form, Mismatch
from passerelle.pipelines.models.outcome import Reason, Unstructured
from passerelle.pipelines.models.reading import NoValue, read
from passerelle.pipelines.models.structured import structured
from passerelle.pipelines.models.untraced import untraced

_BUILTIN = "builtin"
# One text's answer is never another's; equal ones are found again before anything is asked.
_OWN = Wishes(keep=False)
_TURNS: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


class Writer:
    """Writes pieces for tenants. `asker` gives who asks for one."""

    def __init__(self, asker: Callable[[str], Asker]) -> None:
        self._asker = asker

    async def write(
        self,
        tenant: str,
        piece: Piece,
        recipe: Recipe,
        brand: Brand,
        *,
        model: str,
        offline: bool = False,
    ) -> Written:
        """What was written, with the flaws that mending has left.

        `offline`: the model is none that writes, and does what can be done without one. Raises NotWritten with what was
        spent, Later where only a model that does not write answers now, and the gateway's errors where nothing was.
        """
        if not piece.text.strip():
            raise BadRequest("The piece holds no text to work on.", code="empty_text")
        asker = replace(self._asker(tenant), wishes=_OWN)
        with untraced():
            if offline:
                return await write_offline(asker, piece, recipe, brand, model=model)
            return await _Writing(asker, model, piece, recipe, brand).run()


@dataclass(slots=True)
class _Writing:
    """One piece on its way."""

    asker: Asker
    model: str
    piece: Piece
    recipe: Recipe
    brand: Brand
    spent: Spent = field(default_factory=Spent)
    repaired: bool = False

    async def run(self) -> Written:
        """See `Writer.write`."""
        course = course_of(self.piece, self.recipe)
        try:
            values = await (
                self._by_parts(course) if course.rest or len(course.parts) > 1 else self._at_once(course)
            )
        except (PasserelleError, Later) as error:
            raised = not_written(error, self.spent)
            if raised is error:
                raise
            raise raised from error
        return Written(
            values=values,
            # Seconds, for the longest: others of the event loop go on.
            flaws=await asyncio.to_thread(check, self.piece, values, self.recipe, self.brand),
            repaired=self.repaired,
            usage=self.spent.usage,
            cost=self.spent.cost,
            currency=self.spent.currency,
            calls=self.spent.calls,
            engine=self.spent.engine,
        )

    async def _at_once(self, course: Course) -> dict[str, Value]:
        ((part, step),) = course.parts
        said = await self._step(step, part_of(self.piece, part), self.recipe)
        if "text" in said:
            text = str(said["text"])
            said["text"] = put_back(course.pieces, [text if each is part else "" for each in course.pieces])
        return said

    async def _by_parts(self, course: Course) -> dict[str, Value]:
        texts: dict[Part, str] = {}
        notes: list[str] = []
        whole: dict[str, Value] = {}
        recipe = of_text(self.recipe)
        for part, step in course.parts:
            said = await self._step(step, part_of(self.piece, part), recipe)
            notes.append(str(said.pop(NOTES, "")))
            if "text" in said:
                texts[part] = str(said["text"])
        if texts:
            whole["text"] = put_back(course.pieces, [texts.get(each, "") for each in course.pieces])
        if course.rest:
            whole |= await self._step(course.last(self.recipe, notes), self.piece, of_rest(self.recipe))
        return {name: whole[name] for name in self.recipe.fields}

    async def _step(self, step: Step, piece: Piece, recipe: Recipe) -> dict[str, Value]:
        """What a step writes, the better of two answers where the first had serious flaws."""
        asked = messages(step, self.piece, self.recipe, self.brand)
        first, mended = await self._ask(asked, step, repairs=1)
        found = self._flaws(piece, first, recipe)
        serious = [flaw for flaw in found if flaw.serious]
        self.repaired |= mended
        if not serious or mended:  # once is all: a budget holds two answers to a call
            return first
        try:
            second, _ = await self._ask(repairing(asked, first, serious, self.recipe), step, repairs=0)
        except (PasserelleError, Later):  # there is an answer, and what is wrong with it is told
            return first
        if _weight(self._flaws(piece, second, recipe)) < _weight(found):
            self.repaired = True
            return second
        return first

    def _flaws(self, piece: Piece, said: Mapping[str, Value], recipe: Recipe) -> tuple[Flaw, ...]:
        values = {name: value for name, value in said.items() if name != NOTES}
        return check(piece, values, recipe, self.brand) if values else ()

    async def _ask(
        self, asked: Sequence[Message], step: Step, *, repairs: int
    ) -> tuple[dict[str, Value], bool]:
        """The values of an answer, and whether it took a second one to have its form."""
        schema = schema_of(self.recipe, step.fields, notes=step.notes)
        chat = GatewayChat(
            asker=self.asker,
            model=self.model,
            temperature=self.recipe.temperature,
            max_tokens=step.most_tokens,
        )
        turns = [_TURNS[role](said) for role, said in asked]
        try:
            done = await structured(schema, chat, repairs=repairs).ainvoke(turns)
        except Unstructured as failure:
            self._book(failure.turns)
            document, mended = self._salvaged(failure, step), len(failure.turns) > 1
        else:
            self._book(done.turns)
            document, mended = done.value, done.repaired
        fields = [*step.fields, *((NOTES,) if step.notes else ())]
        values = values_of(document, fields)
        for name, value in values.items():
            if isinstance(value, str):
                values[name] = restored(value, self.piece.text)
        if step.notes:
            values[NOTES] = str(values[NOTES])[: 2 * step.notes]
        return values, mended

    def _book(self, turns: Sequence[AIMessage]) -> None:
        """Add what answers took. Raises Later where one is of a model that does not write."""
        self.spent = self.spent.plus(turns)
        backends = self.asker.editions.catalog.backends
        for turn in turns:
            backend = backends.get(str(turn.response_metadata.get("backend")))
            if backend is not None and backend.kind == _BUILTIN:
                message = "No language model can be reached now; what stands in for it writes no texts."
                raise Later(message, code="model_unavailable")

    def _salvaged(self, failure: Unstructured, step: Step) -> dict[str, Any]:
        """An answer whose tags or level are none of the known ones: a check says so. Raises Unstructured for others."""
        if failure.reason is not Reason.MISMATCH:
            raise failure
        try:
            _, text = read(failure.raw)
            lenient = schema_of(self.recipe, step.fields, notes=step.notes, strict=False)
            found: dict[str, Any] = Form(lenient).value(text)
        except (NoValue, Mismatch):
            raise failure from None
        return found


def _weight(flaws: Sequence[Flaw]) -> tuple[int, int]:
    return sum(flaw.serious for flaw in flaws), len(flaws)
