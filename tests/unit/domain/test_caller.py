"""For which groups a caller may speak."""

from __future__ import annotations

import pytest

from passerelle.domain.caller import Caller, Role, groups_of
from passerelle.domain.errors import Forbidden


def _caller(*groups: str, role: Role = Role.MEMBER) -> Caller:
    return Caller("key_1", "acme", role, groups=frozenset(groups))


def test_who_names_no_group_speaks_for_his_own() -> None:
    assert groups_of(_caller("staff", "*"), None) == {"staff"}
    assert groups_of(_caller(), None) == frozenset()


def test_a_member_may_name_fewer_of_his_groups() -> None:
    assert groups_of(_caller("staff", "board"), ["board"]) == {"board"}
    assert groups_of(_caller("staff"), []) == frozenset()


def test_a_member_may_not_name_groups_of_others() -> None:
    with pytest.raises(Forbidden, match="'board'") as refused:
        groups_of(_caller("staff"), ["staff", "board"])
    assert refused.value.code == "group_not_yours"


@pytest.mark.parametrize("caller", [_caller("*"), _caller(role=Role.TENANT_ADMIN), _caller(role=Role.ADMIN)])
def test_whoever_speaks_for_any_group_has_to_name_it(caller: Caller) -> None:
    assert groups_of(caller, ["board"]) == {"board"}
    assert groups_of(caller, None) == frozenset()
