"""A request's body without personal data, on every route. Pure; the body itself is never changed.

Images pass as they are: nothing here reads what they show. Whatever else cannot be read is refused, as are token ids:
a sound, a file. Text that is JSON stays JSON, and all but the text in it stays as it was, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from passerelle.domain.ask import Route
from passerelle.domain.errors import BadRequest
from passerelle.domain.privacy import Datum, Redaction, Sent
from passerelle.redaction.vault import Vault
from passerelle.text.personal import Found

Find = Callable[[str, str], list[Found]]  # in a text, of which it is known what it is

_IMAGES = frozenset({"image_url", "input_image", "image"})
_UNREADABLE = frozenset(
    {
        "input_audio",
        "audio",
        "audio_url",
        "file",
        "input_file",
        "file_url",
        "video",
        "video_url",
        "input_video",
    }
)
_ROLES = {
    "system": Sent.SYSTEM,
    "developer": Sent.SYSTEM,
    "assistant": Sent.ASSISTANT,
    "tool": Sent.TOOL,
    "function": Sent.TOOL,
}
# Fields of a body that belong to one kind of sender; all others are looked at whatever a tenant has chosen.
_FIELDS = {
    "tools": Sent.SYSTEM,
    "functions": Sent.SYSTEM,
    "response_format": Sent.SYSTEM,
    "prediction": Sent.ASSISTANT,
    "prompt": Sent.INPUT,
    "suffix": Sent.INPUT,
    "input": Sent.INPUT,
    "query": Sent.INPUT,
    "documents": Sent.INPUT,
}
_NOT_TEXT = frozenset({"role", "id", "type", "index", "tool_call_id"})  # of a message, or of a call in it
# Of the body: whose request it is has become a pseudonym by now.
_OTHERS_DO = frozenset({"model", "user", "safety_identifier", "prompt_cache_key"})
# Each text is answered by itself, and no answer holds text of the request.
ALONE = frozenset({Route.EMBEDDINGS, Route.CLASSIFY})
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*', re.DOTALL)
_COLON = re.compile(r"\s*:")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z_$-]{0,63}")


def redacted(
    route: Route, body: Mapping[str, Any], redaction: Redaction, *, find: Find, vault: Vault
) -> dict[str, Any]:
    """The body with placeholders. Raises BadRequest for what cannot be read."""
    return _Redacting(route, redaction, find, vault).body(body)


class _Redacting:
    def __init__(self, route: Route, redaction: Redaction, find: Find, vault: Vault) -> None:
        self._route = route
        self._fields = redaction.fields
        self._kinds = redaction.kinds
        self._find = find
        self._vault = vault

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        changed = dict(body)
        # What is asked comes first, so that the placeholders of its documents are numbered after its own.
        for name in sorted(body, key=lambda name: name != "query"):
            value = body[name]
            is_setting = isinstance(value, int | float)  # a seed, a limit
            if is_setting or name in _OTHERS_DO or (name in _FIELDS and _FIELDS[name] not in self._fields):
                continue
            if name == "messages" and self._route is Route.CHAT:
                changed[name] = [self._message(message) for message in value]
            elif name in ("prompt", "input") and self._route is not Route.CHAT:
                changed[name] = self._texts(name, value)
            else:
                changed[name] = self._node(value, name)
        return changed

    def _texts(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if any(not isinstance(part, str) for part in value or ()):
            raise BadRequest(
                f"`{name}` holds token ids, in which personal data cannot be looked for; send it as text.",
                code="unredactable",
                param=name,
            )
        texts = []
        for part in value or ():
            if self._route in ALONE:
                self._vault.restart()  # the same text is the same whatever is sent beside it
            texts.append(self._text(part))
        return texts

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        role = message.get("role")
        sent = _ROLES.get(role, Sent.USER) if isinstance(role, str) else Sent.USER
        changed = dict(message)
        for name, value in message.items():
            if name in ("tool_calls", "function_call"):
                if Sent.TOOL in self._fields:
                    changed[name] = self._calls(value)
            elif name == "name":
                if sent is not Sent.TOOL and sent in self._fields:
                    changed[name] = self._name(value)
            elif sent in self._fields and name not in _NOT_TEXT:
                changed[name] = self._node(value, "")
        return changed

    def _calls(self, calls: Any) -> Any:
        if isinstance(calls, list):
            return [self._calls(call) for call in calls]
        if not isinstance(calls, dict):
            return self._node(calls, "")
        return {
            name: value if name in _NOT_TEXT and isinstance(value, str | int) else self._node(value, "")
            for name, value in calls.items()
        }

    def _name(self, value: Any) -> Any:
        """Who speaks. It is a name whatever its form; brackets are not allowed in it."""
        if not isinstance(value, str) or not value:
            return value
        if Datum.NAME in self._kinds:
            return self._vault.word(Datum.NAME, value)
        found = self._find(value.replace("_", " "), "")
        return self._vault.word(found[0].kind, value) if found else value

    def _node(self, node: Any, known: str) -> Any:
        """Any JSON, with all of its text looked at. `known` is the name of its field."""
        if isinstance(node, str):
            return self._text(node, known)
        if isinstance(node, list):
            return [self._node(part, known) for part in node]
        if isinstance(node, dict):
            kind = node.get("type")
            if isinstance(kind, str) and kind in _IMAGES:
                return self._image(node)
            if isinstance(kind, str) and kind in _UNREADABLE:
                raise BadRequest(
                    f"Personal data cannot be looked for in a part of type {kind!r}; send what it says as text.",
                    code="unredactable",
                    param="messages",
                )
            return {self._key(name): self._node(value, name) for name, value in node.items()}
        if type(node) in (int, float):
            return self._number(node, known)
        return node

    def _number(self, number: Any, known: str) -> Any:
        written = str(number)
        found = self._find(written, known) if len(written) > 6 else []
        return self._vault.placeholder(found[0].kind, written) if found else number

    def _image(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        for text in _strings(part):
            if not text.startswith("data:image/") and self._find(text, ""):
                raise BadRequest(
                    "The address of an image holds personal data; send the image itself, as a `data:` URL.",
                    code="unredactable",
                    param="messages",
                )
        return part

    def _key(self, name: str) -> str:
        return name if _PLAIN_KEY.fullmatch(name) else self._replaced(name, "")

    def _text(self, text: str, known: str = "") -> str:
        if text[:1] in ("{", "[", '"', " ", "\n") and text.lstrip()[:1] in ("{", "[", '"'):
            try:
                orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
            else:
                return self._json(text, known)
        return self._replaced(text, known)

    def _replaced(self, text: str, known: str) -> str:
        found = self._find(text, known)
        if not found:
            return text
        pieces: list[str] = []
        at = 0
        for kind, start, end in found:
            pieces += [text[at:start], self._vault.placeholder(kind, text[start:end])]
            at = end
        return "".join([*pieces, text[at:]])

    def _json(self, text: str, known: str) -> str:
        """Text that is JSON: each of its strings and numbers by itself, the rest as it stands."""
        pieces: list[str] = []
        at = 0
        for match in _TOKEN.finditer(text):
            token = match.group()
            pieces.append(text[at : match.start()])
            at = match.end()
            if not token.startswith('"'):
                found = self._find(token, known) if len(token) > 6 else []
                pieces.append(f'"{self._vault.placeholder(found[0].kind, token)}"' if found else token)
                continue
            plain = orjson.loads(token)
            is_key = _COLON.match(text, at) is not None
            changed = self._key(plain) if is_key else self._text(plain, known)
            known = plain if is_key else known
            pieces.append(token if changed == plain else orjson.dumps(changed).decode())
        return "".join([*pieces, text[at:]])


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _strings(part)
