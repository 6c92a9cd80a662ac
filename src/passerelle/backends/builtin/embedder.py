"""Sentence vectors from a small encoder in process: same text, same vector, whatever is asked beside it.

Nothing is loaded before the first use. Calls block, and are safe from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passerelle.backends.builtin import model_file
from passerelle.backends.builtin.anchors import Anchors, measured, sayings
from passerelle.backends.builtin.encoder import Encoder, Vectors, normalised
from passerelle.backends.builtin.errors import BadInput, ModelMissing
from passerelle.backends.builtin.model_file import ModelFiles
from passerelle.backends.builtin.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of some texts, in their order.

    `vectors` is float32 (texts, dimensions), each row of length 1. `tokens` counts what the model read of
    each text, special tokens included; `dropped` counts what was cut off because the text was too long.
    """

    vectors: Vectors
    tokens: tuple[int, ...]
    dropped: tuple[int, ...]


class Embedder:
    """One encoder, loaded on first use. `cache` keeps the built graph; `folder` holds a model of your own."""

    def __init__(self, *, cache: Path, folder: Path | None = None, threads: int = 1) -> None:
        self._cache = cache
        self._folder = folder
        self._threads = threads
        self._lock = threading.RLock()
        self._files: ModelFiles | None = None
        self._tokens: Tokens | None = None
        self._encoder: Encoder | None = None
        self._anchors: Anchors | None = None

    @property
    def files(self) -> ModelFiles:
        """Where the model lies; builds it when it is not there yet. Raises ModelMissing."""
        with self._lock:
            if self._files is None:
                self._files = model_file.locate(self._cache, self._folder)
            return self._files

    @property
    def tokens(self) -> Tokens:
        """The model's own tokenizer. Raises ModelMissing."""
        with self._lock:
            if self._tokens is None:
                self._tokens = Tokens(self.files.tokenizer)
            return self._tokens

    @property
    def dimensions(self) -> int:
        """How long its vectors are. Raises ModelMissing."""
        return self._loaded().dimensions

    @property
    def anchors(self) -> Anchors:
        """How this model spreads its cosines, measured once on a few sentences."""
        with self._lock:
            if self._anchors is None:
                self._anchors = measured(self.embed(sayings()).vectors)
            return self._anchors

    def count_tokens(self, text: str) -> int:
        """Tokens of the text under the model's own tokenizer, without special tokens."""
        return self.tokens.count(text)

    def embed(
        self, texts: Sequence[str | Sequence[int]], *, question: bool = False, dimensions: int | None = None
    ) -> Embedded:
        """Vectors of texts, or of lists of token ids of this model's vocabulary.

        `question` asks for the prefix that some models want in front of a question. `dimensions` keeps the
        first so many numbers and makes the vectors length 1 again; the packaged model was not trained for
        that (it is no Matryoshka model), so quality falls with every number left out. A text longer than the
        model's limit (256 tokens for the packaged one) is cut, and `dropped` says by how much.
        Raises BadInput (a ValueError) for ids of another vocabulary and for dimensions the model does not
        have, ModelMissing when the model cannot be loaded.
        """
        tokens, files, encoder = self.tokens, self.files, self._loaded()
        if dimensions is not None and not 1 <= dimensions <= encoder.dimensions:
            raise BadInput(
                "dimensions",
                f"must lie between 1 and {encoder.dimensions}, the length of the vectors of {files.name}.",
            )
        prefix = files.query_prefix if question else files.text_prefix
        inner = [
            tokens.ids(prefix + text) if isinstance(text, str) else tokens.checked(text) for text in texts
        ]
        framed = [tokens.framed(ids, files.max_tokens) for ids in inner]
        vectors = encoder.vectors(framed)
        return Embedded(
            vectors=vectors if dimensions is None else normalised(vectors[:, :dimensions]),
            tokens=tuple(len(ids) for ids in framed),
            dropped=tuple(
                len(ids) + tokens.frame - len(kept) for ids, kept in zip(inner, framed, strict=True)
            ),
        )

    def _loaded(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                try:
                    self._encoder = Encoder(self.files, self._threads)
                except ModelMissing:
                    if not self.files.built:
                        raise
                    # Ours to make: a file that a disk or a person damaged is built once more.
                    model_file.packaged(self._cache, afresh=True)
                    self._encoder = Encoder(self.files, self._threads)
            return self._encoder
