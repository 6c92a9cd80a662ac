"""LiteLLM's exceptions as one `UpstreamFailed`.

Their texts are never passed on: they quote addresses with keys in them, parameters and pieces of prompts. What a
caller may hear is what the provider itself wrote, which the exchange has kept.
"""

from __future__ import annotations

import re

from passerelle.domain.errors import Fault, Told, UpstreamFailed

# By the name of an exception's class or of one it is made from, the first that fits.
_BY_CLASS = (
    ("AuthenticationError", Fault.CREDENTIALS, "The provider does not accept the key."),
    ("PermissionDeniedError", Fault.CREDENTIALS, "The provider does not allow the key to do this."),
    ("NotFoundError", Fault.MODEL, "The provider does not know this model."),
    ("RateLimitError", Fault.RATE_LIMITED, "The provider's rate limit is reached."),
    ("Timeout", Fault.TIMEOUT_TOTAL, "The provider did not answer within the limit."),
    ("ServiceUnavailableError", Fault.OVERLOADED, "The provider is overloaded."),
    ("APIConnectionError", Fault.BROKEN, "LiteLLM and the provider did not understand each other."),
    ("InternalServerError", Fault.SERVER, "The provider failed."),
    ("BadGatewayError", Fault.SERVER, "The provider failed."),
    ("LiteLLMUnknownProvider", Fault.MODEL, "LiteLLM cannot ask this provider for this."),
    ("BadRequestError", Fault.REQUEST, "LiteLLM cannot put this request in the provider's words."),
    ("APIError", Fault.SERVER, "The provider failed."),
)
# A 400 of a provider that says something else than that the request is wrong.
_NOT_THE_REQUEST = frozenset({Fault.CREDENTIALS, Fault.MODEL, Fault.RATE_LIMITED})
_NO_CREDIT = re.compile(r"credit balance is too low|billing|payment required", re.IGNORECASE)
_QUOTED = re.compile(r"parameters?: \[?'([A-Za-z_]{1,64})'")


def translated(error: BaseException, seen: UpstreamFailed | None, *, asked: bool) -> UpstreamFailed:
    """What went wrong. `seen` is the failure that came over the wire, if one did; `asked`: a request was sent."""
    if isinstance(error, UpstreamFailed):
        return error
    error = getattr(error, "original_exception", None) or error  # LiteLLM's wrapping of a stream that broke
    names = [kind.__name__ for kind in type(error).__mro__]
    if "ContextWindowExceededError" in names:
        return _refused(
            seen, "The request is longer than the model's context.", code="context_length_exceeded"
        )
    if "ContentPolicyViolationError" in names:
        return _refused(seen, "The provider's content policy refuses the request.", code="content_filter")
    if "UnsupportedParamsError" in names:
        quoted = _QUOTED.search(str(error))
        param = quoted[1] if quoted else None
        message = f"The provider does not support {param or 'a parameter of the request'} for this model."
        return UpstreamFailed(Fault.UNSUPPORTED, message, told=Told(param=param))
    found = next(((fault, message) for name, fault, message in _BY_CLASS if name in names), None)
    if seen is not None:
        return _of_wire(seen, found[0] if found else None)
    if found is None or (asked and found[0] is Fault.REQUEST):  # then it was the answer it stumbled over
        return UpstreamFailed(Fault.BROKEN, "LiteLLM did not understand the provider's answer.")
    fault, message = found
    told = Told(400, message) if fault is Fault.REQUEST else None
    return UpstreamFailed(fault, message, told=told)


def _of_wire(seen: UpstreamFailed, fault: Fault | None) -> UpstreamFailed:
    if seen.fault is not Fault.REQUEST:
        return seen
    if _NO_CREDIT.search(seen.told.message):
        return UpstreamFailed(Fault.CREDITS, seen.message, told=seen.told)
    if fault in _NOT_THE_REQUEST:
        return UpstreamFailed(fault, seen.message, told=seen.told)
    return seen


def _refused(seen: UpstreamFailed | None, message: str, *, code: str) -> UpstreamFailed:
    said = seen.told.message if seen is not None and seen.fault is Fault.REQUEST else ""
    return UpstreamFailed(Fault.REQUEST, message, told=Told(400, said or message, code=code))
