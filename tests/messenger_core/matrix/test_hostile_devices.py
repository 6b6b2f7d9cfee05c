"""A member whose devices publish broken keys keeps nobody else in the room from being answered.

The honest person uses matrix-js-sdk, which bears such devices itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import SessionSettings
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.clients.hostile_client import HostileClient, random_base64, run_hostile_client
from tests.clients.js_sdk_client import ENCRYPTION, run_js_sdk_client
from tests.messenger_core.matrix.session_scene import running

Keys = Callable[[HostileClient], dict[str, Any]]


def _one_time_key(key: object) -> Keys:
    """A good device with a one-time key that is wrong."""
    return lambda client: {"device_keys": client.device_keys(), "one_time_keys": {"signed_curve25519:AAAAAQ": key}}


def _signed_one_time_key(content: dict[str, object]) -> Keys:
    return lambda client: _one_time_key(client.signed(content))(client)


def _device(**otherwise: object) -> Keys:
    """A device whose keys are wrong in what is named, though correctly signed."""

    def keys(client: HostileClient) -> dict[str, Any]:
        good = {key: value for key, value in client.device_keys().items() if key != "signatures"}
        return {"device_keys": client.signed(good | otherwise)}

    return keys


def _named_keys(curve25519: object) -> Keys:
    def keys(client: HostileClient) -> dict[str, Any]:
        device = client.signed_in.device_id
        return _device(keys={f"curve25519:{device}": curve25519, f"ed25519:{device}": client.ed25519})(client)

    return keys


def _forged(client: HostileClient) -> dict[str, Any]:
    """Signed by another key than the one it names."""
    keys = client.device_keys()
    name = f"ed25519:{client.signed_in.device_id}"
    return {"device_keys": keys | {"signatures": {client.signed_in.user_id: {name: random_base64(64)}}}}


POISON: dict[str, Keys] = {
    "no_keys": lambda client: {"device_keys": client.device_keys()},
    "forged_signature": _forged,
    "one_time_key_without_signature": _one_time_key({"key": random_base64(32), "signatures": {}}),
    "one_time_key_of_wrong_length": _signed_one_time_key({"key": random_base64(5)}),
    "one_time_key_is_no_base64": _signed_one_time_key({"key": "%%%%"}),
    "one_time_key_of_zeros": _signed_one_time_key({"key": "A" * 43}),
    "one_time_key_with_wrong_fields": _signed_one_time_key({"key": random_base64(32), "x": [{}]}),
    "identity_key_of_wrong_length": _named_keys(random_base64(5)),
    "identity_key_is_no_base64": _named_keys("%%%%"),
    "identity_key_of_zeros": _named_keys("A" * 43),
    "no_algorithms": _device(algorithms=[]),
    "names_of_keys_are_odd": _device(keys={"x:y": "z", "curve25519:": "", ":": "z"}),
}


async def test_the_others_are_answered(homeserver: Homeserver, settings: SessionSettings, engine: AsyncEngine) -> None:
    """One broken device after the other comes and stays; the honest person is answered after each."""
    suffix = settings.user_id.partition(":")[0].removeprefix("@service-")

    async def sign_in(name: str) -> SignedIn:
        user_id = f"@{name}-{suffix}:{SERVER_NAME}"
        return await sign_in_with_key(homeserver.url, user_id=user_id, client_id=CLIENT_ID, key=homeserver.key)

    hostile = {name: await sign_in(f"hostile-{number}") for number, name in enumerate(POISON)}
    async with (
        running(settings, engine) as service,
        run_js_sdk_client(homeserver.url, await sign_in("honest")) as honest,
        run_hostile_client(homeserver.url, await sign_in("host")) as host,
    ):
        await honest.make_identity()
        invited = [settings.user_id, honest.signed_in.user_id]
        room = await host.create_room({"preset": "public_chat", "invite": invited, "initial_state": [ENCRYPTION]})
        await honest.join(room)
        await honest.wait_until_together(room, settings.user_id)
        for name, keys in POISON.items():
            async with run_hostile_client(homeserver.url, hostile[name]) as member:
                await member.publish(keys(member))
                await member.join(room)
                await honest.wait_until_together(room, settings.user_id, hostile[name].user_id)
                await honest.send_text(room, name)
                await honest.wait_for_body(f"answer to {name}")
        assert [seen.failure for seen in honest.seen.values() if seen.failure] == []
        assert len(service.handled) == len({event.event_id for event in service.handled})
