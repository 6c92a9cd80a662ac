"""`structured(schema, model)`: answers that are values of a schema, or a failure that keeps what was said and used.

The schema goes as `response_format` where a target of the model offers that, else into the prompt. What comes back is
read and validated here, whatever the engine promised; an answer that is no value is repaired once, by telling the
model what is wrong. Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, overload

from langchain_core.callbacks import AsyncCallbackManagerForChainRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from typing_extensions import override

from passerelle.domain.ask import Capability
from passerelle.domain.errors import BadRequest, Fault, PasserelleError, UpstreamFailed
from passerelle.pipelines.models.forms import Form, Mismatch
from passerelle.pipelines.models.outcome import Reason, Structured, Unstructured, Value
from passerelle.pipelines.models.reading import NoValue, read
from passerelle.pipelines.models.threads import running, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SHOWN = 16_000  # characters of a wrong answer that its model is shown again
_CUT, _KEPT_BACK = frozenset({"length", "max_tokens"}), frozenset({"content_filter", "refusal", "safety"})

_ORDER = """\
Reply with one JSON value that is valid under this JSON Schema, and with nothing else: no explanation, no code fence. \
Keys and enumerated values stay exactly as the schema writes them, in whatever language the text is.
Répondez par une seule valeur JSON conforme à ce schéma, et rien d'autre. Les clés et les valeurs énumérées restent \
telles que le schéma les écrit.

{schema}"""

_REPAIR = """\
The reply that was given cannot be used / La réponse donnée est inutilisable :
{wrong}

{order}"""


@overload
def structured(
    schema: type[Value],
    model: Runnable[LanguageModelInput, Any],
    *,
    name: str | None = None,
    repairs: int = 1,
) -> Structuring[Value]: ...


@overload
def structured(
    schema: Mapping[str, Any],
    model: Runnable[LanguageModelInput, Any],
    *,
    name: str | None = None,
    repairs: int = 1,
) -> Structuring[Any]: ...


def structured(
    schema: Any, model: Runnable[LanguageModelInput, Any], *, name: str | None = None, repairs: int = 1
) -> Structuring[Any]:
    """A runnable from messages to `Structured`. It raises Unstructured, or the gateway's error where none answered.

    `schema`: a pydantic model, or a JSON Schema. `repairs`: 1, or 0 for no second turn. Raises BadRequest for a schema
    that no answer can be held to.
    """
    if repairs not in (0, 1):
        raise ValueError("An answer is repaired once, or not at all.")
    return Structuring(Form(schema, name), model, repairs=repairs)


class Structuring(Runnable[LanguageModelInput, Structured[Value]]):
    """See `structured`."""

    def __init__(self, form: Form, model: Runnable[LanguageModelInput, Any], *, repairs: int = 1) -> None:
        self._form = form
        self._model = model
        self._repairs = repairs
        self._loop: asyncio.AbstractEventLoop | None = getattr(model, "loop", None) or running()

    @override
    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Structured[Value]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self.ainvoke(input, config, **kwargs), self._loop)

    @override
    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Structured[Value]:
        async def ask(
            given: LanguageModelInput, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> Structured[Value]:
            inner = patch_config(config, callbacks=run_manager.get_child())
            return await self._ask(_messages(given), inner, kwargs)

        return await self._acall_with_config(ask, input, config)

    async def _ask(
        self, messages: list[BaseMessage], config: RunnableConfig, extra: dict[str, Any]
    ) -> Structured[Value]:
        first, formed = await self._first(messages, config, extra)
        try:
            return self._result((first,))
        except Unstructured as failure:
            if not self._repairs or failure.reason is Reason.FILTERED:
                raise
            wrong = failure
        again = _repairing(messages, wrong, _ORDER.format(schema=self._form.written))
        try:
            second = await self._turn(again, config, {**extra, **formed})
        except PasserelleError as error:
            wrong.error = error
            raise wrong from error
        return self._result((first, second))

    async def _first(
        self, messages: list[BaseMessage], config: RunnableConfig, extra: dict[str, Any]
    ) -> tuple[AIMessage, dict[str, Any]]:
        """The first answer, and what of the schema the request said."""
        offers: Callable[[Capability], bool] | None = getattr(self._model, "offers", None)
        if offers is not None and offers(Capability.STRUCTURED_OUTPUT):
            formed = {"response_format": self._form.format}
            try:
                return await self._turn(messages, config, {**extra, **formed}), formed
            except PasserelleError as error:
                if not _refuses_form(error):
                    raise
        order = _ORDER.format(schema=self._form.written)
        return await self._turn(_ordered(messages, order), config, extra), {}

    async def _turn(
        self, messages: list[BaseMessage], config: RunnableConfig, extra: Mapping[str, Any]
    ) -> AIMessage:
        answer = await self._model.ainvoke(messages, config, **extra)
        if not isinstance(answer, AIMessage):
            raise TypeError("A model that answers with messages is needed.")
        return answer

    def _result(self, turns: tuple[AIMessage, ...]) -> Structured[Value]:
        """The value of the last turn. Raises Unstructured."""
        answer = turns[-1]
        usage, raw = total(turns), str(answer.text)
        try:
            return Structured(self._read(answer, raw), turns, usage)
        except (NoValue, Mismatch) as error:
            reason = error.reason if isinstance(error, NoValue) else Reason.MISMATCH
            if _ended(answer) in _CUT:
                reason = Reason.TRUNCATED
            elif answer.additional_kwargs.get("refusal") or _ended(answer) in _KEPT_BACK:
                reason = Reason.FILTERED
            wrong = _TOO_LONG if reason is Reason.TRUNCATED else error.wrong
            raise Unstructured(reason, raw=raw, wrong=wrong, turns=turns, usage=usage) from None

    def _read(self, answer: AIMessage, raw: str) -> Value:
        value, text = read(raw)
        if _ended(answer) in _CUT and not isinstance(value, dict | list):
            raise NoValue(Reason.TRUNCATED, _TOO_LONG)  # of a number, the rest may be missing
        found: Value = self._form.value(text)
        return found


_TOO_LONG = "The reply was cut off before its end: it must be shorter, without blanks between the values."


def total(turns: Sequence[AIMessage]) -> UsageMetadata | None:
    """What all turns used together; None where no engine counted."""
    counted = [turn.usage_metadata for turn in turns if turn.usage_metadata is not None]
    return reduce(add_usage, counted) if counted else None


def _messages(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, PromptValue):
        return given.to_messages()
    return [HumanMessage(given)] if isinstance(given, str) else convert_to_messages(given)


def _ordered(messages: list[BaseMessage], order: str) -> list[BaseMessage]:
    """The order at the end of the system's message; many models take but one of those, at the beginning."""
    if messages and isinstance(messages[0], SystemMessage):
        return [SystemMessage(f"{messages[0].text}\n\n{order}"), *messages[1:]]
    return [SystemMessage(order), *messages]


def _repairing(messages: list[BaseMessage], wrong: Unstructured, order: str) -> list[BaseMessage]:
    """The messages of the second turn.

    A cut answer is not shown, for it would be cut again; then the last message is asked anew, because many models take
    no two of a user one after the other.
    """
    told = _REPAIR.format(wrong=wrong.wrong, order=order)
    if wrong.raw.strip() and wrong.reason is not Reason.TRUNCATED:
        return [*messages, AIMessage(wrong.raw[:_LONGEST_SHOWN]), HumanMessage(told)]
    *before, last = messages
    if isinstance(last, HumanMessage) and isinstance(last.content, str):
        return [*before, HumanMessage(f"{last.content}\n\n{told}")]
    return [*messages, HumanMessage(told)]


def _ended(answer: AIMessage) -> str:
    """Why an answer ended, in its engine's word."""
    said = answer.response_metadata
    return str(said.get("finish_reason") or said.get("stop_reason") or "").lower()


def _refuses_form(error: PasserelleError) -> bool:
    """Is it the form that is refused, so that the schema in a prompt may still do?"""
    if isinstance(error, BadRequest):
        return error.param == "response_format"
    if not isinstance(error, UpstreamFailed) or error.fault not in (Fault.REQUEST, Fault.UNSUPPORTED):
        return False
    said = f"{error.told.param or ''} {error.told.message} {error.message}".lower()
    return any(word in said for word in ("response_format", "json_schema", "grammar", "structured", "guided"))
