"""Knows who somebody is: local accounts from the store, people of other servers from whoever knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cachetools import LRUCache
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import Party
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.reachability import Reachability

_MOST_KNOWN = 100_000


class Elsewhere(Protocol):
    """Who knows people of other servers: ``INSURED``, ``PRACTICE``, or None for nobody."""

    @property
    def counts(self) -> bool:
        """Whether what it knows is recent enough to say who takes part now."""
        ...

    async def kind_of(self, user_id: str) -> AccountKind | None:
        """What somebody is who takes part now."""
        ...

    async def stored_kind_of(self, user_id: str) -> AccountKind | None:
        """What somebody is who took part when that was last known."""
        ...


class _Nobody:
    """There are no other servers."""

    counts = True

    async def kind_of(self, _user_id: str) -> AccountKind | None:
        return None

    stored_kind_of = kind_of


class Parties:
    """Parties by user id; one that is unknown is a party without a kind, and thus without rights."""

    def __init__(self, api: ModuleApi, accounts: Accounts, reachability: Reachability) -> None:
        self._api = api
        self._accounts = accounts
        self._reachability = reachability
        self._elsewhere: Elsewhere = _Nobody()
        self._kinds: LRUCache[str, AccountKind] = LRUCache(_MOST_KNOWN)

    def ask_about_others(self, elsewhere: Elsewhere) -> None:
        """Says who tells what somebody of another server is."""
        self._elsewhere = elsewhere

    def is_known_where(self, user_id: str) -> bool:
        """Whether it is known who takes part where somebody is: here always, elsewhere by a list that counts."""
        return self._is_local(user_id) or self._elsewhere.counts

    def _is_local(self, user_id: str) -> bool:
        # What no database takes is nobody's id, and nobody elsewhere knows it.
        return user_id.isprintable() and self._api.is_mine(user_id)

    async def of(self, user_ids: Sequence[str]) -> dict[str, Party]:
        """What the rules know of some users."""
        local = [user_id for user_id in user_ids if self._is_local(user_id)]
        found = await self._accounts.parties(local) if local else {}
        for user_id in set(user_ids) - set(local):
            kind = await self._elsewhere.kind_of(user_id)
            reachable = kind is AccountKind.PRACTICE and await self._reachability.reaches(user_id)
            found[user_id] = Party(user_id, kind, live=kind is not None, reachable=reachable)
        return found

    async def colleagues(self, user_ids: Sequence[str]) -> dict[str, Party]:
        """HEK's own people and accounts, for what they do among themselves; each process knows them by heart.

        Whether somebody lives is Synapse's own word here: it keeps that in memory, and takes it back in all processes
        when an account is locked or deactivated.
        """
        kinds = await self.kinds(user_ids)
        found = {}
        for user_id in user_ids:
            known = await self._api.get_userinfo_by_id(user_id) if self._is_local(user_id) else None
            live = known is not None and not (known.locked or known.is_deactivated)
            found[user_id] = Party(user_id, kinds.get(user_id), live=live)
        return found

    async def kinds(self, user_ids: Sequence[str]) -> dict[str, AccountKind]:
        """The kinds of those users that have one; of other servers by the list that is stored, however old it is.

        What a local account is never changes while the homeserver runs, so that it is read once in each process; what
        is unknown is asked for again.
        """
        missing = [user_id for user_id in user_ids if user_id not in self._kinds and self._is_local(user_id)]
        if missing:
            for user_id, party in (await self._accounts.parties(missing)).items():
                if party.kind is not None:
                    self._kinds[user_id] = party.kind
        found = {user_id: self._kinds[user_id] for user_id in user_ids if user_id in self._kinds}
        for user_id in user_ids:
            if not self._is_local(user_id) and (kind := await self._elsewhere.stored_kind_of(user_id)) is not None:
                found[user_id] = kind
        return found
