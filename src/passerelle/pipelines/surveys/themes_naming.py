"""Names for themes by a language model: each from its keywords and some quotes, held to the form of a heading.

Imported late: LangChain takes its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage

from passerelle.domain.errors import PasserelleError
from passerelle.pipelines.models.asker import Asker
from passerelle.pipelines.models.chat import GatewayChat
from passerelle.pipelines.models.structured import structured
from passerelle.pipelines.models.untraced import untraced
from passerelle.pipelines.surveys.asking_prompts import fence, language_for, prompt

LONGEST_NAME = 80  # characters
_SHOWN = 5  # quotes
_LONGEST_QUOTE = 300
_AT_ONCE = 4
_TOKENS = 200
_LANGUAGES = {"fr": ("français", "French"), "en": ("anglais", "English")}
_SCHEMA = {
    "title": "theme",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


async def named(
    asker: Asker,
    model: str,
    themes: Sequence[tuple[Sequence[str], Sequence[str]]],
    *,
    language: str,
    mark: str,
    packaged: Callable[[str], bool],
) -> list[str | None]:
    """A name for each theme of keywords and quotes; None where no language model gave one of use.

    `packaged`: is a backend the packaged engine, which makes no names?
    """
    spoken = language_for(language)
    in_french, in_english = _LANGUAGES.get(language[:2], (language, language))
    system = SystemMessage(
        prompt("theme", spoken, mark=mark, spoken=in_french if spoken == "fr" else in_english)
    )
    asking = structured(_SCHEMA, GatewayChat(asker=asker, model=model, temperature=0, max_tokens=_TOKENS))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(keywords: Sequence[str], quotes: Sequence[str]) -> str | None:
        shown = "\n\n".join(fence(quote[:_LONGEST_QUOTE], mark) for quote in quotes[:_SHOWN])
        question = HumanMessage(f"{fence(', '.join(keywords), mark)}\n\n{shown}")
        try:
            async with gate:
                with untraced():
                    said = await asking.ainvoke([system, question])
        except PasserelleError:
            return None  # its keywords name it
        if packaged(str(said.turns[-1].response_metadata.get("backend", ""))):
            return None
        return _heading(said.value)

    return list(await asyncio.gather(*(one(keywords, quotes) for keywords, quotes in themes)))


def _heading(said: Any) -> str | None:
    """One line without marks around it; None where there is nothing left, or far too much."""
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str):
        return None
    line = " ".join(name.split()).strip(" .\"'«»“”*#-–—:;,")
    return line if any(sign.isalpha() for sign in line) and len(line) <= LONGEST_NAME else None
