"""Permission configurations against gematik's own schemas, and whom they let in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.permission import Permission, read_permission

_SCHEMAS = Path(__file__).parents[2] / "data/gematik/permission_config"
VALIDATORS = {
    AccountKind.INSURED: Draft7Validator(json.loads((_SCHEMAS / "TI-M_ePA-permissionConfig_V1.json").read_text())),
    AccountKind.PRACTICE: Draft7Validator(json.loads((_SCHEMAS / "TI-M_Pro-permissionConfig_V1.json").read_text())),
}
kinds = st.sampled_from(sorted(VALIDATORS))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(st.sampled_from(["@a:x", "@b:y", "x", "", "a:x"]), st.just({}) | anything, max_size=3)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "defaultSetting": st.sampled_from(["allow all", "block all", "Allow all", ""]) | anything,
        "serverExceptions": maps | anything,
        "userExceptions": maps | anything,
        "groupExceptions": st.lists(st.just({"groupName": "isInsuredPerson"}) | anything, max_size=3) | anything,
        "something": anything,
    },
)


@given(configurations | anything, kinds)
def test_what_gematiks_schema_takes_is_read_and_everything_else_is_malformed(content: Any, kind: AccountKind) -> None:
    assert (read_permission(content, kind) is not None) is VALIDATORS[kind].is_valid(content)


@given(configurations, kinds, st.sampled_from(["@a:x", "@b:y", "@c:z", "nobody"]), st.booleans())
def test_asking_never_fails_and_an_exception_is_the_opposite_of_the_setting(
    content: dict[str, Any], kind: AccountKind, inviter: str, insured: bool
) -> None:
    permission = read_permission(content, kind)
    if permission is None:
        return
    named = inviter in content.get("userExceptions", {}) or inviter.partition(":")[2] in content.get(
        "serverExceptions", {}
    )
    group = kind is AccountKind.PRACTICE and {"groupName": "isInsuredPerson"} in content.get("groupExceptions", [])
    exception = named or (group and insured)
    assert permission.admits(inviter, inviter_is_insured=insured) is (
        (content["defaultSetting"] == "allow all") != exception
    )


@pytest.mark.parametrize(
    ("content", "inviter", "insured", "admitted"),
    [
        ({"defaultSetting": "allow all"}, "@praxis:a", False, True),
        ({"defaultSetting": "block all"}, "@praxis:a", False, False),
        ({"defaultSetting": "allow all", "userExceptions": {"@praxis:a": {}}}, "@praxis:a", False, False),
        ({"defaultSetting": "block all", "userExceptions": {"@praxis:a": {}}}, "@praxis:a", False, True),
        ({"defaultSetting": "block all", "serverExceptions": {"a": {}}}, "@praxis:a", False, True),
        ({"defaultSetting": "block all", "serverExceptions": {"a:8448": {}}}, "@praxis:a:8448", False, True),
        ({"defaultSetting": "allow all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}, "@e:b", True, False),
        ({"defaultSetting": "block all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}, "@e:b", True, True),
        ({"defaultSetting": "block all", "groupExceptions": [{"groupName": "other"}]}, "@e:b", True, False),
    ],
)
def test_whom_a_practice_lets_in(content: dict[str, Any], inviter: str, insured: bool, admitted: bool) -> None:
    permission = read_permission(content, AccountKind.PRACTICE)
    assert permission is not None
    assert permission.admits(inviter, inviter_is_insured=insured) is admitted


def test_groups_are_known_to_practices_alone() -> None:
    content = {"defaultSetting": "block all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}
    assert read_permission(content, AccountKind.INSURED) == Permission(allows_all=False)
