"""Structured output: what the caller asked for, however hostile the schema."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from passerelle.domain.errors import Blocked
from passerelle.domain.guardrails import Schema, Side
from passerelle.guardrails.schema import Unreadable, wanted
from tests.unit.guardrails.calls import ask, event, guard, rule, watch

RULE = rule(Schema(), sides=frozenset({Side.OUTPUT}))
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def form(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}


def _doubling(levels: int) -> dict[str, Any]:
    rules: dict[str, Any] = {
        f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**rules, f"d{levels}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [('{"age": 3}', None), ('{"age": "3"}', "not-valid"), ("Sure! {}", "not-json"), ('{"age":', "not-json")],
)
async def test_a_whole_answer_and_a_stream_are_held_to_the_schema(text: str, wrong: str | None) -> None:
    asked = ask(form(PERSON))
    body = orjson.dumps({"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]})
    looks = watch(RULE, of=asked)
    assert await looks.take(event(text[:4])) == event(text[:4])  # nothing is held back before the end
    await looks.take(event(text[4:]))
    if wrong is None:
        await watch(RULE, of=asked).whole(body)
        assert await looks.take(event(finish="stop")) == event(finish="stop")
        assert await looks.finish() == b""
        return
    with pytest.raises(Blocked) as stopped:
        await watch(RULE, of=asked).whole(body)
    assert stopped.value.verdicts[0].label == wrong
    with pytest.raises(Blocked):
        await looks.take(event(finish="stop"))


async def test_a_stream_without_an_end_is_checked_all_the_same_and_tools_and_refusals_are_excused() -> None:
    looks = watch(RULE, of=ask(form(PERSON)))
    await looks.take(event("no json"))
    with pytest.raises(Blocked):
        await looks.finish()
    for delta in ({"refusal": "I cannot."}, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}):
        looks = watch(RULE, of=ask(form(PERSON)))
        await looks.take(event(**delta))
        await looks.take(event(finish="stop"))
        await looks.finish()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"$dynamicRef": "#a"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "(a{1000}){1000}"},
        {"type": 3},
        {"allOf": 7},
        {"enum": ["x" * 70_000]},
        _doubling(400),
    ],
)
async def test_a_schema_no_answer_can_be_held_to_is_refused_before_the_engine_is_asked(schema: Any) -> None:
    with pytest.raises(Unreadable):
        wanted(form(schema))
    with pytest.raises(Blocked) as stopped:
        await guard(RULE).check_input(ask(form(schema)))
    assert stopped.value.verdicts[0].label == "unreadable-schema"


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (_doubling(60), '"x"'),
        ({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}, "[" * 40 + "]" * 40),
        ({"type": "array"}, "[" * 100 + "]" * 100),
    ],
)
def test_work_that_doubles_with_every_level_is_not_begun(schema: Any, text: str) -> None:
    check = wanted(form(schema))
    assert check is not None
    assert check(text) == "too-costly"


def test_patterns_are_linear_and_recursive_schemas_work() -> None:
    check = wanted(form({"type": "string", "pattern": "(a+)+$"}))
    assert check is not None
    assert check('"' + "a" * 200_000 + '!"') == "not-valid"
    tree = {
        "type": "object",
        "properties": {"l": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "v": {"type": "integer"}},
    }
    check = wanted(form(tree))
    assert check is not None
    assert check('{"v":1,"l":{"v":2,"l":null}}') is None
    assert check('{"v":1,"l":{"v":"2"}}') == "not-valid"


def test_plain_text_is_not_checked_and_an_object_must_be_one() -> None:
    assert wanted({}) is None
    assert wanted({"response_format": {"type": "text"}}) is None
    check = wanted({"response_format": {"type": "json_object"}})
    assert check is not None
    assert (check("{}"), check("[]"), check("x")) == (None, "not-valid", "not-json")
