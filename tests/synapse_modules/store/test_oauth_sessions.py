"""Sessions of OAuth clients on both databases: one a device, one a code, and gone with the device."""

from __future__ import annotations

from dataclasses import replace

from synapse_modules.store.oauth_sessions import Beginning, OAuthSession, OAuthSessions
from tests.synapse_modules.store.conftest import RealDatabase

ERIKA = "@a:t"
FIRST = OAuthSession(ERIKA, "PHONE", "client", "element.io", "family", "proof", 1_000)


async def _make_device(database: RealDatabase, device_id: str = "PHONE") -> None:
    await database.execute(f"INSERT INTO devices (user_id, device_id) VALUES ('{ERIKA}', '{device_id}')")


async def test_a_code_begins_one_session(database: RealDatabase) -> None:
    sessions = OAuthSessions(database)
    assert await sessions.begin(FIRST) is Beginning.NEW_DEVICE
    assert await sessions.begin(replace(FIRST, device_id="OTHER", family_hash="other")) is Beginning.CODE_USED
    assert await sessions.find_by_proof("proof") == FIRST
    assert await sessions.find_by_device(ERIKA, "PHONE") == FIRST
    assert await sessions.find_by_device(ERIKA, "OTHER") is None


async def test_a_family_is_found_as_long_as_its_device_is_there(database: RealDatabase) -> None:
    sessions = OAuthSessions(database)
    await sessions.begin(FIRST)
    assert await sessions.find_by_family("family") is None
    await _make_device(database)
    assert await sessions.find_by_family("family") == FIRST
    assert await sessions.find_by_family("other") is None


async def test_a_device_stays_with_its_client(database: RealDatabase) -> None:
    sessions = OAuthSessions(database)
    await _make_device(database)
    again = replace(FIRST, family_hash="family 2", proof_hash="proof 2")
    assert await sessions.begin(FIRST) is Beginning.DEVICE_OF_OTHERS
    assert await sessions.device_is_of_others(ERIKA, "PHONE", "element.io")
    assert not await sessions.device_is_of_others(ERIKA, "NEW", "element.io")
    await database.execute("DELETE FROM devices")
    assert await sessions.begin(FIRST) is Beginning.NEW_DEVICE
    await _make_device(database)
    assert not await sessions.device_is_of_others(ERIKA, "PHONE", "element.io")
    assert await sessions.device_is_of_others(ERIKA, "PHONE", "fluffychat.im")
    assert await sessions.begin(replace(again, client_host="fluffychat.im")) is Beginning.DEVICE_OF_OTHERS
    assert await sessions.begin(again) is Beginning.SAME_DEVICE
    assert await sessions.find_by_family("family") is None
    assert await sessions.find_by_family("family 2") == again


async def test_an_end_leaves_what_began_after_it(database: RealDatabase) -> None:
    sessions = OAuthSessions(database)
    await sessions.begin(FIRST)
    again = replace(FIRST, family_hash="family 2", proof_hash="proof 2")
    await _make_device(database)
    await sessions.begin(again)
    await sessions.end(FIRST)
    assert await sessions.find_by_family("family 2") == again
    assert await sessions.any_left()
    await sessions.end(again)
    assert not await sessions.any_left()


async def test_sessions_without_device_are_forgotten_when_none_can_be_under_way(database: RealDatabase) -> None:
    sessions = OAuthSessions(database)
    await sessions.begin(FIRST)
    await sessions.begin(replace(FIRST, device_id="DESK", family_hash="f 2", proof_hash="p 2"))
    await _make_device(database, "DESK")
    assert await sessions.forget_without_device(begun_before=1_000) == 0
    assert await sessions.forget_without_device(begun_before=1_001) == 1
    assert await sessions.find_by_device(ERIKA, "PHONE") is None
    assert await sessions.find_by_device(ERIKA, "DESK") is not None
