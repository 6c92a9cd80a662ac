"""Files on their way: as forms that the service takes (RFC 7578), and as it gives them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from passerelle.domain.errors import CannotRun


def form_of(files: Sequence[Path], fields: Mapping[str, str | bytes]) -> tuple[bytes, str]:
    """A form's body and its kind; a file is called by its own name. Raises CannotRun for one that cannot be read."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []

    def add(name: str, value: bytes, more: str = "") -> None:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'
        parts.append(head.encode() + value + b"\r\n")

    for name, value in fields.items():
        add(name, value.encode() if isinstance(value, str) else value)
    for file in files:
        kind = "content-type: application/octet-stream"
        add("file", contents(file), f'; filename="{_quoted(whole(file.name))}"\r\n{kind}')
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def contents(file: Path) -> bytes:
    """What a file holds. Raises CannotRun."""
    try:
        return file.read_bytes()
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise CannotRun(f"{whole(str(file))} cannot be read: {why}.") from error


def save(file: Path, content: bytes) -> None:
    """Write a file, and say so. Raises CannotRun."""
    try:
        file.write_bytes(content)
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise CannotRun(f"{whole(str(file))} cannot be written: {why}.") from error
    click.echo(f"{whole(str(file))}: {len(content)} bytes", err=True)


def whole(name: str) -> str:
    """A name that is no UTF-8 on this system, with what can be said of it."""
    return name.encode("utf-8", "replace").decode()


def _quoted(name: str) -> str:
    """In a form's header, as browsers write it (WHATWG HTML, section 4.10.22.8)."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
