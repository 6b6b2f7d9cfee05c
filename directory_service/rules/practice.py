"""A practice of the directory, its states, and which change of state is allowed.

Only a practice that opted in, and that answers at a messenger address, is ever found or reachable; every other state
hides it. A practice that hides from insured people, or all of whose addresses do, is found by other practices alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from directory_service.rules.profile import Profile


class PracticeState(StrEnum):
    """Where a practice stands between being invited and leaving."""

    INVITED = "invited"
    """Known, from an import for example; nobody has proven to be this practice yet."""
    VERIFIED = "verified"
    OPTED_IN = "opted-in"
    PAUSED = "paused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Consent:
    """The practice's last word about being shown.

    Attributes:
        text_version: the version of the text that it read.
        by: who decided: the practice by its Telematik-ID, or the operator's opt-out model.
        at: when, with a zone.
    """

    text_version: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice as the directory knows it.

    Attributes:
        telematik_id: its identity; also its OAuth client id.
        resource_id: the logical id of its FHIR resources; it says nothing about the practice.
        user_id: the account that the homeserver made for it; None until it joined.
        state: whether it is found and reachable.
        profile: what it says about itself.
        consent: its last word about being shown; None if it never said any, or withdrew.
        version: the directory's version when it last changed; a later change has a greater one. 0 is none at all.
        epoch: what every session, token and code of the practice stands on; a new key or a withdrawal begins another
            epoch, and ends them all.
    """

    telematik_id: str
    resource_id: str
    user_id: str | None
    state: PracticeState
    profile: Profile
    consent: Consent | None = None
    version: int = 0
    epoch: int = 0


class ChangeRefused(Exception):  # noqa: N818 - reads as what happened
    """A practice may not change its state like this.

    Attributes:
        reason: ``withdrawn``, ``not-verified`` or ``profile-missing``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_listed(practice: Practice) -> bool:
    """Whether anybody at all finds the practice: it opted in and answers at a messenger address."""
    return practice.state is PracticeState.OPTED_IN and bool(practice.profile.active_addresses)


def is_open_to_insured(practice: Practice) -> bool:
    """Whether insured people find the practice and may ask it for a chat."""
    return practice.state is PracticeState.OPTED_IN and bool(practice.profile.insured_addresses)


def reachable_addresses(practice: Practice) -> frozenset[str]:
    """The user ids at which insured people may reach the practice."""
    return frozenset(practice.profile.insured_addresses) if is_open_to_insured(practice) else frozenset()


def is_on_insured_server(user_id: str, insured_servers: Collection[str]) -> bool:
    """Whether an address is on a homeserver of insured people, where only the account made for it is a practice's.

    Whom other homeservers let in is decided by the federation.
    """
    return user_id.partition(":")[2] in insured_servers


def is_complete(profile: Profile) -> bool:
    """Whether a profile says what and where the practice is, without which it cannot opt in."""
    return profile.address is not None and bool(profile.specialties)


def check_profile_after(practice: Practice, profile: Profile) -> None:
    """Checks that a practice that is shown does not stop saying what and where it is.

    Raises:
        ChangeRefused: ``profile-missing``.
    """
    shown = practice.state is PracticeState.OPTED_IN
    if shown and is_complete(practice.profile) and not is_complete(profile):
        raise ChangeRefused("profile-missing")


def state_after_joining(before: PracticeState | None) -> PracticeState:
    """The state after a statement was accepted; joining again with a new key changes no decision about visibility.

    Who withdrew and joins again starts over, and has to opt in anew.
    """
    if before is None or before in {PracticeState.INVITED, PracticeState.WITHDRAWN}:
        return PracticeState.VERIFIED
    return before


def after_withdrawal(practice: Practice) -> Practice:
    """The practice after it left the directory, with which all its sessions end."""
    if practice.state is PracticeState.WITHDRAWN:
        return practice
    return replace(practice, state=PracticeState.WITHDRAWN, consent=None, epoch=practice.epoch + 1)


def epoch_after_joining(before: Practice, *, new_key: bool) -> int:
    """The epoch after a practice joined again: whoever has the old key is out, also where only sessions are left."""
    begins = new_key or before.state is PracticeState.WITHDRAWN
    return before.epoch + 1 if begins else before.epoch


def state_after_choice(practice: Practice, *, visible: bool) -> PracticeState:
    """The state after a practice chose whether others may find and reach it.

    Raises:
        ChangeRefused: if it has withdrawn or is not verified, or would be shown without saying what and where it is.
    """
    if practice.state is PracticeState.WITHDRAWN:
        raise ChangeRefused("withdrawn")
    if practice.state is PracticeState.INVITED:
        raise ChangeRefused("not-verified")
    if not visible:
        return PracticeState.PAUSED
    if not is_complete(practice.profile):
        raise ChangeRefused("profile-missing")
    return PracticeState.OPTED_IN
