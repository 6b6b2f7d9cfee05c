"""A practice's new key ends every session that stands on the old one, whatever ends the homeserver meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.synapse_modules.homeserver_under_test import Homeserver, Practice, SignedIn, running_homeserver
from tests.synapse_modules.test_membership_killed import add_switch, died, restart

_STORE = "synapse_modules.store.sessions_to_end:SessionsToEnd"
_POINTS = (
    f"{_STORE}.change_keys after 1",
    "synapse_modules.adapters.synapse_private.sessions:PrivateSessions.end_all before 1",
    "synapse.handlers.auth:AuthHandler.delete_access_tokens_for_user after 1",
    "synapse.handlers.device:DeviceHandler.delete_all_devices_for_user after 1",
    f"{_STORE}.strike_out before 1",
    f"{_STORE}.strike_out after 1",
)


async def _put(homeserver: Homeserver, practice: Practice, *keys: ECKey) -> None:
    body = {"telematik_id": practice.telematik_id, "display_name": "Praxis", "jwks": public_jwks(*keys), "active": True}
    status, answer = await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", body)
    assert status == 200, answer


async def _whoami(homeserver: Homeserver, device: SignedIn) -> tuple[int, Any]:
    status, answer = await homeserver.call(device, "GET", "/account/whoami")
    return status, answer.get("errcode")


_ENDED = (401, "M_UNKNOWN_TOKEN")


async def test_a_new_key_ends_the_sessions_of_the_old_one_and_an_open_poll_at_once(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    thief, other = await homeserver.practice_device(practice), await homeserver.new_person()
    _, first = await homeserver.call(thief, "GET", "/sync?timeout=0")
    poll = asyncio.create_task(homeserver.call(thief, "GET", f"/sync?timeout=60000&since={first['next_batch']}"))
    await asyncio.sleep(1)
    new_key = generate_private_key()
    await _put(homeserver, practice, new_key)
    status, answer = await asyncio.wait_for(poll, 30)
    assert (status, answer["errcode"]) == _ENDED
    assert await _whoami(homeserver, thief) == _ENDED
    assert homeserver.rows("SELECT * FROM devices WHERE user_id = ? AND NOT hidden", practice.user_id) == []
    assert (await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, practice.key))[0] == 403
    again = await homeserver.practice_device(Practice(practice.telematik_id, practice.user_id, new_key))
    # Somebody else's sessions, and those of the new key, live on.
    await _put(homeserver, practice, new_key)
    assert [(await _whoami(homeserver, one))[0] for one in (again, other)] == [200, 200]
    status, _ = await homeserver.call(again, "GET", "/sync?timeout=0")
    assert status == 200


async def test_a_key_beside_the_old_one_ends_nothing(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    device = await homeserver.practice_device(practice)
    await _put(homeserver, practice, practice.key, generate_private_key())
    assert (await _whoami(homeserver, device))[0] == 200


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own that can be killed."""
    folder = tmp_path_factory.mktemp("new-keys")
    with running_homeserver(folder) as running:
        add_switch(folder)
        yield running


@pytest.mark.parametrize("point", _POINTS)
async def test_what_was_killed_meanwhile_is_ended_after_the_next_start(mortal: Homeserver, point: str) -> None:
    """Without another word of the directory's."""
    practice = await mortal.new_practice("Praxis", opts_in=False)
    device = await mortal.practice_device(practice)
    restart(mortal, point)
    with pytest.raises((CallFailed, aiohttp.ClientError)):
        await _put(mortal, practice, generate_private_key())
    await mortal.until(lambda: died(mortal))
    restart(mortal)
    await mortal.until(lambda: mortal.count("hek_sessions_to_end") == 0)
    assert await _whoami(mortal, device) == _ENDED
    assert mortal.rows("SELECT * FROM devices WHERE user_id = ? AND NOT hidden", practice.user_id) == []
