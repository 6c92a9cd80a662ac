"""An answer is kept when it is whole and a repeat should get it too."""

from __future__ import annotations

import pytest

from passerelle.idempotency.recorder import Recorder
from passerelle.idempotency.seal import Reply


def heard(status: int, *parts: bytes, kind: bytes = b"application/json", longest: int = 100) -> Recorder:
    recorder = Recorder("", longest=longest)
    headers = [
        (b"content-type", kind),
        (b"x-request-id", b"req_1"),
        (b"x-passerelle-cost", b"0.1"),
        (b"date", b"now"),
    ]
    assert not recorder.hear({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts[:-1]:
        assert not recorder.hear({"type": "http.response.body", "body": part, "more_body": True})
    assert recorder.hear({"type": "http.response.body", "body": parts[-1]})
    return recorder


def test_a_whole_answer_is_kept_with_the_headers_that_are_its_own() -> None:
    recorder = heard(200, b"ab", b"c")

    headers = [(b"content-type", b"application/json"), (b"x-passerelle-cost", b"0.1")]
    assert recorder.good()
    assert recorder.reply() == Reply(200, headers, b"abc", "req_1")


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 415, 422])
def test_what_will_not_change_is_kept(status: int) -> None:
    assert heard(status, b"x").good()


@pytest.mark.parametrize("status", [401, 403, 408, 409, 413, 425, 429, 500, 502, 503, 504])
def test_what_may_be_answered_later_is_not(status: int) -> None:
    assert not heard(status, b"x").good()


@pytest.mark.parametrize(
    ("parts", "good"),
    [
        ((b"data: {}\n\n", b"data: [DONE]\n\n"), True),
        ((b"data: {}\n\nda", b"ta: [DO", b"NE]\r\n\r\n"), True),
        ((b"data: {}\n\ndata: [DONE]\n\n", b""), True),
        ((b"data: {}\n\n", b'data: {"error":{}}\n\n'), False),
        ((b"data: [DONE]\n\n", b"data: {}\n\n" * 3), False),
        ((b"",), False),
    ],
)
def test_a_stream_is_whole_only_with_its_end_mark(parts: tuple[bytes, ...], good: bool) -> None:
    assert heard(200, *parts, kind=b"text/event-stream; charset=utf-8").good() is good


def test_what_is_too_long_is_good_and_not_kept() -> None:
    assert heard(200, b"x" * 60, b"x" * 40).reply() is not None
    recorder = heard(200, b"x" * 60, b"x" * 41, b"data: [DONE]", kind=b"text/event-stream")
    assert recorder.good()
    assert recorder.reply() is None
