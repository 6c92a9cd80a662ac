"""Bodies in OpenAI's format give text with true counts, or an error that names the field."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.backends.builtin.chat import check, pieces, produce, produce_completion
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import BadInput, Unsupported
from tests.unit.backends.builtin.texts import SHOP_EN

PROMPT = f"Context:\n{SHOP_EN}\n\nQuestion: Who founded the company?"
ANSWER = "The company was founded in 1998 by Anna Schmidt in Berlin."


def _body(content: Any = PROMPT, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


def test_an_answer_has_the_tokenizers_own_counts(embedder: Embedder) -> None:
    produced = produce(_body(), embedder)

    assert (produced.text, produced.finish_reason, produced.kind) == (ANSWER, "stop", "answer")
    assert produced.prompt_tokens == embedder.count_tokens(PROMPT)
    assert produced.completion_tokens == embedder.count_tokens(ANSWER) == 12


def test_text_parts_and_harmless_fields_change_nothing(embedder: Embedder) -> None:
    parts = [{"type": "text", "text": PROMPT}]
    fields = {"temperature": 2, "n": 1, "tools": [], "logprobs": False, "seed": 3, "stop": None, "user": "x"}

    assert produce(_body(parts, **fields), embedder) == produce(_body(), embedder)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("limit", "text", "reason"), [(4, "The company was founded", "length"), (12, ANSWER, "stop")]
)
def test_the_limit_cuts_where_a_token_ends(
    embedder: Embedder, field: str, limit: int, text: str, reason: str
) -> None:
    produced = produce(_body(**{field: limit}), embedder)

    assert (produced.text, produced.finish_reason) == (text, reason)
    assert produced.completion_tokens <= limit


@pytest.mark.parametrize("stop", [" by", [" in Berlin", "zzz", " by"], ["", " by"]])
def test_the_text_ends_before_the_first_stop_sequence(embedder: Embedder, stop: Any) -> None:
    produced = produce(_body(stop=stop), embedder)

    assert (produced.text, produced.finish_reason) == ("The company was founded in 1998", "stop")


def test_json_is_an_object_with_the_answer_or_the_schemas(embedder: Embedder) -> None:
    schema = {
        "type": "object",
        "properties": {"topic": {"enum": ["sport", "company"]}},
        "required": ["topic"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

    assert json.loads(produce(_body(response_format={"type": "json_object"}), embedder).text) == {
        "answer": ANSWER
    }
    produced = produce(_body(response_format=wanted), embedder)
    assert (json.loads(produced.text), produced.kind) == ({"topic": "company"}, "label")


def test_a_completion_reads_its_prompt_as_a_message(embedder: Embedder) -> None:
    assert produce_completion({"prompt": PROMPT}, embedder).text == ANSWER
    assert produce_completion({"prompt": [PROMPT]}, embedder).text == ANSWER
    with pytest.raises(BadInput, match="'prompt' must be one string"):
        produce_completion({"prompt": [1, 2]}, embedder)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [{"type": "function"}], "tool_choice": "required"}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 0}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
    ],
)
def test_what_needs_a_language_model_is_refused_by_name(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(Unsupported, match="no language model") as refusal:
        check(_body(**fields))

    assert refusal.value.what == what


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": 5}, "stop"),
        ({"stop": ["a", 5]}, "stop"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_malformed_fields_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadInput) as refusal:
        check(_body(**fields))

    assert refusal.value.param == param


def test_an_image_is_refused(embedder: Embedder) -> None:
    with pytest.raises(Unsupported, match="'image_url'"):
        produce(_body([{"type": "image_url", "image_url": {"url": "data:,"}}]), embedder)


def test_errors_never_repeat_the_prompt(embedder: Embedder) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "allOf": []}}}

    with pytest.raises(Exception, match="allOf") as refusal:
        produce(_body("my secret is 1234", response_format=wanted), embedder)
    assert "1234" not in str(refusal.value)


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


def test_pieces_are_words_with_the_space_before_them() -> None:
    assert list(pieces(" Le chat\n dort. ")) == [" Le", " chat", "\n dort.", " "]


@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), st.text(max_size=80)), min_size=1
    )
)
@settings(max_examples=40, deadline=None)
def test_any_conversation_is_answered_twice_alike(embedder: Embedder, turns: list[tuple[str, str]]) -> None:
    body = {"messages": [{"role": role, "content": text} for role, text in turns]}
    produced = produce(body, embedder)

    assert produced == produce(body, embedder)
    assert produced.text.encode()
    assert produced.completion_tokens == embedder.count_tokens(produced.text)


def test_importing_the_engine_loads_no_heavy_library() -> None:
    code = (
        "import sys, passerelle.backends.builtin.chat as _;"
        "print(*sorted({'numpy', 'onnx', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
