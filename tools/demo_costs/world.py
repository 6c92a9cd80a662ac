"""Who asks in the demonstration, where models run and what that costs: the figures that everything else is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from passerelle.backends.hf_providers import HfProvidersOptions
from passerelle.domain.catalog import Catalog
from passerelle.domain.facts import Facts, Host, Known, Price, State, Survey

QWEN, OSS = "Qwen/Qwen2.5-7B-Instruct", "openai/gpt-oss-120b"
MISTRAL, E5 = "mistralai/Mistral-Small-3.2-24B-Instruct-2506", "intfloat/multilingual-e5-small"
LYCEE, MAIRIE, ATELIER = "lycee-jean-moulin", "mairie-de-vannes", "atelier-bertin"
KEYS = {LYCEE: ("site-web", "salle-des-profs"), MAIRIE: ("guichet", "intranet"), ATELIER: ("boutique",)}
ENVIRONMENT = {"HF_TOKEN": "hf_demonstration", "SCALEWAY_KEY": "demonstration"}

CONFIGURATION = f"""# Written by `make demo-costs`. Nothing in it is ever called.
version: 1
operator: {{name: "Formation & Conseil SAS", country: FR, currency: EUR, time_zone: Europe/Paris}}
backends:
  gpu:
    kind: vllm
    url: "http://127.0.0.1:9"
    location: {{country: FR, operator: self}}
    cost: {{per_hour: 0.76, currency: EUR}}
    capacity: {{weights: {{input: 1, cached_input: 0.1, output: 4}}, idle: operator}}
    power: {{watts: 350, pue: 1.2}}
  endpoint:
    kind: hf-endpoint
    endpoint: formation/qwen-eu
    token: env:HF_TOKEN
    location: {{country: IE}}
    cost: {{per_hour: 0.80, currency: USD}}
    capacity: {{idle: users}}
  hub: {{kind: hf-providers, provider: cheapest, token: env:HF_TOKEN, bill_to: formation}}
  scaleway:
    kind: hf-providers
    provider: scaleway
    via: direct
    token: env:SCALEWAY_KEY
    cost: {{input_per_million: 0.15, output_per_million: 0.35, cached_input_per_million: 0.075, currency: EUR}}
  embedder:
    kind: tei
    url: "http://127.0.0.1:9"
    location: {{country: FR, operator: self}}
    cost: {{input_per_million: 0.01, output_per_million: 0, currency: EUR}}
  essai: {{kind: openai, url: "https://essai.invalid/v1", location: {{country: FR, operator: "Essai SAS"}}, trains: false}}
models:
  assistant:
    targets:
      - {{backend: gpu, model: {QWEN}, rank: 1}}
      - {{backend: endpoint, model: {QWEN}, rank: 2}}
      - {{backend: hub, model: {QWEN}, rank: 3}}
      - {{backend: scaleway, model: {MISTRAL}, rank: 4}}
      - {{backend: essai, model: acme/nouveau-7B, rank: 5}}
  analyste: {{targets: [{{backend: hub, model: {OSS}}}]}}
  embeddings: {{task: embed, targets: [{{backend: embedder, model: {E5}}}]}}
policies:
  eu-only: {{countries: [EEA, CH], training: forbidden}}
tenants:
  {LYCEE}:
    budget: {{amount: 300, on_exceed: notify, models: {{analyste: {{amount: 1, on_exceed: block}}}}}}
    tax: {{name: TVA, percent: 20}}
    tags: [cours]
  {MAIRIE}:
    policy: eu-only
    models: {{allow: [assistant, embeddings]}}
    budget: {{amount: 60, keys: {{guichet: {{amount: 0.5, on_exceed: notify}}}}}}
    resale: {{markup_percent: 15}}
    tax: {{name: TVA, percent: 20}}
    tags: [service]
  {ATELIER}:
    resale: {{prices: {{analyste: {{input_per_million: 0.25, output_per_million: 0.9, currency: EUR}}}}}}
"""

# What the Hub's list says: US dollars for a million tokens read and written, seconds to the first token.
LISTED: Mapping[tuple[str, str], tuple[str, str, float]] = {
    (QWEN, "novita"): ("0.0375", "0.05", 0.91),
    (QWEN, "scaleway"): ("0.17", "0.41", 0.48),
    (OSS, "nscale"): ("0.10", "0.40", 0.62),
}


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a million tokens cost at a place: read, read from the engine's cache, written. None: nobody knows."""

    currency: str
    read: Decimal
    cached: Decimal
    written: Decimal


# By backend, model and provider, where tokens have prices; what is paid by the hour is below.
TARIFFS: Mapping[tuple[str, str, str | None], Tariff] = {
    ("scaleway", MISTRAL, "scaleway"): Tariff("EUR", Decimal("0.15"), Decimal("0.075"), Decimal("0.35")),
    ("embedder", E5, None): Tariff("EUR", Decimal("0.01"), Decimal("0.01"), Decimal(0)),
    **{
        ("hub", model, provider): Tariff("USD", Decimal(read), Decimal(read), Decimal(written))
        for (model, provider), (read, written, _) in LISTED.items()
    },
}
# By the hour: price, currency, what tokens weigh (input, cached, written), and whether its users bear the idle time.
HOURLY: Mapping[str, tuple[Decimal, str, tuple[Decimal, Decimal, Decimal], bool]] = {
    "gpu": (Decimal("0.76"), "EUR", (Decimal(1), Decimal("0.1"), Decimal(4)), False),
    "endpoint": (Decimal("0.80"), "USD", (Decimal(1), Decimal("0.1"), Decimal(4)), True),
}
MARKUP = {MAIRIE: 15}  # percent
RESOLD = {
    (ATELIER, "analyste"): (Decimal("0.25"), Decimal("0.9"))
}  # euros for a million tokens read and written


def surveys(catalog: Catalog) -> dict[str, Survey]:
    """What the Hub would say if it were asked."""
    options: HfProvidersOptions = catalog.backends["hub"].options
    hosts: dict[str, list[Host]] = {}
    for (model, provider), (read, written, latency) in LISTED.items():
        price = Price("USD", Decimal(read), Decimal(written))
        hosts.setdefault(model, []).append(
            Host(provider, options.party(provider), Facts(price=price), latency=latency)
        )
    known = {model: Known(hosts=tuple(each)) for model, each in hosts.items()}
    return {"hub": Survey(State.READY, known)}
