"""A document is read in a process of its own, which ends whatever the document does; the caller hears one reason."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.domain.errors import Refused, TooLarge, UnsupportedMedia
from passerelle.pipelines.documents.parse import parse
from passerelle.pipelines.documents.parsed import Kind, Limits
from tests.unit.pipelines.documents import files

HEAVY = {"pypdfium2", "docx", "pptx", "trafilatura", "lxml", "langchain_core", "langchain_text_splitters"}
# Unmarked letters in one paragraph of a page: seconds of work.
SLOW = b"<html><body>" + b"<div><p>un <b>deux</b> trois<table><tr><td>quatre" * 60_000


def children() -> set[int]:
    """Of every thread of this process, those still there."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return {int(child) for text in lists for child in text.split()}


async def until_started(before: set[int]) -> int:
    async with asyncio.timeout(20):
        while not (new := children() - before):
            await asyncio.sleep(0.01)
    return new.pop()


async def test_a_document_comes_back_whole_from_its_process() -> None:
    parsed = await parse(files.word(), name="r.docx", declared_type="application/octet-stream")

    assert (parsed.kind, parsed.title, parsed.language) == (Kind.DOCX, "Règlement", "fr")
    assert parsed.blocks[-1].text == "Ils sont remboursés."
    assert all(parsed.text[block.start : block.end] == block.text for block in parsed.blocks)


@pytest.mark.parametrize(
    ("content", "limits", "code"),
    [
        (b"", Limits(), "document_empty"),
        (b"Bonjour", Limits(size=3), "document_too_large"),
        (files.archive({"a": b"a"}), Limits(), "document_archive"),
        (files.pdf([""] * 10_000), Limits(), "document_too_many_pages"),
        (b"Bonjour. " * 100_000, Limits(seconds=0.01), "document_too_costly"),
        (SLOW, Limits(cpu_seconds=1), "document_too_costly"),
        (b"x" * 30_000_000, Limits(memory=64 * 1024 * 1024), "document_too_costly"),
    ],
    ids=["empty", "large", "archive", "pages", "clock", "processor", "memory"],
)
async def test_what_is_refused_has_one_reason_and_leaves_no_process(
    content: bytes, limits: Limits, code: str
) -> None:
    before = children()

    with pytest.raises(Refused) as refused:
        await parse(content, limits=limits)

    assert refused.value.code == code
    assert refused.value.param == "document"
    assert "Traceback" not in refused.value.message
    assert children() <= before


async def test_reasons_are_of_the_kinds_the_api_knows() -> None:
    with pytest.raises(UnsupportedMedia):
        await parse(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(TooLarge):
        await parse(b"ab", limits=Limits(size=1))


@pytest.mark.parametrize(
    ("sent", "times", "code"),
    [(signal.SIGSEGV, 1, "document_damaged"), (signal.SIGKILL, 2, "document_too_costly")],
)
async def test_a_reader_that_dies_takes_nobody_with_it(sent: signal.Signals, times: int, code: str) -> None:
    before = children()
    reading = asyncio.ensure_future(parse(SLOW))
    for _ in range(times):
        before |= {reader := await until_started(before)}
        os.kill(reader, sent)

    with pytest.raises(Refused) as refused:
        await reading

    assert refused.value.code == code


async def test_a_document_whose_reader_is_killed_once_is_read_by_another() -> None:
    before = children()
    reading = asyncio.ensure_future(parse(b"Bonjour.", name="a.txt"))
    os.kill(await until_started(before), signal.SIGKILL)
    assert (await reading).text == "Bonjour."


async def test_a_caller_who_leaves_ends_the_process() -> None:
    before = children()
    reading = asyncio.ensure_future(parse(SLOW))
    await until_started(before)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading

    assert children() <= before


CONFINED = """
import socket, subprocess, sys
from passerelle.pipelines.documents.child import confine
from passerelle.pipelines.documents.parsed import Limits
confine(Limits())
def tried(what, *given):
    try:
        what(*given)
    except OSError as error:
        return type(error).__name__
print(tried(socket.create_connection, ("127.0.0.1", 9)), tried(subprocess.run, ["true"]), tried(open, sys.argv[1], "a"))
print(len(open(sys.argv[1]).read()), *__import__("os").environ)
"""


def test_the_reader_reaches_nothing_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("kept")

    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", CONFINED, str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
        timeout=60,
    )

    assert done.stdout.splitlines() == ["PermissionError PermissionError PermissionError", "4 LC_ALL"]


def test_whoever_has_documents_read_loads_no_reader() -> None:
    asked = "import sys, passerelle.pipelines.documents.parse; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not HEAVY & set(loaded)
