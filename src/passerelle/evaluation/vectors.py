"""Vectors of questions by the packaged model or one in a folder, kept between runs where a folder is given."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.errors import ModelMissing
from passerelle.domain.errors import CannotRun

if TYPE_CHECKING:
    from passerelle.backends.builtin.encoder import Vectors

THREADS = 2
SAMPLED = 1 << 20  # bytes at the end of a graph that, with its size, tell models apart


@dataclass(frozen=True, slots=True)
class Embedded:
    """Each text's row in `vectors`, which is float32 (texts, dimensions) with rows of length 1."""

    model: str
    rows: Mapping[str, int]
    vectors: Vectors

    def of(self, texts: Sequence[str]) -> Vectors:
        """The vectors of these texts, in their order."""
        chosen: Vectors = self.vectors[[self.rows[text] for text in texts]]
        return chosen


def embed(
    texts: Sequence[str], *, models: Path, folder: Path | None, keep: Path | None, question: bool = True
) -> Embedded:
    """Vectors of all texts. `models` keeps the packaged model's graph, `keep` the vectors. Raises CannotRun.

    `question`: they are questions, which some models have a prefix for, and not passages.
    """
    single = list(dict.fromkeys(texts))
    embedder = Embedder(cache=models, folder=folder, threads=THREADS)
    try:
        files = embedder.files
        kind = "" if question else "passages-"
        file = None if keep is None else keep / f"{kind}{_fingerprint(files.graph, single)}.npy"
        vectors = None if file is None else _kept(file, len(single))
        if vectors is None:
            vectors = embedder.embed(single, question=question).vectors
            if file is not None:
                _keep(file, vectors)
    except ModelMissing as error:
        raise CannotRun(error.cause, error.cure) from error
    return Embedded(files.name, {text: row for row, text in enumerate(single)}, vectors)


def _fingerprint(graph: Path, texts: Sequence[str]) -> str:
    """Names a model and some texts in their order."""
    digest = hashlib.sha256()
    size = graph.stat().st_size
    digest.update(str(size).encode())
    with graph.open("rb") as file:
        file.seek(max(0, size - SAMPLED))
        digest.update(file.read(SAMPLED))
    for text in texts:
        digest.update(text.encode("utf-8", "replace"))
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _kept(file: Path, count: int) -> Vectors | None:
    """What is kept there; None where there is nothing of that many rows."""
    import numpy as np  # noqa: PLC0415 - only an evaluation needs it

    try:
        vectors: Vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # nothing yet, or half a file of a broken disk: worked out again
    return vectors if vectors.ndim == 2 and len(vectors) == count else None


def _keep(file: Path, vectors: Vectors) -> None:
    """Written beside its place and renamed, so that nobody reads half of it."""
    import numpy as np  # noqa: PLC0415 - only an evaluation needs it

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".vectors-", dir=file.parent)
        with os.fdopen(descriptor, "wb") as target:
            np.save(target, vectors, allow_pickle=False)
        Path(name).replace(file)
    except OSError as error:
        raise CannotRun(
            f"The vectors cannot be kept in {file.parent}: {error.strerror or type(error).__name__}.",
            "Give --data-cache a folder that can be written to.",
        ) from error
