"""The key set of an OpenID provider, fetched: by its discovery document, or from where the operator says.

OpenID Connect Discovery 1.0 section 4, RFC 8414 and RFC 7517 section 5. No redirect is followed, hosts are those
that the operator has named, nothing is kept
between two fetches, and every answer is bounded in size and time. What is in the keys is not looked at here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
from yarl import URL

from passerelle.domain.identity import is_private_way
from passerelle.wire.destinations import NotNamed, origin
from passerelle.wire.session import Session, open_session

LIMIT = 5.0  # seconds for all of it
LONGEST = 262_144  # bytes of one document
MOST_KEYS = 64
_CONNECT = 3.0


class NotFetched(Exception):
    """Why there is no key set, in a few words that quote nothing of an answer."""


async def fetch_keys(issuer: str, jwks: str | None = None, *, limit: float = LIMIT) -> Sequence[Any]:
    """The members of the `keys` of an issuer's key set, none of them looked at. Raises NotFetched."""
    named = frozenset(origin(url) for url in (issuer, jwks) if url)
    session = open_session(connect=min(_CONNECT, limit), only=named)
    try:
        async with asyncio.timeout(limit):
            where = jwks or await _discover(session, issuer)
            keys = (await _object(session, where)).get("keys")
    except NotNamed as error:
        raise NotFetched(
            "has its keys at a host that the configuration does not name: write it as `jwks`"
        ) from error
    except (aiohttp.ClientConnectorError, ssl.SSLError) as error:
        raise NotFetched("cannot be reached") from error
    except TimeoutError as error:
        raise NotFetched(f"does not answer within {limit:g} seconds") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotFetched("breaks its answer off, or sends none that can be read") from error
    finally:
        await session.close()
    if not isinstance(keys, list):
        raise NotFetched("sends a key set without `keys`")
    if len(keys) > MOST_KEYS:
        raise NotFetched(f"sends more than {MOST_KEYS} keys")
    return keys


async def _discover(session: Session, issuer: str) -> str:
    """The address of the key set, by a document that speaks for exactly this issuer."""
    document = await _object(session, issuer.rstrip("/") + "/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise NotFetched("sends a discovery document of another issuer")
    address = document.get("jwks_uri")
    if not isinstance(address, str) or not is_private_way(address):
        raise NotFetched("names no https address of its keys")
    # A provider elsewhere could otherwise have us ask what listens on this machine.
    if address.startswith("http:") and not issuer.startswith("http:"):
        raise NotFetched("names no https address of its keys")
    return address


async def _object(session: Session, address: str) -> Mapping[str, Any]:
    headers = {"Accept": "application/json", "User-Agent": "passerelle", "Connection": "close"}
    async with session.get(URL(address), headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            raise NotFetched(f"answers {response.status}")
        parts: list[bytes] = []
        size = 0
        while part := await response.content.readany():
            parts.append(part)
            size += len(part)
            if size > LONGEST:
                raise NotFetched(f"sends more than {LONGEST} bytes")
    document = orjson.loads(b"".join(parts))
    if not isinstance(document, dict):
        raise NotFetched("sends something else than a JSON object")
    return document
