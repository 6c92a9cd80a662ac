"""What goes into the log is ids, counts and hashes: every action is walked with what people write."""

import pytest

from passerelle.audit import actions
from passerelle.audit.actions import ACTIONS, check, named, worded

WRITTEN = [
    "Jeanne Martin", "jeanne.martin@example.org", "06 12 34 56 78", "What is my salary?", "é", "a\nb", "x" * 201, "a\0",
    "<b>", '"', "a,b",
]  # fmt: skip


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_no_action_takes_what_people_write(action):
    check("key_1", action, "id_1", {})
    for text in WRITTEN:
        for arguments in ((text, action, "", {}), ("key_1", action, text, {})):
            with pytest.raises(ValueError, match=r"\w") as refused:
                check(*arguments)
            assert text not in str(refused.value)
        for member in ACTIONS[action]:
            for value in (text, [text], {"a": text}, [{"a": text}]):
                with pytest.raises(ValueError, match="something else"):
                    check("key_1", action, "", {member: value})


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_no_action_takes_members_that_are_not_its_own(action):
    for member in ("name", "prompt", "email", "secret", "text", "reason"):
        with pytest.raises(ValueError, match="not its own"):
            check("key_1", action, "", {member: "x"})


def test_every_action_that_is_named_is_in_the_table():
    words = {
        value
        for name, value in vars(actions).items()
        if name.isupper() and isinstance(value, str) and "." in value
    }
    assert words == set(ACTIONS)


@pytest.mark.parametrize("value", [1.5, 2**60, b"x", object(), [[["deep"]]], ["x"] * 51, {"A": 1}])
def test_what_does_not_come_back_from_a_database_as_it_was_is_refused(value):
    with pytest.raises(ValueError, match="something else"):
        check("key_1", actions.KEY_CREATED, "", {"role": value})


@pytest.mark.parametrize("value", [None, True, 3, "sha256:00", ["R01", "R02"], {"documents": 3}, 2**53 - 1])
def test_ids_counts_and_hashes_are_taken(value):
    check("key_1", actions.RIGHT_DONE, "p_00ff", {"counts": value})


def test_an_unknown_action_and_nobody_are_refused():
    with pytest.raises(ValueError, match="none of the audit log's"):
        check("key_1", "made.up", "", {})
    with pytest.raises(ValueError, match="actor"):
        check("", actions.KEY_CREATED, "", {})


def test_a_name_is_told_apart_and_not_told():
    assert named("hr-dupont") == named("hr-dupont") != named("hr-durand")
    assert "dupont" not in named("hr-dupont")
    assert worded("R01") == "R01"
    assert worded("a name").startswith("sha256:")
