"""One comment read by a language model: asked in a form, held to the comment and the codebook, with what it cost.

Imported late: LangChain takes its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from passerelle.domain.surveys import Codebook, Correction
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.models.outcome import Reason, Structured, Unstructured
from passerelle.pipelines.models.reading import NoValue, read
from passerelle.pipelines.models.spending import cost_of, usage_of
from passerelle.pipelines.models.structured import structured
from passerelle.pipelines.models.untraced import untraced
from passerelle.pipelines.surveys.asking_checks import checked
from passerelle.pipelines.surveys.asking_prompts import question_for, schema_for, system_for
from passerelle.pipelines.surveys.asking_seams import Answered, Spent

_LEAST_TOKENS, _MOST_TOKENS = 700, 8_000  # of an answer, which repeats much of the comment
_SIGNS_A_TOKEN = 2


class Asking:
    """Reads comments by one codebook. Make one for each run's batch; it holds nothing open."""

    def __init__(self, asker: Asker, model: str, codebook: Codebook, *, mark: str) -> None:
        self._asker, self._model = asker, model
        self._codebook, self._mark = codebook, mark
        self._system = SystemMessage(system_for(codebook, mark))
        self._schema = schema_for(codebook)

    async def read(self, comment: str, language: str, examples: Sequence[Correction]) -> Answered:
        """What is said in it. Raises Spent, and the gateway's errors."""
        question = HumanMessage(question_for(comment, examples, self._codebook, self._mark))
        most = min(_MOST_TOKENS, _LEAST_TOKENS + len(comment) // _SIGNS_A_TOKEN)
        model = GatewayChat(asker=self._asker, model=self._model, temperature=0, max_tokens=most)
        try:
            with untraced():
                said = await structured(self._schema, model).ainvoke([self._system, question])
        except Unstructured as wrong:
            if wrong.error is not None:
                raise wrong.error from wrong
            said = _salvaged(wrong)
        answer = said.turns[-1].response_metadata
        cost, currency = cost_of(said.turns)
        usage = usage_of(said.usage)
        backend = str(answer.get("backend", ""))
        try:
            found = checked(comment, language, said.value, self._codebook)
        except ValueError:
            raise _spent("The model's answer lists no opinions.", said.turns, said.usage) from None
        return Answered(found.analysed, backend, str(answer.get("target", "")), usage, cost, currency)


def _salvaged(wrong: Unstructured) -> Structured[Any]:
    """What a wrong answer holds all the same: one unknown id need not lose a whole reading. Raises Spent."""
    value: object = None
    if wrong.reason is Reason.MISMATCH:
        try:
            value, _ = read(wrong.raw)
        except NoValue:
            value = None
    if not isinstance(value, dict):
        raise _spent(wrong.message, wrong.turns, wrong.usage) from None
    return Structured(value, wrong.turns, wrong.usage)


def _spent(message: str, turns: Sequence[AIMessage], usage: Mapping[str, Any] | None) -> Spent:
    cost, currency = cost_of(turns)
    backend = str(turns[-1].response_metadata.get("backend", "")) if turns else ""
    return Spent(
        "not_structured", message, usage=usage_of(usage), cost=cost, currency=currency, backend=backend
    )
