"""The service from its first start to its last: what it prints, refuses, keeps and leaves behind."""

import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import orjson
import pytest

from passerelle.stores.embedded import EmbeddedPostgres
from passerelle.tenancy.keys import mint
from tests.e2e.service import Service, of_folder, run, started

_CONFIG = """\
version: 1
backends:
  offline: {kind: builtin}
models:
  assistant: {targets: [{backend: offline, model: extractive}]}
tenants:
  demo: {}
  acme: {}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "providers.yaml"
    file.write_text(_CONFIG)
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "providers.yaml").write_text(_CONFIG)
    with started(folder / "providers.yaml", folder / "d", "--demo") as service:
        service.await_text("Try it")
        yield service


def _call(
    service: Service, path: str, *, key: str | None = None, method: str = "GET", body: Any = None
) -> tuple[int, Any]:
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    data = orjson.dumps(body) if body is not None else None
    request = urllib.request.Request(service.url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            raw = reply.read()
            return reply.status, orjson.loads(raw) if raw[:1] in (b"{", b"[") else raw
    except HTTPError as error:
        with error:
            return error.code, orjson.loads(error.read())


def _until(condition: Callable[[], bool], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _new_key(service: Service, *arguments: str) -> dict[str, Any]:
    done = service.order("keys", "create", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = orjson.loads(done.stdout)
    return shown


def test_the_line_it_prints_answers_when_pasted_into_a_shell(service: Service) -> None:
    line = next(line for line in service.output.read_text().splitlines() if line.startswith("curl "))

    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, timeout=60, check=True)

    assert (
        orjson.loads(done.stdout)["choices"][0]["message"]["content"] == "The footbridge was opened in 1894."
    )


def test_keys_are_private_files(service: Service) -> None:
    for name in ("demo.key", "admin.key", "secrets/pepper", "control.sock"):
        assert (service.data / name).stat().st_mode & 0o077 == 0


def test_a_second_service_on_the_same_data_is_refused_in_one_line(service: Service) -> None:
    done = run("serve", "--port", "0", "--config", str(service.config), "--data", str(service.data))

    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("passerelle:")]
    assert len(told) == 1
    assert str(service.process.pid) in told[0]
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_refused_in_one_line_and_leaves_no_trace(
    service: Service, config: Path, tmp_path: Path
) -> None:
    port = service.url.rpartition(":")[2]

    done = run("serve", "--port", port, "--config", str(config), "--data", str(tmp_path / "d"))

    assert done.returncode == 2
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [("version: 1\nbackend: {}\n", "backend"), ("version: [\n", "broken.yaml:1"), (None, "cannot be read")],
)
def test_a_broken_or_missing_file_is_refused_and_nothing_starts(
    tmp_path: Path, text: str | None, told: str
) -> None:
    config = tmp_path / "broken.yaml"
    if text is not None:
        config.write_text(text)

    done = run("serve", "--port", "0", "--config", str(config), "--data", str(tmp_path / "d"))

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


def test_explain_shows_what_a_policy_refuses_before_it_is_live(tmp_path: Path) -> None:
    config = tmp_path / "providers.yaml"
    away = _CONFIG.replace("{kind: builtin}", "{kind: vllm, url: 'http://gpu:8000', location: {country: US}}")
    config.write_text(
        away.replace("demo: {}", "demo: {policy: eu}") + "policies:\n  eu: {countries: [EEA]}\n"
    )
    arguments = ("--config", str(config), "--data", str(tmp_path / "d"))

    checked = run("check", *arguments, "--json")
    explained = run("explain", "--tenant", "demo", "--model", "assistant", *arguments)
    schema = run("schema", *arguments)

    assert checked.returncode == 1
    assert [f["rule"] for f in orjson.loads(checked.stdout)["findings"] if f["severity"] == "error"] == [
        "R01"
    ]
    assert explained.returncode == 1
    assert "outside eu" in explained.stdout
    assert run("serve", *arguments).returncode == 2
    assert orjson.loads(schema.stdout)["title"] == "providers.yaml of Passerelle"


def test_a_weak_key_in_the_environment_is_refused_unquoted(config: Path, tmp_path: Path) -> None:
    done = run(
        "serve",
        "--config",
        str(config),
        "--data",
        str(tmp_path / "d"),
        extra={"API_KEYS": "acme:short-secret"},
    )

    assert done.returncode == 2
    assert "acme" in done.stderr
    assert "short-secret" not in done.stderr


def test_it_ends_on_sigterm_leaves_no_process_and_finds_its_data_again(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "d"
    with started(config, data, "--demo") as first:
        first.await_text("Try it")
        key = (data / "demo.key").read_text()
        assert first.stop() == 0
    assert of_folder(data) == []

    with started(config, data, "--demo") as second:
        second.await_text("Try it")
        assert (data / "demo.key").read_text() == key
        assert _call(second, "/v1/models", key=key.strip())[0] == 200


def test_after_sigkill_nothing_runs_once_the_next_start_has_come_and_gone(
    config: Path, tmp_path: Path
) -> None:
    data = tmp_path / "d"
    with started(config, data) as killed:
        killed.stop(signal.SIGKILL)
    with started(config, data) as again:
        assert again.stop() == 0

    assert of_folder(data) == []


def test_an_edit_is_live_and_a_bad_one_keeps_the_last_good(config: Path, tmp_path: Path) -> None:
    with started(config, tmp_path / "d") as service:
        first = _call(service, "/health")[1]["configuration"]
        config.write_text(_CONFIG.replace("assistant", "helper"))
        _until(lambda: _call(service, "/health")[1]["configuration"] != first)
        second = _call(service, "/health")[1]["configuration"]

        config.write_text("version: 1\nnonsense: true\n")
        _until(lambda: _call(service, "/health")[1]["degraded"] == ["configuration"])
        refused = service.order("reload")
        assert refused.returncode == 1
        assert "nonsense" in refused.stdout
        assert _call(service, "/health")[1]["configuration"] == second

        config.write_text(_CONFIG)
        service.process.send_signal(signal.SIGHUP)
        _until(lambda: _call(service, "/health")[1]["degraded"] == [])
        assert _call(service, "/health")[1]["configuration"] == first


def test_sighup_reads_the_configuration_again(service: Service) -> None:
    admin = (service.data / "admin.key").read_text().strip()

    def applied() -> float:
        text = _call(service, "/metrics", key=admin)[1].decode()
        found = re.search(r"^passerelle_\w*reloads_total\{\w+=\"applied\"\} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = applied()
    service.process.send_signal(signal.SIGHUP)
    _until(lambda: applied() == before + 1)


def test_a_key_lives_from_its_making_to_its_revocation(service: Service) -> None:
    shown = _new_key(service, "--tenant", "acme", "--name", "tests")
    key, key_id = shown["key"], shown["card"]["id"]
    assert _call(service, "/v1/models", key=key)[0] == 200

    rotated = service.order("keys", "rotate", key_id, "--overlap-hours", "1", "--json")
    new = orjson.loads(rotated.stdout)["key"]
    assert [_call(service, "/v1/models", key=one)[0] for one in (key, new)] == [200, 200]
    listed = service.order("keys", "list", "--tenant", "acme")
    assert key_id in listed.stdout
    assert key not in listed.stdout

    assert service.order("keys", "revoke", key_id).returncode == 0
    assert [_call(service, "/v1/models", key=one)[0] for one in (key, new)] == [401, 200]


def test_keys_are_made_without_a_running_service(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "d"
    made = run("keys", "create", "--tenant", "acme", "--config", str(config), "--data", str(data))
    unknown = run("keys", "create", "--tenant", "nobody", "--config", str(config), "--data", str(data))

    assert re.fullmatch(r"psr_\w{38}\n", made.stdout), made.stderr
    assert unknown.returncode == 2
    assert "nobody" in unknown.stderr
    assert of_folder(data) == []
    with started(config, data) as service:
        assert _call(service, "/v1/models", key=made.stdout.strip())[0] == 200


def test_every_role_may_do_what_is_its_own_and_no_more(service: Service) -> None:
    admin = (service.data / "admin.key").read_text().strip()
    chief = _new_key(service, "--tenant", "acme", "--role", "tenant-admin")["key"]
    member = _new_key(service, "--tenant", "acme")["key"]
    stranger = _new_key(service, "--tenant", "demo")["card"]["id"]
    ways: list[tuple[str, str, Any, tuple[int, int, int]]] = [
        ("GET", "/admin/keys", None, (200, 200, 403)),
        ("POST", "/admin/keys", {"tenant": "acme"}, (201, 201, 403)),
        ("POST", "/admin/keys", {"role": "admin"}, (201, 403, 403)),
        ("POST", "/admin/keys", {"tenant": "demo"}, (201, 404, 403)),
        ("POST", "/admin/keys", {"tenant": "acme", "admin": True}, (400, 400, 403)),
        ("POST", f"/admin/keys/{stranger}/rotate", {}, (201, 404, 403)),
        ("DELETE", f"/admin/keys/{stranger}", None, (204, 404, 403)),
        ("POST", "/admin/reload", None, (200, 403, 403)),
        ("GET", "/metrics", None, (200, 403, 403)),
        ("GET", "/v1/models", None, (403, 200, 200)),
    ]

    for method, path, body, expected in ways:
        got = tuple(_call(service, path, key=key, method=method, body=body)[0] for key in (chief, member))
        assert got == expected[1:], (method, path)
    for method, path, body, expected in ways:
        assert _call(service, path, key=admin, method=method, body=body)[0] == expected[0], (method, path)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/admin/keys", {"tenant": "acme", "name": "a\0b"}, 400),
        ("POST", "/admin/keys", {"tenant": "acme", "name": "\x1b[2Jx\nkey_forged"}, 400),
        ("POST", "/admin/keys", {"tenant": "a\0"}, 404),
        ("POST", "/admin/keys/a%00b/rotate", {}, 400),
        ("DELETE", "/admin/keys/a%00b", None, 400),
        ("GET", "/admin/keys?tenant=a%00", None, 400),
    ],
)
def test_text_that_no_database_or_terminal_should_see_is_no_failure(
    service: Service, method: str, path: str, body: Any, status: int
) -> None:
    admin = (service.data / "admin.key").read_text().strip()

    assert _call(service, path, key=admin, method=method, body=body)[0] == status


def test_a_stopped_database_is_told_as_an_outage_and_known_keys_go_on(config: Path, tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path / "elsewhere")
    known = "tmMQ9xV2cR7pLw4KzHs8dYbE"
    extra = {
        "DATABASE_URL": embedded.start(),
        "API_KEYS": f"acme:{known}",
        "PASSERELLE_KEY_REFRESH_SECONDS": "0.1",
    }
    try:
        with started(config, tmp_path / "d", "--demo", extra=extra) as service:
            service.await_text("Try it")
            admin = (service.data / "admin.key").read_text().strip()
            embedded.close()
            _until(lambda: _call(service, "/health")[1]["degraded"] == ["database"])
            assert _call(service, "/v1/models", key=known)[0] == 200
            assert _call(service, "/v1/models", key="garbage")[0] == 401
            assert _call(service, "/v1/models", key=mint())[0] == 503
            for method, body in (("GET", None), ("POST", {"tenant": "acme"})):
                status, told = _call(service, "/admin/keys", key=admin, method=method, body=body)
                assert (status, told["error"]["code"]) == (503, "keys_unavailable")
            ordered = service.order("keys", "list")
            assert ordered.returncode == 2
            assert ordered.stderr == "passerelle: The database of keys does not answer.\n"

            embedded.start()
            _until(lambda: _call(service, "/health")[1]["degraded"] == [])
            assert _call(service, "/admin/keys", key=admin)[0] == 200
            assert service.stop() == 0
            assert "Traceback" not in service.output.read_text()
    finally:
        embedded.close()


def test_a_name_that_is_no_address_is_refused_in_one_line(config: Path, tmp_path: Path) -> None:
    done = run("serve", "--host", "::nowhere", "--config", str(config), "--data", str(tmp_path / "d"))

    assert done.returncode == 2
    assert "cannot be listened on: " in done.stderr
    assert "unknown error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tenant_admin_lists_only_its_own_tenants_keys(service: Service) -> None:
    chief = _new_key(service, "--tenant", "acme", "--role", "tenant-admin")["key"]

    cards = _call(service, "/admin/keys?tenant=demo", key=chief)[1]["keys"]

    assert {card["tenant"] for card in cards} == {"acme"}


def test_a_stream_is_finished_before_the_service_ends(config: Path, tmp_path: Path) -> None:
    with started(config, tmp_path / "d", extra={"API_KEYS": "acme:tmMQ9xV2cR7pLw4KzHs8dYbE"}) as service:
        text = " ".join(f"La phrase numéro {i} parle de la passerelle." for i in range(60))
        body = {
            "model": "assistant",
            "stream": True,
            "messages": [{"role": "user", "content": f"Résume en dix phrases : {text}"}],
        }
        raw = orjson.dumps(body)
        host, _, port = service.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: tmMQ9xV2cR7pLw4KzHs8dYbE\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode() + raw)
            first = connection.recv(64)
            service.process.send_signal(signal.SIGTERM)
            rest = first
            while piece := connection.recv(65_536):
                rest += piece
        assert service.process.wait(40) == 0

    assert b"data: [DONE]" in rest
