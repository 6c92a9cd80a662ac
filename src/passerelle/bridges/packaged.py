"""The packaged embedding model as a plain function, for a library of answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.backends.builtin.embedder import Embedder
from passerelle.cache.library import Embed

if TYPE_CHECKING:
    from passerelle.cache.entry import Vector


def packaged(models: Path, *, folder: Path | None = None) -> Embed:
    """A text's vector, by the packaged model or the one in `folder`.

    `models` is the folder where the packaged model's graph is kept once it is built, at the first call; it is made
    when it is not there. Calls block for some milliseconds. What it gives raises ModelMissing.
    """
    embedder = Embedder(cache=models, folder=folder)

    def embed(text: str) -> Vector:
        vector: Vector = embedder.embed([text], question=True).vectors[0]
        return vector

    return embed
