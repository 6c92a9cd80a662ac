"""LangChain's own tests of chat models, over `GatewayChat`: on an engine that does what it is asked, and on the builtin one.

What is told apart by a property there is told by a property here; what cannot pass is marked, with its reason.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from typing_extensions import override

from passerelle.pipelines.models.chat import GatewayChat
from tests.strangers.conftest import Stand

_PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)  # in place of one that their tests fetch from the Internet
_CANNOT = {
    "test_structured_output_pydantic_2_v1": "a schema is a model of pydantic 2, a TypedDict or a JSON Schema",
}


class _Ours:
    """What both suites are told."""

    stand: Stand
    name = "assistant"

    @pytest.fixture(autouse=True)
    def _stands(self, request: pytest.FixtureRequest, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stand = stand
        monkeypatch.setattr(httpx, "get", lambda *_, **__: SimpleNamespace(content=_PICTURE))
        if (reason := _CANNOT.get(request.function.__name__)) is not None and self.has_structured_output:  # type: ignore[attr-defined]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return GatewayChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"asker": self.stand.asker, "loop": self.stand.loop, "model": self.name}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """Without `api_key`, `timeout` and `max_retries`: keys are callers, the rest is the gateway's and its file's."""
        return {"temperature": 0, "max_tokens": 100, "stop": []}


class TestUnit(_Ours, ChatModelUnitTests):
    """What is known without a call."""


class TestIntegration(_Ours, ChatModelIntegrationTests):
    """Calls, over an engine that does what it is asked."""

    @property
    @override
    def supports_json_mode(self) -> bool:
        return True  # every answer is held to its schema, whatever the mode is called

    # PDFs and audio are left out: no capability of a target says that it reads them, so that none is chosen by it.
    @property
    @override
    def supports_image_inputs(self) -> bool:
        return True

    @property
    @override
    def supports_image_urls(self) -> bool:
        return True

    @property
    @override
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    @override
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    @override
    def model_override_value(self) -> str:
        return "extractive"


class TestBuiltin(_Ours, ChatModelIntegrationTests):
    """The engine without a model, which quotes: it calls no tools and fills in no schema."""

    name = "extractive"

    @property
    @override
    def has_tool_calling(self) -> bool:
        return False

    @property
    @override
    def has_structured_output(self) -> bool:
        return False

    @property
    @override
    def model_override_value(self) -> str:
        return "assistant"
