"""Can names be found by a model here, where a tenant says so?"""

from __future__ import annotations

from collections.abc import Callable

from passerelle.domain.catalog import Tenant
from passerelle.domain.privacy import Names
from passerelle.routing.notes import Notes
from passerelle.text.personal_models import missing


def check_names_model(
    tenant: Tenant, notes: Notes, *, lacking: Callable[[], tuple[str, str] | None] = missing
) -> None:
    """Note what is missing. `lacking` says it, and the cure."""
    redaction = tenant.privacy.redaction
    if redaction is None or redaction.names is not Names.PRESIDIO:
        return
    found = lacking()
    if found is not None:
        message = f"{tenant.name!r} has names found by a model, and {found[0]}."
        notes.add("error", "C61", ("tenants", tenant.name, "privacy", "redact", "names"), message, found[1])
