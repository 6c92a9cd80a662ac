"""Redis: a client with short time limits, scripts that many callers send together, and what others publish.

The library's own defaults wait a minute for a server that accepts and says nothing. Here one attempt ends within
`TIMEOUT` for the connection and `TIMEOUT` for each reply, and nothing is tried again: whoever asks has a way to go on
without.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis as Client
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    InvalidResponse,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeout
from redis.maint_notifications import MaintNotificationsConfig

from passerelle.domain.errors import CannotRun

TIMEOUT = 0.15  # seconds
_CONNECTIONS = 16  # each batch of scripts takes one
_CURE = "Write redis://user:password@host:6379/0, rediss://… for TLS, or unix:///path/of/socket."
# Of the address, what says where the server is and who asks. How long it may take is not for it to say.
_ADDRESS = {"host", "port", "db", "path", "username", "password", "connection_class"}

# What is raised when the server is not there, does not answer, or cannot do what it is asked for.
Outage = (RedisError, OSError, TimeoutError)
# Those of them that have cost time.
Silence = (TimeoutError, RedisTimeout)
# Those of them that a server has said: it is there, and does not do it.
Refusal = ResponseError
_Forbidden = (AuthenticationError, NoPermissionError)


class Garbled(RedisError):
    """What came back is no answer to what was asked, or the connection is none any more."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script."""

    keys: Sequence[str]
    arguments: Sequence[str | bytes]


class Script:
    """A Lua script, sent by its digest; loaded again whenever the server has forgotten it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Redis:
    """Connections to one server. Whoever makes it, closes it."""

    def __init__(self, address: str, *, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for a connection and for each reply. Raises CannotRun."""
        self.client = Client(connection_pool=ConnectionPool(**_options(address, timeout)))

    async def check(self) -> bool:
        """Does it answer? Raises CannotRun when it answers that we may not ask."""
        try:
            await self.client.ping()
        except Outage as error:
            if isinstance(error, _Forbidden) or isinstance(error.__cause__, _Forbidden):
                # Without the cause, which may name the user.
                raise CannotRun(
                    "Redis refuses the user or the password of REDIS_URL.", "Correct them in REDIS_URL."
                ) from None
            return False
        return True

    async def run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """The answers of all calls, sent together. Raises one of `Outage`: then it is not known which have run."""
        try:
            return await self._run(script, calls)
        except Outage:
            raise
        except Exception as error:
            # Of a connection that was reset uvloop says RuntimeError, and a parser that is sent nonsense may say
            # anything. Whoever waits has to hear of it: nobody else would tell them.
            raise Garbled(f"Redis cannot be understood: {type(error).__name__}") from error

    async def _run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        answers = await self._send(script, calls)
        lost = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:
            await self.client.script_load(script.text)
            for index, answer in zip(lost, await self._send(script, [calls[i] for i in lost]), strict=True):
                answers[index] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def subscribe(self, channel: str) -> Subscription:
        """What is published from now on, over a connection of its own. Raises one of `Outage`."""
        connection = self.client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        subscription = Subscription(connection, channel)
        try:
            await subscription.start()
        except BaseException:
            await subscription.aclose()
            raise
        return subscription

    async def run_id(self) -> str:
        """Which run of the server this is; empty where we may not ask. Raises one of `Outage`."""
        try:
            with _understood():
                return str((await self.client.info("server")).get("run_id", ""))
        except ResponseError:
            return ""

    async def aclose(self) -> None:
        """Close every connection."""
        await self.client.aclose(close_connection_pool=True)

    async def _send(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """The answers, errors among them. The library's own pipeline takes three times as long for the same."""
        pool = self.client.connection_pool
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            packed = b"".join([_packed(script.digest, call) for call in calls])
            await connection.send_packed_command(packed, check_health=False)
            # Whoever leaves early, cancelled or not, leaves a connection that is closed: no answer is another's.
            return [await _answer(connection) for _ in calls]
        finally:
            await pool.release(connection)


class Subscription:
    """Messages of one channel, in their order. Whoever makes it, closes it."""

    def __init__(self, connection: AbstractConnection, channel: str) -> None:
        self._connection = connection
        self._channel = channel

    async def start(self) -> None:
        """Connect, and wait until the server says that messages will come. Raises one of `Outage`."""
        with _understood():
            await self._connection.connect()  # type: ignore[no-untyped-call]
            await self._connection.send_command("SUBSCRIBE", self._channel, check_health=False)
            answer = await self._connection.read_response()
        if not isinstance(answer, list) or answer[:1] != [b"subscribe"]:
            raise Garbled("Redis does not say that it has subscribed us.")

    async def next(self, beat: float) -> bytes | None:
        """The next message; None when `beat` seconds have passed and the server has shown that it missed nothing.

        Raises one of `Outage` where the server is silent for as long again: messages may have been lost.
        """
        asked = False
        while True:
            with _understood():
                answer = await self._connection.read_response(timeout=beat)
            if isinstance(answer, list) and len(answer) == 3 and answer[0] == b"message":
                return bytes(answer[2])
            if answer is not None:  # a pong, behind everything that was published before it was asked for
                return None
            if asked:
                raise RedisTimeout("Redis has fallen silent.")
            asked = True
            with _understood():
                await self._connection.send_command("PING", check_health=False)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect(nowait=True)


@contextmanager
def _understood() -> Iterator[None]:
    """Whatever the library raises of a connection that is none any more is one of `Outage`."""
    try:
        yield
    except Outage:
        raise
    except Exception as error:  # as in `Redis.run`
        raise Garbled(f"Redis cannot be understood: {type(error).__name__}") from error


def _packed(digest: str, call: Call) -> bytes:
    """One EVALSHA in Redis's protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    parts = ["EVALSHA", digest, str(len(call.keys)), *call.keys, *call.arguments]
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        encoded = part if isinstance(part, bytes) else part.encode()
        out.append(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
    return b"".join(out)


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
    except (ValueError, RecursionError) as error:  # the library's own words for some of what is no protocol
        raise InvalidResponse("That is no answer of a Redis server.") from error


def _options(address: str, timeout: float) -> dict[str, Any]:
    """The settings of a connection. Raises CannotRun, quoting nothing of the address."""
    try:
        given: dict[str, Any] = dict(parse_url(address))
        unknown = [name for name in given if name not in _ADDRESS and not name.startswith("ssl_")]
        scheme, _, rest = address.partition("://")
        misses = not (given.get("path") if scheme == "unix" else given.get("host"))
        database = rest.partition("?")[0].partition("/")[2].strip("/")
        if scheme != "unix" and database and not database.isdigit():
            raise ValueError("the database is a number")
    except ValueError:
        # Without the cause: it may quote the password.
        raise CannotRun("REDIS_URL is not the address of a Redis server.", _CURE) from None
    if misses:
        raise CannotRun("REDIS_URL names no server.", _CURE)
    if unknown:
        raise CannotRun("REDIS_URL sets what is not for it to set, after its question mark.", _CURE)
    secure = scheme == "rediss"
    if not secure:
        given = {name: value for name, value in given.items() if not name.startswith("ssl_")}
    keepalive = {} if scheme == "unix" else {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    return {
        **given,
        **keepalive,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "max_connections": _CONNECTIONS,
        "protocol": 2,
        "decode_responses": False,
        "driver_info": None,  # two commands less for each new connection
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


# A peer that vanished without a word is noticed within seconds.
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
