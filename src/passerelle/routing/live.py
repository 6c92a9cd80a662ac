"""The configuration in force, and how a new one replaces it: parse, check, swap; a bad file changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun, Finding
from passerelle.routing.load import Loaded
from passerelle.routing.source import LONGEST

Load = Callable[[str], Loaded]
Stamps = dict[Path, tuple[int, int, int] | None]  # inode, size and time of change; None for a missing file


def read_text(path: Path) -> str:
    """The file's text, of which no more is read than a configuration may be long. Raises CannotRun."""
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
    except OSError as error:
        raise CannotRun(
            f"The configuration {path} cannot be read: {(error.strerror or 'error').lower()}.",
            "Name the file with --config.",
        ) from error
    if len(raw) > LONGEST:
        raise CannotRun(
            f"The configuration {path} is longer than {LONGEST} bytes.",
            "Name the right file with --config, or remove from it what nobody uses.",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CannotRun(
            f"The configuration {path} is not UTF-8: line {line} holds other bytes.", "Save it as UTF-8."
        ) from error


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of a reload: whether the file is in force, and what was found in it."""

    applied: bool
    version: str
    findings: tuple[Finding, ...]


class Live:
    """Holds the catalog in force and tells who listens when it is replaced or a file was refused."""

    def __init__(self, path: Path, load: Load, catalog: Catalog) -> None:
        self._path = path
        self._load = load
        self.catalog = catalog
        self.refused: tuple[Finding, ...] = ()
        self._refused_names: frozenset[str] = frozenset()
        self.on_swap: list[Callable[[Catalog], None]] = []
        self.on_refused: list[Callable[[tuple[Finding, ...]], None]] = []

    def reload(self) -> Loaded:
        """Read the file now; the last good catalog stays in force unless the file is good."""
        return self._take(self._read())

    async def reload_in_thread(self) -> Loaded:
        """The same while the event loop goes on: reading a long file takes tens of milliseconds."""
        return self._take(await asyncio.to_thread(self._read))

    async def watch(self, seconds: float) -> None:
        """Reload for ever whenever the file, or a secret file it names, has changed and come to rest.

        Looking at the file's state each time works everywhere: editors that replace the file, mounted volumes
        whose link is swapped, network folders that send no events.
        """
        seen = await asyncio.to_thread(_stamps, self._files())
        if await asyncio.to_thread(self._overtaken):
            seen = {}  # so that the next looks differ from it
        changing: Stamps | None = None
        while True:
            await asyncio.sleep(seconds)
            now = await asyncio.to_thread(_stamps, self._files())
            if now == seen:
                changing = None
            elif now != changing:
                changing = now  # wait for two equal looks, so that a half-written file is not read
            else:
                changing = None
                loaded = await asyncio.to_thread(self._read)
                if self.refused or loaded.catalog != self.catalog:
                    self._take(loaded)
                # As they were before the reading, so that a change during it is not missed; a file that is named
                # for the first time is not among them, so that it is read once more and watched from then on.
                files = set(self._files())
                seen = {file: stamp for file, stamp in now.items() if file in files}

    def _read(self) -> Loaded:
        try:
            return self._load(read_text(self._path))
        except CannotRun as error:
            return Loaded(None, (Finding("error", "C01", error.cause, error.cure, str(self._path)),))

    def _take(self, loaded: Loaded) -> Loaded:
        """Put a good catalog in force, or remember why there is none; tell who listens."""
        catalog = loaded.catalog
        if catalog is not None:
            try:
                for swapped in self.on_swap:
                    swapped(catalog)
            except CannotRun as error:  # a backend that cannot be opened, which only opening it tells
                loaded = Loaded(None, (Finding("error", "C50", error.cause, error.cure, str(self._path)),))
            else:
                self.refused, self._refused_names = (), frozenset()
                self.catalog = catalog
                return loaded
        self._refused_names = loaded.secret_files
        if loaded.errors != self.refused:
            self.refused = loaded.errors
            for refused in self.on_refused:
                refused(loaded.errors)
        return loaded

    def _overtaken(self) -> bool:
        """Has the file, or a secret it names, changed between the first reading and now?"""
        return self._read().catalog != self.catalog

    def _files(self) -> list[Path]:
        """The file and the secret files that it names, those of a refused file included: one may be its cure."""
        named = {
            reference.removeprefix("file:")
            for spec in self.catalog.backends.values()
            for reference in spec.options.secrets().values()
            if reference.startswith("file:")
        }
        return [self._path, *(Path(name) for name in sorted(named | self._refused_names))]


def _stamps(files: Iterable[Path]) -> Stamps:
    stamps: Stamps = {}
    for file in files:
        try:
            state = file.stat()
        except OSError:
            stamps[file] = None
        else:
            stamps[file] = (state.st_ino, state.st_size, state.st_mtime_ns)
    return stamps
