"""What is relied on in huggingface_hub, and its errors as ours. An upgrade that changes either fails here."""

import inspect
import json

import httpx2
import pytest
from huggingface_hub import AsyncInferenceClient, TextGenerationOutput, TextGenerationStreamOutput, errors

from passerelle.domain.errors import Fault
from passerelle.wire.hub import translate_hub

_PARAMETERS = {
    "adapter_id",
    "best_of",
    "decoder_input_details",
    "details",
    "do_sample",
    "frequency_penalty",
    "grammar",
    "max_new_tokens",
    "model",
    "repetition_penalty",
    "return_full_text",
    "seed",
    "stop",
    "stream",
    "temperature",
    "top_k",
    "top_n_tokens",
    "top_p",
    "truncate",
    "typical_p",
    "watermark",
}


def test_text_generation_takes_what_it_is_given() -> None:
    signature = inspect.signature(AsyncInferenceClient.text_generation).parameters

    assert list(signature)[:2] == ["self", "prompt"]
    keywords = {name: parameter for name, parameter in signature.items() if name not in ("self", "prompt")}
    assert set(keywords) == _PARAMETERS
    assert {parameter.kind for parameter in keywords.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {parameter.default for parameter in keywords.values()} == {None}
    assert inspect.iscoroutinefunction(AsyncInferenceClient.text_generation)


async def test_a_client_takes_a_transport_of_its_own() -> None:
    assert {"model", "token"} <= set(inspect.signature(AsyncInferenceClient).parameters)
    async with AsyncInferenceClient(model="http://tgi.invalid", token="unused") as client:
        ours = await client.exit_stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        client._async_client = ours

        assert await client._get_async_client() is ours
    assert ours.is_closed


def test_outputs_are_dicts_with_the_fields_that_are_read() -> None:
    token = {"id": 1, "text": "a", "logprob": None, "special": False}
    details = {"finish_reason": "length", "generated_tokens": 1, "prefill": [], "tokens": [token]}
    whole = TextGenerationOutput.parse_obj_as_instance({"generated_text": "a", "details": details})
    event = TextGenerationStreamOutput.parse_obj_as_instance({"index": 1, "token": token})

    assert isinstance(whole, dict)
    assert isinstance(event, dict)
    assert json.loads(json.dumps(dict(whole))) == {
        "generated_text": "a",
        "details": {**details, "best_of_sequences": None, "seed": None, "top_tokens": None},
    }
    assert dict(event) == {
        "index": 1,
        "token": token,
        "details": None,
        "generated_text": None,
        "top_tokens": None,
    }


def _status(status: int, message: str | None = None) -> errors.HfHubHTTPError:
    response = httpx2.Response(
        status, headers={"retry-after": "7"}, request=httpx2.Request("POST", "http://tgi.invalid/generate")
    )
    return errors.HfHubHTTPError("failed", response=response, server_message=message)


def _because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.ValidationError("`inputs` cannot be empty"), Fault.REQUEST),
        (errors.OverloadedError("Model is overloaded"), Fault.OVERLOADED),
        (errors.GenerationError("CUDA out of memory"), Fault.SERVER),
        (errors.IncompleteGenerationError("Incomplete generation"), Fault.SERVER),
        (errors.UnknownError("Incomplete generation stream"), Fault.SERVER),
        (errors.UnknownError("Model is overloaded"), Fault.OVERLOADED),
        (errors.UnknownError({"message": "too long", "http_status_code": 422}), Fault.REQUEST),
        (errors.UnknownError({"message": "Model is overloaded", "http_status_code": 422}), Fault.OVERLOADED),
        (errors.UnknownError("who knows"), Fault.SERVER),
        (_status(401), Fault.CREDENTIALS),
        (_status(422, "bad"), Fault.REQUEST),
        (_status(429), Fault.RATE_LIMITED),
        (_status(503), Fault.OVERLOADED),
        (errors.InferenceTimeoutError("late"), Fault.TIMEOUT_TOTAL),
        (
            _because(errors.InferenceTimeoutError("late"), httpx2.ConnectTimeout("late")),
            Fault.TIMEOUT_CONNECT,
        ),
        (httpx2.ConnectTimeout("late"), Fault.TIMEOUT_CONNECT),
        (httpx2.ReadTimeout("late"), Fault.TIMEOUT_TOTAL),
        (httpx2.ConnectError("refused"), Fault.CONNECT),
        (httpx2.ReadError("reset"), Fault.BROKEN),
        (httpx2.RemoteProtocolError("no HTTP"), Fault.BROKEN),
        (httpx2.ResponseNotRead(), Fault.BROKEN),
        (httpx2.InvalidURL("no"), Fault.BROKEN),
        (json.JSONDecodeError("no", "x", 0), Fault.BROKEN),
        (KeyError("generated_text"), Fault.BROKEN),
    ],
    ids=repr,
)
def test_each_error_of_the_library_has_one_fault(error: Exception, fault: Fault) -> None:
    assert translate_hub(error).fault is fault


def test_only_what_the_caller_can_mend_is_told_in_the_engines_words() -> None:
    refused = translate_hub(errors.ValidationError("`inputs` cannot be empty")).told
    failed = translate_hub(errors.GenerationError("CUDA out of memory at 10.0.0.7")).told

    assert (refused.status, refused.message, refused.code) == (422, "`inputs` cannot be empty", "validation")
    assert (failed.status, failed.message, failed.code) == (424, "", "generation")


def test_a_pause_that_was_asked_for_is_kept() -> None:
    assert translate_hub(_status(429)).told.retry_after == 7
