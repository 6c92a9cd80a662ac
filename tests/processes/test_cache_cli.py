"""`passerelle cache` gives its orders to the running service, and says what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from tests.e2e.money import Done, Shop, configuration, engine, shop, verb


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service in which one tenant keeps answers to the same question."""
    with engine() as url:
        config = configuration(url)
        config["tenants"]["acme"]["cache"] = {"exact": True, "scope": "tenant"}
        with shop(tmp_path_factory.mktemp("cache"), config) as running:
            yield running


def _order(running: Shop, *words: str) -> Done:
    folders = ("--config", str(running.service.config), "--data", str(running.service.data))
    return verb("cache", *words, *folders)


def test_figures_are_of_tenants_that_keep_answers(running: Shop) -> None:
    done = _order(running, "stats", "--json", "--check")

    assert done.returncode == 0, done.stderr
    (card,) = orjson.loads(done.stdout)
    assert card["tenant"] == "acme"
    assert card["promise"] is None
    assert _order(running, "stats", "--tenant", "acme").stdout.startswith("acme: ")


def test_a_question_is_explained(running: Shop) -> None:
    done = _order(running, "explain", "--tenant", "acme", "--model", "assistant", "--json", "Bonjour ?")

    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["result"] in ("miss", "bypass")


def test_answers_are_deleted(running: Shop) -> None:
    for words in (
        ("--all",),
        ("--tag", "spring"),
        ("--user", "jean@exemple.fr//2"),
        ("--model", "assistant"),
    ):
        done = _order(running, "purge", "--tenant", "acme", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Deleted")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("stats", "--tenant", "nobody"), "no tenant 'nobody'"),
        (("purge", "--tenant", "nobody", "--all"), "no tenant 'nobody'"),
        (("purge", "--tenant", "acme"), "exactly one of"),
        (("purge", "--tenant", "acme", "--all", "--tag", "x"), "exactly one of"),
        (("purge", "--tenant", "acme", "--id", "ca_none"), "no kept answer 'ca_none'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(running: Shop, words: tuple[str, ...], told: str) -> None:
    done = _order(running, *words)

    assert done.returncode == 2
    assert told in done.stderr
