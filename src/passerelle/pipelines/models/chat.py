"""`GatewayChat`: a chat model of LangChain whose every call is a call of a tenant to the gateway, in process.

LangChain's own cache is never asked, because it knows of no tenants; retries, fallbacks and limits are the gateway's.
Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal, cast

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import ConfigDict, Field, InstanceOf, SkipValidation
from typing_extensions import is_typeddict, override

from passerelle.domain.ask import Capability, Route
from passerelle.domain.errors import BadRequest
from passerelle.pipelines.models.asker import Asker, Told
from passerelle.pipelines.models.messages import answer_of, chunk_of, last_chunk, messages_of
from passerelle.pipelines.models.outcome import Unstructured
from passerelle.pipelines.models.structured import structured
from passerelle.pipelines.models.threads import each_of, running, wait_for

if TYPE_CHECKING:
    from passerelle.pipelines.models.outcome import Structured

# What a call may say beside its messages, and what it must be.
_COUNTS = ("max_tokens", "max_completion_tokens")
_NUMBERS = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_k",
    "min_p",
    "repetition_penalty",
)
_OTHERS = ("seed", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort",
           "logit_bias", "logprobs", "top_logprobs", "user", "metadata", "chat_template_kwargs", "model")  # fmt: skip
_KNOWN = frozenset((*_COUNTS, *_NUMBERS, *_OTHERS))
# What LangChain says to itself on the way.
_ITS_OWN = frozenset({"stream", "ls_structured_output_format", "structured_output_format", "strict"})


class GatewayChat(BaseChatModel):
    """Asks a model of `providers.yaml` by its name.

    An answer's `usage_metadata` is what the engine counted; its `response_metadata` hold `request_id`, `cost`, `cache`,
    `backend`, `provider`, `target`, `country`, `attempts`, `finish_reason`. Errors are the gateway's own. A call may name
    another `model`, and bind what else OpenAI's requests say.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    asker: InstanceOf[Asker] = Field(exclude=True, repr=False)
    model: str
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: list[str] | None = None
    user: str | None = None
    labels: dict[str, str] | None = None  # the request's `metadata`, by which reports are divided
    streaming: bool | None = (
        None  # True: whole answers are read as streams too, so that callbacks see them come
    )
    cache: BaseCache | bool | None = Field(default=False, exclude=True)
    # The gateway's, for methods that wait in other threads; unsaid: the one in which this is made.
    loop: SkipValidation[asyncio.AbstractEventLoop | None] = Field(
        default_factory=running, exclude=True, repr=False
    )

    @property
    @override
    def _llm_type(self) -> str:
        return "passerelle"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, **self._settings()}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        told = LangSmithParams(
            ls_provider="passerelle",
            ls_model_name=str(kwargs.get("model") or self.model),
            ls_model_type="chat",
        )
        if self.temperature is not None:
            told["ls_temperature"] = self.temperature
        if self.max_tokens is not None:
            told["ls_max_tokens"] = self.max_tokens
        if ends := stop or self.stop:
            told["ls_stop"] = ends
        return told

    def offers(self, capability: Capability) -> bool:
        """See `Asker.offers`."""
        return self.asker.offers(self.model, capability)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        document, told = await self.asker.whole(Route.CHAT, self._body(messages, stop, kwargs))
        return ChatResult(generations=[ChatGeneration(message=answer_of(document, told))])

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self.asker.stream(self._body(messages, stop, kwargs))) as pieces:
            async for piece in pieces:
                said = last_chunk(piece) if isinstance(piece, Told) else chunk_of(piece)
                if said is not None:
                    yield ChatGenerationChunk(message=said)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        return wait_for(self._agenerate(messages, stop, None, **kwargs), self.loop)

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Raises RuntimeError in the thread of the gateway's event loop."""
        stream = cast(
            "AsyncGenerator[ChatGenerationChunk, None]", self._astream(messages, stop, None, **kwargs)
        )
        with closing(each_of(stream, self.loop)) as pieces:
            yield from pieces

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools; `tool_choice`: one's name, `any` or True for one of them, `auto`, `none`."""
        told = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice is not None and tool_choice is not False:
            kwargs["tool_choice"] = _choice(tool_choice, told)
        return self.bind(tools=told, **kwargs)

    @override
    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers held to a schema, see `structured`; `include_raw`: failures are told and not raised.

        A TypedDict is its JSON Schema. `method` and `strict` change nothing: how the schema is said is decided by what
        the targets offer.
        """
        form = convert_to_json_schema(schema) if is_typeddict(schema) else schema
        told_of = {"kwargs": {}, "schema": convert_to_json_schema(schema)}
        asked = structured(form, self, **kwargs).bind(ls_structured_output_format=told_of)
        if not include_raw:
            return asked | RunnableLambda(_value)

        async def told(messages: LanguageModelInput) -> dict[str, Any]:
            try:
                done = await asked.ainvoke(messages)
            except Unstructured as failure:
                return {"raw": failure.turns[-1], "parsed": None, "parsing_error": failure}
            return {"raw": done.turns[-1], "parsed": done.value, "parsing_error": None}

        def waited(messages: LanguageModelInput) -> dict[str, Any]:
            return wait_for(told(messages), self.loop)

        return RunnableLambda(waited, told)

    def _settings(self) -> dict[str, Any]:
        """What holds for every call, as far as it is said."""
        said = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": self.stop,
            "user": self.user,
            "metadata": self.labels,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _body(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request. Raises BadRequest naming what is wrong in it."""
        told = {name: value for name, value in given.items() if name not in _ITS_OWN and value is not None}
        for name, value in told.items():
            _check(name, value)
        if not messages:
            raise BadRequest("There is no message.", code="invalid_value", param="messages")
        body = {"model": self.model, "messages": messages_of(messages), **self._settings(), **told}
        if stop is not None:
            body["stop"] = stop
        if body.get("stop") == []:
            del body["stop"]  # what stops nothing: some engines refuse it
        return body


def _check(name: str, value: Any) -> None:
    if name not in _KNOWN:
        raise BadRequest(
            f"`{name}` is nothing that a call can say.", code="unsupported_parameter", param=name
        )
    if name in _COUNTS and (type(value) is not int or value < 1):
        raise BadRequest(f"`{name}` must be a whole number of at least 1.", code="invalid_value", param=name)
    if name in _NUMBERS and type(value) not in (int, float):
        raise BadRequest(f"`{name}` must be a number.", code="invalid_value", param=name)


def _choice(
    wanted: str | Literal[True] | dict[str, Any], tools: Sequence[Mapping[str, Any]]
) -> str | dict[str, Any]:
    """Raises ValueError for the name of a tool that is not offered."""
    if isinstance(wanted, dict) or wanted in ("auto", "none", "required"):
        return wanted
    if wanted is True or wanted == "any":
        return "required"
    names = [tool["function"]["name"] for tool in tools]
    if wanted not in names:
        raise ValueError(f"There is no tool {wanted!r}; there are {', '.join(names)}.")
    return {"type": "function", "function": {"name": wanted}}


def _value(done: Structured[Any]) -> Any:
    return done.value
