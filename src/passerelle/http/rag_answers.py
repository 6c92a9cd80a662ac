"""`/v1/rag/search`, `/v1/rag/chat`, feedback and conversations: what is found in documents, and answered from them.

An answer's calls stop when its caller hangs up, and a stream of one ends when its key does.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from passerelle.domain.errors import BadRequest, Fault, UpstreamFailed
from passerelle.domain.rag import (
    MOST_QUESTION,
    MOST_TURNS,
    Answered,
    Begun,
    Citation,
    Happened,
    Question,
    Said,
    Seeking,
    Thumb,
    Turn,
)
from passerelle.domain.retrieval import MOST_GROUPS, MOST_HITS, Mode
from passerelle.gateway.answer import header
from passerelle.http.access import MEMBER
from passerelle.http.contract import CacheWishes
from passerelle.http.credentials import read_head
from passerelle.http.events import EVENT_STREAM, Feed, Whole, event
from passerelle.http.marking import Marks, disclosing, is_first, marks_of, told_of
from passerelle.http.rag_cards import (
    AnswerCard,
    ConversationList,
    ConversationWhole,
    FoundList,
    answer_card,
    citation_card,
    conversation_list,
    found_card,
)
from passerelle.http.rag_filters import Filter, conditions_of
from passerelle.http.rag_place import Here
from passerelle.http.ratelimits import Headers, ratelimit_headers
from passerelle.http.texts import Name, PathName, Text
from passerelle.http.wishes import wishes_of
from passerelle.pipelines.rag.speaking import fact_headers
from passerelle.text.words import language_of

router = APIRouter(prefix="/v1/rag", tags=["RAG"])

Shown = Callable[[Citation | Answered], Awaitable[dict[str, Any]]]  # what a source, or an answer, is shown as

_LONGEST_SYSTEM = 20_000  # characters
_MOST_PASSAGES = 50  # that a model may be shown

_GroupNames = Annotated[
    list[Name],
    Field(
        max_length=MOST_GROUPS,
        description="For whom it is; without it, for whom the key is. Others' groups are refused.",
        examples=[["hr"]],
    ),
]
_ModeName = Annotated[
    Literal["text", "dense", "hybrid"],
    Field(description="By words, by meaning, or by both; unsaid: what is best for the collection."),
]
User = Annotated[Text, Field(max_length=512, description="The person who asks, as in OpenAI's requests.")]
UserQuery = Annotated[str, Query(description="As the requests named it.", max_length=512)]
ConversationId = Annotated[str, Path(description="A conversation's id.", min_length=1, max_length=64)]


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


QuestionText = Annotated[
    Text,
    AfterValidator(_said),
    Field(max_length=MOST_QUESTION, examples=["Sous combien de jours suis-je livré ?"]),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SearchRequest(_Body):
    """What is looked for in a collection."""

    collection: PathName = Field(examples=["faq"])
    query: QuestionText
    k: int | None = Field(default=None, ge=1, le=MOST_HITS, description="How many passages, at most.")
    mode: _ModeName | None = None
    filter: Filter | None = None
    groups: _GroupNames | None = None
    rerank: bool = Field(default=True, description="By the tenant's reranker, where it has one.")
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="0: the best; towards 1: the most unlike each other."
    )


class TextPart(_Body):
    """A part of a message."""

    type: Literal["text"]
    text: Text = Field(max_length=_LONGEST_SYSTEM)


class Message(_Body):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: (
        Annotated[Text, Field(max_length=_LONGEST_SYSTEM)] | Annotated[list[TextPart], Field(min_length=1)]
    )

    @property
    def text(self) -> str:
        """All of it."""
        return (
            self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        )


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


class ChatWords(_Body):
    """A question, or a conversation whose last message is one."""

    question: QuestionText | None = None
    messages: list[Message] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_TURNS,
        examples=[[{"role": "user", "content": "Livrez-vous en Suisse ?"}]],
    )
    conversation: Name | None = Field(
        default=None, description="To be gone on with; only where the tenant keeps conversations."
    )
    stream: bool = False
    filter: Filter | None = None
    k: int | None = Field(default=None, ge=1, le=_MOST_PASSAGES, description="Passages, at most.")
    mode: _ModeName | None = None
    model: Name | None = Field(default=None, description="That answers; unsaid: the tenant's own.")
    temperature: Annotated[float, AfterValidator(_finite), Field(ge=0, le=2)] | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    user: User | None = None
    metadata: dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]] | None = (
        Field(default=None, max_length=16)
    )
    cache: CacheWishes | None = None


class ChatRequest(ChatWords):
    """A question to a collection, or a conversation whose last message is one."""

    collection: PathName = Field(examples=["faq"])
    groups: _GroupNames | None = None


class Feedback(_Body):
    """What a reader thinks of an answer."""

    thumb: Literal["up", "down"]
    comment: Annotated[Text, Field(max_length=2_000)] = ""


class FeedbackTaken(BaseModel):
    """What was said of which answer."""

    id: str
    object: Literal["rag.feedback"] = "rag.feedback"
    thumb: Thumb


@router.post("/search", dependencies=[Depends(MEMBER)])
async def search(wanted: SearchRequest, here: Here) -> FoundList:
    """The best passages of a collection, with their scores and where they come from."""
    seeking = Seeking(
        collection=wanted.collection,
        text=wanted.query,
        groups=here.groups(wanted.groups),
        conditions=conditions_of(wanted.filter),
        k=wanted.k,
        mode=None if wanted.mode is None else Mode(wanted.mode),
        rerank=wanted.rerank,
        diversity=wanted.diversity,
    )
    found = await (await here.reading()).search(here.asker, seeking)
    return FoundList(data=[found_card(each) for each in found])


@router.post(
    "/chat",
    dependencies=[Depends(MEMBER)],
    response_class=Response,
    responses={200: {"model": AnswerCard, "content": EVENT_STREAM}},
)
async def chat(asked: ChatRequest, request: Request, here: Here) -> Response:
    """Answer from a collection with checkable sources, or say that it does not hold the answer.

    With `stream`: events `delta` (`text`), `citation`, and in the end `answer`, the whole of it; or `error`.
    """
    question = question_of(asked, request, collection=asked.collection, groups=here.groups(asked.groups))
    reading = await here.reading()
    happening = reading.answer(here.asker, question, stream=asked.stream)
    if text := told_of(here.tenant, first=is_first(question), language=language_of(question.asked)):
        happening = disclosing(happening, text)
    marks = marks_of(here.tenant, here.services.editions.current)
    if asked.stream:
        head: Headers = []
        return Feed(
            told(happening, head, marks=marks), vigil=here.services.vigil, caller=here.caller, head=head
        )
    return Whole(lambda: whole(happening, marks=marks))


@router.post("/answers/{answer}/feedback", dependencies=[Depends(MEMBER)])
async def feedback(
    answer: Annotated[str, Path(description="An answer's id.", min_length=1, max_length=64)],
    said: Feedback,
    here: Here,
) -> FeedbackTaken:
    """Say whether an answer was of use."""
    thumb = Thumb(said.thumb)
    await (await here.reading()).thumb(here.asker, answer, thumb, comment=said.comment)
    return FeedbackTaken(id=answer, thumb=thumb)


@router.get("/conversations", dependencies=[Depends(MEMBER)])
async def conversations(
    here: Here,
    user: UserQuery = "",
    before: Annotated[str | None, Query(description="An id: those before it.", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ConversationList:
    """The conversations of this key and a user of it, the newest first, where the tenant keeps them."""
    reading = await here.reading()
    found = await reading.conversations(here.asker, user=user, before=before, most=limit + 1)
    return conversation_list(found, limit)


@router.get("/conversations/{conversation}", dependencies=[Depends(MEMBER)])
async def conversation(conversation: ConversationId, here: Here, user: UserQuery = "") -> ConversationWhole:
    """A conversation with its turns."""
    found = await (await here.reading()).conversation(here.asker, conversation, user=user)
    return ConversationWhole.model_validate(found)


@router.delete("/conversations/{conversation}", dependencies=[Depends(MEMBER)], status_code=204)
async def forget(conversation: ConversationId, here: Here, user: UserQuery = "") -> Response:
    """Delete a conversation."""
    await (await here.reading()).forget(here.asker, conversation, user=user)
    return Response(status_code=204)


def question_of(asked: ChatWords, request: Request, *, collection: str, groups: frozenset[str]) -> Question:
    """What is asked of a collection, for those groups. Raises BadRequest."""
    head = read_head(request.scope["headers"])
    system, turns = _turns(asked)
    options = asked.model_dump(include={"temperature", "max_tokens", "user", "metadata"}, exclude_none=True)
    cache = asked.cache.model_dump(by_alias=True, exclude_none=True) if asked.cache is not None else None
    return Question(
        collection=collection,
        turns=turns,
        groups=groups,
        conditions=conditions_of(asked.filter),
        k=asked.k,
        mode=None if asked.mode is None else Mode(asked.mode),
        model=asked.model,
        system=system,
        conversation=asked.conversation,
        options=options,
        wishes=wishes_of(head.cache_control, cache),
        patience=head.patience,
        request_id=request.scope.get("passerelle.request_id", ""),
    )


def _turns(asked: ChatWords) -> tuple[str, tuple[Turn, ...]]:
    """What the application says beside, and the conversation. Raises BadRequest."""
    if (asked.question is None) == (asked.messages is None):
        raise BadRequest("Write one of `question` and `messages`.", code="invalid_value", param="question")
    if asked.question is not None:
        return "", (Turn("user", asked.question),)
    messages = asked.messages or []
    aside = [each.text for each in messages if each.role in ("system", "developer")]
    turns = tuple(Turn(each.role, each.text) for each in messages if each.role in ("user", "assistant"))
    if not turns or turns[-1].role != "user" or not turns[-1].text.strip():
        message = "The last of the `messages` must be a user's question."
        raise BadRequest(message, code="invalid_value", param="messages")
    if len(turns[-1].text) > MOST_QUESTION:
        message = f"A question has at most {MOST_QUESTION} characters."
        raise BadRequest(message, code="invalid_value", param="messages")
    return "\n\n".join(aside), turns


def _unmarked(_: Mapping[str, str]) -> Headers:
    return []


async def _shown(said: Citation | Answered) -> dict[str, Any]:
    card = answer_card(said) if isinstance(said, Answered) else citation_card(said)
    return card.model_dump(mode="json")


async def whole(
    happening: AsyncGenerator[Happened, None], shown: Shown = _shown, *, marks: Marks = _unmarked
) -> tuple[Any, dict[str, str]]:
    """The answer, once it is whole, and its headers."""
    head: Headers = []
    async with aclosing(happening) as events:
        async for each in events:
            if isinstance(each, Begun):
                head += ratelimit_headers(each.standings)
            elif isinstance(each, Answered):
                overhead = (b"x-passerelle-overhead-ms", b"%.2f" % (each.overhead * 1000))
                head += [*fact_headers(each.facts), overhead, (b"x-passerelle-cost", header(each.cost))]
                head += marks(each.facts)
                headers = {name.decode("ascii"): value.decode("ascii") for name, value in head}
                return await shown(each), headers
    raise _broken()


async def told(
    happening: AsyncGenerator[Happened, None],
    head: Headers,
    shown: Shown = _shown,
    *,
    marks: Marks = _unmarked,
) -> AsyncGenerator[bytes, None]:
    """The events; `head` is given the headers that are known before the first of them."""
    async with aclosing(happening) as events:
        async for each in events:
            if isinstance(each, Begun):
                head += [
                    *fact_headers(each.facts),
                    *ratelimit_headers(each.standings),
                    *marks(each.facts),
                ]
            elif isinstance(each, Said):
                yield event("delta", {"text": each.text})
            elif isinstance(each, Citation):
                yield event("citation", await shown(each))
            else:
                yield event("answer", await shown(each))
                return
    raise _broken()


def _broken() -> UpstreamFailed:
    return UpstreamFailed(Fault.BROKEN, "The answer broke off.")
