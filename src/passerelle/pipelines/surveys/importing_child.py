"""The process that reads one file of answers: limits first, then the file, then a line of JSON for each row's outcome.

A program of its own (`python -I -B -m`); it opens no connection, starts no process and writes no file.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from passerelle.domain.errors import Refused
from passerelle.pipelines.documents.child import confine
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import COSTLY
from passerelle.pipelines.surveys.importing import Reading, Rules, open_survey
from passerelle.pipelines.surveys.importing_wire import columns_from

_AT_ONCE = 256 * 1024  # bytes


def main() -> None:
    """Reads from standard input, answers on standard output."""
    head = json.loads(sys.stdin.buffer.readline())
    said = head["rules"]
    limits = Limits(**said.pop("document"))
    confine(limits)
    key = base64.b64decode(said.pop("key"))
    rules = Rules(**{**said, "languages": tuple(said["languages"])}, key=key, document=limits)
    buffered = bytearray()
    for line in _lines(sys.stdin.buffer.read(limits.size + 1), head["columns"], rules):
        buffered += line + b"\n"
        if len(buffered) > _AT_ONCE:
            sys.stdout.buffer.write(buffered)
            buffered.clear()
    sys.stdout.buffer.write(buffered)


def _lines(content: bytes, columns: dict[str, Any] | None, rules: Rules) -> Iterator[bytes]:
    """The proposal alone without columns; with them every answer and trouble, and the tally at the end."""
    try:
        if columns is None:
            yield orjson.dumps({"opened": open_survey(content, rules)})
            return
        reading = Reading(content, columns_from(columns), rules)
        for item in reading:
            yield orjson.dumps({type(item).__name__: item})
        yield orjson.dumps({"Tally": reading.tally}, option=orjson.OPT_NON_STR_KEYS)
    except Refused as refused:
        yield orjson.dumps({"refused": refused.code, "message": refused.message})
    except (MemoryError, RecursionError):
        yield orjson.dumps({"refused": COSTLY, "message": ""})


if __name__ == "__main__":
    main()
