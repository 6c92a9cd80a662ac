"""One deployment of a LiteLLM proxy as a backend and a model id of ours. Pure.

A deployment is an entry of `model_list`: its `litellm_params` name the provider by the prefix of `model`
(`litellm/litellm_core_utils/get_llm_provider_logic.py`). Secrets never leave here: what stands in the clear becomes
a reference with a name that is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Task
from passerelle.routing.litellm_providers import (
    ENDPOINT,
    FILLERS,
    KEYLESS,
    REGIONS,
    ROUTER_HOST,
    SERVERS,
    TASKS,
    TGI,
    Server,
)
from passerelle.routing.litellm_words import (
    ENVIRONMENT,
    encodes,
    host_of,
    number,
    per_million,
    plain_url,
    provider_of,
    seconds_of,
    texts,
    unnamed,
    variable_of,
    whole,
)
from passerelle.routing.notes import Notes
from passerelle.routing.source import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_LONGEST_CONTEXT = 1_000_000_000  # tokens; more is a slip of the pen


@dataclass(frozen=True, slots=True)
class Deployment:
    """An entry that was understood. `options` are a backend's, `name` what to call it."""

    path: Path
    name: str
    options: Mapping[str, Any]
    model: str
    task: Task
    order: int | None = None  # lower is asked first; None after all others
    weights: Mapping[str, float] = field(default_factory=dict)  # by LiteLLM's words: weight, rpm, tpm
    context: int | None = None  # tokens
    lacks: tuple[str, ...] = ()
    cost: Mapping[str, Any] | None = None


class Deployments:
    """Reads the entries of one file; remembers what it took over and the names it proposed for secrets."""

    def __init__(
        self, data: Mapping[str, Any], notes: Notes, *, kinds: Mapping[str, type[BackendOptions]]
    ) -> None:
        self._notes = notes
        self._kinds = kinds
        given = data.get("environment_variables")
        self._given = given if isinstance(given, dict) else {}
        self._proposed: dict[str, str] = {}
        self._taken_names = {text.removeprefix(ENVIRONMENT) for text in texts(data)}
        self.taken: set[Path] = set()

    def read(self, params: Mapping[str, Any], info: Mapping[str, Any], path: Path) -> Deployment | None:
        """The deployment of an entry, or None with a note that says why not."""
        inside, about = (*path, "litellm_params"), (*path, "model_info")
        stated = self._take(params, "model", inside)
        whole_name = self._resolved(stated)
        provider, model = provider_of(self._take(params, "custom_llm_provider", inside), whole_name)
        if whole_name is None or "*" in whole_name or provider is None or not model:
            self._skip((*inside, "model"), *unnamed(whole_name, stated))
            return None
        task = self._task(self._take(info, "mode", about), model, path)
        if task is None:
            return None
        name, options, model = self._backend(provider, model, params, inside)
        options |= self._timeouts(params, inside)
        checked = self._checked(options, inside, task)
        if checked is None:
            return None
        return Deployment(
            path,
            name,
            checked,
            model,
            task,
            order=whole(self._take(params, "order", inside)),
            weights=self._weights(params, inside),
            context=self._context(info, about),
            cost=self._cost(((params, inside), (info, about)), task),
            lacks=tuple(ours for theirs, ours in _LACKS.items() if self._take(info, theirs, about) is False),
        )

    def reference(self, value: Any, path: Path, default: str) -> str | None:
        """The reference to a secret of the file; None where it only fills a gap."""
        text = str(value).strip()
        name = text.removeprefix(ENVIRONMENT)
        if text.startswith(ENVIRONMENT) and _NAME.fullmatch(name):
            return f"env:{name}"
        if text.lower() in FILLERS:
            self._notes.add("info", "L03", path, "A key that says nothing is left out.", "")
            return None
        if text not in self._proposed:
            name, number = default, 1
            while name in self._taken_names:
                number += 1
                name = f"{default}_{number}"
            self._taken_names.add(name)
            self._proposed[text] = name
        name = self._proposed[text]
        message = f"A secret stands in the clear; the new file refers to env:{name} instead."
        self._notes.add("warning", "L02", path, message, f"Set {name} in Passerelle's environment to it.")
        return f"env:{name}"

    def _backend(
        self, provider: str, model: str, params: Mapping[str, Any], path: Path
    ) -> tuple[str, dict[str, Any], str]:
        """What to call it, its options, and the model's id there."""
        base = self._take(params, "api_base", path) or self._take(params, "base_url", path)
        if provider == "huggingface":
            host = host_of(self._resolved(base))
            if base is None or host == ROUTER_HOST:
                return self._routed(model, params, path)
            server = ENDPOINT if encodes(model) or host.endswith(".huggingface.cloud") else TGI
            if server is ENDPOINT:
                message = "An Inference Endpoint is asked at its address, where it is not woken from zero."
                cure = "Write `kind: hf-endpoint` and `endpoint: namespace/name` in place of `url` to have it woken."
                self._notes.add("info", "L03", (*path, "api_base"), message, cure)
            return server.name, self._served(server, base, params, path), model
        if provider in SERVERS:
            server = SERVERS[provider]
            return server.name, self._served(server, base, params, path), model
        options: dict[str, Any] = {"kind": "litellm", "provider": provider}
        if base is not None:
            options["api_base"] = self._url(base, (*path, "api_base"), provider)
        self._add_key(options, "api_key", params, path, default=None if provider in KEYLESS else provider)
        version = self._resolved(self._take(params, "api_version", path))
        if version is not None:
            options["api_version"] = version
        name = next((name for name in REGIONS if params.get(name) is not None), None)
        region = self._resolved(self._take(params, name, path)) if name else None
        if region is not None:
            options["region"] = region
        return provider, options, model

    def _routed(self, model: str, params: Mapping[str, Any], path: Path) -> tuple[str, dict[str, Any], str]:
        """Hugging Face's router: `provider/org/model`, `org/model:provider`, or `org/model` for its own choice."""
        first, _, rest = model.partition("/")
        identity, _, suffix = model.partition(":")
        provider = suffix or "auto"
        if "/" in rest and not suffix:
            provider, identity = first, rest
        options: dict[str, Any] = {"kind": "hf-providers", "provider": provider}
        self._add_key(options, "token", params, path, default="HF_TOKEN")
        options.setdefault("token", "env:HF_TOKEN")
        return ("hub" if provider == "auto" else f"hub-{provider}"), options, identity

    def _served(self, server: Server, base: Any, params: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """A server at a URL: the one that is given, or where LiteLLM would look."""
        options: dict[str, Any] = {"kind": server.kind}
        if base is None and server.url is None:
            message = f"No api_base says where {server.name} is, and LiteLLM reads it from its environment."
            self._notes.add(
                "warning", "L05", path, message, f"Write the `url` of {server.name} in the new file."
            )
            options["url"] = f"http://{server.name}.invalid"
        else:
            options["url"] = self._url(base or server.url, (*path, "api_base"), server.name)
        if server.below and not options["url"].endswith(server.below):
            options["url"] += server.below
        elif server.kind == "openai" and "/" not in options["url"].partition("://")[2]:
            message = "Passerelle asks below /v1 where a URL has no path; LiteLLM does not."
            self._notes.add(
                "info", "L03", (*path, "api_base"), message, "Check that the server answers there."
            )
        usual = server.key if server.keyed and (base is None or server.url is None) else None
        self._add_key(options, "token", params, path, default=usual, proposed=server.key)
        return options

    def _add_key(
        self,
        options: dict[str, Any],
        word: str,
        params: Mapping[str, Any],
        path: Path,
        *,
        default: str | None,
        proposed: str | None = None,
    ) -> None:
        """The key that is given; else the variable in which LiteLLM would look for it."""
        usual = variable_of(default) if default else None
        given = self._take(params, "api_key", path)
        if given is not None:
            name = proposed or usual or variable_of(str(options.get("provider", options["kind"])))
            reference = self.reference(given, (*path, "api_key"), name)
            if reference is not None:
                options[word] = reference
        elif usual is not None:
            options[word] = f"env:{usual}"
            message = (
                f"No api_key stands here; the new file refers to env:{usual}, where LiteLLM looks for it."
            )
            self._notes.add("info", "L03", (*path, "model"), message, "")

    def _url(self, stated: Any, path: Path, name: str) -> str:
        """A server's base: without route, query and credentials, which are told."""
        text = self._resolved(stated)
        if text is None:
            variable = str(stated).removeprefix(ENVIRONMENT) if str(stated).startswith(ENVIRONMENT) else ""
            message = f"The address stands in the variable {variable[:80]!r}; here a `url` is written out."
            if not variable:
                message = "The address cannot be read."
            self._notes.add(
                "warning", "L05", path, message, f"Write it as the `url` of {name} in the new file."
            )
            host = re.sub(r"[^a-z0-9]+", "-", (variable or name).lower()[:60]).strip("-")
            return f"http://{host or 'unknown'}.invalid"
        url, bare = plain_url(text)
        if not bare:
            message = "The address held credentials or a query, which the new file leaves out."
            self._notes.add("warning", "L02", path, message, "Refer to the key with `token: env:NAME`.")
        return url

    def _timeouts(self, params: Mapping[str, Any], path: Path) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        for theirs, ours in (("timeout", "total"), ("stream_timeout", "first_content")):
            seconds = seconds_of(self._resolved(params.get(theirs), keep=True))
            if seconds is not None:
                self._take(params, theirs, path)
                limits[ours] = seconds
        return {"timeouts": limits} if limits else {}

    def _weights(self, params: Mapping[str, Any], path: Path) -> dict[str, float]:
        weights = {word: number(params.get(word)) for word in ("weight", "rpm", "tpm")}
        self._take(params, "weight", path)
        return {word: value for word, value in weights.items() if value is not None and value >= 0}

    def _cost(self, stated: Sequence[tuple[Mapping[str, Any], Path]], task: Task) -> dict[str, Any] | None:
        """What a token costs, in US dollars. All of it 0 means that nobody has said."""
        found: dict[str, Any] = {}
        places: list[tuple[Mapping[str, Any], str, Path]] = []
        for theirs, ours in _COSTS.items():
            for fields, path in stated:
                price = per_million(fields.get(theirs))
                if price is not None and ours not in found:
                    found[ours] = price
                    places.append((fields, theirs, path))
        if task is not Task.CHAT:
            found.setdefault("output_per_million", 0)
        if not {"input_per_million", "output_per_million"} <= set(found) or not any(found.values()):
            return None
        for fields, theirs, path in places:
            self._take(fields, theirs, path)
        return {**found, "currency": "USD"}

    def _context(self, info: Mapping[str, Any], path: Path) -> int | None:
        value = whole(info.get("max_input_tokens"))
        if value is None or not 1 <= value <= _LONGEST_CONTEXT:
            return None
        self._take(info, "max_input_tokens", path)
        return value

    def _task(self, mode: Any, model: str, path: Path) -> Task | None:
        if mode is None:
            task = Task.EMBED if encodes(model) else Task.CHAT
            if task is Task.EMBED:
                message = f"{model!r} is taken for a model that embeds, by its name."
                cure = "Write `task: chat` in the new file if it is not."
                self._notes.add("info", "L03", (*path, "litellm_params", "model"), message, cure)
            return task
        task_name = TASKS.get(str(mode))
        if task_name is None:
            self._skip((*path, "model_info", "mode"), f"The mode {str(mode)[:40]!r} is not served here.", "")
            return None
        return task_name

    def _checked(self, options: dict[str, Any], path: Path, task: Task) -> dict[str, Any] | None:
        """The options as their kind takes them; a field that it does not know is told and left out."""
        kind = self._kinds.get(options["kind"])
        if kind is None:
            said = f"It needs a backend of kind {options['kind']}, which there is not."
            self._skip((*path, "model"), said, f"Use one of: {', '.join(sorted(self._kinds))}.")
            return None
        if task not in kind.tasks:
            said = f"A backend of kind {options['kind']} cannot {task.value}."
            self._skip((*path, "model"), said, "Serve the model in another way.")
            return None
        try:
            kind.model_validate_json(orjson.dumps(options))
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False, include_context=False)
            unknown = {
                str(part) for item in wrong if item["type"] == "extra_forbidden" for part in item["loc"]
            }
            if unknown & set(options):
                for name in sorted(unknown & set(options)):
                    said = f"A backend of kind {options['kind']} takes no {name}."
                    self._notes.add(
                        "warning", "L01", path, said, "Set it where the provider's library looks."
                    )
                return self._checked({k: v for k, v in options.items() if k not in unknown}, path, task)
            told = wrong[0]["msg"].removeprefix("Value error, ")
            where = ".".join(str(part) for part in wrong[0]["loc"])
            said = f"It makes no backend of kind {options['kind']}: {where} {told}".rstrip(".")
            self._skip((*path, "model"), f"{said}.", "Add it to the new file by hand.")
            return None
        return options

    def _take(self, fields: Mapping[str, Any], name: str, path: Path) -> Any:
        """A field's value, noted as taken over; a text that one line cannot hold is told instead."""
        value = fields.get(name)
        if isinstance(value, str) and not value.strip().isprintable():
            message = f"`{name}` holds a line break or a control character, and is not taken over."
            self._notes.add("warning", "L01", (*path, name), message, "Write it on one line.")
            value = None
        self.taken.add((*path, name))
        return value.strip() if isinstance(value, str) else value

    def _resolved(self, value: Any, *, keep: bool = False) -> Any:
        """A text, its variable looked up in the file's own `environment_variables`; None for none."""
        if isinstance(value, str) and value.startswith(ENVIRONMENT):
            name = value.removeprefix(ENVIRONMENT)
            found = self._given.get(name)
            self.taken.add(("environment_variables", name))
            return str(found) if found not in (None, "") else None
        if keep or isinstance(value, str):
            return value
        return None if value is None or isinstance(value, bool | dict | list) else str(value)

    def _skip(self, path: Path, message: str, cure: str) -> None:
        self._notes.add("warning", "L04", path, f"The entry is not taken over. {message}", cure)


_COSTS = {
    "input_cost_per_token": "input_per_million",
    "output_cost_per_token": "output_per_million",
    "cache_read_input_token_cost": "cached_input_per_million",
    "cache_creation_input_token_cost": "cache_write_per_million",
}
_LACKS = {
    "supports_function_calling": "tools",
    "supports_response_schema": "structured_output",
    "supports_vision": "vision",
}
