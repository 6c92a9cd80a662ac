"""`passerelle audit`: events in words, an export that is checked anywhere, and the status that scripts go by."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from passerelle.audit.chain import Head
from passerelle.audit.wire import event_of, head_of, lines
from tests.unit.audit.test_chain import chain_of
from tests.unit.audit.test_wire import SIGNER, exported, signed


class Service:
    """An audit log of one chain, as the routes give it."""

    def __init__(self, links):
        self.links = links
        self.broken = None

    @property
    def head(self):
        return head_of(signed(Head("acme", len(self.links), self.links[-1].digest)))

    def order(self, method, path, body=None, *, kind=""):
        assert method == "GET"
        route, query = urlsplit(path).path, {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        if route == "/admin/audit/key":
            return {"public_key": SIGNER.pem}
        if route == "/admin/audit/verify":
            card = {
                "chain": "acme",
                "whole": self.broken is None,
                "count": len(self.links),
                "head": self.head,
            }
            card |= {"broken_at": self.broken, "wrong": self.broken and f"Number {self.broken} is missing."}
            return {"whole": self.broken is None, "chains": [card]}
        after, limit = int(query.get("after", 0)), int(query.get("limit", 100))
        page = [link for link in self.links if link.event.number > after][:limit]
        return {"data": [event_of(link) for link in page], "has_more": False, "head": self.head}

    def parts(self, method, path, body=None, *, kind=""):
        yield lines(self.links)
        yield orjson.dumps({"head": self.head}) + b"\n"


@pytest.fixture
def service(monkeypatch):
    here = Service(chain_of(6))

    @contextmanager
    def operating(_):
        yield here

    module = import_module("passerelle.cli.audit")
    monkeypatch.setattr(module, "operating", operating)
    monkeypatch.setattr(module, "order", lambda _, *words: here.order(*words))
    return here


def test_the_last_events_are_shown_in_words(verb, service):
    done = verb("audit", "show", "--tenant", "acme", "--last", "2")
    assert done.status == 0
    shown = done.out.splitlines()
    assert len(shown) == 2
    assert "key.created" in shown[-1]
    assert "key_6" in shown[-1]
    assert "n=6" in shown[-1]
    assert len(orjson.loads(verb("audit", "show", "--after", "1", "--json").out)["data"]) == 5


def test_an_export_is_checked_with_the_key(verb, service, tmp_path):
    file, key = tmp_path / "audit.jsonl", tmp_path / "key.pem"
    assert verb("audit", "export", "--tenant", "acme", "--output", str(file)).status == 0
    key.write_text(verb("audit", "key").out)
    done = verb("audit", "verify", "--file", str(file), "--public-key", str(key))
    assert (done.status, done.out) == (0, "acme: 6 events, whole.\n")
    assert "--public-key" in verb("audit", "verify", "--file", str(file)).err


def test_a_changed_export_ends_with_status_1_and_its_number(verb, tmp_path):
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"\n".join(exported(chain_of(6))).replace(b'"key_3"', b'"key_9"'))
    done = verb("audit", "verify", "--file", str(file))
    assert done.status == 1
    assert done.out == "acme: Number 3 is not what was written.\n"
    card = orjson.loads(verb("audit", "verify", "--file", str(file), "--json").out)["chains"][0]
    assert card["broken_at"] == 3


def test_a_head_of_another_key_ends_with_status_1(verb, tmp_path):
    file, key = tmp_path / "audit.jsonl", tmp_path / "key.pem"
    file.write_bytes(b"\n".join(exported(chain_of(2))))
    key.write_text("00" * 32)
    done = verb("audit", "verify", "--file", str(file), "--public-key", str(key))
    assert (done.status, done.out) == (1, "acme: The head was not signed with this key.\n")


def test_what_is_no_export_and_no_key_is_told_in_a_line(verb, tmp_path):
    file = tmp_path / "other"
    file.write_text("hello")
    for words in (
        ["--file", str(file)],
        ["--file", str(file), "--public-key", str(file)],
        ["--known", str(file)],
    ):
        done = verb("audit", "verify", *words)
        assert done.status == 2
        assert done.err.startswith("passerelle: ")
    assert verb("audit", "verify", "--file", str(tmp_path / "none")).status == 2


def test_the_service_is_asked_for_every_chain(verb, service):
    assert verb("audit", "verify").out == "acme: 6 events, whole.\n"
    service.broken = 4
    done = verb("audit", "verify", "--tenant", "acme")
    assert (done.status, done.out) == (1, "acme: Number 4 is missing.\n")


def test_a_head_that_was_kept_shows_what_was_cut_or_written_anew(verb, service, tmp_path):
    known = tmp_path / "earlier.jsonl"
    known.write_bytes(b"\n".join(exported(chain_of(6))))
    assert verb("audit", "verify", "--known", str(known)).status == 0
    service.links = service.links[:4]
    done = verb("audit", "verify", "--known", str(known))
    assert (done.status, done.out) == (1, "acme: Number 6 is missing: a head was signed of it.\n")
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"\n".join(exported(chain_of(4))))
    assert verb("audit", "verify", "--file", str(cut), "--known", str(known)).status == 1
