"""Signs a service's account in: its one process, its device, and an access token that never touches the disk."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import aiohttp

from messenger_core.homeserver_interface import KEY_LOGIN_TYPE, LOGIN_PATH
from messenger_core.matrix.settings import SessionSettings
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0


def key_proof(settings: SessionSettings) -> dict[str, Any]:
    """A fresh proof of the account's key, good once and for a minute: to sign in, and for what needs more than a token.

    Raises:
        SettingsError: if the key cannot be read.
    """
    return {
        "type": KEY_LOGIN_TYPE,
        "identifier": {"type": "m.id.user", "user": settings.user_id[1:].partition(":")[0]},
        "assertion": make_assertion(
            read_private_key(settings.key_file),
            client_id=settings.client_id,
            audience=settings.homeserver + LOGIN_PATH,
            now=datetime.now(UTC),
        ),
    }


async def sign_in(settings: SessionSettings, device_id: str) -> str:
    """A new access token for the account's device. Waits for a homeserver that is down.

    Raises:
        SettingsError: if the homeserver refuses the account or the key cannot be read.
    """
    address = settings.homeserver + LOGIN_PATH
    pause = 1.0
    while True:
        body = {**key_proof(settings), "device_id": device_id, "initial_device_display_name": "HEK"}
        try:
            async with aiohttp.ClientSession() as http, http.post(address, json=body) as answer:
                content = await answer.json(content_type=None)
                if not isinstance(content, dict):
                    content = {}
                if answer.status == 200 and "access_token" in content:
                    return str(content["access_token"])
                if 400 <= answer.status < 500 and answer.status != 429:
                    raise SettingsError(
                        f"{address} refuses to sign in {settings.user_id} ({content.get('errcode')}); "
                        "the homeserver's settings need the account and the public key of key_file"
                    )
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            logger.warning("the homeserver cannot be reached: %s", type(fault).__name__)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def lock_store(store: Path) -> IO[str]:
    """Holds the store for this process alone: two processes on one store lose one-time keys."""
    file = (store / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SettingsError(f"{store}: another process uses this store; stop it first, only one may run") from None
    return file


def own_device_id(store: Path) -> str:
    """The account's device, named beside its keys, so that lost keys always lead to a new device."""
    path = store / "device_id"
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    device_id = f"HEK{secrets.token_hex(5).upper()}"
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(device_id)
    draft.replace(path)
    return device_id
