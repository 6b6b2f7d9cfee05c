"""Knows who somebody is: local accounts from the store, people of other servers from whoever knows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import Party
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.reachability import Reachability

RemoteKind = Callable[[str], Awaitable[AccountKind | None]]
_MOST_KNOWN = 100_000


async def _unknown(_user_id: str) -> AccountKind | None:
    return None


class Parties:
    """Parties by user id; one that is unknown is a party without a kind, and thus without rights."""

    def __init__(self, api: ModuleApi, accounts: Accounts, reachability: Reachability) -> None:
        self._api = api
        self._accounts = accounts
        self._reachability = reachability
        self._remote_kind: RemoteKind = _unknown
        self._stored_kind: RemoteKind = _unknown
        self._kinds: dict[str, AccountKind] = {}

    def ask_about_others(self, remote_kind: RemoteKind, stored_kind: RemoteKind) -> None:
        """Says who tells what somebody of another server is: ``INSURED``, ``PRACTICE``, or None for nobody.

        Args:
            remote_kind: who takes part now.
            stored_kind: who took part when that was last known.
        """
        self._remote_kind = remote_kind
        self._stored_kind = stored_kind

    def _is_local(self, user_id: str) -> bool:
        # What no database takes is nobody's id, and nobody elsewhere knows it.
        return user_id.isprintable() and self._api.is_mine(user_id)

    async def of(self, user_ids: Sequence[str]) -> dict[str, Party]:
        """What the rules know of some users."""
        local = [user_id for user_id in user_ids if self._is_local(user_id)]
        found = await self._accounts.parties(local) if local else {}
        for user_id in set(user_ids) - set(local):
            kind = await self._remote_kind(user_id)
            reachable = kind is AccountKind.PRACTICE and await self._reachability.reaches(user_id)
            found[user_id] = Party(user_id, kind, live=kind is not None, reachable=reachable)
        return found

    async def kinds(self, user_ids: Sequence[str]) -> dict[str, AccountKind]:
        """The kinds of those users that have one; of other servers by the list that is stored, however old it is.

        What a local account is never changes while the homeserver runs, so that it is read once in each process; what
        is unknown is asked for again.
        """
        missing = [user_id for user_id in user_ids if user_id not in self._kinds and self._is_local(user_id)]
        if missing:
            if len(self._kinds) > _MOST_KNOWN:
                self._kinds.clear()
            self._kinds |= {
                user_id: party.kind
                for user_id, party in (await self._accounts.parties(missing)).items()
                if party.kind is not None
            }
        found = {user_id: self._kinds[user_id] for user_id in user_ids if user_id in self._kinds}
        for user_id in user_ids:
            if not self._is_local(user_id) and (kind := await self._stored_kind(user_id)) is not None:
                found[user_id] = kind
        return found
