"""While PostgreSQL is away: whose data may not be used is still known, and what cannot be kept is told, never lost in silence."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.e2e.money import KEYS, Shop, configuration, engine, shop, until
from tests.embedded import lives, server_id, supervisor_id

_ANNA, _BORIS = "anna@example.org", "boris@example.org"
_ABOUT = "/v1/privacy/subjects/anna%40example.org"
_WORDS = "La canariculture commence le lundi."


@contextmanager
def _away(data: Path) -> Iterator[None]:
    """There is no PostgreSQL until the block ends: its supervisor holds still, and it is killed."""
    server, supervisor = server_id(data), supervisor_id(data)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        until(lambda: not lives(server))
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


def _sent(house: Shop, method: str, path: str, key: str) -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {key}"}
    request = urllib.request.Request(house.service.url + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def _asked(house: Shop, user: str) -> tuple[int, Any]:
    body = {"model": "assistant", "messages": [{"role": "user", "content": _WORDS}], "user": user}
    reply = house.call("/v1/chat/completions", key=KEYS["acme"], body=body)
    return reply.status, reply.json


def test_what_is_known_of_people_holds_and_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with engine() as url:
        config = configuration(url)
        until_day = (date.today() + timedelta(days=20)).isoformat()  # noqa: DTZ011 - any day to come
        logs = {"purpose": "errors are looked for", "keep": "1d", "until": until_day}
        config["tenants"]["acme"] |= {"cache": True, "privacy": {"log_prompts": logs}}
        with shop(tmp_path, config) as house:
            chief = house.chief("acme")
            assert house.call(f"{_ABOUT}/restrict", key=chief, body={}).status == 200
            assert _asked(house, _BORIS)[0] == 200
            with _away(house.service.data):
                status, said = _asked(house, _ANNA)
                assert (status, said["error"]["code"]) == (403, "subject_restricted")
                assert _asked(house, _BORIS)[0] == 200
                for deed in ("export", "erase", "lift"):
                    reply = house.call(f"{_ABOUT}/{deed}", key=chief, body={})
                    assert reply.status == 503, (deed, reply.raw)
                    assert reply.json["error"]["code"].endswith("unavailable"), reply.raw
                # Nothing of it needs the database but its note.
                assert _sent(house, "DELETE", "/v1/cache?all=true", chief)[0] == 200
                house.service.await_text("audit_not_noted")
                until(lambda: 'outcome="lost",tenant="acme"} 1.0' in _metrics(house), within=40)
            until(lambda: house.call(f"{_ABOUT}/lift", key=chief, body={}).status == 200, within=30)
            assert _asked(house, _ANNA)[0] == 200
            output = house.service.output.read_text()
    assert "Traceback" not in output
    for word in (_ANNA, _BORIS, _WORDS):
        assert word not in output


def _metrics(house: Shop) -> str:
    return house.call("/metrics", key=house.admin).raw.decode()
