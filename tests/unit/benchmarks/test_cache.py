"""What is asked of the cache is what its figures say, and a bar that was not measured is not met."""

import json
from collections import Counter
from itertools import count

from benchmarks import payloads
from benchmarks.cache import MEMBERS, Seen, bars, body, fresh, question, report


def _seen(own_ms: float, **kinds: int) -> Seen:
    calls = sum(kinds.values())
    return Seen(calls, own_ms, own_ms * 1.1, Counter(kinds), [own_ms * 10] * calls)


_EXACT = {
    "no cache anywhere": [_seen(0.30, bypass=10), _seen(0.40, bypass=10)],
    "tenant without cache": [_seen(0.50, bypass=10), _seen(0.30, bypass=10)],
    "miss": [_seen(0.40, miss=10)],
    "hit": [_seen(0.20, hit=10), _seen(0.10, hit=10)],
}
_ALIKE = {
    "semantic hit": Seen(2, kinds=Counter({"semantic-hit": 2}), waits=[5.0, 9.0]),
    "miss, not looked up": Seen(2, kinds=Counter({"bypass": 2}), waits=[2.0, 2.0]),
    "miss, looked up": Seen(2, kinds=Counter({"miss": 2}), waits=[5.0, 5.5]),
}


def test_every_miss_is_another_question_of_the_same_size() -> None:
    numbers = count()
    asked = [fresh(numbers) for _ in range(1000)]
    same = json.loads(payloads.requests(events=1)["small"])

    assert len(set(asked)) == 1000
    assert {len(each) for each in asked} == {len(body(same["messages"][-1]["content"]))}


def test_as_many_questions_as_members_say_something_else_each() -> None:
    assert len({question(number) for number in range(MEMBERS)}) == MEMBERS


def test_the_lowest_round_counts() -> None:
    hit, share, free, semantic, added = bars(_EXACT, _ALIKE)

    assert (hit.value, share.value, free.value) == (0.10, 0.25, 1.0)
    assert (semantic.value, added.value) == (7.0, 3.25)
    assert all(bar.holds for bar in (hit, share, free, semantic, added))


def test_a_bar_of_which_nothing_was_seen_is_not_met() -> None:
    none = {name: Seen(2, kinds=Counter({"miss": 2}), waits=[1.0, 1.0]) for name in _ALIKE}
    told = report(_EXACT, none)

    assert [bar.holds for bar in bars(_EXACT, none)[3:]] == [False, False]
    assert "| ms of a semantic hit, p50 | - | 8 | NO |" in told
