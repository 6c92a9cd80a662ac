"""Asks a model of the file whether a text is harmful: through the gateway, as a caller of the tenant whose text it is.

So it is bound by that tenant's policy, charged to it and written down like any other call. Two answers are
understood: that of a model for chat which judges, as Llama Guard does (`safe`, or `unsafe` and the categories; Inan
et al., 2023), and the label of a classifier.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from time import monotonic
from typing import Any

import orjson

from passerelle.domain.ask import Ask, Needs, Route, Task
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.gateway.internal import Asking, told

USE = "moderation"
_LONGEST_VERDICT = 30  # tokens
_IS_CATEGORY = re.compile(r"[A-Za-z][A-Za-z0-9_/-]{0,31}").fullmatch
# What classifiers call a text that they have nothing against.
_HARMLESS = frozenset(
    {"safe", "ok", "okay", "clean", "neutral", "benign", "harmless", "normal", "none", "acceptable", "appropriate",
     "non-toxic", "not-toxic", "nontoxic", "non-offensive", "not-offensive", "non-hate", "nothate", "not-hate"}
)  # fmt: skip


class Moderation:
    """Judges texts by models of the configuration in force."""

    def __init__(self, ask: Asking, catalog: Callable[[], Catalog]) -> None:
        self._ask = ask
        self._catalog = catalog

    async def flagged(self, model: str, text: str, *, tenant: str) -> str | None:
        """The category it found, None when it found nothing.

        Raises PasserelleError, of which one is UpstreamFailed where the model's verdict is none that is known.
        """
        asked = self._catalog().models[model]
        classifies = asked.task is Task.CLASSIFY
        body = _question(model, text, classifies=classifies)
        ask = Ask(
            route=Route.CLASSIFY if classifies else Route.CHAT,
            model=model,
            body=body,
            stream=False,
            wants_usage=False,
            request_id="req_" + os.urandom(12).hex(),
            needs=Needs(),
            arrived=monotonic(),
            size=len(text.encode()),
            use=USE,
        )
        said = await told(self._ask, ask, tenant=tenant)
        try:
            reply = orjson.loads(said)
            return _label(reply) if classifies else _judgement(reply)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise UpstreamFailed(Fault.BROKEN, "The moderating model's verdict is not understood.") from error


def _question(model: str, text: str, *, classifies: bool) -> dict[str, Any]:
    if classifies:
        return {"model": model, "input": text}
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": _LONGEST_VERDICT,
        "temperature": 0,
    }


def _judgement(reply: Any) -> str | None:
    """`safe`, or `unsafe` with the categories on the next line."""
    first, _, rest = reply["choices"][0]["message"]["content"].strip().partition("\n")
    verdict = first.strip().lower()
    if verdict == "safe":
        return None
    if verdict != "unsafe":
        raise ValueError("neither safe nor unsafe")
    return _words(rest) or "unsafe"


def _label(reply: Any) -> str | None:
    """The label that a classifier found most likely."""
    label = str(reply["data"][0]["label"])
    if label.upper().startswith("LABEL_"):
        raise ValueError("a label that says nothing")
    return (
        None
        if label.strip().lower().replace("_", "-").replace(" ", "-") in _HARMLESS
        else _words(label) or "flagged"
    )


def _words(text: str) -> str:
    """Categories as words for the record: `S1,S10`. What is none, a sentence of the text say, is left out."""
    return ",".join([word for word in text.strip().split(",")[:8] if _IS_CATEGORY(word)])
