"""Asks the invited side: reads a local account's permission configuration from its account data."""

from __future__ import annotations

from collections.abc import Mapping

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.permission import ACCOUNT_DATA_TYPES, Permission, read_permission
from synapse_modules.rules.reach import Party


class Permissions:
    """The permission configurations of local accounts; Synapse keeps account data in a cache of all its processes."""

    def __init__(self, api: ModuleApi, defaults: Mapping[AccountKind, Permission]) -> None:
        self._api = api
        self._defaults = defaults

    async def admits(self, inviter: Party, invitee: Party) -> bool:
        """Whether the invited side lets itself be invited by somebody, who may be on another server.

        What is missing or malformed counts as the operator's default. A party of another server decides there.
        """
        if invitee.kind is None or invitee.kind not in ACCOUNT_DATA_TYPES or not self._api.is_mine(invitee.user_id):
            return True
        content = await self._api.account_data_manager.get_global(invitee.user_id, ACCOUNT_DATA_TYPES[invitee.kind])
        permission = read_permission(content, invitee.kind) or self._defaults[invitee.kind]
        return permission.admits(inviter.user_id, inviter_is_insured=inviter.kind is AccountKind.INSURED)
