"""The configuration of a LiteLLM proxy as a `providers.yaml`, with everything that could not be taken over. Pure.

Entries of one `model_name` become targets of one model; `order` and `fallbacks` become ranks, weights stay weights.
No secret of the file reaches the text that is made, nor the findings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from passerelle.config.fields import BackendOptions
from passerelle.domain.ask import Task
from passerelle.domain.errors import Finding
from passerelle.routing.litellm_deployment import Deployment, Deployments
from passerelle.routing.litellm_leftovers import tell_leftovers
from passerelle.routing.litellm_words import number, seconds_of
from passerelle.routing.notes import Notes
from passerelle.routing.providers_text import providers_text
from passerelle.routing.source import Path, Source, read_source

TENANT = "everyone"  # the tenant that is written, since LiteLLM keeps its own in a database

_COMMENT = "Taken over from the configuration of a LiteLLM proxy by `passerelle import-litellm`."
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,127}")
_MODEL_ID = re.compile(r"[!-~]{1,256}")
_MOST_WEIGHT = 1000
_MOST_ATTEMPTS = 10  # of a request, so that no more fallbacks can be reached


@dataclass(frozen=True, slots=True)
class Imported:
    """The text of a `providers.yaml`, None where nothing could be taken over, and what there is to say."""

    text: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    """A target before it has a place among those of a model."""

    backend: str
    deployment: Deployment
    rank: int
    weight: int


def import_litellm(
    text: str, *, kinds: Mapping[str, type[BackendOptions]], source: str = "config.yaml"
) -> Imported:
    """What the proxy's file means here."""
    read = read_source(text, file=source, foreign=True)
    if isinstance(read, Finding):
        cure = read.cure if read.line else "Name the config.yaml of a LiteLLM proxy."
        return Imported(
            None, (Finding(read.severity, "L00", read.message, cure, source, read.line, read.column),)
        )
    notes = Notes(read, source)
    importer = _Importer(read, notes, kinds=kinds)
    document = importer.document()
    tell_leftovers(read.data, importer.taken, notes)
    made = providers_text(document, comment=_COMMENT) if document else None
    return Imported(made, notes.sorted())


class _Importer:
    """Puts a file together from the deployments of another."""

    def __init__(self, source: Source, notes: Notes, *, kinds: Mapping[str, type[BackendOptions]]) -> None:
        self._data = source.data
        self._notes = notes
        self._deployments = Deployments(source.data, notes, kinds=kinds)
        self._backends: dict[str, dict[str, Any]] = {}
        self.taken = self._deployments.taken

    def document(self) -> dict[str, Any] | None:
        """The file's data, None when no entry could be taken over."""
        groups = self._groups()
        if not groups:
            message = "The file holds no model that can be taken over."
            self._notes.add("error", "L00", ("model_list",), message, "Add entries to `model_list`.")
            return None
        ranked = {name: self._ranked(deployments) for name, deployments in groups.items()}
        fallbacks, longest = self._fallbacks(ranked)
        models = {name: _model(targets, fallbacks.get(name, [])) for name, targets in ranked.items()}
        for alias, name in self._aliases(ranked):
            models[alias] = models[name]
        self._tell_what_is_missing()
        return {
            "version": 1,
            "backends": self._backends,
            "models": models,
            "tenants": {TENANT: self._tenant(longest)},
        }

    def _groups(self) -> dict[str, list[Deployment]]:
        """The deployments of each name that clients ask for."""
        groups: dict[str, list[Deployment]] = {}
        listed = self._data.get("model_list")
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            path: Path = ("model_list", index)
            name, deployment = self._entry(entry, path)
            if deployment is None:
                self.taken.add(path)
                continue
            group = groups.setdefault(name, [])
            if group and group[0].task is not deployment.task:
                message = f"The entry is not taken over. Others of {name!r} have another task."
                self._notes.add("warning", "L04", path, message, "Give it a name of its own.")
                self.taken.add(path)
                continue
            group.append(deployment)
        return groups

    def _entry(self, entry: Any, path: Path) -> tuple[str, Deployment | None]:
        entry = entry if isinstance(entry, dict) else {}
        params, info = entry.get("litellm_params"), entry.get("model_info")
        name = str(entry.get("model_name", ""))
        if not isinstance(params, dict):
            self._skip(path, "It has no litellm_params.", "Compare it with LiteLLM's documentation.")
            return name, None
        if not _MODEL_NAME.fullmatch(name):
            said = "Its model_name is a wildcard." if "*" in name else "Its model_name is no name here."
            cure = "Name each model that clients ask for: letters, digits and . _ / : @ -."
            self._skip((*path, "model_name"), said, cure)
            return name, None
        shared, place = self._credentials(params.get("litellm_credential_name"))
        info = info if isinstance(info, dict) else {}
        deployment = self._deployments.read({**shared, **params}, info, path)
        if place:
            inside = (*path, "litellm_params")
            self.taken.add((*inside, "litellm_credential_name"))
            self.taken |= {(*place, name) for name in shared if (*inside, name) in self.taken}
        if deployment is not None and not _MODEL_ID.fullmatch(deployment.model):
            self._skip((*path, "litellm_params", "model"), "Its model is no id.", "Write it without spaces.")
            deployment = None
        return name, deployment

    def _credentials(self, wanted: Any) -> tuple[Mapping[str, Any], Path]:
        """The values of the credentials of a name, and where they stand."""
        listed = self._data.get("credential_list")
        for index, given in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(given, dict) and wanted is not None and given.get("credential_name") == wanted:
                self.taken.add(("credential_list", index, "credential_name"))
                values = given.get("credential_values")
                return values if isinstance(values, dict) else {}, (
                    "credential_list",
                    index,
                    "credential_values",
                )
        return {}, ()

    def _ranked(self, deployments: Sequence[Deployment]) -> list[_Target]:
        """The targets of one name: by `order`, then by LiteLLM's weights (`router_strategy/simple_shuffle.py`)."""
        orders = sorted({d.order for d in deployments if d.order is not None})
        targets: list[_Target] = []
        rank = 0
        for order in (*orders, None):
            equals = [d for d in deployments if d.order == order]
            for share in _shares(equals):
                rank += 1
                targets += [self._target(d, rank, weight) for d, weight in share]
        if (
            any(w != "weight" and d.weights.get(w) for d in deployments for w in d.weights)
            and len(deployments) > 1
        ):
            self._tell_weights(deployments)
        return _merged(targets)

    def _tell_weights(self, deployments: Sequence[Deployment]) -> None:
        if any(d.weights.get("weight") for d in deployments):
            return
        for deployment in deployments:
            message = "Its share of the load is made from its rpm or tpm, as LiteLLM does."
            path = (*deployment.path, "litellm_params")
            self._notes.add("info", "L03", path, message, "Change the `weight` of the target if need be.")

    def _target(self, deployment: Deployment, rank: int, weight: int) -> _Target:
        options = dict(deployment.options)
        limits = {**self._limits(), **options.pop("timeouts", {})}
        if limits:
            options["timeouts"] = limits
        for name, known in self._backends.items():
            if known == options:
                return _Target(name, deployment, rank, weight)
        name, number_ = deployment.name, 1
        while name in self._backends:
            number_ += 1
            name = f"{deployment.name}-{number_}"
        self._backends[name] = options
        return _Target(name, deployment, rank, weight)

    def _limits(self) -> dict[str, Any]:
        """The time limits of all backends."""
        limits: dict[str, Any] = {}
        for section, theirs, ours in (
            ("litellm_settings", "request_timeout", "total"),
            ("router_settings", "timeout", "total"),
            ("router_settings", "stream_timeout", "first_content"),
        ):
            seconds = seconds_of(self._setting(section, theirs))
            if seconds is not None:
                self.taken.add((section, theirs))
                limits[ours] = seconds
        return limits

    def _setting(self, section: str, name: str) -> Any:
        given = self._data.get(section)
        return given.get(name) if isinstance(given, dict) else None

    def _fallbacks(self, ranked: Mapping[str, list[_Target]]) -> tuple[dict[str, list[_Target]], int]:
        """For each name the targets to try after its own, and how many names the longest list has."""
        aliases = dict(self._aliases(ranked, told=False))
        stated: dict[str, list[str]] = {}
        for section in ("litellm_settings", "router_settings"):
            default = self._setting(section, "default_fallbacks")
            if isinstance(default, list):
                self.taken.add((section, "default_fallbacks"))
                stated["*"] = [_fallback_name(other) for other in default]
            listed = self._setting(section, "fallbacks")
            if isinstance(listed, list):
                self.taken.add((section, "fallbacks"))
                for index, item in enumerate(listed):
                    stated |= self._fallback(item, (section, "fallbacks", index))
        for name in stated:
            if name not in ranked and name != "*":
                message = f"The fallbacks of {name!r} are left out: it is no model that was taken over."
                self._notes.add("warning", "L01", self._stated_at(), message, "")
        named = {name: [aliases.get(other, other) for other in after] for name, after in stated.items()}
        chains = {name: list(islice(_chain(name, named, {name}), _MOST_ATTEMPTS)) for name in ranked}
        found = {name: self._after(name, others, ranked) for name, others in chains.items()}
        return found, max((len(others) for others in chains.values()), default=0)

    def _fallback(self, item: Any, path: Path) -> dict[str, list[str]]:
        """An entry of `fallbacks`: the names to try after each name; what is set along with one is told."""
        if not isinstance(item, dict):
            self._notes.add("warning", "L01", path, "The fallback is not `{name: [names]}`.", "")
            return {}
        stated = {name: after if isinstance(after, list) else [after] for name, after in item.items()}
        if any(
            isinstance(other, dict) and set(other) - {"model"} for after in stated.values() for other in after
        ):
            message = "What is set along with a fallback is not taken over."
            self._notes.add("warning", "L01", path, message, "Write it into the target, if there is a field.")
        return {name: [_fallback_name(other) for other in after] for name, after in stated.items()}

    def _after(self, name: str, others: Sequence[str], ranked: Mapping[str, list[_Target]]) -> list[_Target]:
        """The targets of other names, one after the other, below those of a name."""
        rank = max(target.rank for target in ranked[name])
        found: list[_Target] = []
        for other in others:
            known = ranked.get(other)
            if known is None or known[0].deployment.task is not ranked[name][0].deployment.task:
                why = "was not taken over" if known is None else "has another task"
                message = f"The fallback of {name!r} to {other!r} is left out: that model {why}."
                self._notes.add(
                    "warning", "L01", self._stated_at(), message, "Add targets by hand if need be."
                )
                continue
            found += [_Target(t.backend, t.deployment, rank + t.rank, t.weight) for t in known]
            rank += max(target.rank for target in known)
        return found

    def _stated_at(self) -> Path:
        section = "router_settings" if self._setting("router_settings", "fallbacks") else "litellm_settings"
        return (section, "fallbacks")

    def _aliases(self, ranked: Mapping[str, Any], *, told: bool = True) -> Iterator[tuple[str, str]]:
        """The other names of models."""
        path: Path = ("router_settings", "model_group_alias")
        given = self._setting("router_settings", "model_group_alias")
        if not isinstance(given, dict):
            return
        self.taken.add(path)
        for alias, meant in given.items():
            name = meant.get("model") if isinstance(meant, dict) else meant
            if name in ranked and _MODEL_NAME.fullmatch(alias) and alias not in ranked:
                if isinstance(meant, dict) and meant.get("hidden") is True and told:
                    message = f"The alias {alias!r} is hidden there; here /v1/models lists it."
                    self._notes.add("info", "L03", (*path, alias), message, "")
                yield alias, str(name)
            elif told:
                message = f"The alias {alias!r} leads to no model that was taken over, or is the name of one."
                self._notes.add("warning", "L01", (*path, alias), message, "Add the model by hand.")

    def _tenant(self, longest: int) -> dict[str, Any]:
        """The one tenant, with as many attempts as LiteLLM makes."""
        for section in ("router_settings", "litellm_settings"):
            retries = number(self._setting(section, "num_retries"))
            if retries is not None and retries >= 0:
                self.taken.add((section, "num_retries"))
                attempts = min(int(retries) + 1 + longest, _MOST_ATTEMPTS)
                message = (
                    f"`num_retries` and fallbacks become {attempts} attempts over all targets of a model."
                )
                cure = "Change `attempts` of the tenant if need be."
                self._notes.add("info", "L03", (section, "num_retries"), message, cure)
                return {"attempts": attempts}
        return {}

    def _tell_what_is_missing(self) -> None:
        message = f"LiteLLM keeps teams and keys in its database; the new file has one tenant, {TENANT!r}."
        cure = "Write a tenant for each client company, and make keys with `passerelle keys create --tenant`."
        self._notes.add("warning", "L05", ("model_list",), message, cure)
        message = "LiteLLM does not say where data is processed, and a policy refuses what is not known."
        cure = "Give backends their `location` before you bind a tenant to a policy."
        self._notes.add("warning", "L05", ("model_list",), message, cure)

    def _skip(self, path: Path, message: str, cure: str) -> None:
        self._notes.add("warning", "L04", path, f"The entry is not taken over. {message}", cure)


def _fallback_name(item: Any) -> str:
    name = item.get("model") if isinstance(item, dict) else item
    return "" if isinstance(name, list | dict) else str(name)


def _chain(name: str, stated: Mapping[str, Sequence[str]], seen: set[str]) -> Iterator[str]:
    """The names tried after a name, each followed by its own fallbacks, as LiteLLM does; each once."""
    for other in stated.get(name, stated.get("*", ())):
        if other not in seen:
            seen.add(other)
            yield other
            yield from _chain(other, stated, seen)


def _shares(equals: Sequence[Deployment]) -> Iterator[list[tuple[Deployment, int]]]:
    """Deployments that share the load, with whole weights; then those that LiteLLM never draws."""
    word = next((w for w in ("weight", "rpm", "tpm") if any(d.weights.get(w) for d in equals)), None)
    if word is None:
        if equals:
            yield [(deployment, 1) for deployment in equals]
        return
    drawn = [(d, d.weights[word]) for d in equals if d.weights.get(word)]
    yield list(zip((d for d, _ in drawn), _whole_weights([value for _, value in drawn]), strict=True))
    never = [(d, 1) for d in equals if not d.weights.get(word)]
    if never:
        yield never


def _whole_weights(weights: Sequence[float]) -> list[int]:
    """The same shares in whole numbers from 1 to 1000, as small as they can be."""
    if any(not weight.is_integer() for weight in weights) or max(weights) > _MOST_WEIGHT:
        largest = max(weights)
        whole = [max(1, round(weight / largest * _MOST_WEIGHT)) for weight in weights]
    else:
        whole = [int(weight) for weight in weights]
    divisor = math.gcd(*whole)
    return [weight // divisor for weight in whole]


def _merged(targets: Sequence[_Target]) -> list[_Target]:
    """Each backend and model once: what stands twice in a rank has the weight of both, later ranks say nothing new."""
    found: dict[tuple[str, str], _Target] = {}
    for target in targets:
        key = (target.backend, target.deployment.model)
        known = found.get(key)
        if known is None:
            found[key] = target
        elif known.rank == target.rank:
            weight = min(known.weight + target.weight, _MOST_WEIGHT)
            found[key] = _Target(known.backend, known.deployment, known.rank, weight)
    return list(found.values())


def _model(own: Sequence[_Target], after: Sequence[_Target]) -> dict[str, Any]:
    targets = _merged((*own, *after))
    ranks = {rank: index for index, rank in enumerate(sorted({t.rank for t in targets}), start=1)}
    return {
        "task": (Task.EMBED if own[0].deployment.task is Task.EMBED else Task.CHAT).value,
        "targets": [_written(target, ranks[target.rank]) for target in targets],
    }


def _written(target: _Target, rank: int) -> dict[str, Any]:
    deployment = target.deployment
    written: dict[str, Any] = {"backend": target.backend, "model": deployment.model, "rank": rank}
    if target.weight != 1:
        written["weight"] = target.weight
    if deployment.context is not None:
        written["context"] = deployment.context
    if deployment.cost:
        written["cost"] = dict(deployment.cost)
    if deployment.lacks:
        written["lacks"] = list(deployment.lacks)
    return written
