"""What Text Embeddings Inference answers, batch by batch, as one answer in the caller's shape. Pure.

An engine that answers for fewer inputs than it was given, or for others, is not understood: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

import orjson

from passerelle.backends.probes import positive
from passerelle.backends.ranks import used
from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.domain.facts import Facts, Known, State, Survey
from passerelle.wire.errors import failure_inside


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one batch of `count` inputs; `tokens` is what the engine counted, None where it did not."""

    document: Any
    count: int
    tokens: int | None
    raw: bytes
    upstream_id: str | None


def rows(raw: bytes) -> list[Any]:
    """The list that /rerank and /predict answer with. Raises UpstreamFailed for anything else."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer is not JSON.") from error
    if isinstance(document, dict) and document.get("error"):
        raise failure_inside(document)
    if not isinstance(document, list):
        raise UpstreamFailed(Fault.BROKEN, "The engine's answer is not a list.")
    return document


def tokens_of(parts: Sequence[Part]) -> int | None:
    """What all batches used together; None when one of them was not counted."""
    counted = [part.tokens for part in parts if part.tokens is not None]
    return sum(counted) if len(counted) == len(parts) else None


def embeddings(parts: Sequence[Part]) -> dict[str, Any]:
    """OpenAI's reply with the embeddings of all batches; that of a single batch is the engine's own."""
    vectors = [vector for part in parts for vector in _by_index(part.document["data"], part.count)]
    reply: dict[str, Any] = parts[0].document
    if len(parts) == 1:
        return reply
    merged = {
        **reply,
        "data": [{**vector, "index": index} for index, vector in enumerate(vectors)],
    }
    merged.pop("usage", None)
    tokens = tokens_of(parts)
    return merged if tokens is None else {**merged, "usage": used(tokens)}


def scores(parts: Sequence[Part]) -> list[float]:
    """One score for each text of all batches, in their order."""
    return [rank["score"] for part in parts for rank in _by_index(part.document, part.count)]


def predictions(parts: Sequence[Part]) -> list[dict[str, float]]:
    """For each input of all batches, in their order, the score of every class by its label."""
    found: list[dict[str, float]] = []
    for part in parts:
        _expect(len(part.document) == part.count)
        for row in part.document:
            labels = {score["label"]: score["score"] for score in row}
            _expect(bool(labels) and len(labels) == len(row))
            found.append(labels)
    return found


def classification(
    ask: Ask,
    predicted: Iterable[Mapping[str, float]],
    order: Sequence[str],
    *,
    model: str,
    tokens: int | None,
) -> dict[str, Any]:
    """A reply in vLLM's shape, with every class by its name in `scores`. `order` is the model's own; () = not known."""
    data: list[dict[str, Any]] = []
    for index, labels in enumerate(predicted):
        best = sorted(labels, key=lambda label: -labels[label])
        data.append(
            {
                "index": index,
                "label": best[0],
                "probs": [labels[label] for label in order or best],
                "num_classes": len(labels),
                "scores": [{"label": label, "score": labels[label]} for label in best],
            }
        )
    reply = {
        "id": f"classify-{ask.request_id}",
        "object": "list",
        "created": int(time()),
        "model": model,
        "data": data,
    }
    return reply if tokens is None else {**reply, "usage": used(tokens)}


def _by_index(items: Sequence[Any], count: int) -> list[Any]:
    """The entries of a batch in the order of its inputs, one for each."""
    ordered = sorted(items, key=lambda item: item["index"])
    _expect([item["index"] for item in ordered] == list(range(count)))
    return ordered


def _expect(understood: bool) -> None:  # noqa: FBT001 - reads as what it is
    if not understood:
        raise UpstreamFailed(Fault.BROKEN, "The engine did not answer for each input.")


def labels_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that /info names, in the model's own order; () for a model that has none."""
    kind = info.get("model_type")
    inner = next(iter(kind.values()), None) if isinstance(kind, dict) else None
    by_id = inner.get("id2label") if isinstance(inner, dict) else None
    if not isinstance(by_id, dict) or not all(number.isdigit() for number in by_id):
        return ()
    return tuple(by_id[number] for number in sorted(by_id, key=int))


def described(info: Mapping[str, Any], models: Collection[str], *, batch: int | None) -> Survey:
    """The survey of a container from its /info; `batch` is the limit that the configuration states."""
    kind = info.get("model_type")
    shown = {
        "model": info.get("model_id"),
        "type": next(iter(kind), None) if isinstance(kind, dict) else kind,
        "version": info.get("version"),
        "inputs at once": info.get("max_client_batch_size"),
    }
    most: Any = info.get("max_client_batch_size")
    length: Any = info.get("max_input_length")
    problems: list[str] = []
    if batch is not None and positive(most) and batch > most:
        problems.append(f"`batch` is {batch}, but the engine takes at most {most} inputs at once.")
    served = {name for name in (info.get("model_id"), info.get("served_model_name")) if isinstance(name, str)}
    if served and not any(name.startswith("/") for name in served):  # a folder says nothing of its model
        problems += [
            f"The engine serves {info.get('model_id')!r}, whatever is asked of it, and not {name!r}."
            for name in sorted(set(models) - served)
        ]
    facts = Facts(context=length if positive(length) else None)
    about = tuple((label, str(value)) for label, value in shown.items() if value is not None)
    return Survey(State.READY, {name: Known(facts) for name in models}, about, tuple(problems))
