"""The words about whose tokens are taken in place of keys."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from passerelle.config.base import URL, Strict, is_url, matching, written
from passerelle.domain.caller import Role
from passerelle.domain.identity import ALGORITHMS, Issuer, Membership, is_group, is_private_way
from passerelle.domain.retrieval import LONGEST_NAME

_KEYS_URL = URL.removesuffix("$") + r"(\?[^\s#]*)?$"
_TEXT = r"^[^\x00-\x1f\x7f]{1,500}$"
_CLAIM = r"^[^\x00-\x20\x7f]{1,200}$"
_PLAIN = "can be changed on its way by others; write an https:// URL (http:// is for this machine only)"


def _issuer(value: str) -> str:
    if not is_url(value):
        raise ValueError("is not an issuer; write https://host[:port][/path] exactly as in the claim `iss`")
    if not is_private_way(value):
        raise ValueError(_PLAIN)
    return value


def _keys_url(value: str) -> str:
    if not is_url(value.partition("?")[0]) or not re.fullmatch(_KEYS_URL, value):
        raise ValueError("is not the URL of a key set; write https://host[:port][/path][?query]")
    if not is_private_way(value):
        raise ValueError(_PLAIN)
    return value


def _algorithm(value: str) -> str:
    if value not in ALGORITHMS:
        raise ValueError(
            f"is not the name of a signature that a public key verifies; use any of {', '.join(ALGORITHMS)}"
        )
    return value


def _group(value: str) -> str:
    if not is_group(value):
        raise ValueError(
            f"is not the name of a group; write 1 to {LONGEST_NAME} characters, without spaces around them"
        )
    return value


Text = Annotated[str, matching(_TEXT, "is empty, too long or holds invisible characters"), written(_TEXT)]
Claim = Annotated[str, matching(_CLAIM, "is not the name of a claim"), written(_CLAIM)]
GroupName = Annotated[
    str,
    AfterValidator(_group),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}),
]
Algorithm = Annotated[
    str, AfterValidator(_algorithm), WithJsonSchema({"type": "string", "enum": list(ALGORITHMS)})
]


class RoleFields(Strict):
    """Which values of a claim make which role."""

    claim: Claim = Field(
        default="roles",
        description="The claim: a list of words, or words with spaces between; a dot leads into an object.",
        examples=["realm_access.roles"],
    )
    member: list[Text] | None = Field(
        default=None,
        min_length=1,
        description="Values of which a token must have one to be a member's; if unsaid, every token is.",
        examples=[["chat-user"]],
    )
    tenant_admin: list[Text] | None = Field(
        default=None,
        min_length=1,
        description="Values of which one makes a tenant-admin, where the grant allows it.",
        examples=[["gateway-admin"]],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.member is None and self.tenant_admin is None:
            raise ValueError("maps nothing; write member or tenant_admin")
        return self


class GroupFields(Strict):
    """Which values of a claim make its holder a member of which access groups."""

    claim: Claim = Field(
        default="groups",
        description="The claim: a list of values, or one value; a dot leads into an object.",
        examples=["groups"],
    )
    prefix: Text | None = Field(
        default=None,
        description="Only values that begin so, without it; if unsaid, each value is a group of that name.",
        examples=["/documents/"],
    )
    names: dict[Text, GroupName] | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        description="Only these values, each with the group that it means; `*` means any group.",
        examples=[{"b1946ac9-2f5b-4c9e-8e7d-3a1f0c6d5e21": "teachers"}],
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.prefix is not None and self.names is not None:
            raise ValueError("chooses values in two ways; write `prefix` or `names`")
        return self

    def value(self) -> Membership:
        """The frozen value."""
        names = tuple(sorted(self.names.items())) if self.names is not None else None
        return Membership(self.claim, self.prefix or "", names)


class IssuerFields(Strict):
    """An OpenID provider whose tokens speak for a tenant."""

    issuer: Annotated[str, AfterValidator(_issuer), written(URL)] = Field(
        description="What the claim `iss` must be, to the letter.",
        examples=["https://login.client-a.example/realms/staff"],
    )
    audience: Text = Field(description="What the claim `aud` must hold.", examples=["passerelle"])
    jwks: Annotated[str, AfterValidator(_keys_url), written(_KEYS_URL)] | None = Field(
        default=None,
        description="Where its keys are; if unsaid, where its discovery document says.",
        examples=["https://login.client-a.example/keys"],
    )
    algorithms: list[Algorithm] = Field(
        default=["RS256", "ES256"],
        min_length=1,
        description="Signatures that are taken.",
        examples=[["RS256"]],
    )
    roles: RoleFields | None = Field(
        default=None, description="What its tokens say of their holder; if unsaid, every token is a member's."
    )
    groups: GroupFields | None = Field(
        default=None,
        description="What its tokens say of the groups of their holder, for whom documents may be kept; none, if unsaid.",
    )
    grant: Literal["member", "tenant-admin"] = Field(
        default="member",
        description="The most that a token of this issuer may be, whatever it says.",
        examples=["tenant-admin"],
    )

    @model_validator(mode="after")
    def _roles_within_the_grant(self) -> Self:
        named = self.roles is not None and self.roles.tenant_admin is not None
        if named and self.grant == "member":
            raise ValueError(
                "names roles of a tenant-admin that its grant rules out; "
                "write `grant: tenant-admin`, or remove them"
            )
        if self.grant == "tenant-admin" and not named:
            raise ValueError(
                "grants tenant-admin to nobody; name the values in `roles.tenant_admin`, or remove the grant"
            )
        return self

    def value(self) -> Issuer:
        """The frozen value."""
        roles = self.roles
        return Issuer(
            url=self.issuer,
            audience=self.audience,
            jwks=self.jwks,
            algorithms=tuple(dict.fromkeys(self.algorithms)),
            claim=roles.claim if roles else "roles",
            member=frozenset(roles.member) if roles and roles.member else None,
            tenant_admin=frozenset(roles.tenant_admin or ()) if roles else frozenset(),
            grant=Role(self.grant),
            groups=self.groups.value() if self.groups else None,
        )
