"""Reads a file of answers in a process of its own, which can take no more than its limits and is always ended.

Answers arrive one by one while the file is read, so neither process holds them all, and the event loop is never kept.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any

import orjson
import structlog

from passerelle.domain.errors import BadRequest, Refused, TooLarge
from passerelle.domain.survey_data import Answer, Columns, RowTrouble, Tally
from passerelle.pipelines.documents.confined import confined
from passerelle.pipelines.documents.refusals import COSTLY, DAMAGED, refusal
from passerelle.pipelines.surveys.importing import Opened, Rules
from passerelle.pipelines.surveys.importing_wire import answer_from, opened_from, tally_from, trouble_from

_log = structlog.get_logger(__name__)

_CHILD = "passerelle.pipelines.surveys.importing_child"
_LONGEST_LINE = 8 * 1024 * 1024  # bytes: an answer is shorter
_RULES = Rules()


async def opened_apart(content: bytes, rules: Rules = _RULES) -> Opened:
    """What each column seems to be. Raises Refused where the file is no table, or costs more than its limits."""
    async with contextlib.aclosing(_said(content, None, rules)) as lines:
        async for said in lines:
            if "opened" in said:
                return opened_from(said["opened"])
    raise refusal(DAMAGED)


async def read_apart(
    content: bytes, columns: Columns, rules: Rules = _RULES
) -> AsyncGenerator[Answer | RowTrouble | Tally, None]:
    """Every answer and trouble in the file's order, the tally last. Close it (`aclosing`) where you stop early.

    Raises Refused where the file is no table, or costs more than its limits: what came before is then not all.
    """
    async with contextlib.aclosing(_said(content, columns, rules)) as lines:
        async for said in lines:
            if "Answer" in said:
                yield answer_from(said["Answer"])
            elif "RowTrouble" in said:
                yield trouble_from(said["RowTrouble"])
            elif "Tally" in said:
                yield tally_from(said["Tally"])
                return
    raise refusal(COSTLY)


async def _said(
    content: bytes, columns: Columns | None, rules: Rules
) -> AsyncGenerator[dict[str, Any], None]:
    head = {
        "columns": None if columns is None else asdict(columns),
        "rules": {**asdict(rules), "key": base64.b64encode(rules.key).decode()},
    }
    try:
        async with confined(_CHILD, head, content, line=_LONGEST_LINE) as child:
            while child.stdout is not None and (line := await child.stdout.readline()):
                said = orjson.loads(line)
                if "refused" in said:
                    raise _refused(str(said["refused"]), str(said["message"]))
                yield said
            if await child.wait():
                raise refusal(COSTLY)  # its limits ended it
    except ValueError as error:  # no JSON, or a line that has no end
        _log.warning("survey_reader_failed", error=type(error).__name__)
        raise refusal(DAMAGED) from None


def _refused(code: str, message: str) -> Refused:
    """As the child meant it."""
    if code == "survey_columns_wrong":
        return BadRequest(message, code=code, param="columns")
    found = refusal(code)
    if code == COSTLY:
        return TooLarge(found.message, code=found.code, param="file")
    return type(found)(message, code=found.code, param="file") if message else found
