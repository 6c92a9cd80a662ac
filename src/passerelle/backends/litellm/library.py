"""The LiteLLM SDK, imported once in a thread and kept quiet: it fetches, logs, caches, retries and counts nothing.

Its import takes 4 to 9 seconds and 150 MB, and goes to the network and to a `.env` file unless the environment says
otherwise before. Every name of it that this kind uses is in this file and in `engine.py`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

from pydantic import BaseModel

from passerelle.wire.exchange import Exchange, httpx_client

# Read by LiteLLM when it is imported, and nowhere else.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else prices are fetched from GitHub
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # else fetched from GitHub
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",  # else a .env file is read into the environment
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # it fetches no URL that a caller wrote
}
# LiteLLM's loggers write prompts and answers, and those of what it is made of do at their lowest level.
_LOGGERS = {
    **dict.fromkeys(("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"), logging.CRITICAL + 1),
    **dict.fromkeys(("openai", "httpx", "httpcore", "boto3", "botocore"), logging.WARNING),
}
_SETTINGS: Mapping[str, Any] = {
    "suppress_debug_info": True,
    "telemetry": False,
    "turn_off_message_logging": True,
    "redact_messages_in_exceptions": True,
    "log_raw_request_response": False,
    "drop_params": False,  # what is left out is ours to say
    "modify_params": False,
    "num_retries": None,  # trying again is the gateway's
    "model_fallbacks": None,
    "cache": None,
    "disable_token_counter": True,  # tokens are what the provider says, never an estimate
    "disable_hf_tokenizer_download": True,
    "disable_streaming_logging": True,
    "disable_aiohttp_trust_env": True,
    "aiohttp_trust_env": False,
    "REPEATED_STREAMING_CHUNK_LIMIT": 1 << 30,  # a text may repeat itself
}
_CALLBACKS = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "service_callback",
    "_async_input_callback",
    "_async_success_callback",
    "_async_failure_callback",
)

# What LiteLLM tells an observer of its calls, awaited and not.
_LATER = (
    "async_success_handler",
    "async_failure_handler",
    "dispatch_success_handlers",
    "dispatch_failure_handlers",
)
_NOW = (
    "success_handler",
    "failure_handler",
    "handle_sync_success_callbacks_for_async_calls",
    "pre_call",
    "post_call",
)

# The call under way in this task, for the clients that LiteLLM takes from its own store.
_UNDER_WAY: ContextVar[Exchange | None] = ContextVar("litellm_exchange", default=None)


@dataclass(frozen=True, slots=True)
class Library:
    """LiteLLM as this kind uses it. `module` is the package; the classes are ours, made on its own."""

    module: Any
    client: type[Any]
    silence: type[Any]

    def over(self, exchange: Exchange, *, model: str, access: Mapping[str, Any]) -> Any:
        """A client as LiteLLM takes one for this model, whose requests go the way of this exchange."""
        _UNDER_WAY.set(exchange)  # of the task that serves this one call
        client = httpx_client(exchange)
        if model.startswith("azure/"):
            return self._azure(client, access)
        return self.client(client, lambda: self._openais(client, model, access))

    def _openais(self, client: Any, model: str, access: Mapping[str, Any]) -> Any:
        """OpenAI's own client, through which LiteLLM asks most who speak OpenAI's API."""
        import openai  # noqa: PLC0415 - LiteLLM brings it

        _, _, key, base = self.module.get_llm_provider(
            model=model, api_base=access.get("api_base"), api_key=access.get("api_key")
        )
        return openai.AsyncOpenAI(api_key=key, base_url=base, http_client=client, max_retries=0)

    def _azure(self, client: Any, access: Mapping[str, Any]) -> Any:
        import openai  # noqa: PLC0415 - LiteLLM brings it

        return openai.AsyncAzureOpenAI(
            azure_endpoint=access["api_base"],
            api_version=access["api_version"],
            api_key=access["api_key"],
            http_client=client,
            max_retries=0,
        )

    def unheard(self, *, model: str, stream: bool, call: str, request_id: str) -> Any:
        """An observer of one call that is told nothing and tells nobody."""
        observer = self.silence(
            model=model,
            messages=[],
            stream=stream,
            call_type=call,
            start_time=datetime.now(),  # noqa: DTZ005 - LiteLLM's own are naive
            litellm_call_id=request_id,
            function_id=request_id,
            kwargs={},
        )
        observer.stream_options = {"include_usage": True} if stream else None  # this is where a stream looks
        return observer

    def knows(self, provider: str) -> bool:
        """Whether LiteLLM has a provider of that name."""
        return provider in {str(getattr(known, "value", known)) for known in self.module.provider_list}

    def version(self) -> str:
        """Of the package that is installed."""
        return metadata.version("litellm")

    def takes(self, provider: str, model: str) -> frozenset[str] | None:
        """OpenAI's parameters that this model takes there, None where LiteLLM does not say."""
        names = self.module.get_supported_openai_params(model=model, custom_llm_provider=provider)
        return None if names is None else frozenset(names)

    def entries(self, provider: str, models: Iterable[str]) -> dict[str, Mapping[str, Any] | None]:
        """What the bundled table of models says of each; None where it says nothing."""
        found: dict[str, Mapping[str, Any] | None] = {}
        for model in models:
            try:
                found[model] = self.module.get_model_info(model, custom_llm_provider=provider)
            except Exception:  # noqa: BLE001 - it raises a bare Exception for a model it does not know
                found[model] = None
        return found


def load() -> Library:
    """Import LiteLLM, which takes seconds. Raises ImportError where it is not installed."""
    os.environ.update(_ENVIRONMENT)
    _hush()
    import litellm  # noqa: PLC0415 - seconds, for this kind alone
    from litellm.litellm_core_utils.litellm_logging import Logging  # noqa: PLC0415
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler  # noqa: PLC0415
    from litellm.types import utils as types  # noqa: PLC0415

    client = _client(AsyncHTTPHandler)
    for name, value in {**_SETTINGS, "in_memory_llm_clients_cache": _Clients(client)}.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, [])
    _hush()  # it sets levels and handlers of its own
    _complete(vars(types).values())
    return Library(litellm, client, _silence(Logging))


def _hush() -> None:
    for name, level in _LOGGERS.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.handlers.clear()


def _complete(values: Iterable[object]) -> None:
    """Build the types of replies now rather than at the first reply; pydantic remarks on some of their fields."""
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    for value in values:
        if (
            isinstance(value, type)
            and issubclass(value, BaseModel)
            and value.__module__ == "litellm.types.utils"
        ):
            value.model_rebuild(raise_errors=False)


def _client(handler: type[Any]) -> type[Any]:
    class Client(handler):  # type: ignore[misc]
        """A client that is given: LiteLLM's own would make another pool of connections when one breaks."""

        def __init__(self, client: Any, openais: Callable[[], Any]) -> None:
            self.timeout = None
            self.event_hooks = None
            self.client = client
            self._openais = openais

        def post(self, url: str, *given: Any, **named: Any) -> Any:
            """Both kinds of client have one; OpenAI's is told what to make of the reply."""
            post = self._theirs().post if "cast_to" in named else super().post
            return post(url, *given, **named)

        def __getattr__(self, name: str) -> Any:
            """What is asked of OpenAI's client and not of LiteLLM's."""
            if name.startswith("_") and name != "_base_url":
                raise AttributeError(name)
            return getattr(self._theirs(), name)

        def _theirs(self) -> Any:
            client = self._openais()
            self._openais = lambda: client
            return client

    return Client


class _Clients:
    """LiteLLM's store of clients: it holds none, and gives one for the call under way."""

    def __init__(self, client: type[Any]) -> None:
        self._client = client

    def get_cache(self, key: str, **_: Any) -> Any:
        """An asynchronous client; LiteLLM makes the others itself."""
        exchange = _UNDER_WAY.get()
        if exchange is None or not key.startswith("async_httpx_client"):
            return None
        return self._client(httpx_client(exchange), _none)

    def set_cache(self, key: str, value: Any, **_: Any) -> None:
        """Nothing is kept: what LiteLLM makes for one call is for that call."""


def _none() -> Any:
    raise AttributeError


def _silence(observer: type[Any]) -> type[Any]:
    async def nothing(*_: Any, **__: Any) -> None:
        """Told to nobody."""

    def quiet(*_: Any, **__: Any) -> None:
        """Told to nobody."""

    def never(*_: Any, **__: Any) -> bool:
        return False

    quieted: dict[str, Any] = dict.fromkeys(_LATER, nothing) | dict.fromkeys(_NOW, quiet)
    return type("Silence", (observer,), {**quieted, "claim_async_success_log": never})
