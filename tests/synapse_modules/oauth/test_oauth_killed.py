"""The homeserver is killed at each step of a sign-in by OAuth: afterwards there is one device or none, nothing half."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, claims, new_kvnr, running_homeserver
from tests.synapse_modules.oauth.phone_client import PhoneClient
from tests.synapse_modules.test_membership_killed import add_switch

_SESSIONS = "synapse_modules.store.oauth_sessions:OAuthSessions"
_SIGN_IN = "synapse_modules.adapters.synapse_private.token_sign_in:PrivateTokenSignIn"
# With how many devices there may be when it runs again.
_AT_THE_CODE = {
    f"{_SESSIONS}.begin before 1": 0,
    f"{_SESSIONS}.begin after 1": 0,
    # The first one is that of the person's own sign-in, in her browser.
    "synapse.handlers.auth:AuthHandler.consume_login_token after 2": 0,
    "synapse.handlers.register:RegistrationHandler.register_device after 1": 1,
    f"{_SIGN_IN}.sign_in after 1": 1,
    "synapse_modules.store.audit:AuditLog.add after 1": 1,
}
_AT_THE_REFRESH = (
    "synapse.handlers.auth:AuthHandler.create_refresh_token_for_user_id after 1",
    f"{_SIGN_IN}.refresh after 1",
)
_AT_THE_END = (f"{_SIGN_IN}.end_device before 1", f"{_SIGN_IN}.end_device after 1", f"{_SESSIONS}.end after 1")


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own that can be killed."""
    folder = tmp_path_factory.mktemp("mortal-oauth")
    with running_homeserver(folder) as homeserver:
        add_switch(folder)
        yield homeserver


def _will_die(homeserver: Homeserver, point: str) -> None:
    homeserver.stop()
    (homeserver.folder / "point").write_text(f"{point} homeserver")
    homeserver.start()


def _lives_again(homeserver: Homeserver) -> None:
    assert homeserver.process is not None
    homeserver.process.wait(60)
    assert not (homeserver.folder / "point").exists(), "it died at its point"
    homeserver.start()


def _devices(homeserver: Homeserver, phone: PhoneClient) -> int:
    return len(homeserver.rows("SELECT 1 FROM devices WHERE device_id = ?", phone.device_id))


@pytest.mark.parametrize("point", _AT_THE_CODE)
async def test_a_code_makes_one_device_or_none_and_the_person_signs_in_anew(mortal: Homeserver, point: str) -> None:
    kvnr, phone = new_kvnr(), PhoneClient(mortal)
    await phone.register()
    _will_die(mortal, point)
    code = await phone.get_code(claims(kvnr))
    with suppress(aiohttp.ClientError):
        await phone.ask_tokens(code)
    _lives_again(mortal)
    assert _devices(mortal, phone) == _AT_THE_CODE[point]
    await phone.ask_tokens(code)
    assert _devices(mortal, phone) <= 1
    again = PhoneClient(mortal, device_id=phone.device_id)
    assert (await again.sign_in(claims(kvnr))).device_id == phone.device_id
    assert _devices(mortal, phone) == 1
    assert (await again.refresh())[0] == 200


@pytest.mark.parametrize("point", _AT_THE_REFRESH)
async def test_a_refresh_is_repeated(mortal: Homeserver, point: str) -> None:
    phone = PhoneClient(mortal)
    await phone.sign_in(claims(new_kvnr()))
    _will_die(mortal, point)
    with suppress(aiohttp.ClientError):
        await phone.refresh()
    _lives_again(mortal)
    assert (await phone.refresh())[0] == 200
    assert (await phone.whoami())[0] == 200


@pytest.mark.parametrize("point", _AT_THE_END)
async def test_a_revocation_is_repeated(mortal: Homeserver, point: str) -> None:
    phone = PhoneClient(mortal)
    await phone.sign_in(claims(new_kvnr()))
    _will_die(mortal, point)
    with suppress(aiohttp.ClientError):
        await phone.revoke(phone.refresh_token)
    _lives_again(mortal)
    assert await phone.revoke(phone.refresh_token) == (200, {})
    assert await phone.revoke(phone.access_token) == (200, {})
    assert _devices(mortal, phone) == 0
    assert (await phone.refresh())[0] == 400
