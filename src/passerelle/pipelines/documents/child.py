"""The process that reads one document: limits first, then the document, then one answer in JSON, then the end.

A program of its own (`python -I -B -m`); it opens no connection, starts no process and writes no file.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from pathlib import PurePosixPath
from typing import Any

from passerelle.pipelines.documents.kinds import Found, find
from passerelle.pipelines.documents.parsed import Kind, Limits, Notice
from passerelle.pipelines.documents.refusals import COSTLY, DAMAGED, Unreadable
from passerelle.pipelines.documents.writing import Writer, line
from passerelle.text.words import language_of

_ENDINGS = {
    ".pdf": Kind.PDF, ".docx": Kind.DOCX, ".pptx": Kind.PPTX, ".htm": Kind.HTML, ".html": Kind.HTML,
}  # fmt: skip
_FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.putenv", "os.remove", "os.rename", "os.chmod",
    "shutil.", "ftplib.", "http.client.connect", "urllib.Request", "webbrowser.open",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LONGEST_TITLE = 300  # characters
_ENOUGH = 10_000  # characters that tell a language
_SPARE_SECONDS = 2.0


def main() -> None:
    """Reads from standard input, answers on standard output."""
    head = json.loads(sys.stdin.buffer.readline())
    limits = Limits(**head["limits"])
    confine(limits)
    try:
        said = _written(
            answer(sys.stdin.buffer.read(limits.size + 1), head["name"], head["declared"], limits)
        )
    except MemoryError:
        said = _written({"refused": COSTLY})
    sys.stdout.buffer.write(said)


def _written(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def answer(content: bytes, name: str, declared: str, limits: Limits) -> dict[str, Any]:
    """What was read, or why nothing was: whatever a library raises is one of the reasons."""
    try:
        return _read(content, name, declared, limits)
    except Unreadable as refused:
        return {"refused": refused.code}
    except (MemoryError, RecursionError):
        return {"refused": COSTLY}
    except Exception:  # noqa: BLE001 - what a hostile document makes a library raise is not known beforehand
        return {"refused": DAMAGED}


def confine(limits: Limits) -> None:
    """This process takes no more than that from here on, and ends even if nobody is left who would end it."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Of its seconds the soft limit ends it, by SIGXCPU: SIGKILL is somebody else's.
        roomy = hard == resource.RLIM_INFINITY or hard > least
        spare = 1 if what == resource.RLIMIT_CPU and roomy else 0
        resource.setrlimit(what, (least, least + spare))
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + _SPARE_SECONDS)  # SIGALRM ends it
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    flags = arguments[2] if event == "open" else 0
    if event.startswith(_FORBIDDEN) or (isinstance(flags, int) and flags & _WRITING):
        raise PermissionError(event)


def _read(content: bytes, name: str, declared: str, limits: Limits) -> dict[str, Any]:
    found = find(content, name=name, declared=declared, limits=limits)
    writer = Writer(limits)
    writer.warnings.update(found.warnings)
    reader = importlib.import_module(f"passerelle.pipelines.documents.readers.read_{found.kind.value}")
    reader.read(found, writer, limits)
    text = writer.text
    if not text:
        raise Unreadable("document_without_text")
    expected = _ENDINGS.get(PurePosixPath(name.lower()).suffix)
    if expected is not None and expected is not found.kind:
        writer.warnings.add(Notice.NAME_SAYS_OTHERWISE)
    return _answer(found, writer, text, name)


def _answer(found: Found, writer: Writer, text: str, name: str) -> dict[str, Any]:
    paths: dict[tuple[str, ...], int] = {}
    blocks = [
        (start, end, paths.setdefault(path, len(paths)), page, heading)
        for start, end, path, page, heading in writer.blocks
    ]
    title = line(writer.title) or writer.opening or line(PurePosixPath(name.replace("\\", "/")).stem)
    return {
        "kind": found.kind.value,
        "title": title[:_LONGEST_TITLE],
        "language": language_of(text[:_ENOUGH]),
        "text": text,
        "headings": list(paths),
        "blocks": blocks,
        "warnings": sorted(notice.value for notice in writer.warnings),
    }


if __name__ == "__main__":
    main()
