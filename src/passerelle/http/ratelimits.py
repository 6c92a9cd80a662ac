"""How limits stand, in OpenAI's headers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from passerelle.domain.limits import Meter, Standing

Headers = list[tuple[bytes, bytes]]

# OpenAI has no header for calls under way.
_NAMES = {
    meter: (
        b"x-ratelimit-limit-" + word,
        b"x-ratelimit-remaining-" + word,
        b"x-ratelimit-reset-" + word,
    )
    for meter, word in ((Meter.REQUESTS, b"requests"), (Meter.TOKENS, b"tokens"))
}


def ratelimit_headers(standings: Sequence[Standing]) -> Headers:
    """`x-ratelimit-*` for the requests and tokens of a minute; empty where nothing limits them."""
    headers: Headers = []
    for standing in standings:
        names = _NAMES.get(standing.meter)
        if names is not None:
            limit, remaining, reset = names
            headers.append((limit, b"%d" % standing.limit))
            headers.append((remaining, b"%d" % standing.remaining))
            headers.append((reset, duration(standing.reset)))
    return headers


def duration(seconds: float) -> bytes:
    """As Go writes it, and so OpenAI: `20ms`, `1s`, `8.64s`, `6m0s`, `1h0m5s`. Rounded up."""
    thousandths = ceil(seconds * 1000 - 1e-6)
    if thousandths <= 0:
        return b"0s"
    if thousandths < 1000:
        return b"%dms" % thousandths
    if thousandths < 60_000:
        whole, rest = divmod(thousandths, 1000)
        if not rest:
            return b"%ds" % whole
        return (b"%d.%03d" % (whole, rest)).rstrip(b"0") + b"s"
    minutes, left = divmod(ceil(thousandths / 1000), 60)
    if minutes < 60:
        return b"%dm%ds" % (minutes, left)
    return b"%dh%dm%ds" % (minutes // 60, minutes % 60, left)
