"""A service that talks as much as it can, its engines that repeat whatever they are told, and what two tenants do there."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from typing_extensions import override

from tests.beside import beside
from tests.e2e.rag_scene import SOURCE, Client, House, house
from tests.e2e.rag_scene import all_it_was_shown as passages
from tests.e2e.replies import Reply
from tests.fakes.engine import Engine
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.router import RouterFake
from tests.fakes.script import Answer, Close, Fail, HalfFrame, Plan, Silent, Status, ToolCall
from tests.fakes.tei import TeiFake
from tests.fakes.wire import Received
from tests.processes.retention_calls import ASK_OUTSIDE, Sent, around, chat, strange
from tests.processes.retention_traces import PERSON, SAID, canary
from tests.processes.texts_estate import all_it_was_shown
from tests.redis_server import SERVERS, RedisServer, running

NONE, KEPT, POOR, CHOOSY = "keeps-nothing", "keeps-sealed", "has-no-money", "trusts-few"
# What an engine does with a model of that name.
ILLS = ("fails", "refuses", "limits", "hangs-up", "silent", "breaks", "cut", "garbled")
_PATHS = ("/v1/chat/completions", "/v1/chat", "/v1/completions")


class Echo(OpenAiLike):
    """Says all it was told, also where it fails; how it fails is the name of the model that is asked for."""

    def __init__(self, **said: Any) -> None:
        super().__init__(replace(OPENAI, strict_model=False), **said)

    @override
    def _plan(self, request: Received) -> Plan:
        asked_for = request.body.get("model") if isinstance(request.body, dict) else None
        told = request.raw.decode("utf-8", "replace") + canary(SAID, "error")
        echo = {"error": {"message": told, "type": told, "code": told, "param": told}}
        odd = {
            "x-request-id": canary(SAID, "header"),
            "x-told": told[:200].replace("\n", " ").encode("ascii", "replace").decode(),
        }
        touches: dict[str, Any] = {
            "fails": Status(500, echo, odd),
            "refuses": Status(400, echo, odd),
            "limits": Status(429, echo, odd),
            "hangs-up": Close(),
            "silent": Silent(),
            "breaks": Fail("generation", after=2, message=told),
            "cut": HalfFrame(after=1),
            "garbled": Status(200, f"<html>{told}</html>", odd, "text/html"),
        }
        touch = touches.get(str(asked_for))
        return Plan((touch,)) if touch is not None else super()._plan(request)


def says(received: Received) -> Answer:
    """Whatever it was shown."""
    body = received.body
    if (body.get("response_format") or {}).get("type") == "json_schema":
        return all_it_was_shown(received)
    messages = body.get("messages") or []
    if messages and SOURCE.search(str(messages[0]["content"])):
        return passages(received)
    told = " ".join(str(each.get("content")) for each in messages) or str(body.get("prompt"))
    call = ToolCall("look", json.dumps({"of": told[:400] + canary(SAID, "tool")}))
    return Answer(f"{canary(SAID, 'answer')} {told}", tools=(call,) if len(messages) == 2 else ())


def config(url: str, tei: str, router: str) -> dict[str, Any]:
    """Everything is off for one tenant, and on and sealed for the other."""
    cost = {"input_per_million": 1, "output_per_million": 2, "currency": "EUR"}
    here = {"country": "FR", "operator": "self"}
    times = {"total": "1s", "first_content": "1s", "connect": "1s", "between_chunks": "1s"}
    hosted = {"kind": "openai", "url": url, "cost": cost, "location": here, "timeouts": times}
    ills = {name: {**hosted} for name in ILLS}
    allowed = {"allow": ["assistant", "embeddings", "elsewhere", "ranker", "sorter", *ILLS]}
    off = {
        "cache": False,
        "rag": False,
        "content": False,
        "surveys": False,
        "policy": "near",
        "models": allowed,
    }
    blocked = [{"name": "no-secret", "kind": "words", "phrases": ["nightfall"]}]
    return {
        "version": 1,
        "operator": {"name": "Formation SAS", "currency": "EUR"},
        "backends": {
            "offline": {"kind": "builtin"},
            "hosted": {**hosted, "timeouts": {"total": "20s"}},
            "hub": {"kind": "hf-providers", "url": f"{router}/v1", "token": "env:TOKEN", "provider": "cheapest"},
            "sorts": {"kind": "tei", "url": tei, "location": here},
            **ills,
        },
        "models": {
            "assistant": {"task": "chat", "targets": [{"backend": "hosted", "model": "m"}]},
            "embeddings": {"task": "embed", "targets": [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]},
            "elsewhere": {"task": "embed", "targets": [{"backend": "hosted", "model": "m"}]},
            "ranker": {"task": "rerank", "targets": [{"backend": "offline", "model": "all-MiniLM-L6-v2"}]},
            "sorter": {"task": "classify", "targets": [{"backend": "sorts", "model": "intfloat/multilingual-e5-small"}]},
            "routed": {"task": "chat", "targets": [{"backend": "hub", "model": "openai/gpt-oss-120b"}]},
            **{name: {"task": "chat", "targets": [{"backend": name, "model": name}]} for name in ILLS},
        },
        "policies": {"near": {"countries": ["EEA"]}, "few": {"operators": ["Hugging Face, Inc.", "Scaleway SAS", "self"]}},
        "webhooks": {"nobody": {"url": "http://127.0.0.1:9/hook", "secret": "env:HOOK", "location": here}},
        "tenants": {
            NONE: {**off, "guardrails": blocked},
            CHOOSY: {**off, "policy": "few", "models": {"allow": ["routed"]}},
            POOR: {**off, "budget": {"amount": 0.000001, "alerts": [50, 100]}},
            KEPT: {
                "policy": "near",
                "models": allowed,
                "cache": {"ttl": "1h", "scope": "tenant", "semantic": {"max_error_rate": 0.05}},
                "rag": {"conversations": {"keep": "1d"}},
                "privacy": {"redact": ["email", "phone", "iban", "nir"]},
            },
        },
    }  # fmt: skip


@dataclass
class Heard:
    """One reply, and to what."""

    sent: Sent
    reply: Reply


@dataclass
class Estate:
    """The running service with Redis beside it, and all that it replied."""

    house: House
    memory: RedisServer
    engines: tuple[Engine, ...]  # beside the house's own
    heard: list[Heard] = field(default_factory=list)
    ids: dict[str, Any] = field(default_factory=dict)

    def client(self, tenant: str, who: str = "chief") -> Client:
        return self.house.admin if who == "operator" else self.house.keys[tenant][who]

    def send(self, client: Client, sent: Sent) -> Reply:
        """One request that may fail in any way but one: by a defect."""
        reply = client.ask(sent.method, sent.path, sent.body, headers=sent.headers)
        assert reply.status != 500, (sent, reply.raw)
        self.heard.append(Heard(sent, reply))
        return reply

    def post(self, client: Client, path: str, body: Any, way: str, **more: str) -> Reply:
        """A request that is written by hand."""
        said = {"content-type": "application/json", **more}
        return self.send(client, Sent("POST", path, ("POST", path), way, json.dumps(body).encode(), said))

    def of_redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.memory.socket), socket_timeout=5)


@contextmanager
def estate(folder: Path, models: Path) -> Iterator[Estate]:
    """Runs until the block ends. Redis writes down whatever it is told."""
    kept = ("--appendonly", "yes", "--rdbcompression", "no", "--aof-use-rdb-preamble", "no")
    with (
        running(SERVERS[0], *kept) as server,
        beside() as loop,
        loop.entered(TeiFake(kind="classifier")) as tei,
        loop.entered(RouterFake()) as router,
    ):
        more = {"REDIS_URL": server.url, "HOOK": "whsec_" + "c2VjcmV0" * 4, "TOKEN": "hf_test"}
        make = lambda url: config(url, tei.url, router.url)  # noqa: E731
        with house(folder, make, answer=says, extra=more, models=models, engine=Echo) as made:
            for tenant in (NONE, KEPT, POOR, CHOOSY):
                made.make(tenant, "open")
                made.make(tenant, "chief", role="tenant-admin")
            yield Estate(made, server, (tei, router))


# Operations by method and path: the names of its queries, and those of its body.
Operations = dict[tuple[str, str], tuple[list[str], list[str]]]


def every_operation(made: Estate, operations: Operations, tenant: str, stem: str) -> None:
    """All routes, by their tenant's chief, a member, the operator and nobody, with canaries everywhere."""
    for operation, told in operations.items():
        queries, fields = told
        ours = operation[1].startswith("/admin") or operation[1] == "/metrics"
        who = "operator" if ours else "chief"
        right = operation not in ASK_OUTSIDE
        for sent in around(operation, queries, fields, stem=stem, who=who, right=right):
            if right or sent.way in ("malformed", "wrong", "no object"):
                made.send(made.client(tenant, who if right else "open"), sent)
        for sent in around(operation, queries, fields, stem=stem, who="open"):
            if sent.way in ("right", "queried"):
                made.send(made.client(tenant, "open"), sent)
        nobody = Client(made.house.service.url, "")
        for sent in strange(operation, stem=stem):
            made.send(nobody, sent)
        nobody.close()
    for path in (
        "/v1/nowhere",
        f"/{canary(stem, 'unknown-route')}",
        f"/v1/models/{canary(stem, 'model')}/more",
    ):
        for method in ("GET", "POST", "PURGE"):
            made.send(made.client(tenant), Sent(method, path, (method, "unknown"), "unknown"))


def calls_that_end_in_every_way(made: Estate, tenant: str, stem: str) -> None:
    """Streams and whole answers: given, refused by a policy, a guardrail or a budget, failed upstream in all its ways."""
    client = made.client(tenant, "open")
    for number, path in enumerate(_PATHS):
        for stream in (False, True):
            where = f"{'stream' if stream else 'whole'}{'abc'[number]}"
            word = _words(stem, where)
            for model in ("assistant", *(ILLS if number < 1 else ("fails", "refuses"))):
                more = {"model": model, "stream": stream, "user": canary(PERSON, f"{where}{model}")}
                body: Any = chat(word, **more)
                if path == "/v1/completions":
                    body = {"prompt": word("prompt"), **more}
                made.post(client, path, body, f"{model} {where}", **{"idempotency-key": f"{where}-{model}"})
    word = _words(stem, "refused")
    few = made.client(CHOOSY, "open")
    made.ids["policy"] = {
        made.post(few, _PATHS[0], chat(word, model="routed", stream=each), "policy").code
        for each in (False, True)
    }
    blocked = chat(word, messages=[{"role": "user", "content": f"nightfall {word('blocked')}"}])
    made.ids["guardrail"] = made.post(client, _PATHS[0], blocked, "guardrail").code
    poor = made.client(POOR, "open")
    made.ids["budget"] = {
        made.post(poor, _PATHS[0], chat(word, max_tokens=500), "budget").code for _ in range(3)
    }
    made.post(client, _PATHS[0], chat(word, model=word("model")), "unknown model")
    for model in ("embeddings", "elsewhere"):
        body = {"model": model, "input": [word(model)], "user": canary(PERSON, model)}
        assert made.post(client, "/v1/embeddings", body, "embed").status == 200
    tools = chat(
        word, messages=[{"role": "user", "content": word("a")}, {"role": "user", "content": word("b")}]
    )
    assert made.post(client, _PATHS[0], tools, "tools").status == 200
    assert (
        made.post(
            client, "/v1/classify", {"model": "sorter", "inputs": word("c"), "input": word("c")}, "sort"
        ).status
        == 200
    )
    _hang_up(made, client, word("hung"))


def _hang_up(made: Estate, client: Client, word: str) -> None:
    """In the middle of an answer."""
    address = urlsplit(client.url)
    raw = json.dumps({"model": "silent", "messages": [{"role": "user", "content": word}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\nContent-Length: {len(raw)}\r\n\r\n"
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=5) as line:
        line.sendall(head.encode() + raw)
        time.sleep(0.2)


def _words(stem: str, where: str) -> Any:
    return lambda what: canary(stem, f"{where}-{what}")
