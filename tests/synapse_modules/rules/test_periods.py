"""Chats that have become old, and names of accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from messenger_core.calendar_periods import to_milliseconds
from synapse_modules.rules.idle_rooms import is_idle
from synapse_modules.rules.localparts import agent_localpart, new_insured_localpart, new_practice_localpart


def test_a_chat_is_old_after_the_persons_calendar_months() -> None:
    as_of = datetime(2027, 5, 24, 10, tzinfo=UTC)
    last = datetime(2026, 11, 24, 11, tzinfo=UTC)  # the same wall clock in Berlin: summer time is one hour ahead
    assert not is_idle(to_milliseconds(last + timedelta(hours=1)), 6, as_of)
    assert is_idle(to_milliseconds(last - timedelta(hours=3)), 6, as_of)
    assert not is_idle(0, None, as_of)


def test_names_of_accounts_say_nothing_about_people() -> None:
    names = {new_insured_localpart() for _ in range(200)}
    assert len(names) == 200
    assert all(name.startswith("v") and len(name) == 23 and name.isalnum() and name.islower() for name in names)
    assert new_practice_localpart().startswith("praxis-")
    assert agent_localpart("berg") == "agent.berg"
