"""`Answering`: a question about documents, answered with its sources, or not answered and said so.

One call of its caller's limits, admitted once; every call to a model that is under way ends with the answer, however
it ends. Nothing relevant was found: no model is asked. A store that is away is an error, never an uncited answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING

from passerelle.domain.ask import Task
from passerelle.domain.caller import Caller
from passerelle.domain.catalog import Model, Tenant
from passerelle.domain.errors import BadRequest, Forbidden
from passerelle.domain.rag import MOST_QUESTION, Found, Happened, Question, Rag
from passerelle.gateway.gateway import tenant_of
from passerelle.pipelines.rag.answering_seams import Evidence, Gate, Ground, Judge, Keeper, Search
from passerelle.pipelines.rag.answering_work import Work
from passerelle.pipelines.rag.evidence import choose, judged
from passerelle.routing.plan import find_model
from passerelle.text.words import Language

if TYPE_CHECKING:
    from passerelle.gateway.edition import Edition, Editions

__all__ = ["Answering", "Evidence", "Gate", "Judge", "Keeper", "Search"]

# Words of a request whose answers could not be cited, or would show more than what is cited.
_NOT_HERE = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
    "n",
)


def by_evidence(
    question: str, found: Sequence[Found], *, language: Language, extractive: bool, most: int
) -> Evidence:
    """The judge of `evidence`: what is likely to answer, or nothing.

    Words tell little where passages are in another language than the question: a language model reads them itself.
    """
    chosen = choose(judged(question, found), extractive=extractive, language=language, most=most)
    if (
        not chosen
        and not extractive
        and any(one.chunk.language not in ("", language) for one in found[:most])
    ):
        chosen = tuple(found[:most])
    return Evidence(chosen, refused=not chosen)


class Answering:
    """Answers from documents; holds nothing open between two answers. `secret` is the installation's."""

    def __init__(
        self,
        gateway: Gate,
        editions: Editions,
        *,
        search: Search,
        judge: Judge = by_evidence,
        secret: bytes,
        keeper: Keeper | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._ground = Ground(gateway, editions, search, judge, secret=secret, keeper=keeper, clock=clock)

    async def answer(
        self, caller: Caller, question: Question, *, stream: bool
    ) -> AsyncGenerator[Happened, None]:
        """See `Reading.answer`. Raises PasserelleError."""
        edition = self._ground.editions.current
        tenant = tenant_of(caller, edition.catalog)
        rules = tenant.rag
        if rules is None:
            raise Forbidden("This tenant has no documents here.", code="rag_disabled")
        _check(question)
        model = _model(edition, tenant, question, rules)
        permit = await self._ground.gateway.admit(caller, model.name)
        work = Work(self._ground, caller, tenant, rules=rules, model=model, edition=edition, permit=permit)
        try:
            async with aclosing(work.told(question, stream=stream)) as events:
                async for event in events:
                    yield event
        finally:
            work.close()
            permit.settle(0)


def _check(question: Question) -> None:
    """Raises BadRequest for what cannot be answered from documents."""
    if not question.turns or question.turns[-1].role != "user" or not question.asked.strip():
        raise BadRequest(
            "The last message must be a question of the user.", code="invalid_value", param="messages"
        )
    if len(question.asked) > MOST_QUESTION:
        message = f"A question has at most {MOST_QUESTION} characters."
        raise BadRequest(message, code="invalid_value", param="messages")
    for name in _NOT_HERE:
        if question.options.get(name) not in (None, [], 1 if name == "n" else None, False):
            raise BadRequest(
                f"`{name}` is nothing that an answer from documents can keep to.",
                code="unsupported_parameter",
                param=name,
            )


def _model(edition: Edition, tenant: Tenant, question: Question, rules: Rag) -> Model:
    """The model that is to answer. Raises BadRequest where nobody says which."""
    name = question.model or rules.model or tenant.default_model
    if name is None:
        chats = [one for one in tenant.models if edition.catalog.models[one].task is Task.CHAT]
        if len(chats) != 1:
            raise BadRequest(
                "Nothing says which model is to answer: name one, or give this tenant `rag: model` or a default model.",
                code="missing_model",
                param="model",
            )
        name = chats[0]
    return find_model(edition.catalog, tenant, name, Task.CHAT)
