"""`CorrectionSelector`: a tenant's corrections as LangChain's example selector. Imports LangChain: imported late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from typing_extensions import override

from passerelle.domain.surveys import Codebook, Correction
from passerelle.pipelines.models.threads import running, wait_for
from passerelle.pipelines.surveys.memory import Embed, Memory


@dataclass(frozen=True)
class CorrectionSelector(BaseExampleSelector):
    """Examples for a comment (`text`, and `language` if it is known), as dictionaries for a prompt template.

    It reads at one revision, whatever is corrected meanwhile. Methods that wait are for other threads than the event loop's.
    """

    memory: Memory
    tenant: str
    codebook: Codebook
    revision: int
    k: int = 8
    embed: Embed | None = None
    loop: asyncio.AbstractEventLoop | None = field(default_factory=running)

    @override
    async def aselect_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """Raises Unavailable where the index cannot be asked."""
        found = await self.memory.examples(
            self.tenant,
            self.codebook,
            input_variables["text"],
            input_variables.get("language", self.codebook.language),
            revision=self.revision,
            k=self.k,
            embed=self.embed,
        )
        return [as_example(one) for one in found]

    @override
    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """Raises RuntimeError in the thread of the event loop."""
        return wait_for(self.aselect_examples(input_variables), self.loop)

    @override
    def add_example(self, example: dict[str, str]) -> Any:
        """Raises NotImplementedError: people correct comments, prompts do not."""
        raise NotImplementedError("Corrections are made by people, at /v1/surveys.")


def as_example(correction: Correction) -> dict[str, Any]:
    """What a prompt can say of it. `categories` None: nothing is known of them; empty: none fits."""
    return {
        "text": correction.text,
        "language": correction.language,
        "categories": None if correction.right is None else list(correction.right),
        "wrong": list(correction.wrong),
        "polarity": correction.right_polarity,
        "wrong_polarity": correction.wrong_polarity,
    }
