"""`passerelle dpa build`: what it writes, what it says, how it ends; and that documents name commands that are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from fastapi.routing import APIRoute

from passerelle.cli import passerelle
from passerelle.http import privacy, privacy_disclosure
from tests.unit.cli.conftest import Verb
from tests.unit.compliance.ground import PLAIN, built, estate_of

_ROOT = Path(__file__).parents[3]
_FILE = """
version: 1
operator: {name: Here, country: FR}
backends: {gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}}
models: {assistant: {targets: [{backend: gpu, model: a/b}]}}
tenants: {demo: {}, other: {}}
"""


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """Where the configuration and the DPA folder are."""
    config, sources = tmp_path / "providers.yaml", tmp_path / "DPA" / "sources" / "tenants"
    config.write_text(_FILE, encoding="utf-8")
    sources.mkdir(parents=True)
    (sources / "demo.yaml").write_text("tenant: demo\nname: Client\nlanguages: [en]\n", encoding="utf-8")
    return ("--config", str(config), "--dpa", str(tmp_path / "DPA"), "--data", str(tmp_path / "data"))


def test_it_builds_whoever_has_a_file_and_says_what_is_missing(
    verb: Verb, words: tuple[str, ...], tmp_path: Path
) -> None:
    done = verb("dpa", "build", "--date", "2026-11-22", *words)

    assert done.status == 0
    assert re.search(
        r"DPA/generated/demo: 17 files written, dated 2026-11-22; \d+ facts are still to complete", done.out
    )
    assert sorted(each.name for each in (tmp_path / "DPA" / "generated").iterdir()) == ["demo"]
    assert {each.name for each in (tmp_path / "DPA" / "generated" / "demo").iterdir()} == {
        "en",
        "manifest.json",
    }

    again = verb("dpa", "build", "--json", *words)
    (told,) = json.loads(again.out)["tenants"]
    assert (told["files"], told["date"]) == ([], "2026-11-22")


def test_check_writes_nothing_and_ends_with_1_where_a_build_would_change_something(
    verb: Verb, words: tuple[str, ...], tmp_path: Path
) -> None:
    assert verb("dpa", "build", "--check", *words).status == 1
    assert not (tmp_path / "DPA" / "generated").exists()
    verb("dpa", "build", *words)
    assert verb("dpa", "build", "--check", *words).out == "demo: as built\n"

    edited = tmp_path / "DPA" / "generated" / "demo" / "en" / "00-summary.md"
    edited.write_text("mine\n", encoding="utf-8")
    done = verb("dpa", "build", "--check", *words)
    assert (done.status, "en/00-summary.md: edited" in done.out) == (1, True)


def test_what_it_cannot_use_is_one_line_and_status_2(
    verb: Verb, words: tuple[str, ...], tmp_path: Path
) -> None:
    done = verb("dpa", "build", "--tenant", "nobody", *words)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "There is no tenant 'nobody'" in done.err

    (tmp_path / "DPA" / "sources" / "operator.yaml").write_text("nmae: x\n", encoding="utf-8")
    done = verb("dpa", "build", *words)
    assert done.status == 2
    assert "sources/operator.yaml:1: error S01: `nmae` is not a field here. Did you mean `name`?" in done.err


_ALL = """
version: 1
operator: {name: Here, country: FR}
backends:
  gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}
  hub: {kind: hf-providers, provider: auto, token: env:HF_TOKEN}
models: {assistant: {targets: [{backend: gpu, model: a/b}, {backend: hub, model: a/b, rank: 2}]}}
tenants:
  demo:
    policy: eu-only
    privacy: {special: [health], minors: true, end_user_facing: true, redact: [email]}
"""
_VARIANTS = (
    _ALL,
    _ALL.replace("policy: eu-only", "policy: on-prem-only").replace(
        "minors: true, ", "user: drop, encrypt: false, "
    ),
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What generated documents and the folder's own README say, of tenants that differ, by file."""
    found = {"README.md": (_ROOT / "DPA" / "README.md").read_text(encoding="utf-8")}
    for number, text in enumerate((PLAIN, *_VARIANTS)):
        files = built(estate_of(text), tmp_path_factory.mktemp("dpa")).files
        found |= {f"{number}/{name}": said for name, said in files.items() if name.endswith(".md")}
    return found


def _command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and what is left of them. Raises AssertionError where there is none."""
    command: click.Command = passerelle
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        nested = command.get_command(click.Context(command), words[0])
        assert nested is not None, words[0]
        command, words = nested, words[1:]
    return command, words


def _options(command: click.Command) -> set[str]:
    return {name for each in command.params if isinstance(each, click.Option) for name in each.opts}


def test_documents_name_commands_that_are_there_with_the_options_they_have(documents: dict[str, str]) -> None:
    lines = {
        (file, line)
        for file, text in documents.items()
        for span in re.findall(r"`passerelle ([^`]+)`", text)
        for line in span.split("|")[:1]
    }
    assert len({line for _, line in lines}) > 20
    for file, line in sorted(lines):
        command, rest = _command(shlex.split(re.sub(r"<[^>]*>", "X", line)))
        if not rest or isinstance(command, click.Group):
            continue  # only named
        context = click.Context(command)
        given, left, _ = command.make_parser(context).parse_args(list(rest))
        wanted = {each.name for each in command.params if each.required}
        assert wanted <= {name for name, value in given.items() if value not in (None, ())}, (file, line)
        assert not left, (file, line)


def test_options_that_documents_name_alone_are_of_a_command_that_they_name(documents: dict[str, str]) -> None:
    for file, text in documents.items():
        commands = [
            _command(shlex.split(span.split("|")[0]))[0]
            for span in re.findall(r"`passerelle ([^`<]+)`", text)
        ]
        there = {name for each in commands for name in _options(each)}
        for option in re.findall(r"`(--[a-z-]+)`", text):
            assert option in there, (file, option)


def test_documents_name_calls_that_are_there(documents: dict[str, str]) -> None:
    routes = {
        (method, re.sub(r":path}", "}", route.path))
        for router in (privacy.router, privacy_disclosure.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    named = {
        call
        for text in documents.values()
        for call in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`]+)`", text)
    }
    assert len(named) > 4
    assert named <= routes
