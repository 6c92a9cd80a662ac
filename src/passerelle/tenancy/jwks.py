"""The public keys of OpenID providers, in memory: fetched once for all who wait, and kept while a provider is away.

A token costs no request as long as its key is known. One that names a key nobody knows costs at most one request per
provider and half a minute, however many of them come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.util import base64_to_int

from passerelle.domain.errors import KeysUnavailable
from passerelle.domain.identity import Issuer
from passerelle.wire.jwks import NotFetched, fetch_keys

Fetch = Callable[[str, str | None], Awaitable[Sequence[Any]]]
Provider = tuple[str, str | None]  # an issuer and where its keys are, if that is said

EVERY = 300.0  # seconds between two looks at a provider whose keys are known
STALE = 86_400.0  # for how long keys are good without a look
UNKNOWN_EVERY = 30.0  # seconds between two requests for a key that is not known
_FIRST_RETRY, _LAST_RETRY = 1.0, 30.0  # seconds, doubling

_log = structlog.get_logger(__name__)

# What a key must be for an algorithm: its type, and its curve where it has one.
_KEYS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
_EDWARDS = frozenset({"EdDSA", "Ed25519"})  # two names for one signature
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_LEAST_BITS, _MOST_BITS = 2048, 8192  # of an RSA modulus: fewer can be broken, more cost too much to check
_LONGEST_MEMBER = 1366  # characters: so many bits in base64url
_LONGEST_EXPONENT = 6  # characters: no public exponent in use has more than 17 bits


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures."""

    key: Key
    kid: str | None
    algorithm: str | None  # the only one it is for, if it says so
    curve: str | None
    thumbprint: str  # RFC 7638: the same for the same key, whatever it is called

    def fits(self, algorithm: str, kid: str | None) -> bool:
        """May a signature of this kind, which names this key or none, be its?"""
        if kid is not None and kid != self.kid:
            return False
        if _KEYS.get(algorithm) != (self.key.key_type, self.curve):
            return False
        return self.algorithm in (None, algorithm) or {self.algorithm, algorithm} == _EDWARDS


def read_keys(values: Iterable[Any]) -> tuple[PublicKey, ...]:
    """The keys of a set that can verify a signature; all others are passed over. Never raises."""
    return tuple([key for value in values if (key := _read_key(value)) is not None])


def _read_key(value: Any) -> PublicKey | None:
    if not isinstance(value, dict) or "d" in value:
        return None  # a private key that its owner has published is nobody's
    kind, kid, algorithm = value.get("kty"), value.get("kid"), value.get("alg")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        return None
    operations = value.get("key_ops")
    verifies = operations is None or (isinstance(operations, list) and "verify" in operations)
    if value.get("use") not in (None, "sig") or not verifies:
        return None
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    members = {name: said for name in _MEMBERS[kind] if isinstance(said := value.get(name), str)}
    if len(members) < len(_MEMBERS[kind]) or max(map(len, members.values())) > _LONGEST_MEMBER:
        return None
    curve = members.get("crv")
    if (kind, curve) not in _KEYS.values():
        return None
    try:
        if kind == "RSA" and not _is_sound(members["n"], members["e"]):
            return None
        # Certificates and addresses beside the key are left out: nothing is believed for their sake.
        key = JWKRegistry.import_key({"kty": kind, **members})
        return PublicKey(key, kid, algorithm, curve, key.thumbprint())
    except (JoseError, ValueError, TypeError):
        return None


def _is_sound(modulus: str, exponent: str) -> bool:
    if len(exponent) > _LONGEST_EXPONENT:
        return False
    return _LEAST_BITS <= base64_to_int(modulus).bit_length() <= _MOST_BITS


class _Known:
    """What is known of one provider. Times are monotonic seconds."""

    __slots__ = ("asked", "failures", "keys", "next_try", "read", "task", "thumbprints")

    def __init__(self) -> None:
        self.keys: tuple[PublicKey, ...] = ()
        self.thumbprints: frozenset[str] = frozenset()
        self.read: float | None = None  # when they last came
        self.asked: float | None = None  # when a key was last asked for that is not among them
        self.failures = 0  # in a row
        self.next_try = 0.0
        self.task: asyncio.Task[None] | None = None

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """The key a signature names; without a name, the only one that fits."""
        fitting = [key for key in self.keys if key.fits(algorithm, kid)]
        return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None


class KeySets:
    """The key sets of all providers. Used in one loop; whoever makes it, closes it."""

    def __init__(self, *, fetch: Fetch = fetch_keys, clock: Callable[[], float] = monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[Provider, _Known] = {}

    async def find(self, issuer: Issuer, algorithm: str, kid: str | None) -> PublicKey | None:
        """The key that a signature names, None if its provider has none such.

        Raises KeysUnavailable when the provider cannot be asked and what is known does not decide it.
        """
        provider = (issuer.url, issuer.jwks)
        known = self._known.setdefault(provider, _Known())
        if not self._is_good(known):
            await self._refresh(provider, known)
        if not self._is_good(known):
            raise _unavailable()
        found = known.find(algorithm, kid)
        if found is None and known.task is not None:
            await self._refresh(provider, known)
            found = known.find(algorithm, kid)
        if found is None and self._may_ask(known):
            known.asked, known.next_try = self._clock(), 0.0
            await self._refresh(provider, known)
            found = known.find(algorithm, kid)
        if found is None and known.failures:
            raise _unavailable()  # it may have new keys by now
        return found

    def holds(self, issuer: Issuer, key: PublicKey) -> bool:
        """Is the key still one of the issuer's?"""
        known = self._known.get((issuer.url, issuer.jwks))
        return known is not None and key.thumbprint in known.thumbprints and self._is_good(known)

    def look(self, issuers: Iterable[Issuer]) -> None:
        """Start what is due to be fetched for these issuers, and forget all others. Waits for nothing."""
        wanted = {(issuer.url, issuer.jwks) for issuer in issuers}
        for provider in self._known.keys() - wanted:
            gone = self._known.pop(provider)
            if gone.task is not None:
                gone.task.cancel()
        for provider in wanted:
            self._start(provider, self._known.setdefault(provider, _Known()))

    def away(self) -> list[str]:
        """The issuers that did not answer, or sent nothing usable, when they were last asked."""
        return sorted({url for (url, _), known in self._known.items() if known.failures})

    async def aclose(self) -> None:
        """Break off what is being fetched."""
        tasks = [known.task for known in self._known.values() if known.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_good(self, known: _Known) -> bool:
        return known.read is not None and self._clock() - known.read <= STALE

    def _may_ask(self, known: _Known) -> bool:
        return known.asked is None or self._clock() - known.asked >= UNKNOWN_EVERY

    async def _refresh(self, provider: Provider, known: _Known) -> None:
        """Wait for a fetch; whoever else waits shares it, and who stops waiting does not end it."""
        self._start(provider, known)
        if known.task is not None:
            await asyncio.wait({known.task})

    def _start(self, provider: Provider, known: _Known) -> None:
        """Begin to fetch, unless that is under way or not due."""
        if known.task is None and self._clock() >= known.next_try:
            known.task = asyncio.create_task(self._learn(provider, known))

    async def _learn(self, provider: Provider, known: _Known) -> None:
        try:
            keys = read_keys(await self._fetch(*provider))
            if not keys:
                raise NotFetched("sends no key that could verify a signature")
        except NotFetched as error:
            wait = min(_FIRST_RETRY * 2.0**known.failures, _LAST_RETRY)
            known.failures = min(known.failures + 1, 10)
            known.next_try = self._clock() + wait
            if known.failures == 1:
                _log.warning("issuer_keys_not_read", issuer=provider[0], why=str(error))
        else:
            if known.failures:
                _log.info("issuer_keys_read_again", issuer=provider[0])
            known.keys, known.thumbprints = keys, frozenset(key.thumbprint for key in keys)
            known.read, known.failures = self._clock(), 0
            known.next_try = known.read + EVERY
        finally:
            known.task = None


def _unavailable() -> KeysUnavailable:
    return KeysUnavailable("The token's issuer does not tell its keys; tokens seen before go on working.")
