"""Whether an account may act at a door of the directory: one rule for all of them.

Each door says with what it was opened: a session, token or code stands on the practice's epoch, which a new key or a
withdrawal ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from directory_service.rules.practice import Practice, PracticeState


class Door(StrEnum):
    """Where somebody wants to act."""

    OWNER_API = "owner-api"
    """A practice's software writes its entry. It may leave whatever else is wrong, so only the key counts."""
    SEARCH_TOKEN = "search-token"
    """A search token is given out, to insured people and to practices."""
    SEARCH = "search"
    """A search with such a token."""
    PATIENT_PAGE = "patient-page"
    PRACTICE_PAGE = "practice-page"
    SIGN_IN_CODE = "sign-in-code"
    """A code for the practice's page is given out, or used."""


class Standing(StrEnum):
    """What is decided."""

    ALLOWED = "allowed"
    UNDECIDED = "undecided"
    """Which accounts are locked is not known yet; nobody can be taken for not locked."""
    LOCKED = "locked"
    OF_THE_HOUSE = "of-the-house"
    """An account of the insurer, which is neither a patient nor a practice."""
    WITHDRAWN = "withdrawn"
    IS_PRACTICE = "is-practice"
    """A practice, where insured people are expected."""
    NO_PRACTICE = "no-practice"
    ENDED = "ended"
    """What it acts with was given out before a new key or a withdrawal."""


@dataclass(frozen=True, slots=True)
class PracticeRight:
    """What a practice's sessions depend on.

    Attributes:
        withdrawn: whether it has left the directory.
        epoch: ``Practice.epoch``.
    """

    withdrawn: bool = False
    epoch: int = 0

    @classmethod
    def of(cls, practice: Practice) -> PracticeRight:
        """The right of a practice as it is."""
        return cls(practice.state is PracticeState.WITHDRAWN, practice.epoch)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of an account.

    Attributes:
        locks_known: whether all locks until now were heard of.
        locked: whether it is locked.
        of_the_house: whether it is the insurer's own.
        practice: the practice whose account it is, if it is one's.
    """

    locks_known: bool
    locked: bool
    of_the_house: bool
    practice: PracticeRight | None


_FOR_PRACTICES = frozenset({Door.PRACTICE_PAGE, Door.SIGN_IN_CODE, Door.OWNER_API})


def standing(door: Door, account: AccountFacts, epoch: int | None = None) -> Standing:
    """Whether an account may act at a door.

    Args:
        door: which one.
        account: what is known of it.
        epoch: what the session, token or code that it acts with stands on; None if it shows none yet.
    """
    practice, for_practices = account.practice, door in _FOR_PRACTICES
    software = door is Door.OWNER_API
    ended = epoch is not None and epoch != (practice or PracticeRight()).epoch
    # The first that holds is the answer.
    refusals = (
        (not account.locks_known and not software, Standing.UNDECIDED),
        (account.locked and not software, Standing.LOCKED),
        (account.of_the_house and not software, Standing.OF_THE_HOUSE),
        (practice is None and for_practices, Standing.NO_PRACTICE),
        (practice is not None and door is Door.PATIENT_PAGE, Standing.IS_PRACTICE),
        (practice is not None and practice.withdrawn and not software, Standing.WITHDRAWN),
        (ended, Standing.ENDED),
    )
    return next((refusal for holds, refusal in refusals if holds), Standing.ALLOWED)
