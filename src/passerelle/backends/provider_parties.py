"""The Inference Providers, and what is known of each as a party that sees data. Unknown stays unknown.

`country` is where data is processed, only where the provider commits to one; a company's seat is not that.
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
) -> Party:
    return Party(name, Location(country, operator), trains, days)


# Who may be named. A test compares the names with the installed huggingface_hub's, less `openai`, which the
# router refuses.
PARTIES: dict[str, Party] = {
    party.name: party
    for party in (
        _party("baseten"),
        # Memory cache of at most an hour.
        _party("cerebras", "Cerebras Systems Inc.", trains=False, days=0),
        # Trains unless the customer opts out; logs are deleted after 30 days.
        _party("cohere", "Cohere Inc.", trains=True, days=30),
        # In memory only, bulk jobs excepted.
        _party("deepinfra", "Deep Infra Inc.", trains=False, days=0),
        _party("fal-ai"),
        _party("featherless-ai"),
        # Volatile memory for open models; its own Responses API, which is not used here, keeps 30 days.
        _party("fireworks-ai", "Fireworks AI, Inc.", days=0),
        # In several regions without a promise of one; up to 30 days where abuse is suspected.
        _party("groq", "Groq, Inc.", trains=False, days=30),
        # States that it stores no bodies and trains on nothing.
        _party("hf-inference", "Hugging Face, Inc.", trains=False, days=0),
        _party("novita"),
        _party("nscale", "Nscale"),
        # By contract: no storage, not even a passing one, and no training.
        _party("ovhcloud", "OVHcloud", trains=False, days=0),
        _party("publicai"),
        _party("replicate"),
        # In Paris; whole requests may be kept for a time after misuse or a server error.
        _party("scaleway", "Scaleway SAS", country="FR", trains=False),
        _party("together", "Together Computer, Inc."),
        _party("wavespeed"),
        _party("zai-org"),
    )
}
