"""What a built folder says of itself, `manifest.json`: what it was made from, the hash of every file, its history.

Hashes leave out what people wrote between `<!-- keep:begin id -->` and `<!-- keep:end -->`: that is theirs to change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Final

import orjson

from passerelle.domain.errors import CannotRun

NAME: Final = "manifest.json"
SCHEMA: Final = 1
_BLOCK: Final = re.compile(
    r"^<!-- keep:begin ([a-z0-9-]+) -->\n(.*?)^<!-- keep:end -->$", re.DOTALL | re.MULTILINE
)
_MARK: Final = re.compile(r"<!-- *keep:(?:begin|end)")


def digest(text: str) -> str:
    """SHA-256 of a document, without what people wrote in its kept blocks."""
    return hashlib.sha256(_BLOCK.sub(r"<!-- keep:begin \1 -->\n<!-- keep:end -->", text).encode()).hexdigest()


def kept(text: str, *, file: str) -> dict[str, str]:
    """What people wrote, by block. Raises CannotRun where a block is not whole: a rebuild would lose it."""
    found = {match[1]: match[2] for match in _BLOCK.finditer(text)}
    whole = sum(1 for _ in _BLOCK.finditer(text))
    if len(_MARK.findall(text)) != 2 * whole or len(found) != whole:
        cure = (
            "Put `<!-- keep:begin id -->` and `<!-- keep:end -->` each on a line of its own, every id once."
        )
        raise CannotRun(f"{file}: a kept block has no beginning, no end, or the name of another.", cure)
    return found


def with_kept(text: str, blocks: Mapping[str, str]) -> str:
    """The document with what people wrote in it. A block that its template has no more stays, at the end."""
    there: set[str] = set()

    def put(match: re.Match[str]) -> str:
        there.add(match[1])
        body = blocks.get(match[1], match[2])
        return f"<!-- keep:begin {match[1]} -->\n{body}<!-- keep:end -->"

    text = _BLOCK.sub(put, text)
    for name in sorted(blocks.keys() - there):
        text += f"\n<!-- keep:begin {name} -->\n{blocks[name]}<!-- keep:end -->\n"
    return text


def read_manifest(folder: Path) -> Mapping[str, Any] | None:
    """The manifest of a built folder; None where it was never built. Raises CannotRun for one that is broken."""
    file = folder / NAME
    if not file.is_file():
        return None
    cure = "Put it back from your version control; without it the history of sub-processors is lost."
    try:
        said = orjson.loads(file.read_bytes())
        date.fromisoformat(said["date"])
        whole = (
            isinstance(said["files"], dict)
            and isinstance(said["annex"], dict)
            and isinstance(said["changes"], list)
        )
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole or said.get("schema") != SCHEMA:
        raise CannotRun(f"{file} is not a manifest of this program.", cure)
    return dict(said)


def written(manifest: Mapping[str, Any]) -> str:
    """The manifest as it is kept: sorted, so that the same content is the same bytes."""
    return orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode() + "\n"


def fingerprint(value: Any) -> str:
    """SHA-256 of a value of ours. Where it stood in a file is no part of it: a comment moves lines."""
    return hashlib.sha256(orjson.dumps(plain(value), option=orjson.OPT_SORT_KEYS)).hexdigest()


def plain(value: Any) -> Any:
    """What JSON can say of a value: sets in order, places left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value) if each.name != "place"}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((plain(each) for each in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(each) for each in value]
    return value
