"""Files on their way: as forms that the service takes (RFC 7578), and as it gives them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from passerelle.domain.errors import CannotRun


def form_of(
    fields: Sequence[tuple[str, str | bytes]], files: Sequence[tuple[str, Path]]
) -> tuple[bytes, str]:
    """A form's body and its kind; files by the names they are called. Raises CannotRun for one that cannot be read."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []

    def add(name: str, value: bytes, more: str = "") -> None:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'
        parts.append(head.encode() + value + b"\r\n")

    for name, value in fields:
        add(name, value.encode() if isinstance(value, str) else value)
    for name, file in files:
        kind = "content-type: application/octet-stream"
        add("file", contents(file), f'; filename="{_quoted(name)}"\r\n{kind}')
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def contents(file: Path) -> bytes:
    """What a file holds. Raises CannotRun."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: OSError) -> CannotRun:
    """A file cannot be looked into."""
    return CannotRun(f"{whole(str(file))} cannot be read: {(error.strerror or 'error').lower()}.")


def save(file: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file, and say so. What breaks off leaves the file as it was. Raises CannotRun."""
    # A device or a pipe is written to as it is.
    written = file if file.exists() and not file.is_file() else file.with_name(f"{file.name}.part")
    count = 0
    try:
        try:
            with written.open("wb") as out:
                for part in (content,) if isinstance(content, bytes) else content:
                    count += out.write(part)
            if written is not file:
                written.replace(file)
        except BaseException:
            if written is not file:
                written.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise CannotRun(f"{whole(str(file))} cannot be written: {why}.") from error
    click.echo(f"{whole(str(file))}: {count} bytes", err=True)


def whole(name: str) -> str:
    """A name that is no UTF-8 on this system, with what can be said of it."""
    return name.encode("utf-8", "replace").decode()


def _quoted(name: str) -> str:
    """In a form's header, as browsers write it (WHATWG HTML, section 4.10.22.8)."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
