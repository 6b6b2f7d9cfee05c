"""States of a practice: what each choice leads to, and what is refused."""

from dataclasses import replace

import pytest

from directory_service.rules.practice import (
    Address,
    ChangeRefused,
    Practice,
    PracticeState,
    is_reachable,
    state_after_choice,
    state_after_joining,
)

PRACTICE = Practice(
    telematik_id="1-2001",
    resource_id="r",
    user_id="@p:messenger.example",
    name="Praxis",
    state=PracticeState.VERIFIED,
    specialties=("ALLG",),
    address=Address("Weg 1", "20099", "Hamburg"),
)


@pytest.mark.parametrize("state", [PracticeState.VERIFIED, PracticeState.OPTED_IN, PracticeState.PAUSED])
@pytest.mark.parametrize(("visible", "after"), [(True, PracticeState.OPTED_IN), (False, PracticeState.PAUSED)])
def test_a_practice_that_has_not_withdrawn_chooses_freely(
    state: PracticeState, visible: bool, after: PracticeState
) -> None:
    assert state_after_choice(replace(PRACTICE, state=state), visible=visible) is after


@pytest.mark.parametrize("visible", [True, False])
def test_a_withdrawn_practice_has_no_choice(visible: bool) -> None:
    with pytest.raises(ChangeRefused) as refusal:
        state_after_choice(replace(PRACTICE, state=PracticeState.WITHDRAWN), visible=visible)
    assert refusal.value.reason == "withdrawn"


def test_a_practice_without_a_profile_cannot_be_shown_but_can_be_hidden() -> None:
    bare = replace(PRACTICE, specialties=(), address=None)
    with pytest.raises(ChangeRefused) as refusal:
        state_after_choice(bare, visible=True)
    assert refusal.value.reason == "profile-missing"
    assert state_after_choice(bare, visible=False) is PracticeState.PAUSED


def test_only_one_state_is_reachable() -> None:
    assert [state for state in PracticeState if is_reachable(state)] == [PracticeState.OPTED_IN]


def test_joining_never_makes_a_practice_reachable_that_was_not() -> None:
    assert state_after_joining(None) is PracticeState.VERIFIED
    for before in PracticeState:
        assert is_reachable(state_after_joining(before)) == is_reachable(before)


def test_joining_again_keeps_the_state_but_a_withdrawal_is_over() -> None:
    assert state_after_joining(PracticeState.PAUSED) is PracticeState.PAUSED
    assert state_after_joining(PracticeState.WITHDRAWN) is PracticeState.VERIFIED
