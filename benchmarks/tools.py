"""The two programs of the test bench itself: the static upstream and the load generator, in C where cc exists."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_NATIVE = HERE / "native"
_BUILD = HERE / ".build"
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")


@dataclass(frozen=True, slots=True)
class Tools:
    """Command-line prefixes, and how they came to be, in words for the report."""

    upstream: tuple[str, ...]
    load: tuple[str, ...]
    made_of: str


def _compiled(compiler: str, source: Path) -> Path:
    """The program for `source`, built once per content of the source; raises CalledProcessError with cc's words."""
    digest = hashlib.sha256(source.read_bytes() + " ".join(_FLAGS).encode()).hexdigest()[:12]
    program = _BUILD / f"{source.stem}-{digest}"
    if not program.exists():
        _BUILD.mkdir(exist_ok=True)
        fresh = program.with_suffix(".new")
        subprocess.run(
            [compiler, *_FLAGS, "-o", str(fresh), str(source)], check=True, capture_output=True, text=True
        )
        fresh.replace(program)
    return program


def tools(*, native: bool = True) -> Tools:
    """C programs when wanted and a C compiler is on PATH, else the Python twins."""
    compiler = (shutil.which("cc") or shutil.which("gcc")) if native else None
    if compiler:
        try:
            upstream = _compiled(compiler, _NATIVE / "static_upstream.c")
            load = _compiled(compiler, _NATIVE / "load.c")
        except subprocess.CalledProcessError as error:
            sys.exit(
                f"benchmarks: {compiler} refused the test bench:\n{error.stderr}\n(--no-native uses Python)"
            )
        made_of = f"C, epoll, built with {compiler} {' '.join(_FLAGS)}"
        return Tools(upstream=(str(upstream),), load=(str(load),), made_of=made_of)
    why = "no C compiler on PATH" if native else "asked for"
    python = (sys.executable, "-m")
    return Tools(
        upstream=(*python, "benchmarks.static_upstream"),
        load=(*python, "benchmarks.load"),
        made_of=f"Python asyncio ({why}): a far lower ceiling than the C programs",
    )
