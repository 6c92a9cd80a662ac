"""Values of a schema out of what engines really answer: what cannot be used is told, repaired once, and never lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Literal

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, Field, field_validator

from passerelle.domain.caller import Caller, Role
from passerelle.domain.errors import BadRequest, OverLimit, UpstreamFailed
from passerelle.gateway.record import Outcome
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.models.forms import Form, strictly
from passerelle.pipelines.models.outcome import Reason, Structured, Unstructured
from passerelle.pipelines.models.structured import structured
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.script import Answer, Silent, Status
from tests.unit.pipelines.asking import asking, over


class Avis(BaseModel):
    """What a learner thought of a course."""

    ton: Literal["positif", "négatif", "neutre"]
    note: int = Field(ge=0, le=10)


_SCHEMA = {
    "title": "avis",
    "type": "object",
    "properties": {
        "ton": {"enum": ["positif", "négatif", "neutre"]},
        "note": {"type": "integer", "minimum": 0, "maximum": 10},
    },
    "required": ["ton", "note"],
    "additionalProperties": False,
}
_FORMS: list[Any] = [Avis, _SCHEMA]
_GOOD = '{"ton": "négatif", "note": 3}'
_VALUE = {"ton": "négatif", "note": 3}

# What servers return, as it was measured of ChatOpenAI, where each of these lost the usage or the whole answer.
_CUT = Answer('{"ton": "négatif", "no', finish="length")
_WRONG = Answer('{"ton": "furieux", "note": 3}')


def _model(asker: Asker) -> GatewayChat:
    return GatewayChat(asker=asker, model="assistant", temperature=0)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _says(engine: OpenAiLike, *answers: Answer) -> None:
    for answer in answers:
        engine.script(answer)


@pytest.mark.parametrize("schema", _FORMS, ids=["pydantic", "json-schema"])
@pytest.mark.parametrize(
    "said",
    [_GOOD, f"```json\n{_GOOD}\n```", f"<think>Il râle.</think>\n{_GOOD}", f"Voici : {_GOOD}"],
    ids=["plain", "fenced", "thoughts", "words"],
)
async def test_one_turn_is_enough_for_what_only_needs_unwrapping(schema: Any, said: str) -> None:
    async with asking() as (engine, _, asker):
        _says(engine, Answer(said))
        done = await structured(schema, _model(asker)).ainvoke("L'avis : « nul »")
        assert len(engine.requests) == 1
    assert _plain(done.value) == _VALUE
    assert not done.repaired
    assert done.usage == done.turns[0].usage_metadata


@pytest.mark.parametrize("schema", _FORMS, ids=["pydantic", "json-schema"])
@pytest.mark.parametrize(
    "first",
    [_CUT, _WRONG, Answer("Je ne sais pas."), Answer("<think>Il râle"), Answer('{"ton": "négatif"}')],
    ids=["cut", "enum", "prose", "unended thoughts", "missing"],
)
async def test_one_repair_and_the_usage_of_both_turns(schema: Any, first: Answer) -> None:
    counted = UsageMetadataCallbackHandler()
    async with asking() as (engine, gateway, asker):
        _says(engine, first, Answer(_GOOD))
        done = await structured(schema, _model(asker)).ainvoke("L'avis", {"callbacks": [counted]})
        assert len(engine.requests) == 2
    assert _plain(done.value) == _VALUE
    assert done.repaired
    each = [turn.usage_metadata for turn in done.turns]
    assert done.usage is not None
    assert done.usage["total_tokens"] == sum(one["total_tokens"] for one in each if one)
    assert next(iter(counted.usage_metadata.values()))["total_tokens"] == done.usage["total_tokens"]
    assert [record.outcome for record in gateway.records] == [Outcome.ANSWERED] * 2
    assert len({turn.response_metadata["request_id"] for turn in done.turns}) == 2


@pytest.mark.parametrize("schema", _FORMS, ids=["pydantic", "json-schema"])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (_CUT, Reason.TRUNCATED),
        (_WRONG, Reason.MISMATCH),
        (Answer("Je ne sais pas."), Reason.NOT_JSON),
        (Answer(f"{_GOOD} {{}}"), Reason.SEVERAL),
    ],
    ids=["cut", "enum", "prose", "several"],
)
async def test_a_second_failure_is_typed_and_keeps_the_text_and_the_usage(
    schema: Any, said: Answer, reason: Reason
) -> None:
    async with asking() as (engine, _, asker):
        engine.always(said)
        with pytest.raises(Unstructured) as caught:
            await structured(schema, _model(asker)).ainvoke("L'avis")
        assert len(engine.requests) == 2
    failure = caught.value
    assert (failure.reason, failure.raw, failure.code) == (reason, said.text, "not_structured")
    assert len(failure.turns) == 2
    assert failure.usage is not None
    assert failure.usage["output_tokens"] > 0
    assert said.text not in failure.message


async def test_the_schema_goes_as_response_format_and_is_strict_where_it_can_be() -> None:
    async with asking() as (engine, _, asker):
        engine.always(Answer(_GOOD))
        await structured(Avis, _model(asker)).ainvoke("L'avis")
        form = engine.requests[-1].body["response_format"]
        assert len(engine.requests[-1].body["messages"]) == 1
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == "Avis"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["additionalProperties"] is False


async def test_where_no_target_offers_it_the_schema_goes_into_the_prompt() -> None:
    async with OpenAiLike() as engine:
        configuration = over(engine)
        target = {"backend": "engine", "model": engine.model, "lacks": ["structured_output"]}
        configuration["models"] = {"assistant": {"task": "chat", "targets": [target]}}
        engine.always(Answer(_GOOD))
        async with asking(configuration) as (_, _, asker):
            done = await structured(Avis, _model(asker)).ainvoke(
                [SystemMessage("Tu lis des avis."), HumanMessage("L'avis")]
            )
        (request,) = engine.requests
    assert done.value == Avis(ton="négatif", note=3)
    assert "response_format" not in request.body
    system, user = request.body["messages"]
    assert system["content"].startswith("Tu lis des avis.")
    assert '"négatif"' in system["content"]
    assert user == {"role": "user", "content": "L'avis"}


async def test_an_engine_that_refuses_the_form_is_asked_without_it() -> None:
    refusal = {"error": {"message": "response_format is not supported here", "type": "invalid_request_error"}}
    async with asking() as (engine, _, asker):
        engine.script(Status(400, refusal))
        engine.script(Answer(_GOOD))
        done = await structured(Avis, _model(asker)).ainvoke("L'avis")
        assert "response_format" not in engine.requests[-1].body
    assert not done.repaired


async def test_the_repair_tells_what_is_wrong_and_a_cut_answer_is_not_shown_again() -> None:
    async with asking() as (engine, _, asker):
        _says(engine, _WRONG, Answer(_GOOD), _CUT, Answer(_GOOD))
        asked = structured(Avis, _model(asker))
        await asked.ainvoke("L'avis")
        user, shown, repair = engine.requests[-1].body["messages"]
        await asked.ainvoke("L'avis")
        (anew,) = engine.requests[-1].body["messages"]
    assert (user["content"], shown["role"], shown["content"]) == ("L'avis", "assistant", _WRONG.text)
    assert "- ton:" in repair["content"]
    assert '"enum"' in repair["content"]
    assert anew["content"].startswith("L'avis")
    assert _CUT.text not in anew["content"]


async def test_a_gateway_that_refuses_the_repair_leaves_what_the_first_turn_said_and_used() -> None:
    async with asking(limits={"rpm": 1}) as (engine, _, asker):
        engine.always(_WRONG)
        person = replace(asker, caller=Caller("key_test", "acme", Role.MEMBER))
        with pytest.raises(Unstructured) as caught:
            await structured(Avis, _model(person)).ainvoke("L'avis")
    assert isinstance(caught.value.error, OverLimit)
    assert caught.value.raw == _WRONG.text
    assert caught.value.usage is not None


async def test_a_call_that_nobody_answers_is_the_gateways_own_error() -> None:
    async with asking() as (engine, _, asker):
        engine.always(Status(400, {"error": {"message": "too long"}}))
        with pytest.raises(UpstreamFailed) as caught:
            await structured(Avis, _model(asker)).ainvoke("L'avis")
        assert len(engine.requests) == 1
    assert not isinstance(caught.value, Unstructured)


async def test_no_repair_where_none_is_wanted() -> None:
    async with asking() as (engine, _, asker):
        engine.always(_WRONG)
        with pytest.raises(Unstructured):
            await structured(Avis, _model(asker), repairs=0).ainvoke("L'avis")
        assert len(engine.requests) == 1


async def test_cancelled_in_the_repair_both_turns_are_written_down() -> None:
    async with asking() as (engine, gateway, asker):
        engine.script(_WRONG)
        engine.script(Silent())
        task = asyncio.ensure_future(structured(Avis, _model(asker)).ainvoke("L'avis"))
        await engine.until(lambda: len(engine.requests) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.until(lambda: engine.live == 0)
    assert [record.outcome for record in gateway.records] == [Outcome.ANSWERED, Outcome.HUNG_UP]


async def test_a_number_that_was_cut_is_no_number() -> None:
    async with asking() as (engine, _, asker):
        engine.always(Answer("12", finish="length"))
        with pytest.raises(Unstructured) as caught:
            await structured({"type": "integer"}, _model(asker)).ainvoke("Combien ?")
    assert caught.value.reason is Reason.TRUNCATED


async def test_items_at_once_fail_alone() -> None:
    async with asking() as (engine, _, asker):
        engine.answer = lambda request: (
            _GOOD if "bon" in str(request.body["messages"][0]["content"]) else "Non."
        )
        done = await structured(Avis, _model(asker)).abatch(
            ["bon 1", "mauvais", "bon 2"], return_exceptions=True
        )
    assert [type(one) for one in done] == [Structured, Unstructured, Structured]


async def test_langchains_own_way_to_ask_gives_the_value_or_tells_all() -> None:
    async with asking() as (engine, _, asker):
        _says(engine, Answer(_GOOD), _WRONG, _WRONG)
        value = await _model(asker).with_structured_output(Avis).ainvoke("L'avis")
        told = await _model(asker).with_structured_output(Avis, include_raw=True).ainvoke("L'avis")
    assert value == Avis(ton="négatif", note=3)
    assert told["parsed"] is None
    assert told["raw"].content == _WRONG.text
    assert isinstance(told["parsing_error"], Unstructured)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.org/schema.json"},
        {"type": "string", "pattern": r"(?=a)b"},
        {"type": "nothing"},
        int,
    ],
)
async def test_a_schema_that_no_answer_can_be_held_to_is_refused_at_once(schema: Any) -> None:
    async with asking() as (_, _, asker):
        with pytest.raises(BadRequest) as caught:
            structured(schema, _model(asker))
    assert caught.value.code == "invalid_schema"


class Cours(BaseModel):
    """A course, with what may be left out."""

    titre: str
    avis: list[Avis] = []

    @field_validator("titre")
    @classmethod
    def _short(cls, titre: str) -> str:
        if len(titre) > 5:
            raise ValueError("le titre est trop long")
        return titre


async def test_validators_of_a_model_are_told_in_the_repair() -> None:
    async with asking() as (engine, _, asker):
        _says(engine, Answer('{"titre": "Pâtisserie"}'), Answer('{"titre": "Pâte"}'))
        done = await structured(Cours, _model(asker)).ainvoke("?")
        assert "le titre est trop long" in engine.requests[-1].body["messages"][-1]["content"]
    assert done.value == Cours(titre="Pâte")


def test_what_may_be_left_out_is_not_strict() -> None:
    assert not strictly(Form(Cours).schema)
    assert strictly(Form(Avis).schema)
    assert strictly(_SCHEMA)
    assert not strictly({"type": "object"})
