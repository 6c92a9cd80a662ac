"""Verbs that need a service or make one: through the control socket and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.e2e.service import Service, of_folder, run, started

_CONFIG = """\
version: 1
backends:
  offline: {kind: builtin}
models:
  assistant: {targets: [{backend: offline, model: extractive}]}
tenants:
  acme: {}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """On a path too long for the address of a socket: every verb here goes through its folder."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "providers.yaml").write_text(_CONFIG)
    data = folder / ("long," * 12) / ("+é" * 20)
    data.parent.mkdir()
    with started(folder / "providers.yaml", data) as service:
        yield service
        assert service.stop() == 0
    assert of_folder(data) == []
    assert not (data / "control.sock").exists()


def _only_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("passerelle: ")
    return line


def test_a_reload_tells_what_is_in_force(service: Service) -> None:
    told, for_machines = service.order("reload"), service.order("reload", "--json")

    assert told.returncode == for_machines.returncode == 0, told.stderr
    report = orjson.loads(for_machines.stdout)
    assert report["applied"] is True
    assert "error" not in {finding["severity"] for finding in report["findings"]}
    assert f"is in force version {report['version']}" in told.stdout


def test_everything_can_be_set_in_the_environment(tmp_path: Path) -> None:
    config, data = tmp_path / "elsewhere.yaml", tmp_path / "d"
    config.write_text(_CONFIG)
    extra = {"PASSERELLE_CONFIG": str(config), "PASSERELLE_DATA": str(data)}

    done = run("keys", "create", "--tenant", "acme", "--json", extra=extra)

    assert done.returncode == 0, done.stderr
    assert (data / "pg").is_dir()
    assert of_folder(data) == []


def test_keys_are_listed_for_people_and_machines(service: Service) -> None:
    done = service.order("keys", "create", "--tenant", "acme", "--days", "7", "--name", "été", "--json")
    card = orjson.loads(done.stdout)["card"]
    cards = orjson.loads(service.order("keys", "list", "--json").stdout)

    assert card in cards
    assert card["name"] == "été"
    assert card["expires_at"] > card["created_at"]
    assert service.order("keys", "list", "--tenant", "nobody").stdout == "There are no keys.\n"


def test_a_key_is_made_in_groups_which_its_successor_keeps(service: Service) -> None:
    words = ("--tenant", "acme", "--group", "teachers", "--group", "Élèves de 3e", "--name", "portal")
    made = service.order("keys", "create", *words)
    assert "tenant acme [groups: teachers, Élèves de 3e]" in made.stderr

    def cards() -> list[dict[str, object]]:
        found: list[dict[str, object]] = orjson.loads(service.order("keys", "list", "--json").stdout)
        return [card for card in found if card["name"] == "portal"]

    (card,) = cards()
    assert card["groups"] == ["teachers", "Élèves de 3e"]
    assert "portal [groups: teachers, Élèves de 3e]" in service.order("keys", "list").stdout
    assert service.order("keys", "rotate", str(card["id"])).returncode == 0
    assert [each["groups"] for each in cards()] == [card["groups"]] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "--tenant", "acme", "--group", " teachers"), "printable characters without spaces"),
        (("create", "--tenant", "acme", "--group", ""), "1 to 200"),
        (("create", "--role", "admin", "--group", "teachers"), "is in no group"),
        (("create", "--role", "admin", "--tenant", "acme"), "belongs to no tenant"),
        (("create", "--tenant", "acme", "--name", "\x1b[2Jgone"), "printable characters"),
        (("revoke", "key_none"), "There is no key 'key_none'"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_one_line(
    service: Service, words: tuple[str, ...], told: str
) -> None:
    done = service.order("keys", *words)

    assert done.returncode == 2
    assert told in _only_line(done.stderr)
