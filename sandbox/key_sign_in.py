"""Signs practice software and service accounts in with their key: ``de.hek.login.private_key_jwt``."""

from __future__ import annotations

from datetime import UTC, datetime

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.homeserver_interface import KEY_LOGIN_TYPE, LOGIN_PATH
from messenger_core.service_auth.assertions import make_assertion
from sandbox.headless_sign_in import SignedIn, SignInRefused
from sandbox.own_addresses import from_own_address


def key_proof(homeserver: str, user_id: str, *, client_id: str, key: ECKey) -> dict[str, object]:
    """What shows the homeserver, once, that an account's owner holds the key: to sign in, or to do what needs proof."""
    address = homeserver + LOGIN_PATH
    return {
        "type": KEY_LOGIN_TYPE,
        "identifier": {"type": "m.id.user", "user": user_id[1:].partition(":")[0]},
        "assertion": make_assertion(key, client_id=client_id, audience=address, now=datetime.now(UTC)),
    }


async def sign_in_with_key(
    homeserver: str, *, user_id: str, client_id: str, key: ECKey, device_id: str | None = None
) -> SignedIn:
    """Signs an account in.

    Args:
        homeserver: its base address.
        user_id: the account.
        client_id: under which the homeserver knows the key: a practice's Telematik-ID, a service's name.
        key: the private key.
        device_id: the device; None lets the homeserver choose one.

    Raises:
        SignInRefused: with the homeserver's error.
    """
    body = key_proof(homeserver, user_id, client_id=client_id, key=key)
    if device_id:
        body["device_id"] = device_id
    async with (
        aiohttp.ClientSession(connector=from_own_address(user_id)) as http,
        http.post(homeserver + LOGIN_PATH, json=body) as answer,
    ):
        content = await answer.json(content_type=None)
        if answer.status != 200:
            raise SignInRefused(f"{content.get('errcode')}: {content.get('error')}")
    return SignedIn(content["user_id"], content["access_token"], content["device_id"])
