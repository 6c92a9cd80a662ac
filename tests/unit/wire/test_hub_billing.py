"""What Hugging Face says of its usage arrives as it was said, or one sentence says why not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from passerelle.domain.errors import Fault, UpstreamFailed
from passerelle.wire.hub_billing import usage
from tests.fakes.hub_billing import USAGE, HubBillingFake
from tests.fakes.script import Reset, Silent, Status, Touch, Truncate

_PATH = "/api/organizations/formation/billing/usage-by-resource-group"
_BEGINS, _ENDS = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
async def hub() -> AsyncIterator[HubBillingFake]:
    async with HubBillingFake() as fake:
        yield fake


async def ask(hub: HubBillingFake, organization: str = "formation", **other: Any) -> bytes:
    values: dict[str, Any] = {"begins": _BEGINS, "ends": _ENDS, "base": hub.url, **other}
    return await usage(values.pop("token", "hf_billing"), organization, **values)


async def test_the_answer_is_given_back_byte_for_byte(hub: HubBillingFake) -> None:
    body = await ask(hub)

    assert json.loads(body) == USAGE
    assert hub.periods == [("2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z")]
    assert hub.requests[-1].bearer == "hf_billing"
    await hub.until(lambda: hub.open == 0)


async def test_moments_are_asked_for_in_utc(hub: HubBillingFake) -> None:
    paris = timezone(timedelta(hours=1))
    await ask(hub, ends=datetime(2026, 11, 1, tzinfo=paris))
    assert hub.periods[0][1] == "2026-10-31T23:00:00.000Z"


@pytest.mark.parametrize(
    ("touch", "fault", "said"),
    [
        (Status(401, {"error": "x"}), Fault.CREDENTIALS, "does not know the token. Make one"),
        (Status(403, {"error": "x"}), Fault.CREDENTIALS, "may not read the billing usage of formation"),
        (Status(404, {"error": "x"}), Fault.MODEL, "no organisation formation"),
        (Status(429, {"error": "x"}, headers={"retry-after": "7"}), Fault.RATE_LIMITED, "Ask again in 7 seconds"),
        (Status(429, {"error": "x"}), Fault.RATE_LIMITED, "in a few minutes"),
        (Status(500, "hf_billing leaked"), Fault.SERVER, "answered 500. Ask again later"),
        (Status(302, headers={"location": "http://127.0.0.1:9/"}), None, "answered 302"),
        (Status(200, "<html>"), Fault.BROKEN, "not whole JSON"),
        (Status(200, '{"usage": ['), Fault.BROKEN, "not whole JSON"),
        (Status(200, "7"), Fault.BROKEN, "not whole JSON"),
        (Status(200, b"\xff\xfe"), Fault.BROKEN, "not whole JSON"),
        (Reset(after=0), Fault.BROKEN, "broke off"),
        (Truncate(after=0), Fault.BROKEN, "not whole JSON"),
        (Silent(), Fault.TIMEOUT_TOTAL, "did not answer within the limit"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_said_in_a_sentence_and_never_quotes(
    hub: HubBillingFake, touch: Touch, fault: Fault | None, said: str
) -> None:
    hub.script(touch, path=_PATH)
    with pytest.raises(UpstreamFailed, match=said) as failed:
        await ask(hub, seconds=0.5 if isinstance(touch, Silent) else 10)
    assert fault is None or failed.value.fault is fault
    assert "hf_billing" not in failed.value.message
    assert "hf_billing" not in repr(failed.value.told)


@pytest.mark.parametrize(("token", "said"), [("hf_none", "does not know"), ("hf_other", "may not read")])
async def test_tokens_without_the_right_are_refused(hub: HubBillingFake, token: str, said: str) -> None:
    with pytest.raises(UpstreamFailed, match=said):
        await ask(hub, token=token)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "a?x=1", "é", "x" * 200])
async def test_a_name_that_would_be_another_address_is_not_asked_for(hub: HubBillingFake, name: str) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be the name"):
        await ask(hub, organization=name)
    assert hub.requests == []


async def test_a_hub_that_is_away_is_said_to_be(hub: HubBillingFake) -> None:
    await hub.down()
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        await ask(hub)
    await hub.up()
