"""LangChain's models over our cache: each call its own users would write."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import BaseCache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from passerelle.bridges.langchain import PasserelleCache
from tests.unit.bridges.questions import HOURS, HOURS_AGAIN, MORNING, library


class Model:
    """An engine that counts what it is asked, behind LangChain's client of OpenAI."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: dict[str, Any] = {"role": "assistant", "content": MORNING}
        self.finish = "stop"
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        choice = {"index": 0, "message": self.answer, "finish_reason": self.finish}
        usage = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
        body = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return httpx.Response(200, json=body)

    def chat(self, cache: BaseCache, **options: Any) -> ChatOpenAI:
        return ChatOpenAI(
            **{"model": "m", "temperature": 0.0, **options},
            api_key=SecretStr("k"),
            base_url="http://engine/v1",
            http_client=self.client,
            cache=cache,
        )


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    with model.client:
        yield model


@pytest.fixture
def cache() -> PasserelleCache:
    return PasserelleCache(library())


def asks(text: str, *, before: tuple[BaseMessage, ...] = (SystemMessage("Be brief."),)) -> list[BaseMessage]:
    return [*before, HumanMessage(text)]


def test_the_same_question_and_one_that_means_the_same_are_asked_once(
    model: Model, cache: PasserelleCache
) -> None:
    chat = model.chat(cache)
    first = chat.invoke(asks(HOURS))
    again, alike = chat.invoke(asks(HOURS)), chat.invoke(asks(HOURS_AGAIN))
    assert model.asked == 1
    assert first.content == again.content == alike.content == MORNING
    assert isinstance(alike, AIMessage)
    assert alike.usage_metadata is not None
    assert alike.usage_metadata["total_tokens"] == 17
    assert alike.response_metadata["finish_reason"] == "stop"


async def test_the_same_asynchronously(cache: PasserelleCache) -> None:
    prompt, said = HOURS, [Generation(text=MORNING)]
    assert await cache.alookup(prompt, "m") is None
    await cache.aupdate(prompt, "m", said)
    assert await cache.alookup(prompt, "m") == said
    await cache.aclear()
    assert await cache.alookup(prompt, "m") is None


@pytest.mark.parametrize(
    "other", [{"model": "other"}, {"temperature": 0.1}, {"max_tokens": 7}, {"stop": ["x"]}]
)
@pytest.mark.parametrize("question", [HOURS, HOURS_AGAIN])
def test_another_call_is_another_space(
    model: Model, cache: PasserelleCache, other: dict[str, Any], question: str
) -> None:
    model.chat(cache).invoke(asks(HOURS))
    model.chat(cache, **other).invoke(asks(question))
    assert model.asked == 2


@pytest.mark.parametrize("question", [HOURS, HOURS_AGAIN])
@pytest.mark.parametrize(
    "before", [(), (SystemMessage("Be rude."),), (SystemMessage("Be brief."), SystemMessage("x"))]
)
def test_another_system_prompt_is_another_space(
    model: Model, cache: PasserelleCache, question: str, before: tuple[BaseMessage, ...]
) -> None:
    chat = model.chat(cache)
    chat.invoke(asks(HOURS))
    chat.invoke(asks(question, before=before))
    assert model.asked == 2


def test_caches_with_spaces_of_their_own_share_nothing(model: Model) -> None:
    shared = library()
    for space in ("a", "b"):
        chat = model.chat(PasserelleCache(shared, space=space))
        chat.invoke(asks(HOURS))
        chat.invoke(asks(HOURS_AGAIN))
    assert model.asked == 2


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=2, max_size=6, unique=True))
def test_no_two_strings_of_a_call_ever_meet(calls: list[tuple[str, str]]) -> None:
    shared = library()
    for at, (space, llm) in enumerate(calls):
        PasserelleCache(shared, space=space).update(
            HOURS, llm, [Generation(text=f"The counter of place {at}.")]
        )
    for at, (space, llm) in enumerate(calls):
        for prompt in (HOURS, HOURS_AGAIN):
            found = PasserelleCache(shared, space=space).lookup(prompt, llm)
            assert found is None or found[0].text == f"The counter of place {at}."


def test_a_conversation_is_found_as_a_whole_only(model: Model, cache: PasserelleCache) -> None:
    chat, before = model.chat(cache), (HumanMessage("Hello."), AIMessage("Hello!"))
    chat.invoke(asks(HOURS, before=before))
    chat.invoke(asks(HOURS, before=before))
    assert model.asked == 1
    chat.invoke(asks(HOURS_AGAIN, before=before))
    assert model.asked == 2


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": HOURS}],
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
    ],
)
def test_content_in_parts_is_found_as_it_is_only(
    model: Model, cache: PasserelleCache, content: list[Any]
) -> None:
    chat = model.chat(cache)
    for _ in range(2):
        chat.invoke([HumanMessage(content)])
    assert model.asked == 1
    chat.invoke(HOURS)
    assert model.asked == 2


@pytest.mark.parametrize("options", [{"temperature": 0.9}, {"logprobs": True}, {"top_logprobs": 2}])
@pytest.mark.parametrize("bound", [False, True])
def test_a_call_that_wants_another_answer_each_time_gets_one(
    model: Model, cache: PasserelleCache, options: dict[str, Any], *, bound: bool
) -> None:
    chat = model.chat(cache, **({} if bound else options))
    for _ in range(2):
        chat.invoke(HOURS, **(options if bound else {}))
    assert model.asked == 2


def test_a_call_with_tools_is_never_answered_from_it(model: Model, cache: PasserelleCache) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
    chat = model.chat(cache).bind_tools([tool])
    for _ in range(2):
        chat.invoke(HOURS)
    assert model.asked == 2


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_answer_that_was_cut_is_not_kept(model: Model, cache: PasserelleCache, finish: str) -> None:
    model.finish = finish
    for _ in range(2):
        model.chat(cache).invoke(HOURS)
    assert model.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [Generation(text="a"), Generation(text="b")],
        [ChatGeneration(message=AIMessage([{"type": "text", "text": "a"}]))],
        [ChatGeneration(message=AIMessage("a", tool_calls=[{"name": "f", "args": {}, "id": "1"}]))],
        [ChatGeneration(message=AIMessage("a", additional_kwargs={"x": object()}))],
        [Generation(text="a", generation_info={"x": object()})],
    ],
)
def test_what_is_not_one_plain_text_is_not_kept(cache: PasserelleCache, answer: list[Generation]) -> None:
    cache.update(HOURS, "m", answer)
    assert cache.lookup(HOURS, "m") is None


def test_a_plain_model_is_asked_once(cache: PasserelleCache) -> None:
    plain = FakeListLLM(responses=[MORNING, "another"], cache=cache)
    assert [plain.invoke(HOURS), plain.invoke(HOURS), plain.invoke(HOURS_AGAIN)] == [MORNING] * 3


def test_what_a_caller_does_to_an_answer_changes_nothing_of_the_kept_one(cache: PasserelleCache) -> None:
    said = ChatGeneration(
        message=AIMessage(MORNING, response_metadata={"m": {"n": 1}}), generation_info={"k": 1}
    )
    cache.update(HOURS, "m", [said])
    first = cache.lookup(HOURS, "m")
    assert first is not None
    assert isinstance(first[0], ChatGeneration)
    first[0].message.response_metadata["m"]["n"] = 2
    assert first[0].generation_info is not None
    first[0].generation_info["k"] = 2
    assert cache.lookup(HOURS, "m") == [said]


def test_messages_that_cannot_be_read_are_found_as_they_are_only(cache: PasserelleCache) -> None:
    broken = '[{"lc": 1, "kwargs": {"content": "\\ud83d"'
    cache.update(broken, "m", [Generation(text=MORNING)])
    assert cache.lookup(broken, "m") == [Generation(text=MORNING)]
    assert cache.lookup(f"{broken} ", "m") is None
