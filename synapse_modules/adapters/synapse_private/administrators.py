"""Synapse's administrators: a call makes anybody one; here only those are whom the module's settings name."""

from __future__ import annotations

from typing import Any, Protocol

from synapse.api.auth.internal import InternalAuth
from synapse.api.errors import SynapseError
from synapse.server import HomeServer
from synapse.storage.databases.main.registration import RegistrationWorkerStore

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(InternalAuth, "is_server_admin", ("requester",)),
    Feature(RegistrationWorkerStore, "set_server_admin", ("user", "admin")),
)


class AdministratorRules(Protocol):
    """Who is an administrator."""

    async def is_administrator(self, user_id: str) -> bool:
        """Whether the settings name an account as one."""
        ...

    def not_named(self) -> SynapseError:
        """What an administrator is told who makes another account one."""
        ...


class PrivateAdministrators:
    """What no callback sees: who is made an administrator, and who acts as one."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def are_only(self, rules: AdministratorRules) -> None:
        """Refuses to make others administrators, and gives no rights to those whom the table of users calls so."""

        async def make(call: Call) -> None:
            if call.arguments["admin"] and not await rules.is_administrator(call.arguments["user"].to_string()):
                raise rules.not_named()
            await call.go_on()

        async def acts_as_one(call: Call) -> Any:
            if not await rules.is_administrator(call.arguments["requester"].user.to_string()):
                return False
            return await call.go_on()

        put_in_front(self._hs.get_datastores().main, "set_server_admin", make)
        put_in_front(self._hs.get_auth(), "is_server_admin", acts_as_one)
