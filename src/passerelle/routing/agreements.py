"""What is agreed about money, from the file to values: budgets, resale, tax, tags, and who is told.

Names in it must lead somewhere, and amounts be in the one currency that the operator reports in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from passerelle.config.billing import BudgetFields, ResaleFields, TaxFields, WebhookFields
from passerelle.config.secrets import SecretUnset, read_secret
from passerelle.domain.billing import EVENTS, Ceiling, Webhook
from passerelle.domain.catalog import Catalog, Model, Tenant
from passerelle.domain.money import decimal
from passerelle.domain.prices import Basis, Cost
from passerelle.routing.notes import Notes
from passerelle.routing.source import Path
from passerelle.wire.webhooks import keys_of

Get = Callable[..., tuple[Any, Path]]


def agreed(get: Get, *, models: Mapping[str, Model], currency: str, notes: Notes) -> dict[str, Any]:
    """The fields of a tenant that speak of money; `get` gives the value of a word and where it stands."""
    budget, place = get("budget")
    if isinstance(budget, BudgetFields):
        _check_budget(budget, place, models=models, currency=currency, notes=notes)
    resale, place = get("resale")
    if isinstance(resale, ResaleFields):
        _check_resale(resale, place, models=models, currency=currency, notes=notes)
    tax = get("tax")[0]
    return {
        "budget": budget.value(currency) if isinstance(budget, BudgetFields) else None,
        "terms": resale.value() if isinstance(resale, ResaleFields) else None,
        "tax": tax.value() if isinstance(tax, TaxFields) else None,
        "tags": tuple(get("tags")[0] or ()),
    }


def webhooks(
    fields: Mapping[str, WebhookFields],
    tenants: Collection[str],
    environment: Mapping[str, str],
    notes: Notes,
) -> tuple[Webhook, ...]:
    """Those whose secret is there; one without is switched off, and said to be."""
    found: list[Webhook] = []
    for name, hook in fields.items():
        path = ("webhooks", name)
        for index, tenant in enumerate(hook.tenants or ()):
            notes.known(tenant, tenants, (*path, "tenants", index), what="tenant")
        if hook.plain:
            message = f"What the webhook {name!r} is told can be read on its way."
            notes.add("warning", "C32", (*path, "url"), message, "Write an https:// URL.")
        for index, event in enumerate(hook.events):
            notes.known(event, EVENTS, (*path, "events", index), what="event")
        try:
            secret = read_secret(hook.secret, environment)
            keys_of(secret)
            found.append(hook.value(name, secret))
        except ValueError as wrong:  # whose words quote nothing
            notes.add(
                "error",
                "C34",
                (*path, "secret"),
                f"The webhook {name!r} cannot sign: {wrong}.",
                "Give it 24 to 512 bytes, best as `whsec_` and base64.",
            )
        except SecretUnset as unset:
            message = f"The webhook {name!r} is switched off: {unset.reason}."
            notes.add(
                "warning", "C10", (*path, "secret"), message, "Provide the secret, or remove the webhook."
            )
    return tuple(found)


def _check_budget(
    budget: BudgetFields, place: Path, *, models: Mapping[str, Model], currency: str, notes: Notes
) -> None:
    for model in budget.models:
        notes.known(model, models, (*place, "models", model), what="model")
    if budget.currency not in (None, currency):
        _foreign(budget.currency or "", (*place, "currency"), currency=currency, what="budget", notes=notes)


def _check_resale(
    resale: ResaleFields, place: Path, *, models: Mapping[str, Model], currency: str, notes: Notes
) -> None:
    for model, price in resale.prices.items():
        path = (*place, "prices", model)
        notes.known(model, models, path, what="model")
        if price.currency != currency:
            _foreign(price.currency, (*path, "currency"), currency=currency, what="price", notes=notes)


def _foreign(given: str, path: Path, *, currency: str, what: str, notes: Notes) -> None:
    message = f"The {what} is in {given}, and clients are charged in the operator's currency, {currency}."
    notes.add("error", "C31", path, message, f"Write the amount in {currency}, or set `operator.currency`.")


def check_hours(catalog: Catalog, notes: Notes) -> None:
    """Note what is said of hours that nobody pays, and of tenants that there are not."""
    for name, spec in catalog.backends.items():
        hourly = (isinstance(spec.cost, Cost) and spec.cost.basis is Basis.HOUR) or spec.kind == "hf-endpoint"
        if spec.options.capacity is not None and not hourly:
            message = f"{name!r} is not paid by the hour, so that there are no hours to share."
            cure = "Write its `cost` as {per_hour: ..}, or remove `capacity`."
            notes.add("error", "C35", ("backends", name, "capacity"), message, cure)
        for tenant in spec.sharing.shares:
            notes.known(
                tenant, catalog.tenants, ("backends", name, "capacity", "idle", tenant), what="tenant"
            )
        if spec.power is not None and not hourly:
            message = f"The watts of {name!r} count for hours that are paid, and it is not paid by the hour."
            cure = "Write its `cost` as {per_hour: ..}, or remove `power`."
            notes.add("error", "C36", ("backends", name, "power"), message, cure)
    for name, tenant_of in catalog.tenants.items():
        sold = set(tenant_of.terms.prices) if tenant_of.terms else set()
        if sold and not set(tenant_of.models) <= sold:
            message = (
                f"{name} has prices of its own for some of its models only: hours are charged beside them."
            )
            cure = "Give every model a price, or none; then it is charged for hours or for use, not for both."
            notes.add("warning", "C37", ("tenants", name), message, cure)


def agreements(tenant: Tenant) -> dict[str, Any]:
    """What is agreed with a tenant, by the words of the file; what is not agreed is None."""
    budget, terms, tax = tenant.budget, tenant.terms, tenant.tax
    told: dict[str, Any] = {"tags": sorted(tenant.tags) or None}
    if budget is not None:
        told["budget"] = _ceiling(budget.tenant, budget.currency) if budget.tenant else "none of its own"
        told |= {f"budget.keys.{name}": _ceiling(each, budget.currency) for name, each in budget.keys.items()}
        told |= {
            f"budget.models.{name}": _ceiling(each, budget.currency) for name, each in budget.models.items()
        }
        told["budget.alerts"] = list(budget.alerts)
    if terms is not None:
        told["resale.markup_percent"] = f"{terms.markup:f}"
        told |= {f"resale.prices.{model}": str(price) for model, price in terms.prices.items()}
    if tax is not None:
        told["tax"] = f"{tax.name} {tax.percent:f} %"
    return told


def _ceiling(ceiling: Ceiling, currency: str) -> str:
    return f"{decimal(ceiling.amount).normalize():f} {currency} a month, then {ceiling.on_exceed}"
