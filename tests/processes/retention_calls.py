"""A canary for every operation of the service: in bodies, paths, queries and headers, right and wrong ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.e2e.rag_scene import form
from tests.processes.retention_traces import NAMED, canary, personal

Word = Callable[[str], str]
_SURVEY, _JOB, _RAG = "/v1/surveys/{survey}", "/v1/content/jobs/{job}", "/v1/rag/collections"


@dataclass(frozen=True)
class Sent:
    """One request: what it says, and what it is to prove."""

    method: str
    path: str
    operation: tuple[str, str]
    way: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """A file, and what stands beside it."""

    name: str
    content: str
    media: str = "text/plain"
    fields: Mapping[str, Any] = field(default_factory=dict)


def chat(word: Word, **more: Any) -> dict[str, Any]:
    """A request with something in every place that there is for words."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "look", "arguments": json.dumps({"of": word("argument")})},
    }
    schema = {"type": "object", "properties": {"of": {"type": "string", "description": word("schema")}}}
    return {
        "model": "assistant",
        "messages": [
            {"role": "system", "content": f"Be brief. {word('system')}"},
            {"role": "user", "content": [{"type": "text", "text": f"Who is {word('part')}?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": word("toolresult")},
            {"role": "user", "content": f"And {word('said')}?", "name": "someone"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": word("tool"), "parameters": schema}}],
        "stop": [word("stop")],
        "metadata": {"note": word("metadata")},
        **more,
    }  # fmt: skip


def bodies(word: Word) -> dict[tuple[str, str], Any]:
    """Of every operation that takes one: right, as far as it can be without names that exist."""
    item = {"key": word("key"), "text": f"Un cours. {word('text')}", "title": word("title")}
    order = {"recipe": word("recipe"), "items": [item]}
    asked = {"question": word("question"), "user": word("user"), "metadata": {"note": word("metadata")}}
    return {
        ("POST", "/v1/chat/completions"): chat(word),
        ("POST", "/v1/chat"): chat(word),
        ("POST", "/v1/completions"): {"model": "assistant", "prompt": word("prompt"), "suffix": word("suffix")},
        ("POST", "/v1/embeddings"): {"model": "embeddings", "input": [word("input")], "user": word("user")},
        ("POST", "/v1/rerank"): {"model": "ranker", "query": word("query"), "documents": [word("document"), "b"]},
        ("POST", "/v1/classify"): {"model": "sorter", "input": word("input")},
        ("POST", _RAG): {"name": word("name") * 9, "description": word("description")},
        ("PATCH", f"{_RAG}/{{collection}}"): {"description": word("description")},
        ("POST", f"{_RAG}/{{collection}}/reindex"): {},
        ("POST", f"{_RAG}/{{collection}}/documents"): {
            "text": word("text"), "key": word("key"), "title": word("title"), "name": f"{word('file')}.txt",
            "metadata": {"note": word("metadata")}, "language": word("language"), "url": f"https://{word('host')}.example/",
        },
        ("POST", f"{_RAG}/{{collection}}/documents/retry"): {"code": word("code")},
        ("POST", f"{_RAG}/{{collection}}/documents/{{document}}/retry"): {},
        ("POST", "/v1/rag/search"): {"collection": word("collection"), "query": word("query")},
        ("POST", "/v1/rag/chat"): {"collection": word("collection"), **asked},
        ("POST", "/v1/rag/answers/{answer}/feedback"): {"thumb": "up", "comment": word("comment")},
        ("POST", "/v1/content/recipes"): {"name": word("name"), "extends": "nobody", "context": word("context")},
        ("PUT", "/v1/content/brand"): {"tone": word("tone"), "address": word("address")},
        ("POST", "/v1/content/read"): Form(f"{word('file')}.txt", word("text")),
        ("POST", "/v1/content/estimate"): order,
        ("POST", "/v1/content/jobs"): order,
        ("PATCH", _JOB): {"budget": {"amount": "1", "currency": word("currency")}},
        ("POST", f"{_JOB}/items/{{number}}/decisions"): {"text": {"decision": "edited", "value": word("edited")}},
        ("POST", f"{_JOB}/decisions"): {"decision": word("decision")},
        ("POST", "/v1/content/pieces/rollback"): {"key": word("key"), "field": "text", "number": 1},
        ("POST", "/v1/content/pieces/{key}/rollback"): {"field": word("field"), "number": 1},
        **_later(word),
    }  # fmt: skip


def _later(word: Word) -> dict[tuple[str, str], Any]:
    """Those of surveys, people, jobs and the operator."""
    category = {
        "id": "noise",
        "name": word("category"),
        "definition": word("definition"),
        "examples": [word("example")],
    }
    asked = {"question": word("question"), "user": word("user"), "metadata": {"note": word("metadata")}}
    answers = f"remarque;{word('heading')}\nTrès bien {word('comment')};{word('cell')}\n"
    table = Form(f"{word('file')}.csv", answers, "text/csv", {"title": word("title")})
    text = {"model": "assistant", "messages": [{"role": "user", "content": word("said")}]}
    return {
        ("POST", "/v1/surveys/codebooks/{name}"): {"language": word("language"), "categories": [category], "note": word("note")},
        ("POST", "/v1/surveys/codebooks/{name}/versions/{version}/check"): {},
        ("POST", "/v1/surveys/codebooks/{name}/versions/{version}/promote"): {"note": word("note")},
        ("POST", "/v1/surveys/columns"): table,
        ("POST", "/v1/surveys"): Form(table.name, answers, "text/csv", {"title": word("title"), "codebook": word("codebook")}),
        ("PATCH", _SURVEY): {"title": word("title")},
        ("POST", f"{_SURVEY}/runs"): {"codebook": word("codebook")},
        ("POST", f"{_SURVEY}/runs/{{run}}/reviewed"): {"comments": [word("comment")]},
        ("POST", f"{_SURVEY}/comments/{{comment}}/correction"): {"right": [word("category")]},
        ("POST", f"{_SURVEY}/themes"): {"model": word("model")},
        ("POST", f"{_SURVEY}/themes/{{theme}}/merge"): {"codebook": word("codebook"), "category": category},
        ("POST", f"{_SURVEY}/chat"): asked,
        **{("POST", f"/v1/privacy/subjects/{{subject}}/{deed}"): {} for deed in ("export", "erase", "restrict", "lift")},
        ("POST", "/v1/privacy/wipe"): {"confirm": word("confirm")},
        **{("POST", f"/v1/jobs/{{job}}/{what}"): {} for what in ("cancel", "pause", "resume")},
        ("POST", "/v1/jobs/{job}/retry"): {"codes": [word("code")]},
        ("POST", "/v1/cache/explain"): {**text, "text": word("said")},
        ("POST", "/v1/cache/{answer}/feedback"): {"verdict": word("verdict")},
        ("POST", "/admin/keys"): {"tenant": word("tenant"), "name": word("name"), "groups": [word("group")]},
        ("POST", "/admin/keys/{key_id}/rotate"): {"overlap_hours": 1, "note": word("note")},
        ("POST", "/admin/reload"): {"note": word("note")},
        ("POST", "/admin/backends/{name}/resume"): {"note": word("note")},
        ("POST", "/admin/ledger/verify"): {"month": word("month")},
        ("POST", "/admin/ledger/close"): {"month": word("month")},
        ("POST", "/admin/ledger/reconcile"): {"provider": word("provider"), "month": "2026-01", "content": word("invoice"), "source": word("source")},
        ("POST", "/admin/ledger/credit"): {"tenant": word("tenant"), "amount": "1", "reason": word("reason")},
        ("POST", "/admin/ledger/rates"): {"content": word("rates")},
        ("POST", "/admin/ledger/calibrate/{backend}"): {},
        ("POST", "/admin/provenance"): {"note": word("note")},
    }  # fmt: skip


# Ask somebody outside, so that nobody who may is let ask them.
ASK_OUTSIDE = {("POST", "/admin/provenance")}


def headers(word: Word) -> dict[str, str]:
    """What clients, proxies and tracers put there."""
    return {
        "traceparent": f"00-{word('trace')}-0-01",
        "tracestate": f"a={word('state')}",
        "baggage": f"who={word('baggage')}",
        "user-agent": word("agent"),
        "cookie": f"session={word('cookie')}",
        "referer": f"https://{word('referer')}.example/",
        "x-forwarded-for": word("address"),
        "x-request-id": canary(NAMED, "request"),
        "openai-organization": word("organization"),
    }


def around(
    operation: tuple[str, str],
    parameters: list[str],
    fields: list[str],
    *,
    stem: str,
    who: str,
    right: bool = True,
) -> Iterator[Sent]:
    """Requests to one operation by one caller: right and wrong, with a canary in whatever they say.

    `parameters` and `fields`: names that its document has for queries and for members of its body.
    """
    method, path = operation
    if right:
        yield _one(operation, "right", stem=stem, who=who)
    mark = _marks(stem, f"{who}-{method}-{path}")
    told = "&".join(f"{name}={mark('query-' + name)}" for name in parameters)
    yield _one(
        operation,
        "queried",
        stem=stem,
        who=who,
        query=f"{told}&{mark('query-name')}=1" if told else f"a={mark('query')}",
    )
    if method not in ("GET", "DELETE"):
        cut = b'{"' + mark("cut-name").encode() + b'": "' + mark("cut").encode()
        yield _one(operation, "malformed", stem=stem, who=who, body=cut)
        wrong = {name: [{mark("wrong-" + name): [mark("wrong")]}] for name in [*fields, mark("wrong-name")]}
        yield _one(operation, "wrong", stem=stem, who=who, body=json.dumps(wrong).encode())
        yield _one(
            operation,
            "no object",
            stem=stem,
            who=who,
            body=json.dumps([mark("list"), personal(who)]).encode(),
        )
        yield _one(
            operation,
            "untyped",
            stem=stem,
            who=who,
            body=mark("untyped").encode(),
            kind=f"text/{mark('kind')}",
        )


def strange(operation: tuple[str, str], *, stem: str) -> Iterator[Sent]:
    """With a key that is nobody's, in both places that keys are sent in."""
    mark = _marks(stem, f"nobody-{operation[1]}")
    for name, value in (
        ("authorization", f"Bearer {mark('bearer')}"),
        ("x-api-key", mark("apikey")),
        ("authorization", f"Basic {mark('basic')}"),
    ):
        sent = _one(operation, "nobody", stem=stem, who="nobody")
        yield Sent(sent.method, sent.path, operation, sent.way, sent.body, {**sent.headers, name: value})


def _one(
    operation: tuple[str, str],
    way: str,
    *,
    stem: str,
    who: str,
    query: str = "",
    body: bytes | None = None,
    kind: str = "application/json",
) -> Sent:
    method, path = operation
    mark = _marks(stem, f"{who}-{way}-{method}-{path}")
    filled = re.sub(r"{(\w+)(?::path)?}", lambda found: quote(mark(f"path-{found[1]}")), path)
    sent = headers(_marks(stem, f"header-{who}"))
    if way == "right":
        sent["idempotency-key"] = mark("idempotency")
    if body is None and operation in (known := bodies(mark)):
        said = known[operation]
        if isinstance(said, Form):
            fields = {
                name: each if isinstance(each, str) else json.dumps(each)
                for name, each in said.fields.items()
            }
            body, kind = form([(said.name, said.content.encode(), said.media)], fields)
        else:
            body = json.dumps(said).encode()
    if body is not None:
        sent["content-type"] = kind
    return Sent(method, f"{filled}?{query}" if query else filled, operation, way, body, sent)


def _marks(stem: str, where: str) -> Word:
    # What names a place may not be longer than what is named by it.
    short = re.sub(r"[^a-z]", "", where.lower())[-28:]
    return lambda what: canary(stem, f"{short}-{what}")
