"""A chain shows every missing, moved and edited event, and where; pure."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.audit.chain import (
    GENESIS,
    Checking,
    Event,
    Head,
    Wrong,
    canonical,
    digest,
    empty,
    linked,
    moment,
    verify,
)

AT = datetime(2026, 11, 22, 8, 30, 0, 1, tzinfo=UTC)


def chain_of(count, chain="acme"):
    links, head = [], empty(chain)
    for number in range(1, count + 1):
        event = Event(
            chain,
            number,
            AT + timedelta(seconds=number),
            "key_1",
            "key.created",
            f"key_{number}",
            {"n": number},
        )
        links.append(linked(head, event))
        head = Head(chain, number, links[-1].digest)
    return links


def test_a_chain_is_whole():
    links = chain_of(5)
    verdict = verify("acme", links)
    assert verdict.whole
    assert (verdict.count, verdict.head) == (5, Head("acme", 5, links[-1].digest))
    assert verify("acme", []).head == empty("acme")


def test_anybody_can_work_a_digest_out_again():
    event = Event("acmé", 1, AT, "key_1", "key.created", "key_2", {"b": [1, None, True], "a": "x"})
    said = ["passerelle audit v1", "acmé", 1, "2026-11-22T08:30:00.000001Z", "key_1", "key.created", "key_2"]
    plain = json.dumps([*said, {"a": "x", "b": [1, None, True]}], ensure_ascii=False, separators=(",", ":"))
    assert canonical(event) == plain.encode()
    assert digest(GENESIS, event) == hashlib.sha256(bytes(32) + plain.encode()).digest()


def test_a_moment_is_the_same_in_every_zone():
    event = Event("a", 1, AT, "k", "a.b")
    assert canonical(event) == canonical(replace(event, at=AT.astimezone(timezone(timedelta(hours=9)))))
    with pytest.raises(ValueError, match="time zone"):
        moment(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.integers(0, 7), st.sampled_from(["actor", "action", "object", "at", "detail"]))
def test_an_edited_event_is_found_at_its_number(place, field):
    links = chain_of(8)
    event = links[place].event
    other = {"detail": {"n": 99}, "at": event.at + timedelta(microseconds=1)}.get(field, "forged")
    links[place] = replace(links[place], event=replace(event, **{field: other}))
    broken = verify("acme", links).broken
    assert (broken.number, broken.wrong) == (place + 1, Wrong.EDITED)


@given(st.integers(0, 6))
def test_an_edited_event_with_its_digest_made_anew_is_found_at_the_next(place):
    links = chain_of(8)
    event = replace(links[place].event, actor="forged")
    links[place] = replace(links[place], event=event, digest=digest(links[place].previous, event))
    broken = verify("acme", links).broken
    assert (broken.number, broken.wrong) == (place + 2, Wrong.LINK)


@given(st.integers(0, 6))
def test_a_missing_event_is_named(place):
    links = chain_of(8)
    del links[place]
    broken = verify("acme", links).broken
    assert (broken.number, broken.wrong) == (place + 1, Wrong.GAP)
    assert str(place + 1) in str(broken)


@given(st.permutations(range(6)))
def test_events_in_another_order_are_found(order):
    links = chain_of(6)
    assert verify("acme", [links[place] for place in order]).whole == (list(order) == sorted(order))


def test_an_event_that_comes_twice_and_one_of_another_chain_are_found():
    links = chain_of(3)
    assert verify("acme", [*links, links[-1]]).broken.wrong is Wrong.ORDER
    assert verify("beta", links).broken.wrong is Wrong.CHAIN


def test_a_cut_end_and_a_chain_written_anew_are_found_by_a_head_told_before():
    links = chain_of(6)
    known = [Head("acme", 5, links[4].digest)]
    assert verify("acme", links, known=known).whole
    cut = verify("acme", links[:4], known=known)
    assert (cut.broken.number, cut.broken.wrong) == (5, Wrong.CUT)
    anew, head = [], empty("acme")
    for link in links:
        anew.append(linked(head, replace(link.event, actor="forged")))
        head = Head("acme", link.event.number, anew[-1].digest)
    assert verify("acme", anew).whole  # a chain alone cannot know
    other = verify("acme", anew, known=known)
    assert (other.broken.number, other.broken.wrong) == (5, Wrong.HEAD)


def test_looking_can_go_on_from_where_it_ended():
    links = chain_of(6)
    first = verify("acme", links[:3])
    checking = Checking(first.head)
    assert all(checking.take(link) for link in links[3:])
    assert checking.verdict().head.number == 6


def test_an_event_is_only_added_at_the_end_of_its_chain():
    with pytest.raises(ValueError, match="does not follow"):
        linked(empty("acme"), Event("acme", 2, AT, "k", "a.b"))
    with pytest.raises(ValueError, match="does not follow"):
        linked(empty("acme"), Event("beta", 1, AT, "k", "a.b"))
