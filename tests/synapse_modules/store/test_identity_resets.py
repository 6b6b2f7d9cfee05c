"""Resets of identities and a person's devices, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from synapse_modules.store.identity_resets import IdentityReset, IdentityResets
from synapse_modules.store.oauth_sessions import OAuthSession, OAuthSessions
from synapse_modules.store.own_devices import OwnDevice, OwnDevices
from tests.synapse_modules.store.conftest import RealDatabase

ERIKA = "@a:t"
RESET = IdentityReset(ERIKA, "PHONE", "keys", 1_000)


async def test_an_approval_is_for_one_device_and_its_keys_once(database: RealDatabase) -> None:
    resets = IdentityResets(database)
    await resets.ask(RESET, forget_before=0)
    assert not await resets.use(RESET, since=0), "nobody approved it yet"
    assert not await resets.approve(ERIKA, "PHONE", "other keys", at=2_000, since=0)
    assert not await resets.approve("@b:t", "PHONE", "keys", at=2_000, since=0)
    assert await resets.approve(ERIKA, "PHONE", "keys", at=2_000, since=0)
    assert not await resets.use(replace(RESET, device_id="OTHER"), since=0)
    assert not await resets.use(replace(RESET, keys_hash="other keys"), since=0)
    assert not await resets.use(RESET, since=2_001), "it is over"
    assert await resets.use(RESET, since=2_000)
    assert not await resets.use(RESET, since=0)


async def test_what_is_asked_again_stays_and_what_is_old_goes(database: RealDatabase) -> None:
    resets = IdentityResets(database)
    await resets.ask(RESET, forget_before=0)
    await resets.ask(replace(RESET, asked_at=5_000), forget_before=0)
    assert await resets.asked_for(ERIKA, since=0) == [RESET]
    assert await resets.asked_for(ERIKA, since=1_001) == []
    other = replace(RESET, device_id="DESK", asked_at=6_000)
    await resets.ask(other, forget_before=1_001)
    assert await resets.asked_for(ERIKA, since=0) == [other]
    exchanged = replace(other, keys_hash="other keys", asked_at=7_000)
    await resets.ask(exchanged, forget_before=1_001)
    assert await resets.asked_for(ERIKA, since=0) == [exchanged]


async def test_an_approval_outlives_the_question(database: RealDatabase) -> None:
    resets = IdentityResets(database)
    await resets.ask(RESET, forget_before=0)
    assert await resets.approve(ERIKA, "PHONE", "keys", at=1_500, since=0)
    assert await resets.asked_for(ERIKA, since=0) == []
    await resets.ask(replace(RESET, device_id="DESK", asked_at=1_600), forget_before=1_200)
    assert await resets.use(RESET, since=1_200)


async def test_her_devices_are_those_of_every_way_to_sign_in(database: RealDatabase) -> None:
    for user_id, device_id, name, seen, hidden in (
        (ERIKA, "PHONE", "'Element'", "5", "FALSE"),
        (ERIKA, "DESK", "NULL", "NULL", "FALSE"),
        (ERIKA, "master key", "'master'", "NULL", "TRUE"),
        ("@b:t", "OTHER", "'Element'", "9", "FALSE"),
    ):
        await database.execute(
            "INSERT INTO devices (user_id, device_id, display_name, last_seen, hidden)"
            f" VALUES ('{user_id}', '{device_id}', {name}, {seen}, {hidden})"
        )
    await database.execute("DELETE FROM hek_oauth_session")
    await OAuthSessions(database).begin(OAuthSession(ERIKA, "NEW", "c", "element.io", "f", "p", 1))
    await database.execute("UPDATE hek_oauth_session SET device_id = 'PHONE'")
    assert await OwnDevices(database).of(ERIKA) == [
        OwnDevice("PHONE", "Element", 5, "element.io"),
        OwnDevice("DESK", "", None, None),
    ]
