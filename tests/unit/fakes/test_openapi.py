"""The validator finds what does not fit, so that a fit means something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.openapi import problems, schemas

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
WHOLE: dict[str, Any] = {
    "id": "",
    "created": 1,
    "model": "m",
    "system_fingerprint": "",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
    "usage": USAGE,
}


def test_a_fitting_value_has_no_problems() -> None:
    assert problems(WHOLE, "ChatCompletion", "tgi") == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": None}, "ChatCompletion.id: None is not of type string"),
        ({"created": -1}, "ChatCompletion.created: -1 is too small"),
        ({"created": True}, "ChatCompletion.created: True is not of type integer"),
        ({"usage": {}}, "ChatCompletion.usage: prompt_tokens is missing"),
        (
            {"choices": [{**WHOLE["choices"][0], "message": {"role": "assistant"}}]},
            "message: content is missing",
        ),
    ],
)
def test_a_value_that_does_not_fit_has_the_reason(change: Any, problem: str) -> None:
    found = problems({**WHOLE, **change}, "ChatCompletion", "tgi")
    assert any(each.endswith(problem) for each in found), found


def test_enums_and_lengths_are_checked() -> None:
    wrong = {"error": "x", "error_type": "overloaded"}
    assert "is not one of" in problems(wrong, "ErrorResponse", "tei")[0]
    assert problems([[{"label": "x"}]], "PredictResponse", "tei")


@pytest.mark.parametrize("engine", ["tgi", "tei"])
def test_every_reference_is_there(engine: str) -> None:
    known = schemas(engine)
    assert {name.rsplit("/", 1)[1] for name in _references(known)} <= set(known)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []
