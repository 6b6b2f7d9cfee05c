"""What a service is told about the device that each message came from, with clients and a homeserver that are real."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import DeviceRefusal, DeviceTrust, SessionSettings, refusal_of_device
from messenger_core.matrix.encryption.own_identity import OwnIdentity, SigningKey
from sandbox.encrypted_client import EncryptedClient, run_client
from sandbox.key_sign_in import key_proof, sign_in_with_key
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.session_scene import Service, running, shared_room


def new_identity(user_id: str) -> OwnIdentity:
    """An identity that nobody has seen yet."""
    return OwnIdentity(user_id, *(SigningKey(secrets.token_bytes(32)) for _ in range(3)))


async def replace_identity(person: EncryptedClient, homeserver: Homeserver, identity: OwnIdentity) -> None:
    """Resets the account's identity, for which the homeserver wants the account's key once more."""
    body: dict[str, Any] = identity.upload()
    path = "/_matrix/client/v3/keys/device_signing/upload"
    status, answer = await person.call("POST", path, body)
    assert status == 401
    proof = key_proof(homeserver.url, person.signed_in.user_id, client_id="tester", key=homeserver.key)
    status, _ = await person.call("POST", path, body | {"auth": {**proof, "session": answer["session"]}})
    assert status == 200
    await person.be_signed_by(identity)


async def trust_in(service: Service, person: EncryptedClient, room: str, text: str) -> DeviceTrust:
    """Sends a text and returns how far the service was told to believe its device."""
    await person.send_text(room, text)
    await person.wait_for(lambda seen: seen.body == f"answer to {text}", f"the answer to {text}")
    return next(event.sender_trust for event in service.handled if event.content.get("body") == text)


async def test_a_device_is_believed_once_its_owner_has_signed_it_and_no_longer_after_a_reset(
    settings: SessionSettings, engine: AsyncEngine, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        assert await trust_in(service, person, room, "unsigned") is DeviceTrust.KNOWN
        await person.be_signed_by(new_identity(person.signed_in.user_id))
        assert await trust_in(service, person, room, "signed") is DeviceTrust.CROSS_SIGNED
        await replace_identity(person, homeserver, new_identity(person.signed_in.user_id))
        assert await trust_in(service, person, room, "reset") is DeviceTrust.IDENTITY_CHANGED


async def test_the_first_message_of_a_new_device_that_is_signed_is_believed_already(
    settings: SessionSettings, engine: AsyncEngine, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    identity = new_identity(person.signed_in.user_id)
    await person.be_signed_by(identity)
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        assert await trust_in(service, person, room, "from the first device") is DeviceTrust.CROSS_SIGNED
        for number, signing in enumerate((identity, None, identity)):
            signed_in = await sign_in_with_key(
                homeserver.url, user_id=person.signed_in.user_id, client_id="tester", key=homeserver.key
            )
            async with run_client(homeserver.url, signed_in, tmp_path / f"device-{number}", signing) as device:
                await device.wait_until_in(room, settings.user_id)
                expected = DeviceTrust.KNOWN if signing is None else DeviceTrust.CROSS_SIGNED
                assert await trust_in(service, device, room, f"from new device {number}") is expected


def test_only_what_its_owner_signed_decides() -> None:
    refusals = {trust: refusal_of_device(trust) for trust in DeviceTrust}
    assert refusals == {
        DeviceTrust.UNKNOWN: DeviceRefusal.NOT_SIGNED,
        DeviceTrust.KNOWN: DeviceRefusal.NOT_SIGNED,
        DeviceTrust.CROSS_SIGNED: None,
        DeviceTrust.IDENTITY_CHANGED: DeviceRefusal.IDENTITY_CHANGED,
    }
