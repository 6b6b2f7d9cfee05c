"""The directory's call that makes, updates, closes and opens a practice's account."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present
from messenger_core.identifiers import check_telematik_id
from messenger_core.people_names import ReservedNames, name_fault
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.service_auth.keys import parse_jwks
from synapse_modules.adapters.account_maker import AccountMaker
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.adapters.session_ends import SessionEnds
from synapse_modules.rules.admission import shown_name
from synapse_modules.rules.localparts import new_practice_localpart
from synapse_modules.rules.membership import AccountState
from synapse_modules.store.accounts import Account, Accounts


def _named(value: str) -> str:
    name = shown_name(value)
    if not name:
        raise ValueError("a name of printable characters is needed")
    return name


def _key_set(value: dict[str, Any]) -> dict[str, Any]:
    parse_jwks(value)
    return value


class _Practice(WireModel):
    telematik_id: Annotated[str, AfterValidator(check_telematik_id)]
    display_name: Annotated[str, Field(max_length=250), AfterValidator(_named)]
    jwks: Annotated[dict[str, Any], AfterValidator(_key_set)]
    active: bool


class PracticeCalls:
    """Accounts of practices, one a Telematik-ID."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        accounts: Accounts,
        locks: Locks,
        session_ends: SessionEnds,
        reserved: ReservedNames,
    ) -> None:
        self._api = api
        self._reserved = reserved
        self._accounts = accounts
        self._locks = locks
        self._session_ends = session_ends
        self._maker = AccountMaker(api, accounts)

    def routes(self) -> list[Route]:
        """The call."""
        return [Route("PUT", "/v1/practices", "practice:provision", self.put)]

    async def put(self, request: MachineRequest) -> dict[str, Any]:
        """Makes the account at first, brings it in line later; repeating it changes nothing."""
        wanted = parse_body(_Practice, request.body)
        # A practice that is closed keeps its name, whatever it is: nothing must keep it open.
        if wanted.active and name_fault(wanted.display_name, self._reserved) is not None:
            raise Problem(
                400, "reserved-name", "No practice may be called so: it is, or looks like, a name of the house."
            )
        jwks = json.dumps(wanted.jwks, sort_keys=True)
        before = await self._maker.make(
            Account(
                self._api.get_qualified_user_id(new_practice_localpart()),
                AccountKind.PRACTICE,
                AccountState.PENDING,
                wanted.display_name,
                telematik_id=wanted.telematik_id,
                jwks=jwks,
            ),
            unique="telematik_id",
        )
        user_id = before.user_id
        # Also when they are the same: an earlier call may have been interrupted before all sessions had ended.
        await self._session_ends.change_keys(user_id, jwks)
        if before.display_name != wanted.display_name:
            await self._maker.rename(user_id, wanted.display_name)
        await self._accounts.set_closed(user_id, closed=not wanted.active, at=present(), actor=request.caller.client_id)
        await self._locks.apply([user_id])
        return {"user_id": user_id}
