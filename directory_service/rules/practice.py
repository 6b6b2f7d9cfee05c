"""A practice of the directory, its states, and which change of state is allowed.

Only a practice that opted in is found by patients or may be reached by them; every other state hides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PracticeState(StrEnum):
    """Where a practice stands between joining and leaving."""

    VERIFIED = "verified"
    OPTED_IN = "opted-in"
    PAUSED = "paused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a practice is."""

    line: str
    postcode: str
    city: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What a practice says about itself; ``specialties`` are codes in the practice's own order."""

    name: str
    specialties: tuple[str, ...]
    address: Address


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice as the directory knows it.

    Attributes:
        telematik_id: its identity; also its OAuth client id.
        resource_id: the logical id of its FHIR resources; it says nothing about the practice.
        user_id: its account at the homeserver.
        name: from the statement at first, later from its profile.
        state: whether patients find and reach it.
        specialties: empty until a profile is written.
        address: None until a profile is written.
    """

    telematik_id: str
    resource_id: str
    user_id: str
    name: str
    state: PracticeState
    specialties: tuple[str, ...]
    address: Address | None


class ChangeRefused(Exception):  # noqa: N818 - reads as what happened
    """A practice may not change its state like this.

    Attributes:
        reason: ``withdrawn`` or ``profile-missing``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_reachable(state: PracticeState) -> bool:
    """Whether insured people find a practice in this state and may ask it for a chat."""
    return state is PracticeState.OPTED_IN


def state_after_joining(before: PracticeState | None) -> PracticeState:
    """The state after a statement was accepted; joining again with a new key changes no decision about visibility.

    Who withdrew and joins again starts over, and has to opt in anew.
    """
    if before is None or before is PracticeState.WITHDRAWN:
        return PracticeState.VERIFIED
    return before


def state_after_choice(practice: Practice, *, visible: bool) -> PracticeState:
    """The state after a practice chose whether insured people may find and reach it.

    Raises:
        ChangeRefused: if it has withdrawn, or would be shown without saying what and where it is.
    """
    if practice.state is PracticeState.WITHDRAWN:
        raise ChangeRefused("withdrawn")
    if not visible:
        return PracticeState.PAUSED
    if practice.address is None or not practice.specialties:
        raise ChangeRefused("profile-missing")
    return PracticeState.OPTED_IN
