"""Calls of the insurer's core system: memberships end, or do not end after all."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from messenger_core.calendar_periods import berlin_day
from messenger_core.problem import Problem, WireModel, parse_body
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.adapters.present import now, now_ms
from synapse_modules.rules.admission import checked_kvnr
from synapse_modules.rules.kvnr_vault import KvnrVault
from synapse_modules.rules.membership import stage_on
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.memberships import Memberships

SCOPE = "membership:write"
_ACCEPTED = {"status": "accepted"}


class _OfPerson(WireModel):
    kvnr: str


class _End(_OfPerson):
    on: date
    reason: Literal["insurer-switch", "deceased", "other"]


class MembershipCalls:
    """The answers are the same whether the KVNR is known or not."""

    def __init__(
        self, *, memberships: Memberships, locks: Locks, audit: AuditLog, vault: KvnrVault, admit_test_numbers: bool
    ) -> None:
        self._memberships = memberships
        self._locks = locks
        self._audit = audit
        self._vault = vault
        self._admit_test_numbers = admit_test_numbers

    def routes(self) -> list[Route]:
        """The calls."""
        return [
            Route("POST", "/v1/memberships/end", SCOPE, self.end),
            Route("POST", "/v1/memberships/undo", SCOPE, self.undo),
            Route("POST", "/v1/memberships/status", SCOPE, self.status),
        ]

    def _hash(self, kvnr: str) -> str:
        try:
            return self._vault.lookup_hash(checked_kvnr(kvnr, admit_test_numbers=self._admit_test_numbers))
        except ValueError as fault:
            errors = [{"field": "kvnr", "detail": str(fault)}]
            raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors) from None

    async def end(self, request: MachineRequest) -> dict[str, Any]:
        """Locks at once if the day has come; a later day is stored, and locked when it comes."""
        wanted = parse_body(_End, request.body)
        kvnr_hash = self._hash(wanted.kvnr)
        await self._memberships.end(kvnr_hash, on=wanted.on, today=berlin_day(now()), at=now_ms())
        await self._locks.apply()
        await self._written_down("membership-end", wanted.reason, request, kvnr_hash)
        return _ACCEPTED

    async def undo(self, request: MachineRequest) -> dict[str, Any]:
        """Takes an end back and unlocks."""
        kvnr_hash = self._hash(parse_body(_OfPerson, request.body).kvnr)
        await self._memberships.undo(kvnr_hash, at=now_ms())
        await self._locks.apply()
        await self._written_down("membership-undo", "undone", request, kvnr_hash)
        return _ACCEPTED

    async def status(self, request: MachineRequest) -> dict[str, Any]:
        """What is known of a membership."""
        status = await self._memberships.status(self._hash(parse_body(_OfPerson, request.body).kvnr))
        return {
            "stage": stage_on(status.ends_on, berlin_day(now())).value,
            "on": status.ends_on.isoformat() if status.ends_on else None,
            "account": status.has_account,
        }

    async def _written_down(self, what: str, reason: str, request: MachineRequest, kvnr_hash: str) -> None:
        await self._audit.add(AuditEntry(what, reason, request.caller.client_id, kvnr_hash=kvnr_hash), at=now_ms())
