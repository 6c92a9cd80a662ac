"""From the text of `providers.yaml` to a catalog, or to findings that say what is wrong, where, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import ValidationError

from passerelle.config.billing import WebhookFields
from passerelle.config.fields import BackendOptions
from passerelle.config.secrets import SecretUnset, read_secret
from passerelle.domain.ask import Task
from passerelle.domain.billing import Sharing
from passerelle.domain.catalog import BackendSpec, Catalog, Model, Policy, Target, Tenant
from passerelle.domain.errors import Finding
from passerelle.routing.agreements import agreed, webhooks
from passerelle.routing.bounds import bounds
from passerelle.routing.caching import caching
from passerelle.routing.check import check
from passerelle.routing.costs import cost_of_backend, cost_of_target
from passerelle.routing.file import FileFields, ModelFields, TenantFields, file_model
from passerelle.routing.misfits import misfits
from passerelle.routing.notes import Notes
from passerelle.routing.pipelines import pipelines
from passerelle.routing.policies import policies, seated, systems
from passerelle.routing.privacy import privacy
from passerelle.routing.rag import check_names, documents
from passerelle.routing.source import Path, read_source, version_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome: a catalog when nothing forbids one, and everything that was found."""

    catalog: Catalog | None
    findings: tuple[Finding, ...]
    secret_files: frozenset[str] = frozenset()  # paths that the file refers to, known once its shape is right
    draft: Catalog | None = None  # what R rules refuse: it can be explained, and is never in force

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that keep the file from being used."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def exit_code(self) -> int:
        """0 usable; 1 well-formed, but a policy leaves a model without a target (R rules); 2 not usable."""
        if not self.errors:
            return 0
        return 1 if all(finding.rule.startswith("R") for finding in self.errors) else 2


def load(
    text: str,
    *,
    kinds: Mapping[str, type[BackendOptions]],
    environment: Mapping[str, str],
    source: str = "providers.yaml",
    strict: bool = False,
) -> Loaded:
    """Read, validate and check a file. With `strict`, warnings are errors."""
    read = read_source(text, file=source)
    if isinstance(read, Finding):
        return Loaded(None, (read,))
    notes = Notes(read, source)
    try:
        # As JSON, because only there a strict list may fill a tuple or a set, and a strict word an enumeration.
        fields = file_model(kinds).model_validate_json(orjson.dumps(read.data))
    except ValidationError as error:
        misfits(error, notes, kinds=kinds)
        return Loaded(None, notes.sorted())
    catalog = _build(fields, notes, environment=environment, version=version_of(text), source=source)
    if catalog is not None:
        check(catalog, notes, kinds=kinds, fields=fields)
    findings = notes.sorted()
    if strict:
        findings = tuple(replace(f, severity="error") if f.severity == "warning" else f for f in findings)
    loaded = Loaded(catalog, findings, _secret_files(fields))
    if not loaded.errors:
        return loaded
    return replace(loaded, catalog=None, draft=catalog if loaded.exit_code == 1 else None)


def _secret_files(fields: FileFields) -> frozenset[str]:
    options: Mapping[str, BackendOptions] = fields.backends  # type: ignore[attr-defined]  # made by file_model
    holders: tuple[BackendOptions | WebhookFields, ...] = (*options.values(), *fields.webhooks.values())
    references = [reference for holder in holders for reference in holder.secrets().values()]
    return frozenset(ref.removeprefix("file:") for ref in references if ref.startswith("file:"))


def _build(
    fields: FileFields, notes: Notes, *, environment: Mapping[str, str], version: str, source: str
) -> Catalog | None:
    """The catalog the fields mean; None when a name in them leads nowhere."""
    options: Mapping[str, BackendOptions] = fields.backends  # type: ignore[attr-defined]  # made by file_model
    backends = {
        name: _backend(name, chosen, notes, environment, fields.operator.country)
        for name, chosen in options.items()
    }
    known_policies = policies(fields.policies)
    models = {
        name: Model(name, asked.kind_of_task(), _targets(name, asked, options, notes), asked.created)
        for name, asked in fields.models.items()
    }
    check_names(models, notes)
    tenants = {
        name: _tenant(
            name,
            _Given(name, given, fields.defaults),
            models=models,
            policies=known_policies,
            currency=fields.operator.currency,
            notes=notes,
        )
        for name, given in fields.tenants.items()
    }
    # What `defaults` names must exist even where every tenant says otherwise today.
    _tenant(
        "defaults",
        _Given("defaults", None, fields.defaults),
        models=models,
        policies=known_policies,
        currency=fields.operator.currency,
        notes=notes,
    )
    hooks = webhooks(fields.webhooks, fields.tenants, environment, notes)
    stands = systems(fields, hooks, notes)
    if notes.errors:
        return None
    return Catalog(
        version,
        backends,
        models,
        tenants,
        operator=fields.operator.name,
        currency=fields.operator.currency,
        time_zone=fields.operator.time_zone,
        webhooks=hooks,
        systems=stands,
        source=source,
        cors_origins=frozenset(fields.cors.origins) if fields.cors else frozenset(),
    )


def _targets(
    name: str, asked: ModelFields, options: Mapping[str, BackendOptions], notes: Notes
) -> tuple[Target, ...]:
    """The targets of the model of this name whose backends there are."""
    targets = []
    for index, target in enumerate(asked.targets):
        path = ("models", name, "targets", index)
        if not notes.known(target.backend, options, (*path, "backend"), what="backend"):
            continue
        chosen = options[target.backend]
        targets.append(
            Target(
                target.backend,
                target.model,
                rank=target.rank,
                weight=target.weight,
                degraded=target.degraded,
                lacks=target.missing() | chosen.lacking(),
                offers=target.offered(),
                context=target.context,
                cost=cost_of_target(target, chosen, task=asked.kind_of_task(), path=path, notes=notes),
            )
        )
    return tuple(targets)


def _backend(
    name: str, options: BackendOptions, notes: Notes, environment: Mapping[str, str], seat: str | None
) -> BackendSpec:
    secrets: dict[str, str] = {}
    off = None
    for field, reference in options.secrets().items():
        try:
            secrets[field] = read_secret(reference, environment)
        except SecretUnset as unset:
            off = unset.reason
            notes.add(
                "error" if options.required else "warning",
                "C10",
                ("backends", name, field),
                f"The backend {name!r} is switched off: {unset.reason}.",
                "Provide the secret, or remove the backend.",
            )
    if off is None and (why := options.contradiction(secrets)):
        notes.add(
            "error",
            "C11",
            ("backends", name, *options.secrets()),
            f"The backend {name!r} cannot work: {why}.",
            "Refer to another secret, or choose another kind of backend.",
        )
    wake, patient = options.wake()
    return BackendSpec(
        name=name,
        kind=options.kind,
        options=options,
        location=options.where(),
        limits=options.timeouts.value(),
        secrets=secrets,
        off=off,
        parties=seated(options.parties(name), seat),
        choice=options.choice(),
        hosts=seated(options.hosts(), seat),
        payer=options.payer(),
        billable=options.billable(),
        wake=wake,
        patient=patient,
        cost=cost_of_backend(name, options, notes),
        sharing=options.capacity.value() if options.capacity else Sharing(),
        power=options.power.value() if options.power else None,
        concurrency=options.places(),
    )


class _Given:
    """What holds for a tenant: its own word where it has one, else that of `defaults`, field by field."""

    def __init__(self, name: str, given: TenantFields | None, defaults: TenantFields) -> None:
        self._sources = ((("tenants", name), given), (("defaults",), defaults))

    def get(self, *fields: str) -> tuple[Any, Path]:
        """The value of a field, such as `models.allow`, and where it stands; None where nobody speaks of it."""
        for root, source in self._sources:
            value: Any = source
            for field in fields:
                if value is None or field not in value.model_fields_set:
                    break
                value = getattr(value, field)
            else:
                if value is not None:
                    return value, (*root, *fields)
        return None, (*self._sources[0][0], *fields)


def _tenant(
    name: str,
    given: _Given,
    *,
    models: Mapping[str, Model],
    policies: Mapping[str, Policy],
    currency: str,
    notes: Notes,
) -> Tenant:
    allowed, place = given.get("models", "allow")
    for index, model in enumerate(allowed or ()):
        notes.known(model, models, (*place, index), what="model")
    names = tuple(models) if allowed is None else tuple(dict.fromkeys(allowed))
    default, place = given.get("models", "default")
    if default is not None and notes.known(default, models, place, what="model") and default not in names:
        message = f"The default model {default!r} of {name!r} is not among those it may use."
        notes.add("error", "C21", place, message, "Add it to `allow`, or choose another.")
    bound, place = given.get("policy")
    known = bound is not None and notes.known(bound, policies, place, what="policy")
    attempts = given.get("attempts")[0]
    return Tenant(
        name,
        models=names,
        default_model=default or _first(names, models),
        policy=policies[bound] if known else None,
        prefer=tuple(given.get("backends", "prefer")[0] or ()),
        deny=frozenset(given.get("backends", "deny")[0] or ()),
        degraded=bool(given.get("degraded")[0]),
        attempts=3 if attempts is None else attempts,
        bill_to=given.get("bill_to")[0],
        **agreed(given.get, models=models, currency=currency, notes=notes),
        **bounds(given.get, models=models, notes=notes),
        **caching(given.get, models=models, notes=notes),
        **documents(given.get, own=names, models=models, notes=notes),
        **pipelines(given.get, own=names, models=models, notes=notes),
        privacy=privacy(given.get),
    )


def _first(names: tuple[str, ...], models: Mapping[str, Model]) -> str | None:
    """The default of a tenant that names none: its first model for chat, else its first."""
    chat = (name for name in names if name in models and models[name].task is Task.CHAT)
    return next(chat, names[0] if names else None)
