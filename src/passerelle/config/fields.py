"""Strict pydantic fields of `providers.yaml`; each kind of backend adds its own on top of `BackendOptions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from passerelle.config.base import URL, SecretReference, Strict, host_of, is_url
from passerelle.config.billing import CapacityFields, PowerFields
from passerelle.config.cost import CostWords, cost_field
from passerelle.config.durations import Duration
from passerelle.config.limits import ConcurrencyFields
from passerelle.config.parties import PartyFields
from passerelle.domain.ask import Capability, Task
from passerelle.domain.catalog import Party, TimeLimits
from passerelle.domain.limits import Concurrency


def _plain_url(value: str) -> str:
    if not is_url(value):
        raise ValueError(
            "is not the URL of a server; write http(s)://host[:port][/path], without query or credentials"
        )
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_plain_url), WithJsonSchema({"type": "string", "pattern": URL})]


class TimeoutFields(Strict):
    """The four time limits of a try: seconds, or a number with ms, s, m or h."""

    connect: Duration = Field(default=3.0, description="Until the connection stands.")
    first_content: Duration = Field(default=60.0, description="Until a stream's first content.")
    between_chunks: Duration = Field(default=60.0, description="Longest silence inside a stream.")
    total: Duration = Field(default=600.0, description="For the whole answer, all tries together.")
    after_hangup: Duration | None = Field(
        default=None,
        description="How long an engine that bills what nobody reads goes on after its caller hung up, until it says "
        "what it has used; without it, it is hung up on at once and what was delivered is counted.",
        examples=["30s"],
    )

    def value(self) -> TimeLimits:
        """The frozen value."""
        after = self.after_hangup or 0.0
        return TimeLimits(self.connect, self.first_content, self.between_chunks, self.total, after)


class BackendOptions(PartyFields):
    """What every kind of backend takes; a kind's own model adds its fields and narrows `kind`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT})
    lacks: ClassVar[frozenset[Capability]] = frozenset()

    kind: str = Field(description="The dialect the backend speaks.")
    timeouts: TimeoutFields = Field(default=TimeoutFields(), description="The four time limits of a try.")
    required: bool = Field(default=False, description="An unset secret is an error, not a warning.")
    cost: CostWords | None = cost_field(
        "What it costs: a price, or `auto` for the provider's own list.",
        {"per_hour": 0.76, "currency": "EUR"},
    )

    capacity: CapacityFields | None = Field(
        default=None, description="How hours that are paid are shared among those who used them."
    )
    power: PowerFields | None = Field(
        default=None, description="What its machine draws, for reports: hours that are paid times watts."
    )

    concurrency: Annotated[int, Field(ge=1, le=100_000)] | ConcurrencyFields | None = Field(
        default=None,
        description="Calls it is sent at once: a number, or more about it; the others wait in turn.",
        examples=[64],
    )

    def places(self) -> Concurrency:
        """How many calls it is sent at once."""
        stated = self.concurrency
        if isinstance(stated, int):
            return Concurrency(stated, least=min(4, stated))
        return stated.value() if stated else Concurrency()

    def parties(self, name: str) -> tuple[Party, ...]:
        """Everyone who sees what is sent to the backend of this name."""
        return (self.as_party(name),)

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        return {}

    def lacking(self) -> frozenset[Capability]:
        """What no model can do at this backend, unless a target of the file says that it can."""
        return self.lacks

    def choice(self) -> str | None:
        """`cheapest` or `fastest` where a router's provider is chosen by us for each tenant."""
        return None

    def hosts(self) -> tuple[Party, ...]:
        """Every provider that such a choice might fall on, with what is known of it."""
        return ()

    def able(self) -> frozenset[Task]:
        """The tasks that a backend with these options can do."""
        return self.tasks

    def reaches(self) -> frozenset[str]:
        """Hosts that it connects to, as `wire/destinations` has them; none where it connects to none."""
        return frozenset()

    def payer(self) -> str | None:
        """The organisation that pays for what this backend is asked, where one is named."""
        return None

    def billable(self) -> bool:
        """Whether a tenant's own organisation may pay for what this backend is asked."""
        return False

    def wake(self) -> tuple[float, bool]:
        """Seconds an engine that sleeps may take to wake (0: it never sleeps), and whether that is always waited."""
        return 0.0, False

    def contradiction(self, values: Mapping[str, str]) -> str | None:
        """Why these secret values cannot belong to these options, without quoting them; None when they can."""
        return None


class TokenOptions(BackendOptions):
    """A kind that may carry a bearer token."""

    token: SecretReference | None = Field(
        default=None,
        description="The bearer token it is asked with, by reference: env:NAME or file:/path.",
        examples=["env:NAME"],
    )

    def secrets(self) -> dict[str, str]:
        """Field name to secret reference, for every secret that is set."""
        return {"token": self.token} if self.token else {}


class UrlOptions(TokenOptions):
    """A kind that is an HTTP server at a URL."""

    url: Url = Field(
        description="The server's base; /v1 is added to a bare host.", examples=["http://host:8000"]
    )

    def reaches(self) -> frozenset[str]:
        """That of the server."""
        return frozenset({host_of(self.url)})

    @model_validator(mode="after")
    def _no_route_in_url(self) -> Self:
        if self.url.endswith(("/chat/completions", "/embeddings", "/completions")):
            raise ValueError(
                "has a url that names a route; write the server's base, such as http://host:8000"
            )
        return self
