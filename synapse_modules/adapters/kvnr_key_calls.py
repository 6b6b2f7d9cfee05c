"""The operator's call that seals KVNRs anew with the newest key of the file, some at a time."""

from __future__ import annotations

from typing import Any

from messenger_core.problem import Problem, WireModel, parse_body
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.rules.kvnr_vault import KvnrVault, SealBroken
from synapse_modules.store.sealed_kvnrs import SealedKvnrs

SCOPE = "kvnr-key:rotate"
_AT_ONCE = 500


class _Nothing(WireModel):
    pass


class KvnrKeyCalls:
    """Runs inside the homeserver, so that the key that it seals with is one that the homeserver opens with."""

    def __init__(self, seals: SealedKvnrs, vault: KvnrVault) -> None:
        self._seals = seals
        self._vault = vault

    def routes(self) -> list[Route]:
        """The call."""
        return [Route("POST", "/v1/kvnr-keys/rotate", SCOPE, self.rotate)]

    async def rotate(self, request: MachineRequest) -> dict[str, Any]:
        """Seals at most 500 KVNRs anew; to be repeated until none remains."""
        parse_body(_Nothing, request.body)
        newest = self._vault.newest_key_id
        found = await self._seals.not_sealed_with(newest, _AT_ONCE)
        try:
            anew = {
                one.user_id: self._vault.seal(self._vault.open(one.sealed, one.user_id), one.user_id) for one in found
            }
        except SealBroken:
            raise Problem(
                409,
                "kvnr-key-missing",
                "A KVNR is sealed with a key that this process does not have: put the key back into the file, or "
                "restart all processes of the homeserver so that they read the file as it is now.",
            ) from None
        await self._seals.replace(found, anew)
        return {"resealed": len(found), "remaining": await self._seals.count_not_sealed_with(newest)}
