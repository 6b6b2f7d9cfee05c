"""What is known of an account, put before the one rule that says whether it may act (``rules.standing``)."""

from __future__ import annotations

from collections.abc import Mapping

from directory_service.adapters.account_locks import AccountLocks
from directory_service.rules.practice import Practice
from directory_service.rules.standing import AccountFacts, Door, PracticeRight, Standing, standing
from directory_service.store.practices import PracticeStore

_ORDINARY = PracticeRight()


class PracticeRights:
    """The rights of practices as one process holds them: those that withdrew or have had a second key; few."""

    def __init__(self) -> None:
        self._rights: dict[str, PracticeRight] = {}

    def load(self, rights: Mapping[str, PracticeRight]) -> None:
        """Takes the rights of all accounts of practices, or of those that are not as they began."""
        for user_id, right in rights.items():
            self._put(user_id, right)

    def put(self, practice: Practice) -> None:
        """Takes a practice as it is now."""
        if practice.user_id is not None:
            self._put(practice.user_id, PracticeRight.of(practice))

    def _put(self, user_id: str, right: PracticeRight) -> None:
        if right == _ORDINARY:
            self._rights.pop(user_id, None)
        else:
            self._rights[user_id] = right

    def get(self, user_id: str) -> PracticeRight | None:
        """The right of an account; None if it is no practice's, or one that is as it began."""
        return self._rights.get(user_id)


class AccountStandings:
    """Asks for all doors."""

    def __init__(self, locks: AccountLocks, rights: PracticeRights, practices: PracticeStore) -> None:
        self._locks = locks
        self._rights = rights
        self._practices = practices

    def at_search(self, user_id: str, epoch: int) -> Standing:
        """Whether who holds a search token may search; answered from memory, since it is asked of every search."""
        return standing(Door.SEARCH, self._facts(user_id, self._rights.get(user_id)), epoch)

    async def at(self, door: Door, user_id: str, epoch: int | None = None) -> tuple[Standing, Practice | None]:
        """Whether an account may act, and the practice whose it is, if it is one's; asks the database."""
        practice = await self._practices.find_by_account(user_id)
        right = None if practice is None else PracticeRight.of(practice)
        return standing(door, self._facts(user_id, right), epoch), practice

    def _facts(self, user_id: str, right: PracticeRight | None) -> AccountFacts:
        locks = self._locks
        return AccountFacts(locks.known, locks.is_locked(user_id), locks.is_of_the_house(user_id), right)
