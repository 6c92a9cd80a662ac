"""A loaded ONNX text encoder: rows of token ids become vectors of length 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from passerelle.backends.builtin.errors import ModelMissing
from passerelle.backends.builtin.model_file import ModelFiles
from passerelle.settings import silence

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[float32]"

BATCH_TOKENS = 2048  # per run: bounds the attention scores to a few tens of megabytes
SMALLEST_NORM = 1e-12
# A pooled output is what the model's makers mean by "the vector"; token states are pooled here.
OUTPUTS = ("sentence_embedding", "last_hidden_state")


class Encoder:
    """One session of the runtime. Safe to share between threads."""

    def __init__(self, files: ModelFiles, threads: int) -> None:
        silence()
        import numpy  # noqa: PLC0415, ICN001 - only when a model is loaded
        import onnxruntime  # noqa: PLC0415

        self._numpy = numpy
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # a long batch would keep its memory for good
        options.log_severity_level = 4  # it would write to stderr in a format of its own; failures are raised
        try:
            session = onnxruntime.InferenceSession(
                str(files.graph), options, providers=["CPUExecutionProvider"]
            )
            self._run = session.run
            self._pooling = files.pooling
            self._inputs = frozenset(entry.name for entry in session.get_inputs())
            names = [entry.name for entry in session.get_outputs()]
            self._output = next((name for name in OUTPUTS if name in names), names[0])
            self.dimensions = int(self._one_length([[0]]).shape[1])
        except Exception as error:  # the runtime's errors share no base of their own
            raise ModelMissing(
                f"The embedding model {files.graph} cannot be loaded ({type(error).__name__}).",
                "It must be an ONNX text encoder of input_ids, attention_mask and token_type_ids.",
            ) from error

    def vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Rows of token ids, special tokens included: float32 (rows, dimensions), each of length 1.

        Only rows of equal length run together, so nothing is padded and no row changes another's vector.
        """
        vectors: Vectors = self._numpy.zeros((len(rows), self.dimensions), "float32")
        for batch in _batches([len(row) for row in rows]):
            vectors[batch] = self._one_length([rows[i] for i in batch])
        return vectors

    def _one_length(self, rows: Sequence[Sequence[int]]) -> Vectors:
        np = self._numpy
        ids = np.array(rows, np.int64)
        known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states: Any = self._run([self._output], {name: known[name] for name in self._inputs})[0]
        if states.ndim == 3:
            states = states[:, 0] if self._pooling == "cls" else states.mean(axis=1)
        return normalised(states)


def normalised(vectors: Vectors) -> Vectors:
    """Each row divided by its length."""
    lengths = (vectors * vectors).sum(axis=1, keepdims=True) ** 0.5
    rows: Vectors = vectors / lengths.clip(SMALLEST_NORM)
    return rows


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indexes grouped by equal length, shortest first, at most BATCH_TOKENS tokens each."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (lengths[i] != lengths[batch[0]] or lengths[i] * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
