"""What is posted to receivers, how it is signed, and what of an answer counts."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from passerelle.wire.webhooks import NotGenuine, Sender, Sent, keys_of, sign, verify
from tests.fakes.receiver import Receiver

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
BODY = b'{"type":"budget.threshold"}'


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    opened = Sender(limit=0.5)
    yield opened
    await opened.aclose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def send(sender: Sender, receiver: Receiver, *, secret: str = SECRET) -> Sent:
    return await sender.send(receiver.url, secret, event_id="evt_1", body=BODY, now=NOW)


def test_the_signature_is_that_of_the_specifications_own_libraries() -> None:
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        now=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


async def test_what_arrives_is_what_was_signed(sender: Sender, receiver: Receiver) -> None:
    assert await send(sender, receiver) == Sent(200)

    (posted,) = receiver.posted
    assert posted.body == BODY
    assert posted.path == "/hook?token=in-the-address"
    assert posted.headers["content-type"] == "application/json"
    assert verify(SECRET, posted.headers, posted.body, now=NOW) == "evt_1"


def test_a_receiver_refuses_what_is_not_genuine() -> None:
    headers = sign(SECRET, event_id="evt_1", body=BODY, now=NOW)
    late = timedelta(minutes=5, seconds=1)
    cases = [
        (OTHER, headers, BODY, NOW),
        (SECRET, headers, BODY + b" ", NOW),
        (SECRET, {**headers, "webhook-id": "evt_2"}, BODY, NOW),
        (SECRET, {**headers, "webhook-timestamp": str(int(NOW.timestamp()) + 1)}, BODY, NOW),
        (SECRET, {**headers, "webhook-timestamp": "soon"}, BODY, NOW),
        (SECRET, {**headers, "webhook-timestamp": "٣" * 10}, BODY, NOW),
        (SECRET, {**headers, "webhook-timestamp": "9" * 5000}, BODY, NOW),
        (SECRET, {**headers, "webhook-signature": "v1,é"}, BODY, NOW),
        (
            SECRET,
            {**headers, "webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
            BODY,
            NOW,
        ),
        (SECRET, headers, BODY, NOW + late),
        (SECRET, headers, BODY, NOW - late),
        *((SECRET, {k: v for k, v in headers.items() if k != missing}, BODY, NOW) for missing in headers),
    ]
    for secret, given, body, now in cases:
        with pytest.raises(NotGenuine):
            verify(secret, given, body, now=now)
    upper = {name.upper(): value for name, value in headers.items()}
    assert verify(SECRET, upper, BODY, now=NOW + timedelta(minutes=5)) == "evt_1"
    assert verify(SECRET, upper, BODY, now=NOW - timedelta(minutes=4, seconds=59)) == "evt_1"


def test_while_a_secret_is_replaced_both_keys_sign() -> None:
    headers = sign(f"{SECRET} {OTHER}", event_id="evt_1", body=BODY, now=NOW)

    assert len(headers["webhook-signature"].split()) == 2
    for secret in (SECRET, OTHER):
        assert verify(secret, headers, BODY, now=NOW) == "evt_1"


def test_a_secret_is_base64_after_its_prefix_and_else_text() -> None:
    assert keys_of(SECRET) == [bytes(range(32))]
    assert keys_of("f" * 24) == [b"f" * 24]
    for bad in ("", "  ", "short", "f" * 23, "f" * 513, "whsec_", "whsec_not base64!", "whsec_" + "é" * 40):
        with pytest.raises(ValueError) as error:
            keys_of(bad)
        assert not bad.strip() or bad not in str(error.value)


def test_an_id_with_a_dot_in_it_is_not_signed() -> None:
    for bad in ("", "evt.1"):
        with pytest.raises(ValueError):
            sign(SECRET, event_id=bad, body=BODY, now=NOW)


@pytest.mark.parametrize(
    ("status", "delivered", "gone"),
    [(200, True, False), (204, True, False), (299, True, False), (302, False, False), (404, False, False),
     (410, False, True), (429, False, False), (500, False, False)],
)  # fmt: skip
async def test_only_2xx_is_a_delivery(
    sender: Sender, receiver: Receiver, status: int, delivered: bool, gone: bool
) -> None:
    receiver.status, receiver.body = status, b""
    sent = await send(sender, receiver)

    assert (sent.status, sent.delivered, sent.gone, sent.said) == (status, delivered, gone, str(status))


async def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver) -> None:
    async with Receiver() as elsewhere:
        receiver.status, receiver.headers = 307, {"Location": elsewhere.url}

        assert (await send(sender, receiver)).status == 307
        assert elsewhere.posted == []


async def test_a_receiver_may_ask_to_be_left_alone(sender: Sender, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "120"}

    assert await send(sender, receiver) == Sent(503, retry_after=120.0)


async def test_a_receiver_that_does_not_answer_is_left_within_the_limit(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.mood = "silent"
    assert await send(sender, receiver) == Sent(problem="timeout")


@pytest.mark.parametrize("mood", ["hang up", "garbage"])
async def test_a_broken_answer_is_none(sender: Sender, receiver: Receiver, mood: str) -> None:
    receiver.mood = mood
    assert await send(sender, receiver) == Sent(problem="broken")


async def test_the_status_counts_whatever_becomes_of_the_body(receiver: Receiver) -> None:
    sender = Sender(limit=20)
    try:
        receiver.body = b"x" * 10_000_000
        assert await send(sender, receiver) == Sent(200)
        receiver.mood, receiver.body = "drip", b"x" * 5000
        assert await send(sender, receiver) == Sent(200)
    finally:
        await sender.aclose()


async def test_a_body_that_never_ends_does_not_undo_the_status(sender: Sender, receiver: Receiver) -> None:
    receiver.mood, receiver.body = "drip", b""
    assert await send(sender, receiver) == Sent(200)


async def test_nobody_there_a_bad_address_or_a_bad_secret_is_a_word(
    sender: Sender, receiver: Receiver
) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async def problem(url: str, secret: str = SECRET) -> str | None:
        return (await sender.send(url, secret, event_id="evt_1", body=BODY, now=NOW)).problem

    assert await problem(f"http://127.0.0.1:{port}/") == "connection"
    for url in ("", "hook", "ftp://127.0.0.1/", "http://", "http://[::1", "http://127.0.0.1:99999/"):
        assert await problem(url) == "address"
    assert await problem(receiver.url, "short") == "secret"
    assert receiver.posted == []


async def test_neither_secret_nor_address_nor_texts_are_told(
    sender: Sender, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.body = b"private words"
    told = []
    for mood, status in (("answer", 500), ("hang up", 200), ("silent", 200), ("answer", 200)):
        receiver.mood, receiver.status = mood, status
        told.append(repr(await send(sender, receiver)))

    for private in (SECRET, SECRET[6:], "in-the-address", "private words", "budget.threshold"):
        assert private not in caplog.text + "".join(told)
