"""The European Central Bank's file of euro reference rates, fetched when an operator asks for it and at no other time."""

from __future__ import annotations

import ssl

import aiohttp
from yarl import URL

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.destinations import origin
from passerelle.wire.session import open_session

# Every rate since 1999, some 650 kB: one file whatever was missed before.
ADDRESS = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip"
_LONGEST = 8 * 1_048_576  # bytes
_CONNECT = 10.0  # seconds
_WHO = "The European Central Bank's server"


async def fetch_rates(url: str = ADDRESS, *, seconds: float = 60.0, longest: int = _LONGEST) -> bytes:
    """The file as it was sent, whole; nothing of it is believed yet. Raises UpstreamFailed.

    No redirect is followed. `seconds` bounds the whole of it, `longest` the bytes that are taken.
    """
    session = open_session(connect=min(_CONNECT, seconds), only=frozenset({origin(url)}))
    try:
        async with session.get(
            URL(url),
            headers={"User-Agent": "passerelle"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds, connect=min(_CONNECT, seconds)),
        ) as response:
            if response.status != 200:
                told = Told(status=response.status)
                raise UpstreamFailed(Fault.SERVER, f"{_WHO} answered {response.status}.", told=told)
            return await _whole(response, longest)
    except (aiohttp.ClientConnectorError, ssl.SSLError) as error:
        raise UpstreamFailed(Fault.CONNECT, f"{_WHO} cannot be reached.") from error
    except TimeoutError as error:
        raise UpstreamFailed(Fault.TIMEOUT_TOTAL, f"{_WHO} took longer than {seconds:g} seconds.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise UpstreamFailed(
            Fault.BROKEN, f"The connection to {_WHO[0].lower()}{_WHO[1:]} broke off."
        ) from error
    finally:
        await session.close()


async def _whole(response: aiohttp.ClientResponse, longest: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        parts.append(part)
        size += len(part)
        if size > longest:
            raise UpstreamFailed(Fault.BROKEN, f"{_WHO} sent more than {longest} bytes.")
    return b"".join(parts)
