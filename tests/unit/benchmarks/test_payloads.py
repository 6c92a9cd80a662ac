"""What is asked and answered has the sizes that the reports state."""

import json
from typing import Any

import pytest

from benchmarks import payloads


def test_requests_have_the_stated_sizes_and_are_valid() -> None:
    bodies = payloads.requests(events=250)

    assert {name: len(body) for name, body in bodies.items()} == {
        "small": 268,
        "stream": 268,
        "stream-warm": 268,
        "text-1mb": 1_000_000,
        "image-1mb": 1_000_000,
    }
    assert {json.loads(body)["model"] for body in bodies.values()} == {"bench"}
    assert json.loads(bodies["stream"])["max_tokens"] == 250


def test_the_answer_and_a_content_event_have_the_stated_sizes() -> None:
    answers = payloads.answers()

    assert len(answers["answer.json"]) == 626
    assert len(answers["content.sse"]) == 288
    assert payloads.MARK in json.loads(answers["answer.json"])["choices"][0]["message"]["content"]


def test_every_event_is_one_data_line_of_json() -> None:
    for name, event in payloads.answers().items():
        if name.endswith(".sse"):
            assert event.startswith(b"data: ")
            assert event.endswith(b"}\n\n")
            assert json.loads(event.removeprefix(b"data: "))["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("shape", [{"text": "PAD"}, {"text": "no place"}])
def test_a_size_that_cannot_be_met_is_refused(shape: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bytes|PAD"):
        payloads.padded(shape, size=5, filler="x")
