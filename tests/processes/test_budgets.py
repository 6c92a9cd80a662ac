"""Budgets of a running service: what is spent is spent, after a restart too, and whoever should know is told once."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai import AsyncOpenAI, RateLimitError

from passerelle.wire.webhooks import verify
from tests.e2e.money import KEYS, Shop, configuration, engine, shop, until
from tests.fakes.receiver import Receiver

_CHAT: dict[str, Any] = {
    "model": "assistant",
    "messages": [{"role": "user", "content": "Dis bonjour."}],
    "max_tokens": 10,
}
_ONE = Decimal("0.001")  # EUR of an answer's three tokens, about


@pytest.fixture
def url() -> Iterator[str]:
    with engine() as url:
        yield url


def _priced(url: str, amount: float, **more: Any) -> dict[str, Any]:
    """A call costs 3 output tokens, at 100 EUR for a million; it holds ten."""
    config = configuration(url, **more)
    config["backends"]["hosted"]["cost"] = {
        "input_per_million": 0,
        "output_per_million": 100,
        "currency": "EUR",
    }
    config["tenants"]["acme"] = {"budget": {"amount": amount}}
    return config


def _ceiling(running: Shop) -> dict[str, Decimal]:
    card = running.call("/v1/budget", key=KEYS["acme"]).json["ceilings"][0]
    return {name: Decimal(card[name]) for name in ("amount", "spent", "pending", "remaining")}


def test_over_budget_is_told_at_once_and_remembered_and_ends_with_a_higher_amount(
    url: str, tmp_path: Path
) -> None:
    # Two answers of 0.0003 leave less than the 0.001 that a third call may cost.
    with shop(tmp_path, _priced(url, 0.0015)) as running:
        spent = running.chat("acme", max_tokens=10) + running.chat("acme", max_tokens=10, stream=True)
        assert spent == Decimal("0.0006")
        asyncio.run(_refused_once(running))
        assert _ceiling(running) == {
            "amount": Decimal("0.0015"),
            "spent": spent,
            "pending": Decimal(0),
            "remaining": Decimal("0.0009"),
        }
        document = running.await_requests("acme", 2)
        assert [Decimal(line["spent"]) for line in document["budget"]] == [spent]

    with shop(tmp_path, _priced(url, 0.0015)) as again:
        assert _ceiling(again)["spent"] == spent
        assert again.call("/v1/chat/completions", key=KEYS["acme"], body=_CHAT).told[:2] == (
            429,
            "insufficient_quota",
        )

        again.config["tenants"]["acme"] = {"budget": {"amount": 1}}
        again.write()
        assert again.order("reload").returncode == 0
        assert again.chat("acme", max_tokens=10) == Decimal("0.0003")
        assert _ceiling(again)["spent"] == Decimal("0.0009")


async def _refused_once(running: Shop) -> None:
    """OpenAI's own client raises, and does not try again."""
    async with AsyncOpenAI(
        api_key=KEYS["acme"], base_url=f"{running.service.url}/v1", max_retries=5
    ) as client:
        with pytest.raises(RateLimitError) as refused:
            await client.chat.completions.create(**_CHAT)
    response = refused.value.response
    assert refused.value.code == "insufficient_quota"
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers
    assert response.request.headers["x-stainless-retry-count"] == "0"


def test_a_credit_makes_room_in_a_budget_at_once(url: str, tmp_path: Path) -> None:
    with shop(tmp_path, _priced(url, 0.0012)) as running:
        running.chat("acme", max_tokens=10)
        assert running.call("/v1/chat/completions", key=KEYS["acme"], body=_CHAT).status == 429
        running.await_requests("acme", 1)

        words = ("--tenant", "acme", "--amount", "0.0003", "--reason", "Geste")
        assert running.order("costs", "credit", *words).returncode == 0

        assert running.chat("acme", max_tokens=10) > 0


def test_a_threshold_is_told_once_signed_and_to_whom_it_is_for(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a restart: it was told."""
    asyncio.run(_told(url, tmp_path))


async def _told(url: str, folder: Path) -> None:
    secret = "whsec_" + "QUJD" * 10  # of nobody
    async with Receiver() as receiver:
        hook = {"url": receiver.url.partition("?")[0], "secret": "env:HOOK", "events": ["budget.threshold"]}
        config = _priced(url, 0.0015, webhooks={"finance": hook})
        for _ in range(2):
            await asyncio.to_thread(_spend, folder, config, secret, receiver)

    assert len(receiver.posted) == 2
    by_percent = {}
    for posted in receiver.posted:
        verify(secret, posted.headers, posted.body, now=datetime.now(UTC))
        event = orjson.loads(posted.body)
        assert event["type"] == "budget.threshold"
        assert (event["data"]["tenant"], event["data"]["budget"]) == ("acme", "tenant")
        by_percent[event["data"]["percent"]] = Decimal(event["data"]["spent"])
    assert by_percent == {50: Decimal("0.0009"), 80: Decimal("0.0012")}


def _spend(folder: Path, config: dict[str, Any], secret: str, receiver: Receiver) -> None:
    """Up to 60 % the first time, up to 80 % the second."""
    before = len(receiver.posted)
    config["tenants"]["acme"]["budget"]["on_exceed"] = "notify"
    with shop(folder, config, extra={"HOOK": secret}) as running:
        for _ in range(1 if before else 3):
            running.chat("acme", max_tokens=10)
        until(lambda: len(receiver.posted) > before)
        until(lambda: running.order("costs", "webhooks").stdout == "All events were delivered.\n")


def test_what_months_are_counted_in_stays_while_the_service_runs(url: str, tmp_path: Path) -> None:
    with shop(tmp_path, configuration(url)) as running:
        kept = running.call("/health", key=KEYS["acme"]).json["configuration"]
        operator = running.config["operator"]
        for changed in ({"currency": "USD"}, {"time_zone": "UTC"}):
            running.write(operator={**operator, **changed})

            refused = running.order("reload")

            assert refused.returncode == 1, changed
            assert "C33" in refused.stdout, changed
            assert running.call("/health", key=KEYS["acme"]).json["configuration"] == kept
        assert running.report(key=running.chief("acme"))["currency"] == "EUR"
        assert running.chat("acme") > 0
