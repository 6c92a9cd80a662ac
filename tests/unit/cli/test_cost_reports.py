"""What the verbs about money refuse before anything is opened, and an order that broke off is not given twice."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Verb

_COMPARE = ("costs", "reconcile", "--provider", "acme", "--month", "2026-10")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (_COMPARE, "Give either --file or --api."),
        ((*_COMPARE, "--api", "--file", "pyproject.toml"), "Give either --file or --api."),
        ((*_COMPARE, "--file", "/nowhere.csv"), "does not exist"),
        ((*_COMPARE, "--file", "/tmp"), "is a directory"),
        (("costs", "rates"), "Give either --file or --fetch."),
        (("costs", "report", "--format", "pdf"), "Invalid value for '--format'"),
        (("costs", "close"), "Missing option '--month'"),
        (("costs", "credit", "--tenant", "a", "--amount", "1"), "Missing option '--reason'"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_opens_nothing(
    verb: Verb, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = verb(*words, "--data", str(tmp_path / "d"))

    assert (done.status, done.out) == (2, "")
    assert told in done.err
    assert not (tmp_path / "d").exists()


def test_an_order_that_broke_off_is_not_given_again(verb: Verb, tmp_path: Path) -> None:
    """It may have been carried out: a credit is not booked twice."""
    data = tmp_path / "d"
    data.mkdir()
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data / "control.sock"))
        listener.listen()

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))

        service = threading.Thread(target=hang_up)
        service.start()
        words = ("--tenant", "acme", "--amount", "1", "--reason", "x", "--data", str(data))
        done = verb("costs", "credit", *words)
        service.join(10)

    assert done.status == 2
    assert "See whether the order was carried out before you give it again." in done.err
    assert len(asked) == 1
    assert [entry.name for entry in data.iterdir()] == ["control.sock"]
