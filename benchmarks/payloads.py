"""The exact bytes that are asked and answered; their sizes are part of the method and are checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUEST_BYTES = 268
ANSWER_BYTES = 626
EVENT_BYTES = 288
LARGE_BYTES = 1_000_000

MARK = "answered from memory"
"""Text that only a whole answer of the static upstream contains."""
STAMP_DIGITS = 19
MODEL = "bench"
CREATED = 1_750_000_000

_PROSE = "Le \"chef d'équipe\" relit la fiche n° 7 :\n\tdurée, coût, échéance ; l'été n'y change rien. "


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def padded(shape: Mapping[str, Any], *, size: int, filler: str) -> bytes:
    """JSON of exactly `size` bytes: `shape` with its one "PAD" text replaced by repeated `filler`.

    What is left over after whole fillers is filled with full stops. Raises ValueError when `shape` alone is larger.
    """
    quoted = _dump(filler)[1:-1]
    bare = _dump(shape)
    if bare.count(b"PAD") != 1:
        raise ValueError("the shape needs exactly one PAD")
    room = size - (len(bare) - len(b"PAD"))
    if room < 0:
        raise ValueError(f"the shape alone is {size - room} bytes, more than {size}")
    whole, rest = divmod(room, len(quoted))
    return bare.replace(b"PAD", quoted * whole + b"." * rest)


def _ask(content: object, **extra: object) -> dict[str, object]:
    system = {"role": "system", "content": "You are a helpful assistant."}
    return {"model": MODEL, "messages": [system, {"role": "user", "content": content}], **extra}


def requests(*, events: int, warm_events: int = 25) -> dict[str, bytes]:
    """Request bodies by name; a stream asks for `events` content events through `max_tokens`."""
    words = "Explain the plan. "
    image = [
        {"type": "text", "text": "What is on this picture?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,PAD"}},
    ]
    sampling = {"temperature": 0.7, "max_tokens": 64}
    return {
        "small": padded(_ask("PAD", **sampling), size=REQUEST_BYTES, filler=words),
        "stream": padded(_ask("PAD", stream=True, max_tokens=events), size=REQUEST_BYTES, filler=words),
        "stream-warm": padded(
            _ask("PAD", stream=True, max_tokens=warm_events), size=REQUEST_BYTES, filler=words
        ),
        "text-1mb": padded(_ask("PAD", **sampling), size=LARGE_BYTES, filler=_PROSE),
        "image-1mb": padded(_ask(image, **sampling), size=LARGE_BYTES, filler="iVBORw0KGgoAAAANSUhEUgAA"),
    }


def _event(
    delta: Mapping[str, object] | None, *, finish: str | None = None, **extra: object
) -> dict[str, object]:
    choices = (
        [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    )
    return {
        "id": "chatcmpl-0000000000000000000000000000",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "fake",
        "choices": choices,
        **extra,
    }


def answers() -> dict[str, bytes]:
    """What the upstream says, by file name; `content.sse` holds @<19 digits>@, overwritten as it is sent."""
    usage = {"prompt_tokens": 48, "completion_tokens": 64, "total_tokens": 112}
    message = {"role": "assistant", "content": f"{MARK}: PAD"}
    answer = {
        "id": "chatcmpl-0000000000000000000000000000",
        "object": "chat.completion",
        "created": CREATED,
        "model": "fake",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage,
    }
    stamp = "0" * STAMP_DIGITS
    content = padded(
        _event({"content": f"@{stamp}@PAD"}), size=EVENT_BYTES - len(b"data: \n\n"), filler="words "
    )
    return {
        "answer.json": padded(answer, size=ANSWER_BYTES, filler="the plan is simple and it is known. "),
        "models.json": _dump(
            {"object": "list", "data": [{"id": "fake", "object": "model", "owned_by": "bench"}]}
        ),
        "role.sse": _sse(_dump(_event({"role": "assistant", "content": ""}))),
        "content.sse": _sse(content),
        "finish.sse": _sse(_dump(_event({}, finish="stop"))),
        "usage.sse": _sse(_dump(_event(None, usage=usage))),
    }


def _sse(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def write_all(folder: Path, *, events: int, warm_events: int = 25) -> None:
    """Writes every request as `<name>.json` and every answer under its own name into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in requests(events=events, warm_events=warm_events).items():
        (folder / f"{name}.json").write_bytes(body)
    for name, body in answers().items():
        (folder / name).write_bytes(body)
