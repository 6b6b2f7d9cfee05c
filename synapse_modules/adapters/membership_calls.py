"""Calls of the insurer's core system: memberships end, or do not end after all."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from messenger_core.calendar_periods import berlin_day
from messenger_core.clock import present, present_ms
from messenger_core.problem import Problem, WireModel, faulty_body, parse_body
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.rules.admission import checked_kvnr
from synapse_modules.rules.kvnr_vault import KvnrVault
from synapse_modules.rules.membership import FIRST_DAY, LAST_DAY, AccountState, Statement, stage_told
from synapse_modules.store.memberships import Memberships, StatementOfPerson

SCOPE = "membership:write"
_CLOCKS_MAY_DIFFER_MS = 60_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_UNDONE = "undone"
# Short enough that nobody else who writes to the database waits long.
_IN_ONE_TRANSACTION = 200


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("date_form", "a day like 2026-12-31 is expected")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("date_unknown", "there is no such day in the calendar") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        between = {"first": FIRST_DAY.isoformat(), "last": LAST_DAY.isoformat()}
        raise PydanticCustomError("date_range", "the day must lie between {first} and {last}", between)
    return day


class _OfPerson(WireModel):
    kvnr: str


class _StatementOfPerson(_OfPerson):
    issued_at: Annotated[int, Field(ge=1, le=2**53)] | None = None


class _Undo(_StatementOfPerson):
    pass


class _End(_StatementOfPerson):
    on: Annotated[date, BeforeValidator(_day)]
    reason: Literal["insurer-switch", "deceased", "other"]


class _UndoInBatch(_Undo):
    undo: Literal[True]


class _Batch(WireModel):
    statements: Annotated[list[Any], Field(min_length=1, max_length=1000)]


def _faulty(kind: str, field: str, detail: str) -> Problem:
    errors = [{"field": field, "detail": detail}]
    return Problem(400, kind, "The request's body is not as described; see errors.", errors)


def _statement(item: object) -> _StatementOfPerson:
    model = _UndoInBatch if isinstance(item, dict) and "undo" in item else _End
    try:
        return model.model_validate(item)
    except ValidationError as faults:
        raise faulty_body(faults) from None


class MembershipCalls:
    """The answers to an end and to its undoing are the same whether the KVNR is known or not."""

    def __init__(self, *, memberships: Memberships, locks: Locks, vault: KvnrVault, admit_test_numbers: bool) -> None:
        self._memberships = memberships
        self._locks = locks
        self._vault = vault
        self._admit_test_numbers = admit_test_numbers

    def routes(self) -> list[Route]:
        """The calls."""
        return [
            Route("POST", "/v1/memberships/end", SCOPE, self.end),
            Route("POST", "/v1/memberships/undo", SCOPE, self.undo),
            Route("POST", "/v1/memberships/batch", SCOPE, self.batch),
            Route("POST", "/v1/memberships/status", SCOPE, self.status),
        ]

    async def end(self, request: MachineRequest) -> dict[str, Any]:
        """Locks at once if the day has come; a later day is stored, and locked when it comes."""
        return await self._take(parse_body(_End, request.body), request)

    async def undo(self, request: MachineRequest) -> dict[str, Any]:
        """Takes an end back and opens the account, unless it was deactivated by then."""
        return await self._take(parse_body(_Undo, request.body), request)

    async def batch(self, request: MachineRequest) -> dict[str, Any]:
        """Takes many statements in their order; a faulty one is named by its place and hinders no other."""
        heard: list[StatementOfPerson] = []
        rejected = []
        for index, item in enumerate(parse_body(_Batch, request.body).statements):
            try:
                heard.append(self._read(_statement(item)))
            except Problem as fault:
                rejected.append({"index": index, "errors": fault.errors})
        outdated = 0
        for start in range(0, len(heard), _IN_ONE_TRANSACTION):
            part = heard[start : start + _IN_ONE_TRANSACTION]
            taken = await self._memberships.take(part, now=present(), actor=request.caller.client_id)
            await self._locks.apply(taken.accounts)
            outdated += sum(taken.outdated)
        return {"accepted": len(heard) - outdated, "outdated": outdated, "rejected": rejected}

    async def status(self, request: MachineRequest) -> dict[str, Any]:
        """What is known of a membership."""
        known = await self._memberships.known(self._hash(parse_body(_OfPerson, request.body).kvnr))
        ends_on, standing = known.membership.ends_on, known.standing
        return {
            "stage": stage_told(known.membership, standing, berlin_day(present())).value,
            "on": ends_on.isoformat() if ends_on else None,
            "account": standing is not None and standing.state in {AccountState.LIVE, AccountState.LOCKED},
        }

    async def _take(self, said: _StatementOfPerson, request: MachineRequest) -> dict[str, Any]:
        taken = await self._memberships.take([self._read(said)], now=present(), actor=request.caller.client_id)
        # Also when nothing was moved: the call that moved it may have been interrupted before Synapse was told.
        await self._locks.apply(taken.accounts)
        return {"status": "outdated" if taken.outdated[0] else "accepted"}

    def _read(self, said: _StatementOfPerson) -> StatementOfPerson:
        arrived = present_ms()
        if said.issued_at is not None and said.issued_at > arrived + _CLOCKS_MAY_DIFFER_MS:
            raise _faulty(
                "invalid-date", "issued_at", "the moment lies in the future; check the clock of the calling system"
            )
        statement = Statement(
            said.on if isinstance(said, _End) else None,
            arrived if said.issued_at is None else said.issued_at,
            is_dated=said.issued_at is not None,
        )
        return StatementOfPerson(self._hash(said.kvnr), statement, said.reason if isinstance(said, _End) else _UNDONE)

    def _hash(self, kvnr: str) -> str:
        try:
            return self._vault.lookup_hash(checked_kvnr(kvnr, admit_test_numbers=self._admit_test_numbers))
        except ValueError as fault:
            raise _faulty("invalid-body", "kvnr", str(fault)) from None
