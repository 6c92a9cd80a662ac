"""Findings as they are made: each with the place it speaks of, and with the nearest right name for a wrong one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from passerelle.domain.errors import Finding
from passerelle.routing.source import Path, Source


def nearest(wrong: str, right: Iterable[str]) -> str:
    """A sentence that leads from a wrong name to the right ones."""
    names = sorted(right)
    close = get_close_matches(wrong, names, n=2, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return (
        f"Use one of: {', '.join(names[:12])}."
        if names
        else "None is defined yet: define it, or remove the name."
    )


class Notes:
    """Collects findings about one source."""

    def __init__(self, source: Source, file: str) -> None:
        self._source = source
        self._file = file
        self._found: dict[tuple[object, ...], Finding] = {}

    @property
    def errors(self) -> bool:
        """Was anything found that forbids the file?"""
        return any(finding.severity == "error" for finding in self._found.values())

    def add(self, severity: str, rule: str, path: Path, message: str, cure: str) -> None:
        """Note one thing; the same thing at the same place is noted once."""
        place = self._source.place(path)
        line, column = place or (None, None)
        finding = Finding(severity, rule, message, cure, self._file, line, column)
        self._found.setdefault((rule, line, message), finding)

    def known(self, name: str, names: Collection[str], path: Path, *, what: str) -> bool:
        """Is it one of the names? Notes an error when not."""
        if name in names:
            return True
        self.add("error", "C20", path, f"There is no {what} {name!r}.", nearest(name, names))
        return False

    def sorted(self) -> tuple[Finding, ...]:
        """Errors first, then warnings, then the rest; each in the order of the file."""
        order = {"error": 0, "warning": 1, "info": 2}
        return tuple(
            sorted(self._found.values(), key=lambda f: (order[f.severity], f.line or 0, f.column or 0))
        )
