"""The control plane of Hugging Face Inference Endpoints, through `huggingface_hub`.

Its client is synchronous and waits for ever, so every call runs in a thread and with a limit. The namespace is always given: without it the library
asks who the token belongs to first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import urlsplit

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.blocking import Blocking

_SECONDS = 15.0  # for one call
_LATE = "Hugging Face's control plane did not answer within the limit."
_CONTROL = "https://api.endpoints.huggingface.cloud/v2"
_T = TypeVar("_T")


def endpoint_hosts() -> frozenset[str]:
    """Where endpoints are: below the domain of their control plane, as the library has it where that was imported."""
    constants = sys.modules.get("huggingface_hub.constants")
    address = str(getattr(constants, "INFERENCE_ENDPOINTS_ENDPOINT", _CONTROL))
    host = urlsplit(address).hostname or ""
    return frozenset({host, f"*.{host.removeprefix('api.')}"})


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one replica runs on."""

    vendor: str
    region: str
    accelerator: str
    instance_type: str
    instance_size: str

    def __str__(self) -> str:
        return f"{self.vendor} {self.region}, {self.instance_type} {self.instance_size}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the control plane tells of it. `state` is the API's own word, such as `scaledToZero`."""

    state: str
    url: str | None
    health_route: str
    repository: str
    engine: str  # the API's name of the container image's variant, such as `vLLM`
    hardware: Hardware
    min_replica: int
    max_replica: int
    ready: int | None = None  # replicas
    idle_minutes: int | None = None  # after which it scales to zero; None: never
    message: str = ""
    revision: str | None = None  # of the model's files


class EndpointControl:
    """One endpoint at the control plane. Every method raises UpstreamFailed."""

    def __init__(self, namespace: str, name: str, *, token: str) -> None:
        self._namespace = namespace
        self._name = name
        self._token = token
        self._threads = Blocking(seconds=_SECONDS, late=_LATE)

    async def find(self) -> Endpoint:
        """Its state now; whoever asks at the same time hears the same answer."""
        return await self._call(
            "find", lambda api, of: _endpoint(api.get_inference_endpoint(self._name, **of).raw)
        )

    async def resume(self) -> Endpoint:
        """Start it after somebody paused it."""
        return await self._call(
            "resume", lambda api, of: _endpoint(api.resume_inference_endpoint(self._name, **of).raw)
        )

    async def price(self, hardware: Hardware) -> Decimal | None:
        """USD for an hour of one replica on this hardware; None when the list does not hold it."""
        return await self._call(
            hardware, lambda api, of: _price(api.list_inference_endpoints_hardware(**of), hardware)
        )

    async def _call(self, key: Hashable, call: Callable[[Any, dict[str, str]], _T]) -> _T:
        return await self._threads.call(key, lambda: self._in_thread(call))

    def _in_thread(self, call: Callable[[Any, dict[str, str]], _T]) -> _T:
        import httpx2  # noqa: PLC0415 - the library's own client
        from huggingface_hub import HfApi, get_session  # noqa: PLC0415 - a second, and only where it is needed
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

        # It has none, and these calls take none: a thread would wait for ever.
        get_session().timeout = _SECONDS
        api = HfApi(token=self._token, library_name="passerelle")
        try:
            return call(api, {"namespace": self._namespace, "token": self._token})
        except HfHubHTTPError as error:
            raise self._refused(error.response.status_code) from error
        except httpx2.TimeoutException as error:
            raise UpstreamFailed(Fault.TIMEOUT_CONNECT, _LATE) from error
        except (httpx2.HTTPError, OSError) as error:
            message = "Hugging Face's control plane cannot be reached."
            raise UpstreamFailed(Fault.CONNECT, message) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = "What Hugging Face's control plane said of the endpoint was not understood."
            raise UpstreamFailed(Fault.BROKEN, message) from error

    def _refused(self, status: int) -> UpstreamFailed:
        whole = f"{self._namespace}/{self._name}"
        fault, message = {
            401: (Fault.CREDENTIALS, "Hugging Face does not know the token."),
            403: (Fault.CREDENTIALS, f"The token may not see the endpoint {whole}."),
            404: (Fault.MODEL, f"There is no endpoint {whole} that the token may see."),
        }.get(status, (Fault.SERVER, f"Hugging Face's control plane answered {status}."))
        return UpstreamFailed(fault, message, told=Told(status=status))


def _price(listed: Iterable[Any], hardware: Hardware) -> Decimal | None:
    for offer in listed:
        place = Hardware(
            vendor=offer.vendor,
            region=offer.region,
            accelerator=offer.accelerator,
            instance_type=offer.instance_type,
            instance_size=offer.instance_size,
        )
        if place == hardware:
            try:
                amount = Decimal(str(offer.price_per_hour))
            except InvalidOperation:
                return None
            return amount if amount.is_finite() and amount >= 0 else None
    return None


def _endpoint(raw: Mapping[str, Any]) -> Endpoint:
    """The API's document as a value; what is not always there, or is not understood, is optional."""
    compute, provider, status = raw["compute"], raw["provider"], raw["status"]
    scaling = compute.get("scaling") or {}
    image = raw["model"].get("image")
    url, state = status.get("url"), status["state"]
    if not isinstance(state, str):
        raise TypeError("a state is a word")
    if not (isinstance(url, str) and url.startswith(("https://", "http://"))):
        url = None
    return Endpoint(
        state=state,
        url=url.rstrip("/") if url else None,
        # Below the address in any case: what follows a host without a slash would be another host.
        health_route="/" + str(raw.get("healthRoute") or "health").lstrip("/"),
        repository=str(raw["model"].get("repository") or "unknown"),
        engine=str(next(iter(image), "")) if isinstance(image, dict) else "",
        hardware=Hardware(
            vendor=str(provider["vendor"]),
            region=str(provider["region"]),
            accelerator=str(compute.get("accelerator") or ""),
            instance_type=str(compute.get("instanceType") or ""),
            instance_size=str(compute.get("instanceSize") or ""),
        ),
        min_replica=_count(scaling.get("minReplica", 1), 0),
        max_replica=_count(scaling.get("maxReplica"), 1),
        ready=_count(status.get("readyReplica"), None),
        idle_minutes=_count(scaling.get("scaleToZeroTimeout"), None),
        message=str(status.get("message") or "")[:200],
        revision=str(raw["model"].get("revision") or "")[:100] or None,
    )


_Default = TypeVar("_Default", int, None)


def _count(value: Any, default: _Default) -> int | _Default:
    """A whole number, or the default for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
