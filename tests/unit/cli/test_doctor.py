"""`passerelle doctor` reads well whatever is wrong, and its exit status says whether somebody must act."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from passerelle.domain.errors import CannotRun
from tests.unit.cli.conftest import Verb


class _Service:
    """Answers orders; `cards` are its backends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cards: list[dict[str, Any]] = []
        self.orders: list[tuple[str, str]] = []
        self.refuses: CannotRun | None = None
        monkeypatch.setattr(import_module("passerelle.cli.doctor"), "order", self._order)

    def _order(self, settings: object, method: str, path: str, body: object = None) -> Any:
        self.orders.append((method, path))
        if self.refuses is not None:
            raise self.refuses
        if path == "/health":
            return {"status": "ok", "degraded": []}
        return {"configuration": "abc", "backends": self.cards}


def _card(state: str, *problems: str, **more: Any) -> dict[str, Any]:
    card = {"name": "hub", "kind": "hf-providers", "state": state, "country": None, "operator": None}
    return {**card, "about": {}, "problems": list(problems), "models": [], **more}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> _Service:
    return _Service(monkeypatch)


@pytest.fixture
def doctor(verb: Verb, tmp_path: Path) -> Any:
    return lambda *words: verb("doctor", "--data", str(tmp_path), *words)


@pytest.mark.parametrize(
    ("state", "problems", "status"),
    [
        ("ready", (), 0),
        ("asleep", (), 0),
        ("waking", (), 0),
        ("unknown", (), 0),
        ("off", ("It is switched off: HF_TOKEN is not set.",), 0),
        ("ready", ("groq does not serve m now.",), 1),
        ("unknown", ("Who serves m is not known: The Hub cannot be reached.",), 1),
        ("down", ("There is no endpoint a/b that the token may see.",), 1),
        ("down", ("Hugging Face does not know the token.",), 1),
        ("paused", ("It is paused: no request starts it. Resume it: passerelle doctor --resume hub.",), 1),
    ],
)
def test_its_status_says_whether_somebody_must_act(
    service: _Service, doctor: Any, state: str, problems: tuple[str, ...], status: int
) -> None:
    service.cards = [_card(state, *problems)]
    done = doctor()

    assert done.status == status
    assert f"hub  (hf-providers, unknown country)  {state}\n" in done.out
    assert all(f"  ! {problem}\n" in done.out for problem in problems)


def test_what_an_engine_says_cannot_give_orders_to_the_terminal(service: _Service, doctor: Any) -> None:
    service.cards = [_card("ready", about={"serves": "\x1b[2Jmodel\r\nhub  down"})]
    out = doctor().out

    assert "\x1b" not in out
    assert "    serves: ?[2Jmodel??hub  down\n" in out


def test_a_figure_that_is_not_said_is_a_question_mark(service: _Service, doctor: Any) -> None:
    price = {"currency": "USD", "input_per_million": None, "output_per_million": "0.60", "per_hour": None}
    model: dict[str, Any] = {"model": "m", "context": None, "lacks": [], "price": price, "providers": []}
    service.cards = [_card("ready", models=[model])]

    assert "m: USD ?/0.60 per million tokens" in doctor().out


@pytest.mark.parametrize("name", ["a b", "../tenants", "a/b?c", "é\n"])
def test_any_name_may_be_resumed_and_is_part_of_no_other_path(
    service: _Service, doctor: Any, name: str
) -> None:
    doctor("--resume", name)
    method, path = service.orders[0]

    assert method == "POST"
    assert path.isascii()
    assert path.isprintable()
    assert path.split("/")[:3] + path.split("/")[4:] == ["", "admin", "backends", "resume"]
    assert not set(" ?\n") & set(path)


def test_a_refusal_is_its_words_and_no_trace(service: _Service, doctor: Any) -> None:
    service.refuses = CannotRun("There is no backend 'x'.", "Did you mean hub?")
    done = doctor("--resume", "x")

    assert done.status == 2
    assert "There is no backend 'x'." in done.err
    assert "Traceback" not in done.err + done.out
