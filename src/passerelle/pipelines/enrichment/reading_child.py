"""The process that reads one file of texts: limits first, then the file, then a line of JSON for each piece or row.

A program of its own (`python -I -B -m`); it opens no connection, starts no process and writes no file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from passerelle.domain.content import Piece
from passerelle.domain.errors import Refused
from passerelle.pipelines.documents.child import confine
from passerelle.pipelines.documents.parsed import Limits
from passerelle.pipelines.documents.refusals import COSTLY, DAMAGED, Unreadable
from passerelle.pipelines.enrichment.desk import Mapped, RowSkipped
from passerelle.pipelines.enrichment.reading import Rules, read


def main() -> None:
    """Reads from standard input, answers on standard output."""
    head = json.loads(sys.stdin.buffer.readline())
    limits = Limits(**head["limits"])
    confine(limits)
    for line in _lines(head, sys.stdin.buffer.read(limits.size + 1), limits):
        sys.stdout.buffer.write(line + b"\n")


def _lines(head: dict[str, Any], content: bytes, limits: Limits) -> Iterator[bytes]:
    mapped = Mapped(**{**head["mapped"], "beside": tuple(head["mapped"]["beside"])})
    try:
        for each in read(head["name"], content, mapped, Rules(**head["rules"]), limits):
            word = (
                "piece"
                if isinstance(each, Piece)
                else "skipped"
                if isinstance(each, RowSkipped)
                else "columns"
            )
            yield orjson.dumps({word: each})
        yield b'{"end":true}'
    except Refused as refused:
        yield orjson.dumps({"refused": refused.code, "message": refused.message})
    except Unreadable as refused:
        yield orjson.dumps({"refused": refused.code, "message": ""})
    except (MemoryError, RecursionError):
        yield orjson.dumps({"refused": COSTLY, "message": ""})
    except Exception:  # noqa: BLE001 - what a hostile file makes a library raise is not known beforehand
        yield orjson.dumps({"refused": DAMAGED, "message": ""})


if __name__ == "__main__":
    main()
