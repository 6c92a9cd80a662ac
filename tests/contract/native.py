"""What the suites of TGI's native API share: its requests, its configurations, and how its chunks are read."""

from typing import Any

import orjson

from passerelle.backends.tgi import TgiOptions, open_backend
from passerelle.domain.ask import Ask, Needs, Route
from passerelle.domain.catalog import BackendSpec
from tests.fakes.openai_like import OpenAiLike
from tests.fakes.tgi import TgiFake
from tests.serving import Served, one_backend

BODY: dict[str, Any] = {"model": "assistant", "prompt": "Dis bonjour."}
PATH = "/v1/completions"


def alone(tgi: TgiFake) -> dict[str, Any]:
    """One engine, asked once."""
    return {**one_backend("tgi", tgi.url, model="tgi"), "tenants": {"acme": {"attempts": 1}}}


def with_spare(tgi: TgiFake, spare: OpenAiLike) -> dict[str, Any]:
    """An engine, and another one to go on to."""
    configuration: dict[str, Any] = one_backend("tgi", tgi.url, model="tgi")
    configuration["backends"]["spare"] = {"kind": "openai", "url": spare.url}
    configuration["models"]["assistant"]["targets"].append(
        {"backend": "spare", "model": spare.model, "rank": 2}
    )
    return configuration


async def post(served: Served, **fields: Any) -> tuple[int, Any]:
    async with served.client() as http, http.post(PATH, json={**BODY, **fields}) as reply:
        raw = await reply.read()
    return reply.status, raw.decode() if fields.get("stream") and reply.status == 200 else orjson.loads(raw)


def chunks_of(text: str) -> list[Any]:
    lines = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    return [orjson.loads(line) for line in lines if line != "[DONE]"]


def text_of(chunks: list[Any], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["text"] for choice in choices if choice["index"] == index)


def ask_of(*, stream: bool, prompt: Any = "Dis bonjour.") -> Ask:
    body = {**BODY, "prompt": prompt, "logprobs": 1, "stream": stream}
    return Ask(Route.COMPLETIONS, "assistant", body, stream, False, "req_1", Needs(), 0.0)


def backend_of(url: str, **secrets: str) -> Any:
    return open_backend(BackendSpec("gpu", "tgi", TgiOptions(kind="tgi", url=url), secrets=secrets))
