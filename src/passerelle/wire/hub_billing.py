"""What Hugging Face says an organisation has used in a time, by resource group: its billing interface.

`GET /api/organizations/{name}/billing/usage-by-resource-group`, with a token that may read billing usage. The answer
is given back as it came, for the record that is kept of it; nothing here reads its figures.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import urlencode

import orjson

from passerelle.domain.errors import Fault, Told, UpstreamFailed
from passerelle.wire.upstream import Upstream

HUB = "https://huggingface.co"

_SECONDS = 30.0
_CONNECT = 5.0
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95})")


async def usage(
    token: str,
    organization: str,
    *,
    begins: datetime,
    ends: datetime,
    base: str = HUB,
    seconds: float = _SECONDS,
) -> bytes:
    """The JSON of an organisation's usage from one moment to another, both aware.

    Raises UpstreamFailed, whose message says what to do; a redirect is not followed, so that the token goes nowhere
    else.
    """
    if not _NAME.fullmatch(organization):
        raise UpstreamFailed(Fault.REQUEST, f"{organization[:100]!r} cannot be the name of an organisation.")
    asked = urlencode({"startDate": _moment(begins), "endDate": _moment(ends)})
    path = f"/api/organizations/{organization}/billing/usage-by-resource-group?{asked}"
    upstream = Upstream(base, headers={"Authorization": f"Bearer {token}"}, connect=_CONNECT)
    try:
        body = await upstream.get(path, limit=seconds)
    except UpstreamFailed as error:
        raise _said(error, organization) from error
    finally:
        await upstream.aclose()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, (dict, list)):
        raise UpstreamFailed(
            Fault.BROKEN, "What Hugging Face said of the usage is not whole JSON. Ask again."
        )
    return body


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _said(error: UpstreamFailed, organization: str) -> UpstreamFailed:
    """The same failure in words for whoever reconciles."""
    status = error.told.status
    wait = error.told.retry_after
    fault, message = {
        401: (
            Fault.CREDENTIALS,
            "Hugging Face does not know the token. Make one that may read billing usage.",
        ),
        403: (
            Fault.CREDENTIALS,
            f"The token may not read the billing usage of {organization}. Give it that right, or ask an admin.",
        ),
        404: (
            Fault.MODEL,
            f"There is no organisation {organization} with resource groups that the token may see."
            " Check its name and plan.",
        ),
        429: (
            Fault.RATE_LIMITED,
            "Hugging Face wants fewer questions. Ask again "
            + (f"in {wait:g} seconds." if wait else "in a few minutes."),
        ),
    }.get(status or 0, (error.fault, ""))
    if not message:
        message = (
            f"Hugging Face's billing interface answered {status}. Ask again later, or give the file of its invoice."
            if status
            else {
                Fault.TIMEOUT_TOTAL: "Hugging Face's billing interface did not answer within the limit.",
                Fault.BROKEN: "The connection to Hugging Face broke off.",
            }.get(error.fault, "Hugging Face's billing interface cannot be reached.")
            + " Ask again later, or give the file of its invoice."
        )
    # Not the reply's own words: they are for whoever holds the token.
    return UpstreamFailed(fault, message, told=Told(status=status, retry_after=wait))
