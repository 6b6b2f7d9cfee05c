"""Rooms and devices that room keys are shared with, and who was sent them."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

from sandbox.encrypted_client import EncryptedClient
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.clients.hostile_client import HostileClient, run_hostile_client
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls

CLAIM, SHARE, QUERY = "/keys/claim", "/sendToDevice/m.room.encrypted", "/keys/query"


async def room_with(bot: Bot, *people: EncryptedClient, **settings: object) -> str:
    """An encrypted room of the account's with people who have joined."""
    room = await bot.make_room(*(person.signed_in.user_id for person in people), **settings)
    for person in people:
        await person.wait_for_invitation(bot.device.user_id)
        await person.join(room)
    await bot.sync()
    return room


async def sign_in(homeserver: Homeserver, name: str, device_id: str | None = None) -> SignedIn:
    return await sign_in_with_key(
        homeserver.url,
        user_id=name if name.startswith("@") else f"@{name}:{SERVER_NAME}",
        client_id=CLIENT_ID,
        key=homeserver.key,
        device_id=device_id,
    )


async def raw_device(homeserver: Homeserver, stack: AsyncExitStack, user_id: str) -> HostileClient:
    """A device of somebody's that does nothing by itself."""
    return await stack.enter_async_context(run_hostile_client(homeserver.url, await sign_in(homeserver, user_id)))


async def arrives(person: EncryptedClient, event_id: str, body: str) -> None:
    """Waits until somebody can read an event."""
    seen = await person.wait_for(lambda seen: seen.event_id == event_id, f"'{body}'")
    assert (seen.body, seen.encrypted) == (body, True)


def recipients(calls: FailingCalls) -> list[tuple[str, str]]:
    """Who was sent something encrypted, in order."""
    return [
        (owner, device)
        for path, body in zip(calls.paths, calls.bodies, strict=True)
        if SHARE in path
        for owner, devices in json.loads(body)["messages"].items()
        for device in devices
    ]
