"""What providers answer for tasks other than chat, in the shapes their pipelines give it, as our replies. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from passerelle.backends import openai
from passerelle.domain.ask import Ask
from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.errors import failure_inside


def document(raw: bytes) -> Any:
    """The JSON of a reply. Raises UpstreamFailed for none, and for an error inside."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UpstreamFailed(Fault.BROKEN, "The provider's answer is not JSON.") from error
    if isinstance(answer, dict) and answer.get("error"):
        raise failure_inside(answer)
    return answer


def embeddings(ask: Ask, answer: Any, *, model: str) -> dict[str, Any]:
    """OpenAI's reply with embeddings, from one in that shape or from a pipeline's bare vectors."""
    if isinstance(answer, dict) and isinstance(answer.get("data"), list):
        reply: dict[str, Any] = answer
        if len(answer["data"]) != _expected(ask):
            raise _not_understood()
    else:
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(_vectors(ask, answer))
        ]
        reply = {"object": "list", "data": data, "model": model}
    openai.reply(ask, reply)  # in the encoding that was asked for
    return reply


def _vectors(ask: Ask, answer: Any) -> list[list[float]]:
    """One vector for each text: a pipeline gives a single text's without a list around it."""
    if not isinstance(answer, list) or not answer:
        raise _not_understood()
    flat = isinstance(answer[0], int | float)
    vectors = [answer] if flat else answer
    if len(vectors) != _expected(ask) or not all(_is_vector(vector) for vector in vectors):
        raise _not_understood()  # a vector for each token, for instance, of a model that does not pool
    return vectors


def _expected(ask: Ask) -> int:
    """How many inputs there are: a text, the tokens of one, or several of either."""
    given = ask.body["input"]
    return 1 if isinstance(given, str) or isinstance(given[0], int) else len(given)


def _is_vector(vector: Any) -> bool:
    return isinstance(vector, list) and bool(vector) and isinstance(vector[0], int | float)


def labels(answer: Any) -> dict[str, float]:
    """The score of each class for one text; pipelines put it into one list or two."""
    rows = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], list) else answer
    try:
        found = {str(row["label"]): float(row["score"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise _not_understood() from error
    if not found:
        raise _not_understood()
    return found


def similarities(answer: Any, *, count: int) -> list[float]:
    """One score for each document."""
    if not isinstance(answer, list) or len(answer) != count:
        raise _not_understood()
    if not all(isinstance(score, int | float) and not isinstance(score, bool) for score in answer):
        raise _not_understood()
    return [float(score) for score in answer]


def _not_understood() -> UpstreamFailed:
    return UpstreamFailed(Fault.BROKEN, "The provider did not answer for each input.")
