"""What needs more than an access token is confirmed with the account's own key and no other (docs/decisions/0011)."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import make_assertion
from tests.synapse_modules.homeserver_under_test import SERVICE, SUPPORT, Homeserver, SignedIn


def new_identity(user_id: str) -> dict[str, Any]:
    """A master key that replaces whatever there was."""
    public = base64.b64encode(
        Ed25519PrivateKey.from_private_bytes(os.urandom(32)).public_key().public_bytes_raw()
    ).decode()
    name = public.rstrip("=")
    return {"master_key": {"user_id": user_id, "usage": ["master"], "keys": {f"ed25519:{name}": name}}}


def proof(homeserver: Homeserver, user_id: str, client_id: str, key: ECKey) -> dict[str, Any]:
    audience = f"{homeserver.base}/_matrix/client/v3/login"
    return {
        "type": "de.hek.login.private_key_jwt",
        "identifier": {"type": "m.id.user", "user": user_id[1:].partition(":")[0]},
        "assertion": make_assertion(key, client_id=client_id, audience=audience, now=datetime.now(UTC)),
    }


async def upload(
    homeserver: Homeserver, who: SignedIn, identity: dict[str, Any], auth: dict[str, Any] | None = None
) -> int:
    body = identity | ({"auth": auth} if auth else {})
    return (await homeserver.call(who, "POST", "/keys/device_signing/upload", body))[0]


async def shown(homeserver: Homeserver, who: SignedIn) -> Any:
    _, answer = await homeserver.call(who, "POST", "/keys/query", {"device_keys": {who.user_id: []}})
    return answer["master_keys"][who.user_id]["keys"]


async def test_a_service_replaces_a_lost_identity_with_its_key_alone(homeserver: Homeserver) -> None:
    service = await homeserver.own_account(SERVICE, "retention")
    first, second = new_identity(SERVICE), new_identity(SERVICE)
    assert (
        await upload(homeserver, service, first, proof(homeserver, SERVICE, "retention", homeserver.keys["retention"]))
        == 200
    )
    # The token alone is not enough.
    assert await upload(homeserver, service, second) == 401
    assert await shown(homeserver, service) == first["master_key"]["keys"]
    used = proof(homeserver, SERVICE, "retention", homeserver.keys["retention"])
    assert await upload(homeserver, service, second, used) == 200
    assert await shown(homeserver, service) == second["master_key"]["keys"]
    # A proof is good once.
    assert await upload(homeserver, service, first, used) in {401, 403}
    assert await shown(homeserver, service) == second["master_key"]["keys"]


async def test_a_service_removes_its_older_devices_with_its_key(homeserver: Homeserver) -> None:
    lost = await homeserver.own_account(SERVICE, "retention")
    present = await homeserver.own_account(SERVICE, "retention")
    body = {"devices": [lost.device_id]}
    assert (await homeserver.call(present, "POST", "/delete_devices", body))[0] == 401
    confirmed = body | {"auth": proof(homeserver, SERVICE, "retention", homeserver.keys["retention"])}
    assert (await homeserver.call(present, "POST", "/delete_devices", confirmed))[0] == 200
    assert (await homeserver.call(lost, "GET", "/account/whoami"))[0] == 401
    assert (await homeserver.call(present, "GET", "/account/whoami"))[0] == 200


@pytest.mark.parametrize("proven", [(SUPPORT, "bot"), (SERVICE, "bot")], ids=["other account", "other key"])
async def test_the_key_of_another_account_confirms_nothing(homeserver: Homeserver, proven: tuple[str, str]) -> None:
    service = await homeserver.own_account(SERVICE, "retention")
    before = new_identity(SERVICE)
    assert (
        await upload(homeserver, service, before, proof(homeserver, SERVICE, "retention", homeserver.keys["retention"]))
        == 200
    )
    foreign = proof(homeserver, *proven, homeserver.keys["bot"])
    assert await upload(homeserver, service, new_identity(SERVICE), foreign) in {401, 403}
    assert await shown(homeserver, service) == before["master_key"]["keys"]


async def test_no_key_confirms_for_an_insured_person(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    before = new_identity(person.user_id)
    assert await upload(homeserver, person, before) == 200
    for user_id in (person.user_id, SUPPORT):
        foreign = proof(homeserver, user_id, "bot", homeserver.keys["bot"])
        assert await upload(homeserver, person, new_identity(person.user_id), foreign) in {401, 403}
    assert await shown(homeserver, person) == before["master_key"]["keys"]


async def test_a_practice_keeps_its_devices(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    first, second = await homeserver.practice_device(practice), await homeserver.practice_device(practice)
    for device in (first, second):
        assert (await homeserver.call(device, "GET", "/account/whoami"))[0] == 200
