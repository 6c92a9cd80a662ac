"""The Inference Providers, and what is known of each as a party that sees data. Unknown stays unknown.

`country` is where data is processed, only where the provider commits to one; a company's seat is not that,
and stands beside it.
Rows are overridden by the configuration. Sources: the providers' own documentation, as of November 2026.
"""

from __future__ import annotations

from passerelle.domain.catalog import Location, Party


def _party(
    name: str,
    operator: str | None = None,
    *,
    country: str | None = None,
    trains: bool | None = None,
    days: int | None = None,
    seat: str | None = None,
    pinned: bool | None = None,
) -> Party:
    return Party(name, Location(country, operator, seat), trains, days, pinned)


def placed(known: Location, stated: Location) -> Location:
    """A location as it is stated, else as it is known; a seat is that of the operator it was said of."""
    other = stated.operator is not None and stated.operator != known.operator
    seat = stated.seat or (None if other else known.seat)
    return Location(stated.country or known.country, stated.operator or known.operator, seat)


def over(known: Party, stated: Party) -> Party:
    """A party as it is stated, else as it is known. A place that is stated anew is not the one that was promised."""
    moved = stated.location.country not in (None, known.location.country)
    return Party(
        stated.name,
        placed(known.location, stated.location),
        known.trains if stated.trains is None else stated.trains,
        known.retention_days if stated.retention_days is None else stated.retention_days,
        (None if moved else known.pinned) if stated.pinned is None else stated.pinned,
        known.transfers | stated.transfers,
        known.unnamed or stated.unnamed,
    )


# Its operator does not document where it runs, and is a company of the United States; it states that it stores no
# bodies and trains on nothing.
ROUTER_PARTY = _party("router", "Hugging Face, Inc.", country="US", trains=False, days=0, seat="US")


# Who may be named. A test compares the names with the installed huggingface_hub's, less `openai`, which the
# router refuses.
PARTIES: dict[str, Party] = {
    party.name: party
    for party in (
        _party("baseten"),
        # Memory cache of at most an hour.
        _party("cerebras", "Cerebras Systems Inc.", trains=False, days=0, seat="US"),
        # Trains unless the customer opts out; logs are deleted after 30 days.
        _party("cohere", "Cohere Inc.", trains=True, days=30, seat="CA"),
        # In memory only, bulk jobs excepted.
        _party("deepinfra", "Deep Infra Inc.", trains=False, days=0, seat="US"),
        _party("fal-ai"),
        _party("featherless-ai"),
        # Volatile memory for open models; its own Responses API, which is not used here, keeps 30 days.
        _party("fireworks-ai", "Fireworks AI, Inc.", days=0, seat="US"),
        # In several regions without a promise of one; up to 30 days where abuse is suspected.
        _party("groq", "Groq, Inc.", trains=False, days=30, seat="US", pinned=False),
        # States that it stores no bodies and trains on nothing.
        _party("hf-inference", "Hugging Face, Inc.", trains=False, days=0, seat="US"),
        _party("novita"),
        _party("nscale", "Nscale", seat="GB"),
        # By contract: no storage, not even a passing one, and no training.
        _party("ovhcloud", "OVHcloud", trains=False, days=0, seat="FR"),
        _party("publicai"),
        _party("replicate"),
        # In Paris, which it says may change; whole requests may be kept for a time after misuse or a server error.
        _party("scaleway", "Scaleway SAS", country="FR", trains=False, seat="FR", pinned=False),
        _party("together", "Together Computer, Inc.", seat="US"),
        _party("wavespeed"),
        _party("zai-org"),
    )
}

HUB = "huggingface.co:443"

# Where each provider is asked directly. A test compares them with what the installed huggingface_hub knows.
ADDRESSES: dict[str, tuple[str, ...]] = {
    "baseten": ("inference.baseten.co:443",),
    "cerebras": ("api.cerebras.ai:443",),
    "cohere": ("api.cohere.com:443",),
    "deepinfra": ("api.deepinfra.com:443",),
    "fal-ai": ("fal.run:443", "queue.fal.run:443"),
    "featherless-ai": ("api.featherless.ai:443",),
    "fireworks-ai": ("api.fireworks.ai:443",),
    "groq": ("api.groq.com:443",),
    "novita": ("api.novita.ai:443",),
    "nscale": ("inference.api.nscale.com:443",),
    "ovhcloud": ("oai.endpoints.kepler.ai.cloud.ovh.net:443",),
    "publicai": ("api.publicai.co:443",),
    "replicate": ("api.replicate.com:443",),
    "scaleway": ("api.scaleway.ai:443",),
    "together": ("api.together.xyz:443",),
    "wavespeed": ("api.wavespeed.ai:443",),
    "zai-org": ("api.z.ai:443",),
}
