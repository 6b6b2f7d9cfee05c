"""States of a practice: what each choice leads to, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.practice import (
    ChangeRefused,
    Practice,
    PracticeState,
    is_listed,
    is_open_to_insured,
    reachable_addresses,
    state_after_choice,
    state_after_joining,
)
from directory_service.rules.profile import Address, Messenger, MessengerKind, Profile

PRACTICE = Practice(
    telematik_id="1-2001",
    resource_id="r",
    user_id="@p:messenger.example",
    state=PracticeState.VERIFIED,
    profile=Profile(
        name="Praxis",
        specialties=("ALLG",),
        address=Address("Weg 1", "20099", "Hamburg"),
        messengers=(
            Messenger("@p:messenger.example"),
            Messenger("@bot:messenger.example", MessengerKind.TIM_BOT),
            Messenger("@old:messenger.example", active=False),
        ),
    ),
)


def in_state(state: PracticeState, **profile: Any) -> Practice:
    return replace(PRACTICE, state=state, profile=replace(PRACTICE.profile, **profile))


@pytest.mark.parametrize("state", [PracticeState.VERIFIED, PracticeState.OPTED_IN, PracticeState.PAUSED])
@pytest.mark.parametrize(("visible", "after"), [(True, PracticeState.OPTED_IN), (False, PracticeState.PAUSED)])
def test_a_practice_that_has_not_withdrawn_chooses_freely(
    state: PracticeState, visible: bool, after: PracticeState
) -> None:
    assert state_after_choice(in_state(state), visible=visible) is after


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize(
    ("state", "reason"), [(PracticeState.WITHDRAWN, "withdrawn"), (PracticeState.INVITED, "not-verified")]
)
def test_who_left_or_never_proved_who_it_is_has_no_choice(state: PracticeState, reason: str, visible: bool) -> None:
    with pytest.raises(ChangeRefused) as refusal:
        state_after_choice(in_state(state), visible=visible)
    assert refusal.value.reason == reason


def test_a_practice_without_a_profile_cannot_be_shown_but_can_be_hidden() -> None:
    bare = in_state(PracticeState.VERIFIED, specialties=(), address=None)
    with pytest.raises(ChangeRefused) as refusal:
        state_after_choice(bare, visible=True)
    assert refusal.value.reason == "profile-missing"
    assert state_after_choice(bare, visible=False) is PracticeState.PAUSED


def test_only_one_state_is_found_and_reachable() -> None:
    for state in PracticeState:
        shown = state is PracticeState.OPTED_IN
        assert (is_listed(in_state(state)), is_open_to_insured(in_state(state))) == (shown, shown)
        assert bool(reachable_addresses(in_state(state))) == shown


def test_active_addresses_alone_are_reachable() -> None:
    addresses = reachable_addresses(in_state(PracticeState.OPTED_IN))
    assert addresses == {"@p:messenger.example", "@bot:messenger.example"}


@pytest.mark.parametrize("messengers", [(), (Messenger("@p:messenger.example", active=False),)])
def test_a_practice_without_an_active_address_is_neither_found_nor_reachable(messengers: tuple[Messenger, ...]) -> None:
    silent = in_state(PracticeState.OPTED_IN, messengers=messengers)
    assert (is_listed(silent), is_open_to_insured(silent), reachable_addresses(silent)) == (False, False, frozenset())


def test_who_hides_from_insured_people_is_found_by_practices_alone() -> None:
    hidden = in_state(PracticeState.OPTED_IN, hide_from_insured=True)
    assert (is_listed(hidden), is_open_to_insured(hidden), reachable_addresses(hidden)) == (True, False, frozenset())


def test_joining_never_makes_a_practice_reachable_that_was_not() -> None:
    assert state_after_joining(None) is PracticeState.VERIFIED
    for before in PracticeState:
        assert is_listed(in_state(state_after_joining(before))) == is_listed(in_state(before))


def test_joining_again_keeps_the_state_but_a_withdrawal_is_over() -> None:
    assert state_after_joining(PracticeState.PAUSED) is PracticeState.PAUSED
    assert state_after_joining(PracticeState.INVITED) is PracticeState.VERIFIED
    assert state_after_joining(PracticeState.WITHDRAWN) is PracticeState.VERIFIED


MESSENGERS = st.lists(
    st.builds(
        Messenger, st.sampled_from(["@a:x.example", "@b:x.example"]), st.just(MessengerKind.TIM), *[st.booleans()] * 3
    ),
    unique_by=lambda one: one.user_id,
    max_size=3,
).map(tuple)


@given(st.sampled_from(PracticeState), MESSENGERS, st.booleans())
def test_only_who_opted_in_and_answers_is_ever_found_or_reachable(
    state: PracticeState, messengers: tuple[Messenger, ...], hidden: bool
) -> None:
    profile = Profile("Praxis", messengers=messengers, hide_from_insured=hidden)
    practice = Practice("1-2", "r", "@a:x.example", state, profile)
    opted_in = state is PracticeState.OPTED_IN
    answering = {one.user_id for one in messengers if one.active and one.linked}
    hiding = {one.user_id for one in messengers if hidden or one.hide_from_insured}
    assert is_listed(practice) == (opted_in and bool(answering))
    assert reachable_addresses(practice) == (answering - hiding if opted_in else set())
    assert is_open_to_insured(practice) == bool(reachable_addresses(practice))
