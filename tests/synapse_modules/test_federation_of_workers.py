"""A homeserver with workers federates as one without: a worker takes what others send, another one sends to them.

The cases are those of the homeserver in one process; here the main process sees none of their requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.synapse_modules import (
    test_federated_chats,
    test_federated_forgeries,
    test_federation_list,
    test_federation_requests,
)
from tests.synapse_modules.federation import Federation

Case = Callable[[Federation], Awaitable[None]]

CASES: dict[str, Case] = {
    "a person asks, both write": test_federated_chats.test_a_person_asks_a_practice_of_another_server_and_both_write,
    "a practice invites, both write": (
        test_federated_chats.test_a_practice_of_another_server_invites_a_person_and_both_write
    ),
    "the invited side decides": (
        test_federated_chats.test_the_invited_side_decides_about_practices_of_other_servers_too
    ),
    "a room that is no chat is not entered": partial(
        test_federated_chats.test_a_room_that_turns_out_to_be_no_chat_is_never_joined,
        changed={"history_visibility": {"history_visibility": "world_readable"}},
    ),
    "nothing in clear is shown": test_federated_chats.test_what_is_sent_in_clear_is_never_shown_and_the_chat_goes_on,
    "a practice deletes its own": test_federated_chats.test_a_practice_deletes_its_own_message_and_nothing_else,
    "who changes a room is left": partial(
        test_federated_chats.test_who_changes_a_room_for_good_is_left, how="doors opened"
    ),
    "who brings a second person in is left": partial(
        test_federated_chats.test_who_brings_a_second_insured_person_in_is_left, whose="ours"
    ),
    "a hidden event brings nobody in": (
        test_federated_chats.test_who_slips_a_second_insured_person_in_with_the_state_of_a_hidden_event_is_left
    ),
    "a member keeps her name": test_federated_chats.test_a_member_goes_on_under_the_name_that_she_came_with,
    "who comes and goes at once": (
        test_federated_chats.test_who_comes_gets_power_and_goes_is_seen_to_also_if_all_of_it_comes_at_once
    ),
    "a bare invitation": test_federated_chats.test_a_bare_invitation_is_asked_about_as_any_other,
    "a room in which somebody insured was": partial(
        test_federated_chats.test_a_room_in_which_somebody_insured_was_is_never_joined, ended="leave"
    ),
    "no way in uninvited": (
        test_federated_chats.test_who_is_not_invited_gets_no_way_in_whether_she_asks_for_one_or_not
    ),
    "a wrong hash brings nobody in": (test_federated_forgeries.test_nobody_is_brought_in_by_an_event_with_a_wrong_hash),
    "no keys without a common room": partial(
        test_federation_requests.test_keys_devices_and_profiles_are_for_those_with_a_common_room, is_known=False
    ),
    "keys with a common room": partial(
        test_federation_requests.test_keys_devices_and_profiles_are_for_those_with_a_common_room, is_known=True
    ),
    "a locked person": (
        test_federation_requests.test_a_locked_person_has_neither_profile_nor_keys_for_a_server_that_only_was_invited
    ),
    "messages to devices": (
        test_federation_requests.test_messages_to_devices_come_from_those_with_a_common_room_and_carry_no_words
    ),
    "typing, receipts, presence": (
        test_federation_requests.test_typing_receipts_and_presence_are_shown_of_members_alone
    ),
    "a server put on the list and struck off": (
        test_federation_list.test_a_server_that_was_just_put_on_the_list_is_heard_at_its_first_request
    ),
    "a list that is too old": test_federation_list.test_a_list_that_nobody_confirmed_for_too_long_admits_nobody,
}


@pytest.mark.parametrize("case", CASES)
async def test_workers_judge_as_the_main_process_does(federation_of_workers: Federation, case: str) -> None:
    await CASES[case](federation_of_workers)
