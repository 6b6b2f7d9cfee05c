"""Chats in which insured people alone are left: which they are, and when they are emptied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.insured_only_rooms import is_left_to_insured_people, is_to_be_emptied
from synapse_modules.rules.reach import Party

ERIKA, MAX, LOCKED, SOMMER, NOBODY = "@erika:t", "@max:t", "@locked:t", "@sommer:t", "@nobody:x"
PARTIES = {
    ERIKA: Party(ERIKA, AccountKind.INSURED, live=True),
    MAX: Party(MAX, AccountKind.INSURED, live=True),
    LOCKED: Party(LOCKED, AccountKind.INSURED, live=False),
    SOMMER: Party(SOMMER, AccountKind.PRACTICE, live=True),
    NOBODY: Party(NOBODY, None, live=False),
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, False),
        ({ERIKA: "join"}, True),
        ({ERIKA: "join", MAX: "join"}, True),
        ({ERIKA: "join", MAX: "invite"}, False),
        ({ERIKA: "join", SOMMER: "invite"}, False),
        ({ERIKA: "join", SOMMER: "join"}, False),
        ({ERIKA: "join", LOCKED: "join"}, False),
        ({ERIKA: "join", NOBODY: "join"}, False),
        ({ERIKA: "invite"}, False),
    ],
)
def test_who_is_left(members: dict[str, str], expected: bool) -> None:
    assert is_left_to_insured_people(members, PARTIES) is expected


def test_nobody_is_taken_out_before_the_time_is_over() -> None:
    told, grace = datetime(2027, 3, 25, 12, tzinfo=UTC), timedelta(days=7)
    assert not is_to_be_emptied(told, told + grace - timedelta(milliseconds=1), grace)
    assert is_to_be_emptied(told, told + grace, grace)
