"""`Redactor`: what one tenant has taken out of its requests. Whatever goes wrong, the request is refused.

A request of which nothing had to be taken out is the same as before, and its answer costs nothing more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from passerelle.domain.ask import Ask
from passerelle.domain.errors import PasserelleError, Unavailable
from passerelle.domain.privacy import Datum, Names, Redaction
from passerelle.redaction.body import ALONE, redacted
from passerelle.redaction.presidio import open_names
from passerelle.redaction.restore import Restoration
from passerelle.redaction.vault import Vault, form_of
from passerelle.text.personal import Found
from passerelle.text.personal_reading import joined, read

_log = structlog.get_logger(__name__)

FindNames = Callable[[str], list[Found]]  # of people, in a text of any length

_LONG = 32_768  # bytes; what is longer is read beside the loop, which others need
_SHORTEST_NAME = 3  # characters of a name that is looked for everywhere
_MOST_NAMES = 200  # that are looked for everywhere: a text of nothing but names costs no more than others


@dataclass(frozen=True, slots=True)
class Redacted:
    """A request without personal data. `counts` says how often each kind was replaced; `restore` puts it back."""

    body: dict[str, Any]
    counts: Mapping[str, int]
    restore: Restoration | None

    @property
    def total(self) -> int:
        """How much was replaced."""
        return sum(self.counts.values())


class Redactor:
    """Takes the same kinds out of every request that it is given."""

    def __init__(self, redaction: Redaction, names: FindNames | None = None) -> None:
        """`names` finds people by a model."""
        self._redaction = redaction
        self._kinds = frozenset([str(kind) for kind in redaction.kinds])
        self._names = names if Datum.NAME in redaction.kinds else None

    async def redact(self, ask: Ask) -> Redacted | None:
        """The request without personal data; None where it holds none.

        Raises BadRequest for what cannot be read, and Unavailable where looking fails.
        """
        if self._names is None and ask.size <= _LONG:
            return self._safely(ask)
        return await asyncio.to_thread(self._safely, ask)

    def _safely(self, ask: Ask) -> Redacted | None:
        try:
            return self._redact(ask)
        except PasserelleError:
            raise
        except Exception as error:  # noqa: BLE001 - a text that was not read must not leave, whatever the reason
            _log.error("redaction_failed", request_id=ask.request_id, error=type(error).__name__)
            failure = Unavailable(
                "Personal data could not be looked for in the request.", code="redaction_failed"
            )
        raise failure  # outside, so that nothing of the text hangs on to it

    def _redact(self, ask: Ask) -> Redacted | None:
        vault, body = self._replaced(ask, None)
        if not vault.total:
            return None
        if Datum.NAME in vault.counts and ask.route not in ALONE:
            # Somebody who is introduced once is often named again without.
            known = _anywhere([value for word, value in vault.values.items() if word.startswith("NAME_")])
            if known is not None:
                vault, body = self._replaced(ask, known)
        restores = self._redaction.restore and ask.route not in ALONE
        return Redacted(body, vault.counts, Restoration(vault, ask) if restores else None)

    def _replaced(self, ask: Ask, known: re.Pattern[str] | None) -> tuple[Vault, dict[str, Any]]:
        def find(text: str, said: str) -> list[Found]:
            spans = read(text, self._kinds, known=said)
            if self._names is not None:
                spans = joined([*spans, *self._names(text)])
            named = [text[span.start : span.end] for span in spans if span.kind == Datum.NAME]
            again = [each for each in (known, _anywhere(named)) if each is not None]
            others = [Found(Datum.NAME, *match.span()) for each in again for match in each.finditer(text)]
            return joined([*spans, *others]) if others else spans

        vault = Vault(lambda: form_of(ask.body))
        return vault, redacted(ask.route, ask.body, self._redaction, find=find, vault=vault)


def _anywhere(names: list[str]) -> re.Pattern[str] | None:
    """Where names stand as whole words, the longest first."""
    known = [name for name in dict.fromkeys(names) if len(name) >= _SHORTEST_NAME and not name[0].islower()]
    words = sorted([re.escape(name) for name in known[:_MOST_NAMES]], key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None


class Redactors:
    """The redactor of each tenant, by what it has said. `names` opens the model of names, once it is needed."""

    def __init__(self, names: Callable[[], FindNames] = open_names) -> None:
        self._open = names
        self._opening = asyncio.Lock()
        self._names: FindNames | None = None
        self._made: dict[Redaction, Redactor] = {}

    async def redact(self, redaction: Redaction | None, ask: Ask) -> tuple[Ask, Redacted | None]:
        """The ask as everybody after this sees it, and what was taken out of it; None where that is nothing.

        Raises BadRequest for what cannot be read, and Unavailable where looking fails.
        """
        if redaction is None:
            return ask, None
        redactor = self._made.get(redaction) or await self._make(redaction)
        redacted = await redactor.redact(ask)
        return (ask, None) if redacted is None else (replace(ask, body=redacted.body), redacted)

    async def _make(self, redaction: Redaction) -> Redactor:
        async with self._opening:
            by_model = redaction.names is Names.PRESIDIO and Datum.NAME in redaction.kinds
            if by_model and self._names is None:
                try:
                    self._names = await asyncio.to_thread(
                        self._open
                    )  # seconds, for which nobody else need wait
                except PasserelleError:
                    raise
                except Exception as error:
                    _log.error("names_not_opened", error=type(error).__name__)
                    message = "The model of names could not be loaded."
                    raise Unavailable(message, code="redaction_failed") from error
            made = self._made[redaction] = Redactor(redaction, self._names if by_model else None)
            return made
