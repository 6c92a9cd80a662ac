"""The chain of an answer, in LangChain's words: rewritten, searched for, judged; then prompted and asked.

Nothing is decided here. Imported late: LangChain takes its time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from passerelle.domain.rag import Found
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.models.untraced import untraced

REWRITTEN = 120  # tokens at most of a rewritten question

_PROMPT = ChatPromptTemplate.from_messages([("system", "{system}"), ("human", "{searched}")])
Values = dict[str, Any]


def grounding(
    rewrite: Callable[[Values], Awaitable[str]],
    search: Callable[[Values], Awaitable[Sequence[Found]]],
    judge: Callable[[Values], Awaitable[Any]],
) -> Runnable[Values, Values]:
    """From `question` to `searched`, `found` and `evidence`, one after the other."""
    return (
        RunnablePassthrough.assign(searched=RunnableLambda(rewrite))
        | RunnablePassthrough.assign(found=RunnableLambda(search))
        | RunnablePassthrough.assign(evidence=RunnableLambda(judge))
    )


def answering(
    system: Callable[[Values], str], asker: Asker, model: str, options: Mapping[str, Any]
) -> Runnable[Values, AIMessage]:
    """From what `grounding` gives to a model's message."""
    said = dict(options)
    labels = said.pop("metadata", None)  # bound, it would be taken for LangChain's own
    chat = GatewayChat(asker=asker, model=model, labels=labels).bind(**said)
    return cast(
        "Runnable[Values, AIMessage]",
        RunnablePassthrough.assign(system=RunnableLambda(system)) | _PROMPT | chat,
    )


def rewriting(asker: Asker, model: str) -> Runnable[Values, AIMessage]:
    """From `system` and `searched` to a model's message: one short one."""
    return _PROMPT | GatewayChat(asker=asker, model=model, temperature=0, max_tokens=REWRITTEN)


async def run(chain: Runnable[Values, Any], values: Values) -> Any:
    """What a chain makes of its values, told to nobody else."""
    with untraced():
        return await chain.ainvoke(values)


async def pieces(chain: Runnable[Values, AIMessage], values: Values) -> AsyncGenerator[AIMessage, None]:
    """A model's message in pieces. Whoever leaves before the end closes it."""
    stream = cast("AsyncGenerator[AIMessage, None]", chain.astream(values))
    async with aclosing(stream):
        while True:
            with untraced():  # for each step anew, so that nothing of it lasts while nobody asks
                try:
                    piece = await anext(stream)
                except StopAsyncIteration:
                    return
            yield piece
