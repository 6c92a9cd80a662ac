"""Reads a file of texts in a process of its own, which can take no more than its limits and is always ended."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import orjson
import structlog

from passerelle.domain.content import Piece
from passerelle.domain.errors import BadRequest, Refused
from passerelle.pipelines.documents.confined import confined
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import COSTLY, DAMAGED, refusal
from passerelle.pipelines.enrichment.desk import Mapped, Read, RowSkipped
from passerelle.pipelines.enrichment.reading import Rules
from passerelle.pipelines.enrichment.tables import piece_of

_log = structlog.get_logger(__name__)

_CHILD = "passerelle.pipelines.enrichment.reading_child"
_LONGEST_LINE = 16 * 1024 * 1024  # bytes: a piece is shorter
_OURS = frozenset({"columns_wrong", "file_unsupported"})
_LIMITS = Limits()


async def read_apart(
    name: str, content: bytes, mapped: Mapped, rules: Rules, limits: Limits = _LIMITS
) -> Read:
    """The pieces that a file holds. Raises Refused where it is none that is read, or costs more than its limits."""
    if not content.strip(b" \t\r\n\f\v\0"):
        raise refusal("document_empty")
    if len(content) > limits.size:
        raise refusal("document_too_large")
    head = {
        "name": name[:1000],
        "mapped": asdict(mapped),
        "rules": asdict(rules),
        "limits": asdict(limits),
    }
    try:
        async with (
            asyncio.timeout(limits.seconds),
            confined(_CHILD, head, content, line=_LONGEST_LINE) as child,
        ):
            return await _heard(child)
    except TimeoutError:
        raise refusal(COSTLY) from None
    except (KeyError, TypeError, ValueError) as error:  # no JSON, not ours, or a line that has no end
        _log.warning("content_reader_failed", error=type(error).__name__)
        raise refusal(DAMAGED) from None


async def _heard(child: asyncio.subprocess.Process) -> Read:
    pieces: list[Piece] = []
    skipped: list[RowSkipped] = []
    columns: dict[str, str] = {}
    while child.stdout is not None and (line := await child.stdout.readline()):
        said: dict[str, Any] = orjson.loads(line)
        if "piece" in said:
            pieces.append(piece_of(said["piece"]))
        elif "skipped" in said:
            skipped.append(RowSkipped(**said["skipped"]))
        elif "columns" in said:
            columns = dict(said["columns"])
        elif "refused" in said:
            raise _refused(str(said["refused"]), str(said["message"]))
        else:
            return Read(tuple(pieces), tuple(skipped), columns)
    raise refusal(COSTLY)  # its limits ended it


def _refused(code: str, message: str) -> Refused:
    """As the child meant it."""
    if code in _OURS:
        return BadRequest(message, code=code, param="columns" if code == "columns_wrong" else "file")
    return refusal(code)
