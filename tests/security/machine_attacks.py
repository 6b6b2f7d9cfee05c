"""Attacks on the machines' calls: without a token, with another's, with a stranger's key, with a proof used before."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.keys import generate_private_key, read_private_key
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE
from sandbox.contract_table import TOKEN_ENDPOINTS, find_call
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.house import House, sandbox
from tests.security.raw_http import RawAnswer, send
from tests.system.conftest import Sandbox


@dataclass(frozen=True, slots=True)
class _Door:
    """One call, with whoever may make it and another call that she may make with another scope."""

    component: Component
    caller: str
    call: str
    other_component: Component
    other_scope_of: str
    other_caller: str


_SINCE_EVER = "before=2000-01-01T00:00:00Z"
_DOORS = (
    _Door(
        Component.HOMESERVER,
        "retention",
        "GET /v1/changes?since=0&wait=0",
        Component.BOT,
        "GET /v1/care-rooms/idle?as_of=2000-01-01T00:00:00Z",
        "retention",
    ),
    _Door(
        Component.DIRECTORY,
        "homeserver",
        "GET /reachable?since=0&wait=0",
        Component.BOT,
        "POST /people-search",
        "retention",
    ),
    _Door(
        Component.BOT,
        "retention",
        f"GET /v1/retention/held?{_SINCE_EVER}",
        Component.HOMESERVER,
        "GET /v1/changes?since=0&wait=0",
        "retention",
    ),
)


class _Machine:
    """A machine that asks for tokens and makes calls."""

    def __init__(self, running: Sandbox, door: _Door) -> None:
        self._running = running
        self._door = door

    def _base(self, component: Component) -> str:
        return str(self._running.ready[component])

    async def token_answer(
        self, component: Component, scope: str, *, caller: str, key: ECKey | None = None, assertion: str | None = None
    ) -> RawAnswer:
        """What the token endpoint says to a client assertion."""
        endpoint = self._base(component) + TOKEN_ENDPOINTS[component.value]  # type: ignore[index]
        own = key or read_private_key(Path(self._running.ready["keys"][caller]))
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion
            or make_assertion(own, client_id=caller, audience=endpoint, now=datetime.now(UTC)),
            "scope": scope,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await send("POST", endpoint, urlencode(form).encode(), headers)

    async def token(self, component: Component, call: str, caller: str) -> str:
        """An access token for a call."""
        method, _, address = call.partition(" ")
        scope = find_call(method, f"{component}:{address}").call.scope
        answer = await self.token_answer(component, scope, caller=caller)
        assert answer.status == 200, answer.status
        return str(json.loads(answer.body)["access_token"])

    async def call(self, headers: Mapping[str, str]) -> RawAnswer:
        """Makes the door's call."""
        method, _, address = self._door.call.partition(" ")
        path = find_call(method, f"{self._door.component}:{address}").path
        return await send(method, self._base(self._door.component) + path, headers=headers)

    async def own_token(self) -> str:
        """The token that the call needs."""
        return await self.token(self._door.component, self._door.call, self._door.caller)

    async def is_allowed(self) -> bool:
        """Whether whoever may make the call is served."""
        return (await self.call({"Authorization": f"Bearer {await self.own_token()}"})).status == 200


async def _no_token(door: _Door, house: House) -> Outcome:
    machine = _Machine(await house.scene(sandbox), door)
    answer = await machine.call({})
    return Outcome(answer.status == 401, await machine.is_allowed(), f"status {answer.status}")


async def _token_of_another_component(door: _Door, house: House) -> Outcome:
    machine = _Machine(await house.scene(sandbox), door)
    other = next(one for one in _DOORS if one.component is door.other_component)
    token = await machine.token(other.component, other.call, door.other_caller)
    answer = await machine.call({"Authorization": f"Bearer {token}"})
    return Outcome(answer.status == 401, await machine.is_allowed(), f"status {answer.status}")


async def _changed_token(door: _Door, house: House) -> Outcome:
    machine = _Machine(await house.scene(sandbox), door)
    head, payload, signature = (await machine.own_token()).split(".")
    forged = ".".join((head, payload, signature[::-1]))
    answer = await machine.call({"Authorization": f"Bearer {forged}"})
    return Outcome(answer.status == 401, await machine.is_allowed(), f"status {answer.status}")


async def _scope_of_another_call(door: _Door, house: House) -> Outcome:
    machine = _Machine(await house.scene(sandbox), door)
    if door.component is Component.BOT:
        answer = await machine.token_answer(door.component, "membership:write", caller=door.caller)
        return Outcome(answer.status == 400, await machine.is_allowed(), f"status {answer.status}")
    token = await machine.token(door.component, door.other_scope_of, door.caller)
    answer = await machine.call({"Authorization": f"Bearer {token}"})
    return Outcome(answer.status == 403, await machine.is_allowed(), f"status {answer.status}")


async def _key_of_a_stranger(door: _Door, house: House) -> Outcome:
    machine = _Machine(await house.scene(sandbox), door)
    method, _, address = door.call.partition(" ")
    scope = find_call(method, f"{door.component}:{address}").call.scope
    answer = await machine.token_answer(door.component, scope, caller=door.caller, key=generate_private_key())
    return Outcome(answer.status in {400, 401}, await machine.is_allowed(), f"status {answer.status}")


async def _proof_used_before(door: _Door, house: House) -> Outcome:
    running = await house.scene(sandbox)
    machine = _Machine(running, door)
    method, _, address = door.call.partition(" ")
    scope = find_call(method, f"{door.component}:{address}").call.scope
    endpoint = str(running.ready[door.component]) + TOKEN_ENDPOINTS[door.component.value]  # type: ignore[index]
    key = read_private_key(Path(running.ready["keys"][door.caller]))
    proof = make_assertion(key, client_id=door.caller, audience=endpoint, now=datetime.now(UTC))
    first = await machine.token_answer(door.component, scope, caller=door.caller, assertion=proof)
    again = await machine.token_answer(door.component, scope, caller=door.caller, assertion=proof)
    return Outcome(again.status in {400, 401}, first.status == 200, f"status {again.status}")


_WAYS: tuple[tuple[str, Kind, str, Callable[[_Door, House], Awaitable[Outcome]]], ...] = (
    ("a machine's call without a token", Kind.MISSING_RIGHT, "a token for each call", _no_token),
    (
        "a machine's call with another component's token",
        Kind.MISSING_RIGHT,
        "each component signs its own tokens",
        _token_of_another_component,
    ),
    ("a machine's call with a changed token", Kind.FALSE_PROOF, "ES256 signature", _changed_token),
    ("a machine's call with another purpose's token", Kind.MISSING_RIGHT, "one scope a token", _scope_of_another_call),
    ("a token for a stranger's key", Kind.FALSE_PROOF, "key sets in the settings", _key_of_a_stranger),
    ("a client assertion used twice", Kind.FALSE_PROOF, "a jti is used once", _proof_used_before),
)
ATTACKS = tuple(
    Attack(f"{name}: {door.component}", door.component, kind, limit, "nothing", partial(attempt, door))
    for name, kind, limit, attempt in _WAYS
    for door in _DOORS
)
