"""What waits to be erased: nothing of it is forgotten, and nothing else is covered."""

from __future__ import annotations

from passerelle.cache.erasing import Erasures


def test_what_waits_covers_what_was_asked_and_nothing_of_another_tenant() -> None:
    erasures = Erasures()
    assert not erasures
    erasures.ask("a", members=["m1"], partition=None)
    erasures.ask("a", members=[], partition="p")
    (waiting,) = erasures.of("a")
    assert waiting.covers("q", "m1")
    assert waiting.covers("p", "m2")
    assert not waiting.covers("q", "m2")
    assert not waiting.covers_all("q")
    assert erasures.of("b") == []


def test_what_failed_is_done_again_with_what_has_come_since() -> None:
    erasures = Erasures()
    erasures.ask("a", members=["m1"], partition=None)
    begun = erasures.begin()
    assert begun is not None
    erasures.ask("a", members=["m2"], partition=None)
    assert [one.members for one in erasures.of("a")] == [{"m1"}, {"m2"}]
    erasures.failed()
    again = erasures.begin()
    assert again is not None
    assert again.members == {"m1", "m2"}
    erasures.done()
    assert not erasures
    assert erasures.begin() is None


def test_everything_of_a_tenant_covers_the_rest_of_it() -> None:
    erasures = Erasures()
    erasures.ask("a", members=["m1"], partition=None)
    erasures.ask("a", members=[], partition=None)
    erasures.ask("a", members=["m2"], partition=None)
    (waiting,) = erasures.of("a")
    assert waiting.everything
    assert (waiting.members, waiting.partitions) == (set(), set())
    assert waiting.covers_all("p")
