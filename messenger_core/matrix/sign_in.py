"""Signs a service's account in, with an access token that never touches the disk."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import aiohttp

from messenger_core.backoff import Backoff
from messenger_core.homeserver_interface import KEY_LOGIN_TYPE, LOGIN_PATH
from messenger_core.matrix.retries import Retries
from messenger_core.matrix.settings import SessionSettings
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)


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
    retries = Retries(Backoff(first_s=1.0, most_s=30.0))
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
        await retries.wait()
