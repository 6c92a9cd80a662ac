from typing import Any

import pytest

from passerelle.backends.builtin.conversation import Turn, turns
from passerelle.backends.builtin.errors import BadInput, Unsupported


def test_text_parts_are_joined_and_missing_content_is_empty() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]

    assert turns(messages) == (Turn("user", "one\ntwo"), Turn("assistant", ""), Turn("assistant", ""))


def test_a_lone_surrogate_becomes_something_that_can_be_sent() -> None:
    assert turns([{"role": "user", "content": "a\ud800b"}]) == (Turn("user", "a?b"),)


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "anything"])
def test_what_is_not_text_is_refused_by_name(kind: str) -> None:
    with pytest.raises(Unsupported, match=f"does not support '{kind}'"):
        turns([{"role": "user", "content": [{"type": kind, kind: {}}]}])


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        (None, "'messages'"),
        ([], "'messages'"),
        ("hello", "'messages'"),
        ([1], r"messages\[0\]'"),
        ([{"content": "x"}], r"messages\[0\].role"),
        ([{"role": "user", "content": 5}], r"messages\[0\].content"),
        ([{"role": "user", "content": [5]}], r"messages\[0\].content\[0\]"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"messages\[0\].content\[0\].text"),
    ],
)
def test_malformed_messages_are_named_by_their_place(messages: Any, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        turns(messages)
