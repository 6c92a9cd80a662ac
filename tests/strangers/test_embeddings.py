"""LangChain's own tests of embedding models, over `GatewayEmbeddings` and the packaged model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from passerelle.pipelines.models.embeddings import GatewayEmbeddings
from tests.strangers.conftest import Stand


class _Ours:
    """What both suites are told."""

    stand: Stand

    @pytest.fixture(autouse=True)
    def _stands(self, stand: Stand) -> None:
        self.stand = stand

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return GatewayEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"asker": self.stand.asker, "loop": self.stand.loop, "model": "embeddings"}


class TestUnit(_Ours, EmbeddingsUnitTests):
    """What is known without a call."""


class TestIntegration(_Ours, EmbeddingsIntegrationTests):
    """Calls."""
