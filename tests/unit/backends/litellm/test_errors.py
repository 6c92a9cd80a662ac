"""What LiteLLM raises, in our words; its own texts go no further."""

import pytest

from passerelle.backends.litellm.errors import translated
from passerelle.domain.errors import Fault, Told, UpstreamFailed


def _error(*names: str, text: str = "key=SECRET prompt: bonjour") -> Exception:
    """An exception whose class has these names, the last the most general."""
    kind: type[Exception] = Exception
    for name in reversed(names):
        kind = type(name, (kind,), {})
    return kind(text)


def _refusal(message: str = "", fault: Fault = Fault.REQUEST, status: int = 400) -> UpstreamFailed:
    return UpstreamFailed(
        fault, f"The engine answered {status}.", told=Told(status, message, retry_after=7.0)
    )


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (("AuthenticationError", "APIError"), Fault.CREDENTIALS),
        (("PermissionDeniedError", "APIError"), Fault.CREDENTIALS),
        (("NotFoundError", "APIError"), Fault.MODEL),
        (("RateLimitError", "APIError"), Fault.RATE_LIMITED),
        (("Timeout", "APIError"), Fault.TIMEOUT_TOTAL),
        (("ServiceUnavailableError", "APIError"), Fault.OVERLOADED),
        (("APIConnectionError", "APIError"), Fault.BROKEN),
        (("InternalServerError", "APIError"), Fault.SERVER),
        (("BadRequestError", "APIError"), Fault.REQUEST),
        (("LiteLLMUnknownProvider", "BadRequestError"), Fault.MODEL),
        (("APIError",), Fault.SERVER),
        (("KeyError",), Fault.BROKEN),
    ],
)
def test_without_a_reply_the_class_says_what_happened(names: tuple[str, ...], fault: Fault) -> None:
    failed = translated(_error(*names), None, asked=False)

    assert failed.fault is fault
    assert "SECRET" not in failed.message + failed.told.message
    assert "bonjour" not in failed.message + failed.told.message


def test_what_came_over_the_wire_counts_more_than_litellms_class() -> None:
    seen = _refusal("Overloaded", Fault.OVERLOADED, 529)

    assert translated(_error("InternalServerError"), seen, asked=True) is seen


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ContextWindowExceededError", "context_length_exceeded"),
        ("ContentPolicyViolationError", "content_filter"),
    ],
)
def test_a_refusal_that_litellm_knows_has_openais_code(name: str, code: str) -> None:
    failed = translated(
        _error(name, "BadRequestError"), _refusal("prompt is too long: 9 tokens > 8 maximum"), asked=True
    )

    assert (failed.fault, failed.told.code) == (Fault.REQUEST, code)
    assert failed.told.message == "prompt is too long: 9 tokens > 8 maximum"


def test_a_parameter_litellm_refuses_is_named() -> None:
    text = "litellm.UnsupportedParamsError: anthropic does not support parameters: ['logprobs'], for model=x"

    failed = translated(_error("UnsupportedParamsError", "BadRequestError", text=text), None, asked=False)

    assert (failed.fault, failed.told.param) == (Fault.UNSUPPORTED, "logprobs")


def test_a_400_about_the_account_is_not_the_callers() -> None:
    failed = translated(_error("BadRequestError"), _refusal("Your credit balance is too low."), asked=True)

    assert failed.fault is Fault.CREDITS


def test_a_400_about_the_key_is_not_the_callers() -> None:
    failed = translated(_error("AuthenticationError"), _refusal("API key not valid."), asked=True)

    assert failed.fault is Fault.CREDENTIALS


def test_the_reason_inside_a_broken_stream_is_what_counts() -> None:
    wrapped = _error("MidStreamFallbackError", "ServiceUnavailableError")
    wrapped.original_exception = _error("RateLimitError")  # type: ignore[attr-defined]

    assert translated(wrapped, None, asked=False).fault is Fault.RATE_LIMITED


def test_an_answer_it_stumbles_over_is_not_the_callers_fault() -> None:
    assert translated(_error("BadRequestError"), None, asked=True).fault is Fault.BROKEN
