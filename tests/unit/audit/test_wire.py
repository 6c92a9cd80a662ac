"""An exported log is checked without the service, and a changed one is noticed."""

from datetime import UTC, datetime

import orjson
import pytest

from passerelle.audit.chain import Head, Wrong
from passerelle.audit.log import SignedHead
from passerelle.audit.wire import Unreadable, check_lines, holds, last_line, lines, read_head
from passerelle.sealing.signing import Signer
from tests.unit.audit.test_chain import chain_of

SIGNER = Signer(b"s" * 32)
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def signed(head, signer=SIGNER):
    return SignedHead(head, AT, signer.sign(head.message(AT)), signer.public)


def exported(links, head=None):
    head = head or Head("acme", links[-1].event.number, links[-1].digest)
    return (lines(links) + last_line(signed(head))).splitlines()


def test_what_was_exported_is_whole():
    checked = check_lines(exported(chain_of(4)), public=SIGNER.public)
    assert checked.whole
    assert (checked.signed, checked.first, checked.verdict.count) == (True, 1, 4)


def test_a_part_of_a_chain_is_whole_too():
    checked = check_lines(exported(chain_of(6)[3:]), public=SIGNER.public)
    assert checked.whole
    assert (checked.first, checked.verdict.head.number) == (4, 6)


def test_a_chain_without_events_is_whole():
    assert check_lines([last_line(signed(Head("acme", 0, bytes(32))))]).whole


def test_each_edit_of_a_line_is_found():
    for place in range(4):
        given = exported(chain_of(4))
        said = orjson.loads(given[place])
        said["event"]["actor"] = "forged"
        given[place] = orjson.dumps(said)
        checked = check_lines(given, public=SIGNER.public)
        assert not checked.whole
        assert (checked.verdict.broken.number, checked.verdict.broken.wrong) == (place + 1, Wrong.EDITED)


def test_a_missing_line_and_a_cut_end_are_found():
    given = exported(chain_of(4))
    assert check_lines([*given[:1], *given[2:]]).verdict.broken.number == 2
    cut = check_lines([*given[:3], given[4]])
    assert (cut.verdict.broken.number, cut.verdict.broken.wrong) == (4, Wrong.CUT)


def test_events_after_the_signed_head_and_another_digest_are_found():
    links = chain_of(4)
    later = check_lines(exported(links, Head("acme", 3, links[2].digest)))
    assert (later.verdict.broken.number, later.verdict.broken.wrong) == (3, Wrong.HEAD)
    other = check_lines(exported(links, Head("acme", 4, links[2].digest)))
    assert (other.verdict.broken.number, other.verdict.broken.wrong) == (4, Wrong.HEAD)


def test_a_head_signed_with_another_key_is_found_by_whoever_has_the_right_one():
    links = chain_of(2)
    forger = Signer(b"f" * 32)
    head = Head("acme", 2, links[-1].digest)
    given = (lines(links) + last_line(signed(head, forger))).splitlines()
    assert check_lines(given).whole  # by its own word
    assert check_lines(given, public=SIGNER.public).signed is False


def test_a_signature_is_of_chain_number_digest_and_moment():
    links = chain_of(2)
    head = signed(Head("acme", 2, links[-1].digest))
    assert holds(head, SIGNER.public)
    for changed in (
        Head("beta", 2, head.head.digest),
        Head("acme", 1, head.head.digest),
        Head("acme", 2, bytes(32)),
    ):
        assert not holds(SignedHead(changed, AT, head.signature, head.public))
    assert not holds(SignedHead(head.head, AT.replace(year=2027), head.signature, head.public))


def test_a_head_is_read_as_it_was_written():
    head = signed(Head("acme", 2, bytes(32)))
    assert read_head(orjson.loads(last_line(head))["head"]) == head


@pytest.mark.parametrize(
    "line", [b"no", b"[]", b"{}", b'{"event":{}}', b'{"head":{"chain":1}}', b"x" * 200_000]
)
def test_what_is_no_log_is_told_by_its_line(line):
    with pytest.raises(Unreadable, match="line 2"):
        check_lines([*exported(chain_of(1))[:1], line])


def test_nothing_comes_after_the_head():
    given = exported(chain_of(2))
    with pytest.raises(Unreadable, match="line 4 comes after"):
        check_lines([*given, given[0]])
