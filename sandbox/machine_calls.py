"""One authenticated call of the contract, with the key of whoever makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import read_private_key
from sandbox.contract_table import OPEN, PERSONAL, TOKEN_ENDPOINTS, Target, find_call
from sandbox.faults import WrongCommand
from sandbox.headless_sign_in import SignedIn
from sandbox.running import Ready


class UnknownCaller(WrongCommand):
    """Nobody of that name can make the call."""


Answer = tuple[int, Any]
"""Status and JSON body."""


async def _plain(
    method: str, address: str, body: object | None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.request(method, address, json=body, headers=headers) as answer:
        text = await answer.text()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


async def machine_call(ready: Ready, caller: str, method: str, address: str, body: object | None = None) -> Answer:
    """Makes a call that a machine may make.

    Args:
        ready: the running sandbox.
        caller: ``core-system``, ``homeserver``, ``directory``, ``bot``, ``retention``, ``operator`` or a practice.
        method: the HTTP method.
        address: ``component:/path?query``.
        body: what to send as JSON.

    Raises:
        NotInContract: if the contract has no such call.
        UnknownCaller: if the caller has no key, or the call is a person's own.
        CallFailed: if the caller gets no token for the call's scope, or nobody answers.
    """
    target = find_call(method, address)
    if target.call.scope == PERSONAL:
        raise UnknownCaller(f"{target.call.path} is a person's own call; name a person as the caller, such as erika")
    base = str(getattr(ready, target.call.component))
    if target.call.scope == OPEN:
        return await _plain(target.call.method, base + target.path, body)
    if caller not in ready.keys:
        raise UnknownCaller(f"{caller!r} has no key here; callers are: {', '.join(ready.keys)}")
    practice = ready.practices.get(caller)
    return await call_with_key(
        base,
        target,
        client_id=str(practice["telematik_id"]) if practice else caller,
        key_file=Path(ready.keys[caller]),
        body=body,
    )


async def call_with_key(
    base: str, target: Target, *, client_id: str, key_file: Path, body: object | None = None
) -> Answer:
    """Gets an access token with the key and makes the call.

    Raises:
        CallFailed: if no token is given, or nobody answers.
    """
    async with ServiceClient(
        client_id=client_id,
        key=read_private_key(key_file),
        base_url=base,
        token_endpoint=base + TOKEN_ENDPOINTS[target.call.component],
    ) as client:
        # Who types a call by hand means the entry as it is; no other call looks at the header.
        headers = {"If-Match": "*"} if target.call.method == "PUT" else None
        return await client.answer(target.call.method, target.path, scope=target.call.scope, body=body, headers=headers)


async def personal_call(ready: Ready, person: SignedIn, method: str, address: str) -> Answer:
    """Makes a call that is a person's own: with her OpenID token, and the search token that she gets for it.

    Raises:
        NotInContract: if the contract has no such call.
        UnknownCaller: if the call is not a person's.
    """
    target = find_call(method, address)
    if target.call.scope != PERSONAL:
        raise UnknownCaller(f"{target.call.path} is not a person's call; callers are: {', '.join(ready.keys)}")
    user = quote(person.user_id)
    _, openid = await _plain(
        "POST",
        f"{ready.homeserver}/_matrix/client/v3/user/{user}/openid/request_token",
        {},
        {"Authorization": f"Bearer {person.access_token}"},
    )
    given, searching = await _plain(
        "GET",
        f"{ready.directory}/tim-authenticate?mxId={quote(person.user_id, safe='')}",
        None,
        {"X-Matrix-OpenID-Token": str(openid.get("access_token"))},
    )
    if given != 200 or urlsplit(target.path).path == "/tim-authenticate":
        return given, searching
    headers = {"Authorization": f"Bearer {searching['access_token']}"}
    return await _plain(target.call.method, ready.directory + target.path, None, headers)
