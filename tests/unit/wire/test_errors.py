"""Six shapes of error become one failure."""

import pytest

from passerelle.domain.errors import Fault
from passerelle.wire.errors import failure, failure_inside, retry_after_of


@pytest.mark.parametrize(
    ("status", "body", "fault", "message"),
    [
        (
            400,
            b'{"error":{"message":"too long","type":"x","param":"messages","code":"context"}}',
            Fault.REQUEST,
            "too long",
        ),
        (
            401,
            b'{"error":"Invalid username or password."}',
            Fault.CREDENTIALS,
            "Invalid username or password.",
        ),
        (401, b"", Fault.CREDENTIALS, ""),
        (
            402,
            b'{"error":"You have exceeded your monthly included credits"}',
            Fault.CREDITS,
            "You have exceeded",
        ),
        (
            429,
            b'{"error":"Model is overloaded","error_type":"overloaded"}',
            Fault.RATE_LIMITED,
            "Model is overloaded",
        ),
        (
            424,
            b'{"error":"Request failed during generation","error_type":"generation"}',
            Fault.SERVER,
            "Request failed",
        ),
        (
            422,
            b'{"error":"`inputs` must have less","error_type":"validation"}',
            Fault.REQUEST,
            "`inputs` must have less",
        ),
        (
            422,
            b"Failed to deserialize the JSON body into the target type",
            Fault.REQUEST,
            "Failed to deserialize",
        ),
        (422, b'{"detail":"Unexpected fields in the request"}', Fault.REQUEST, "Unexpected fields"),
        (
            422,
            b'{"detail":[{"msg":"field required"},{"msg":"too short"}]}',
            Fault.REQUEST,
            "field required; too short",
        ),
        (
            422,
            b'{"message":"batch size 40 > 32","code":422,"type":"Validation"}',
            Fault.REQUEST,
            "batch size",
        ),
        (500, b"Internal Server Error", Fault.SERVER, "Internal Server Error"),
        (502, b"<html><body>Bad Gateway</body></html>", Fault.SERVER, ""),
        (
            503,
            b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
            Fault.OVERLOADED,
            "Loading",
        ),
        (
            404,
            b'{"object":"error","message":"The model `x` does not exist.","code":404}',
            Fault.MODEL,
            "The model",
        ),
        (400, b'{"error":{"message":"no","code":"model_not_supported"}}', Fault.MODEL, "no"),
        (307, b"", Fault.BROKEN, ""),
        (400, b'{"error":{"message":{"odd":1}}}', Fault.REQUEST, ""),
        (400, b"[1,2]", Fault.REQUEST, ""),
        (400, b"\xff\xfe", Fault.REQUEST, ""),
    ],
)
def test_every_shape_is_read(status: int, body: bytes, fault: Fault, message: str) -> None:
    failed = failure(status, {}, body)

    assert failed.fault is fault
    assert failed.told.message.startswith(message)


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ({"error": {"message": "Model is overloaded", "http_status_code": 422}}, Fault.OVERLOADED),
        ({"error": "Model is overloaded", "error_type": "overloaded"}, Fault.OVERLOADED),
        ({"error": {"message": "bad grammar", "http_status_code": 422}}, Fault.REQUEST),
        ({"error": {"message": "boom"}}, Fault.SERVER),
    ],
)
def test_an_error_inside_a_200_is_read(payload: dict[str, object], fault: Fault) -> None:
    assert failure_inside(payload).fault is fault


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":"Tokenization error","error_type":"Tokenizer"}', "tokenizer"),
        (b'{"error":"Tokenization error","error_type":"tokenizer"}', "tokenizer"),
        (b'{"message":"Tokenization error","code":422,"type":"Tokenizer"}', "tokenizer"),
        (b'{"message":"too long","code":422,"type":"BadRequestError"}', None),
        (b'{"error":{"message":"too long","type":"invalid_request_error","code":null}}', None),
        (
            b'{"error":{"message":"too long","type":"x","code":"context_length_exceeded"}}',
            "context_length_exceeded",
        ),
    ],
)
def test_an_engines_word_for_its_error_is_the_same_in_either_of_its_shapes(
    body: bytes, code: str | None
) -> None:
    assert failure(422, {}, body).told.code == code


def test_what_an_engine_says_is_cut() -> None:
    assert len(failure(400, {}, b"x" * 10_000).told.message) == 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250", "Retry-After": "7"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-4"}, None),
        ({"Retry-After": "9999999"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_either_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_of(headers) == seconds
