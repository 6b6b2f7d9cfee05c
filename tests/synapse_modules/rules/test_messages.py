"""What may be sent and deleted in a room, by example and over any content."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.between_devices import for_others
from synapse_modules.rules.clear_text import membership_without_words
from synapse_modules.rules.messages import SentEvent, check_deletion, check_message, check_readers, is_for_readers
from synapse_modules.rules.reach import Refusal, Room
from synapse_modules.rules.room_state import STATE, WITHOUT_WORDS, Handling, check_state

CIPHERTEXT = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA"}
ROOMS = [Room("!r:t", kind, "@erika:t") for kind in RoomKind]
DAY_MS = 24 * 3600 * 1000
senders = st.none() | st.sampled_from(AccountKind)
rooms = st.none() | st.sampled_from(ROOMS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
contents = st.dictionaries(
    st.sampled_from(["algorithm", "ciphertext", "m.relates_to", "reason", "membership", "body", "name"]) | st.text(),
    json_values,
    max_size=4,
)
types = st.sampled_from(["m.room.encrypted", "m.reaction", "m.room.redaction", *STATE]) | st.text()


@given(senders, rooms, types, st.text(), contents)
def test_any_content_is_judged_and_nothing_raises(
    sender: AccountKind | None, room: Room | None, event_type: str, state_key: str, content: dict[str, Any]
) -> None:
    message = check_message(sender, room, event_type, content)
    assert message is not None or event_type in {"m.room.encrypted", "m.room.redaction", "m.reaction"}
    state = check_state(sender, room, event_type, state_key, content)
    if state is None and event_type != "m.room.member":
        assert room is not None
        in_heks_room = room.kind in {RoomKind.SUPPORT, RoomKind.SERVICE, RoomKind.TEAM}
        assert (sender is AccountKind.SERVICE and in_heks_room) or content == WITHOUT_WORDS[event_type]
    assert membership_without_words(content).keys() <= {"is_direct"}
    sent = for_others(event_type, content)
    assert sent is None or "reason" not in sent


@pytest.mark.parametrize("sender", [AccountKind.INSURED, AccountKind.PRACTICE])
def test_before_acceptance_nothing_is_sent_and_an_ended_request_says_so(sender: AccountKind) -> None:
    request = Room("!r:t", RoomKind.REQUEST, "@erika:t")
    ended = Room("!r:t", RoomKind.REQUEST, "@erika:t", is_open=False)
    assert check_message(sender, request, "m.room.encrypted", CIPHERTEXT) is Refusal.NOT_ACCEPTED_YET
    assert check_message(sender, ended, "m.room.encrypted", CIPHERTEXT) is Refusal.REQUEST_ENDED


@pytest.mark.parametrize(
    ("practices", "refusal"),
    [
        ([], Refusal.PRACTICE_GONE),
        (["invite"], Refusal.NOT_ACCEPTED_YET),
        (["join"], None),
        (["invite", "join"], None),
    ],
)
def test_a_message_of_an_insured_person_needs_a_practice_that_reads_it(
    practices: list[str], refusal: Refusal | None
) -> None:
    assert check_readers(practices) is refusal


def test_readers_are_asked_for_where_an_insured_person_writes_into_a_chat() -> None:
    asked = {
        (sender, room.kind, event_type)
        for sender in AccountKind
        for room in ROOMS
        for event_type in ("m.room.encrypted", "m.reaction", "m.room.redaction")
        if is_for_readers(sender, room, event_type)
    }
    assert asked == {
        (AccountKind.INSURED, RoomKind.CARE, "m.room.encrypted"),
        (AccountKind.INSURED, RoomKind.CARE, "m.reaction"),
    }


def test_accounts_without_rights_send_nothing() -> None:
    for room in (*ROOMS, None):
        for sender in (None, AccountKind.ADMIN):
            assert check_message(sender, room, "m.room.encrypted", CIPHERTEXT) is Refusal.NO_RIGHTS
            assert check_state(sender, room, "m.room.name", "", {}) is Refusal.NO_RIGHTS


@pytest.mark.parametrize("event_type", [one for one, how in STATE.items() if how in {Handling.FIXED, Handling.NEVER}])
def test_what_protects_a_room_is_changed_by_nobody(event_type: str) -> None:
    for room in ROOMS:
        for sender in set(AccountKind) - {AccountKind.ADMIN}:
            assert check_state(sender, room, event_type, "", {}) is Refusal.STATE_FIXED


@pytest.mark.parametrize(
    ("target", "max_age", "refusal"),
    [
        (SentEvent("@erika:t", is_state=False, sent_at=0), None, None),
        (SentEvent("@erika:t", is_state=False, sent_at=DAY_MS), timedelta(days=1), None),
        (SentEvent("@erika:t", is_state=False, sent_at=DAY_MS - 1), timedelta(days=1), Refusal.TOO_OLD_TO_DELETE),
        (SentEvent("@erika:t", is_state=True, sent_at=0), None, Refusal.NOT_DELETABLE),
        (SentEvent("@praxis:t", is_state=False, sent_at=0), None, Refusal.NOT_DELETABLE),
        (None, None, Refusal.NOT_DELETABLE),
    ],
)
def test_what_is_deleted(target: SentEvent | None, max_age: timedelta | None, refusal: Refusal | None) -> None:
    assert check_deletion("@erika:t", target, now=2 * DAY_MS, max_age=max_age) is refusal
