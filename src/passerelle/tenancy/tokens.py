"""Tokens of OpenID providers in place of keys: JSON Web Tokens, signed (RFC 7515, 7519, 8725 and 9068).

Which tenant a token speaks for follows from its issuer and audience alone, by the configuration in force. A token that
was verified is known again by the digest of all of it, for as long as it is good, its issuer is configured as it was
and its key is published. What a refusal says quotes nothing of the token.
"""

from __future__ import annotations

import hmac
import json
import time
from asyncio import sleep
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwa import JWSAlgModel
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from passerelle.domain.caller import Caller, Role
from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import Unauthenticated, Unavailable
from passerelle.domain.identity import ALGORITHMS, Issuer
from passerelle.tenancy.jwks import KeySets, PublicKey

LONGEST = 8192  # bytes of a token
LEEWAY = 60  # seconds that two clocks may differ
PREFIX = "oidc:"  # of the ids of callers who came with a token
_MOST = 10_000  # verified tokens that are known again
_LOOK_SECONDS = 5.0
_LAST_DATE = 253_402_300_800  # the year 10000
_LONGEST_SUBJECT, _LONGEST_KEY_NAME = 255, 256  # characters
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
# Bad signatures of one issuer that are checked at once, and a second: some 3 % of a core.
_MOST_BAD, _BAD_PER_SECOND = 400.0, 200.0

_MALFORMED = "The token is malformed."
_UNKNOWN = "The token's issuer and audience are not those of any tenant."


class _PublicKeysOnly(jws.JWSRegistry):
    """The algorithms of public keys, whatever the library's own list holds.

    A header may hold certificates and addresses, which are not looked at, and words nobody knows.
    """

    max_header_length = max_payload_length = LONGEST
    max_signature_length = 2048

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)
        self._taken = {name: self.algorithms[name] for name in ALGORITHMS}

    def get_alg(self, name: str) -> JWSAlgModel:
        """The algorithm of that name. Raises KeyError."""
        return self._taken[name]


class _Token(NamedTuple):
    """What a token says; none of it is believed yet."""

    signed: jws.CompactSignature
    algorithm: str
    kid: str | None
    claims: Mapping[str, Any]


class _Bad:
    """How many bad signatures came lately."""

    __slots__ = ("_at", "_level")

    def __init__(self) -> None:
        self._level = self._at = 0.0

    def is_full(self, now: float) -> bool:
        """Is it too many to check another one?"""
        self._level = max(0.0, self._level - max(0.0, now - self._at) * _BAD_PER_SECOND)
        self._at = now
        return self._level >= _MOST_BAD

    def add(self) -> None:
        """One more."""
        self._level += 1


@dataclass(frozen=True, slots=True)
class _Trusted:
    """An issuer, and the tenant it speaks for."""

    tenant: str
    issuer: Issuer
    prefix: str  # of the ids of its callers
    bad: _Bad


class _Verified(NamedTuple):
    caller: Caller
    ends: float  # Unix seconds
    tenant: str
    issuer: Issuer
    key: PublicKey


class Tokens:
    """Finds the caller behind a token. Used in one loop; whoever makes it, closes it."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        pepper: bytes,
        *,
        key_sets: KeySets | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._catalog = catalog
        self._pepper = pepper
        self._key_sets = key_sets or KeySets()
        self._now = now
        self._registry = _PublicKeysOnly()
        self._seen: Catalog | None = None
        self._index: dict[tuple[str, str], _Trusted] = {}  # by issuer and audience
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def find(self, secret: bytes) -> Caller | None:
        """The caller, if the token was verified before and is still good."""
        digest = sha256(secret).digest()
        known = self._verified.get(digest)
        if known is None:
            return None
        trusted = self._trusted().get((known.issuer.url, known.issuer.audience))
        if (
            trusted is None
            or (trusted.tenant, trusted.issuer) != (known.tenant, known.issuer)
            or self._now() >= known.ends
            or not self._key_sets.holds(known.issuer, known.key)
        ):
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return known.caller

    async def resolve(self, secret: bytes) -> Caller | None:
        """The caller of a token; None where no tenant takes any.

        Raises Unauthenticated for one that is not good, KeysUnavailable while its issuer does not tell its keys, and
        Unavailable while too many bad ones come in its issuer's name.
        """
        if not self._trusted():
            return None
        token = self._read(secret)
        trusted = self._match(token)
        if token.algorithm not in trusted.issuer.algorithms:
            _refuse("The token is signed in a way that is not taken from its issuer.")
        self._check_claims(token, trusted.issuer)
        key = await self._key_sets.find(trusted.issuer, token.algorithm, token.kid)
        found = self.find(secret)  # another call may have brought the same meanwhile
        if found is not None:
            return found
        if self._match(token) is not trusted:
            _refuse(_UNKNOWN)  # the configuration changed meanwhile
        if key is None:
            _refuse("The token is not signed with a key that its issuer publishes.")
        self._check_signature(token, key, trusted)
        return self._admit(secret, token, trusted=trusted, key=key)

    def alive(self, caller: Caller) -> bool:
        """Has the token of this caller not ended, and is its issuer configured for as much as before?"""
        if caller.expires is None or self._now() >= caller.expires + LEEWAY:
            return False
        return any(
            trusted.tenant == caller.tenant
            and caller.key_id.startswith(trusted.prefix)
            and (caller.role is Role.MEMBER or trusted.issuer.grant is caller.role)
            for trusted in self._trusted().values()
        )

    async def run(self) -> None:
        """Have the keys of every configured issuer at hand, and look at them again every few minutes."""
        while True:
            self._key_sets.look([trusted.issuer for trusted in self._trusted().values()])
            await sleep(_LOOK_SECONDS)

    def away(self) -> list[str]:
        """The issuers that do not tell their keys; what is known of them goes on working for a day."""
        return self._key_sets.away()

    async def aclose(self) -> None:
        """Break off what is being fetched."""
        await self._key_sets.aclose()

    def _trusted(self) -> Mapping[tuple[str, str], _Trusted]:
        """Whom the configuration in force trusts."""
        catalog = self._catalog()
        if catalog is not self._seen:
            old = self._index
            self._index = {}
            for tenant in catalog.tenants.values():
                for issuer in tenant.issuers:
                    place = (issuer.url, issuer.audience)
                    before = old.get(place)
                    same = before is not None and (before.tenant, before.issuer) == (tenant.name, issuer)
                    self._index[place] = before if before and same else self._trust(tenant.name, issuer)
            self._seen = catalog
        return self._index

    def _trust(self, tenant: str, issuer: Issuer) -> _Trusted:
        prefix = f"{PREFIX}{self._digest('issuer', tenant, issuer.url)[:8]}-"
        return _Trusted(tenant, issuer, prefix, _Bad())

    def _match(self, token: _Token) -> _Trusted:
        """The one whose token this says it is. Raises Unauthenticated."""
        issuer, said = token.claims.get("iss"), token.claims.get("aud")
        audiences: list[Any] = said if isinstance(said, list) else [said]
        if not isinstance(issuer, str) or not all(isinstance(each, str) for each in audiences):
            _refuse(_MALFORMED)
        trusted = self._trusted()
        found = [match for each in set(audiences) if (match := trusted.get((issuer, each))) is not None]
        if not found:
            _refuse(_UNKNOWN)
        if any(match.tenant != found[0].tenant for match in found):
            _refuse("The token is meant for more than one tenant, and so for none.")
        # Of several audiences of one tenant, one that grants least, and always the same.
        return min(found, key=lambda match: _granted(match.issuer))

    def _read(self, secret: bytes) -> _Token:
        """The parts of a token in its compact form. Raises Unauthenticated."""
        if len(secret) > LONGEST:
            _refuse(f"The token is longer than {LONGEST} bytes.")
        try:
            header = _object(urlsafe_b64decode(secret.partition(b".")[0]))
            _check_header(header)
            signed = jws.extract_compact(secret, None, self._registry)
            self._registry.check_header(signed.headers())
            claims = _object(signed.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            _refuse(_MALFORMED)
        return _Token(signed, header["alg"], header.get("kid"), claims)

    def _check_claims(self, token: _Token, issuer: Issuer) -> None:
        """Is it for us, and now? Raises Unauthenticated."""
        rules = JWTClaimsRegistry(
            now=int(self._now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer.url},
            aud={"essential": True, "value": issuer.audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        claims = token.claims
        try:
            rules.validate(dict(claims))
        except ExpiredTokenError:
            _refuse("The token has expired.")
        except MissingClaimError:
            _refuse("The token lacks one of the claims exp, iat, iss, aud and sub.")
        except ClaimError as error:
            early = error.claim in ("nbf", "iat")
            _refuse("The token is not valid yet." if early else _MALFORMED)
        if len(claims["sub"]) > _LONGEST_SUBJECT or claims["exp"] > _LAST_DATE:
            _refuse(_MALFORMED)

    def _check_signature(self, token: _Token, key: PublicKey, trusted: _Trusted) -> None:
        now = self._now()
        if trusted.bad.is_full(now):
            # Nobody's garbage may take the time of all others. Tokens that are known go on working.
            raise Unavailable(
                "Too many tokens of this issuer had a wrong signature just now.",
                code="too_many_bad_tokens",
                retry_after=1.0,
            )
        try:
            good = jws.validate_compact(token.signed, key.key, registry=self._registry)
        except (JoseError, ValueError):
            good = False
        if not good:
            trusted.bad.add()
            _refuse("The token's signature is not its issuer's.")

    def _admit(self, secret: bytes, token: _Token, *, trusted: _Trusted, key: PublicKey) -> Caller:
        """The caller of a token that is genuine. Raises Unauthenticated when it has no role."""
        issuer = trusted.issuer
        role = issuer.role(_words(token.claims, issuer.claim))
        if role is None:
            _refuse("The token's roles do not let its holder in.")
        groups = _groups(token.claims, issuer)
        expires = float(token.claims["exp"])
        subject = self._digest("subject", trusted.tenant, issuer.url, token.claims["sub"])[:16]
        caller = Caller(trusted.prefix + subject, trusted.tenant, role, expires=expires, groups=groups)
        known = _Verified(caller, expires + LEEWAY, trusted.tenant, issuer, key)
        self._verified[sha256(secret).digest()] = known
        while len(self._verified) > _MOST:
            self._verified.popitem(last=False)
        return caller

    def _digest(self, *words: str) -> str:
        """A name for these words that tells nobody without the installation's pepper what they are."""
        text = "passerelle oidc " + json.dumps(words)  # which keeps words apart, whatever they hold
        return hmac.digest(self._pepper, text.encode("ascii"), "sha256").hex()


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(why, code="invalid_token")


def _check_header(header: Mapping[str, Any]) -> None:
    """Raises ValueError for what is not a plain signed token."""
    kid, kind = header.get("kid"), header.get("typ", "JWT")
    if not isinstance(kid, str | None) or (kid is not None and len(kid) > _LONGEST_KEY_NAME):
        raise ValueError("kid")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise ValueError("typ")
    # Nothing is understood that a header could make critical; `cty` is of what is nested, `enc` and `zip` of what is
    # encrypted, and `b64` of what is not a token.
    if header.keys() & {"crit", "b64", "cty", "enc", "zip"}:
        raise ValueError("crit")
    if header.get("alg") not in ALGORITHMS:
        raise ValueError("alg")


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 in which no name stands twice. Raises ValueError or RecursionError."""
    value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one exception for all that is malformed
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")  # two readers could take each another one
    return found


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _granted(issuer: Issuer) -> tuple[bool, bool, str]:
    """How much an issuer grants; the audience makes the order whole."""
    return issuer.grant is not Role.MEMBER, issuer.groups is not None, issuer.audience


def _groups(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    """The groups of a token's holder. Raises Unauthenticated rather than to choose among too many."""
    if issuer.groups is None:
        return frozenset()
    value = _value(claims, issuer.groups.claim)
    # Names of groups have spaces in them, so one string is one name: some issuers write a list of one like that.
    said = [value] if isinstance(value, str) else _strings(value)
    try:
        return issuer.groups.groups(said)
    except ValueError:
        _refuse("The token names too many groups; `groups` in the configuration can choose among them.")


def _words(claims: Mapping[str, Any], path: str) -> list[str]:
    """The words of a claim: a list of strings, or one string of words; none where it is something else."""
    value = _value(claims, path)
    return value.split(" ") if isinstance(value, str) else _strings(value)


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _value(claims: Mapping[str, Any], path: str) -> Any:
    """What a claim holds; None where there is none."""
    value: Any = claims.get(path)  # some names have dots in them, being addresses
    if value is None:
        value = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    return value
