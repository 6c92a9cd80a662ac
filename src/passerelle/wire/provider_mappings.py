"""Which Inference Providers serve a model of the Hub, under which id, for which task; through `huggingface_hub`.

The library keeps such answers for ever and asks synchronously, so that a provider that was dropped stays in use
and the first question stops every stream: here a question runs in a thread, once for all who wait for its answer,
and the answer is kept for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.blocking import Blocking

_FRESH = 3600.0  # seconds an answer is believed
_REST = 30.0  # seconds between two questions that a failure gives rise to
_MOMENT = 1.0  # seconds after a failure that may pass in which all are told of it
_SURE = frozenset({Fault.MODEL, Fault.CREDENTIALS})  # the Hub answered
_SECONDS = 15.0  # for one question
_LATE = "The Hub did not answer within the limit."


@dataclass(frozen=True, slots=True)
class Serving:
    """One provider that serves a model: its own id of it, the Hub's name of the task, `live` or not."""

    provider: str
    model: str
    task: str
    live: bool


class ProviderMappings:
    """Answers for one token; None asks as nobody in particular, which is enough for public models."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._known: dict[str, tuple[float, tuple[Serving, ...]]] = {}
        self._failed: dict[str, tuple[float, UpstreamFailed]] = {}
        self._forgot: dict[str, float] = {}
        self._threads = Blocking(seconds=_SECONDS, late=_LATE)

    async def of(self, model: str) -> tuple[Serving, ...]:
        """Who serves this model, in the Hub's order; empty when nobody does. Raises UpstreamFailed."""
        known = self._known.get(model)
        if known is not None and monotonic() - known[0] < _FRESH:
            return known[1]
        at, failure = self._failed.get(model, (float("-inf"), None))
        lasting = failure is not None and (known is not None or failure.fault in _SURE)
        if failure is None or monotonic() - at >= (_REST if lasting else _MOMENT):
            try:
                found = await self._threads.call(model, lambda: self._in_thread(model))
            except UpstreamFailed as now:
                failure = now
                self._failed[model] = (monotonic(), now)
            else:
                self._known[model] = (monotonic(), found)
                self._failed.pop(model, None)
                return found
        if known is not None and failure.fault not in _SURE:
            return known[1]  # the Hub is away; the providers need not be
        raise UpstreamFailed(failure.fault, failure.message, told=failure.told)

    def forget(self, model: str) -> None:
        """Ask again next time, unless that was done a moment ago: a provider said that it does not serve it."""
        if monotonic() - self._forgot.get(model, float("-inf")) >= _REST:
            self._forgot[model] = monotonic()
            self._known.pop(model, None)

    def _in_thread(self, model: str) -> tuple[Serving, ...]:
        import httpx2  # noqa: PLC0415 - the library's own client
        from huggingface_hub import HfApi  # noqa: PLC0415 - a second, and only where it is needed
        from huggingface_hub.errors import (  # noqa: PLC0415
            HfHubHTTPError,
            HFValidationError,
            RepositoryNotFoundError,
        )

        try:
            # False, not None: the token of whoever logged in on this machine is not ours to send.
            api = HfApi(token=self._token or False, library_name="passerelle")
            info = api.model_info(model, expand=["inferenceProviderMapping"], timeout=_SECONDS)
            return _servings(info.inference_provider_mapping or ())
        except RepositoryNotFoundError as error:  # missing or private: 401 or 404 there, whoever asks
            seen = "that the token may see" if self._token else "that is public"
            message = f"The Hub has no model {model} {seen}."
            raise _refused(Fault.MODEL, message, error) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403):
                message = f"The Hub refuses the token ({status})."
                raise _refused(Fault.CREDENTIALS, message, error) from error
            message = f"The Hub answered {status} about the model {model}."
            raise _refused(Fault.MODEL if status == 404 else Fault.SERVER, message, error) from error
        except httpx2.TimeoutException as error:
            raise UpstreamFailed(Fault.TIMEOUT_CONNECT, _LATE) from error
        except (httpx2.HTTPError, OSError) as error:
            raise UpstreamFailed(Fault.CONNECT, "The Hub cannot be reached.") from error
        except HFValidationError as error:
            raise UpstreamFailed(Fault.MODEL, f"{model!r} cannot be the id of a model of the Hub.") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"What the Hub said of the model {model} was not understood."
            raise UpstreamFailed(Fault.BROKEN, message) from error


def _servings(mappings: Sequence[Any]) -> tuple[Serving, ...]:
    """What is whole of the Hub's answer."""
    return tuple(
        Serving(mapping.provider, mapping.provider_id, mapping.task, mapping.status == "live")
        for mapping in mappings
        if all(isinstance(said, str) for said in (mapping.provider, mapping.provider_id, mapping.task))
    )


def _refused(fault: Fault, message: str, error: Any) -> UpstreamFailed:
    return UpstreamFailed(fault, message, told=Told(status=error.response.status_code))
