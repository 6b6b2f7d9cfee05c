"""The cross-signing identities of people and agents, whose keys lie in the sandbox's folder and stay the same."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from sandbox.faults import SandboxFault
from sandbox.headless_sign_in import SignedIn

if TYPE_CHECKING:
    from messenger_core.matrix.encryption.own_identity import OwnIdentity

# Synapse answers 500 to the second of two devices that publish an account's first identity at the same moment.
_PUBLISHING: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


class IdentityRefused(SandboxFault):
    """The homeserver does not take an account's identity or the signature of a device."""


def open_identity(folder: Path, user_id: str, secret: str) -> OwnIdentity:
    """The account's identity, made when it is first asked for; ``secret`` seals it."""
    # Loading the Matrix session takes most of a second, and most of the sandbox's commands need none of it.
    from messenger_core.matrix.encryption.own_identity import OwnIdentity

    return OwnIdentity.open(user_id, folder / user_id.partition(":")[0].removeprefix("@"), secret)


async def call_as(
    homeserver: str, signed_in: SignedIn, method: str, path: str, body: object | None = None
) -> tuple[int, dict[str, Any]]:
    """One client-server request with a device's token; status and JSON body."""
    headers = {"Authorization": f"Bearer {signed_in.access_token}"}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, homeserver + path, json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def sign_device(homeserver: str, signed_in: SignedIn, identity: OwnIdentity, device_id: str) -> None:
    """Signs a device whose keys are uploaded, as a person does who confirms it with her recovery key.

    Args:
        homeserver: its base address.
        signed_in: any device of the account, for its token.
        identity: the account's; published here if the account has none yet.
        device_id: the device to be signed.

    Raises:
        IdentityRefused: if the homeserver does not take it, as when the account has another identity already.
    """
    user_id = identity.user_id

    async def ask(path: str, body: object, *, also: int = 200) -> dict[str, Any]:
        status, answer = await call_as(homeserver, signed_in, "POST", f"/_matrix/client/v3/keys/{path}", body)
        if status not in {200, also}:
            raise IdentityRefused(f"keys/{path} answered {status} {answer.get('errcode')}")
        return answer

    async with _PUBLISHING[user_id]:
        known = await ask("query", {"device_keys": {user_id: []}})
        if user_id not in known.get("master_keys", {}):
            # 401 if another process was faster; the signature below shows whether it published the same identity.
            await ask("device_signing/upload", identity.upload(), also=401)
    device = known["device_keys"].get(user_id, {}).get(device_id)
    if device is None:
        raise IdentityRefused(f"{device_id} has not uploaded its keys")
    signed = identity.self_signing.signed(user_id, device)
    if (await ask("signatures/upload", {user_id: {device_id: signed}})).get("failures"):
        raise IdentityRefused("the account has another identity than the sandbox's")
