"""The insurer's core system against a real Synapse: memberships end at once, later, or not after all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from messenger_core.calendar_periods import berlin_day
from tests.synapse_modules.homeserver_under_test import Homeserver, SignInRefused, claims, new_kvnr

SCOPE = "membership:write"


def day(days: int = 0) -> str:
    return (berlin_day(datetime.now(UTC)) + timedelta(days=days)).isoformat()


async def core_system(homeserver: Homeserver, what: str, **body: Any) -> tuple[int, Any]:
    return await homeserver.machine("core-system", SCOPE, "POST", f"/v1/memberships/{what}", body)


async def changes_of(homeserver: Homeserver, user_id: str) -> list[str]:
    return [
        what for (what,) in homeserver.rows("SELECT what FROM hek_change WHERE user_id = ? ORDER BY version", user_id)
    ]


async def test_the_end_locks_every_device_at_once_and_undo_opens_them_again(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    devices = [await homeserver.sign_in(claims(kvnr)) for _ in range(2)]
    for _ in range(2):
        status, answer = await core_system(homeserver, "end", kvnr=kvnr, on=day(), reason="insurer-switch")
        assert (status, answer) == (200, {"status": "accepted"})
    for device in devices:
        status, answer = await homeserver.call(device, "GET", "/account/whoami")
        assert (status, answer["errcode"]) == (401, "M_USER_LOCKED")
    with pytest.raises(SignInRefused, match="Mitgliedschaft bei der HEK ist beendet"):
        await homeserver.sign_in(claims(kvnr))
    _, status_of = await core_system(homeserver, "status", kvnr=kvnr)
    assert status_of == {"stage": "locked", "on": day(), "account": True}
    for _ in range(2):
        assert await core_system(homeserver, "undo", kvnr=kvnr) == (200, {"status": "accepted"})
    assert (await homeserver.call(devices[0], "GET", "/account/whoami"))[0] == 200
    await homeserver.sign_in(claims(kvnr))
    assert await changes_of(homeserver, devices[0].user_id) == ["account-made", "locked", "undone"]


async def test_a_later_day_is_announced_and_locks_when_it_comes(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    for _ in range(2):
        await core_system(homeserver, "end", kvnr=kvnr, on=day(10), reason="other")
    assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 200
    _, status_of = await core_system(homeserver, "status", kvnr=kvnr)
    assert status_of == {"stage": "announced", "on": day(10), "account": True}
    assert await changes_of(homeserver, person.user_id) == ["account-made", "announced"]
    homeserver.change_row("UPDATE hek_membership SET ends_on = ? WHERE ends_on = ?", day(), day(10))
    with pytest.raises(SignInRefused, match="beendet"):
        await homeserver.sign_in(claims(kvnr))


async def test_a_person_without_an_account_is_refused_after_her_membership_ended(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    before = homeserver.count("hek_change")
    _, status_of = await core_system(homeserver, "status", kvnr=kvnr)
    assert status_of == {"stage": "insured", "on": None, "account": False}
    assert (await core_system(homeserver, "end", kvnr=kvnr, on=day(-1), reason="deceased"))[0] == 200
    with pytest.raises(SignInRefused, match="beendet"):
        await homeserver.sign_in(claims(kvnr))
    assert homeserver.count("hek_change") == before
    assert (await core_system(homeserver, "undo", kvnr=kvnr))[0] == 200
    await homeserver.sign_in(claims(kvnr))


async def test_a_locked_person_is_not_invited_and_the_practice_keeps_the_chat(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    practice = await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    _, made = await homeserver.create_room(person, practice.user_id)
    room = made["room_id"]
    await homeserver.join(device, room)
    await homeserver.send(person, room)
    await core_system(homeserver, "end", kvnr=kvnr, on=day(), reason="other")
    assert (await homeserver.create_room(device, person.user_id))[0] == 403
    status, history = await homeserver.call(device, "GET", f"/rooms/{quote(room)}/messages?dir=b")
    assert status == 200
    assert "m.room.encrypted" in {event["type"] for event in history["chunk"]}


@pytest.mark.parametrize(
    ("kind", "field", "changed"),
    [
        ("invalid-body", "kvnr", {"kvnr": "A123456789"}),
        ("invalid-body", "kvnr", {"kvnr": 7}),
        ("invalid-body", "kvnr", {"kvnr": None}),
        ("invalid-body", "reason", {"reason": "boredom"}),
        ("invalid-body", "issued_at", {"issued_at": "2026-01-01"}),
        ("invalid-date", "issued_at", {"issued_at": 2**53}),
        ("invalid-date", "on", {"on": "2026-02-30"}),
        ("invalid-date", "on", {"on": "tomorrow"}),
        ("invalid-date", "on", {"on": "2026-01-01T00:00:00"}),
        ("invalid-date", "on", {"on": "0001-01-01"}),
        ("invalid-date", "on", {"on": 20260101}),
        ("unknown-field", "name", {"name": "Erika"}),
        ("unknown-field", "on", {"on": "x", "A123456780": 1}),
    ],
)
async def test_faulty_bodies_are_refused_without_repeating_a_number(
    homeserver: Homeserver, kind: str, field: str, changed: dict[str, Any]
) -> None:
    body = {"kvnr": "A123456780", "on": "2026-01-01", "reason": "other"} | changed
    status, answer = await core_system(homeserver, "end", **body)
    assert (status, answer["type"]) == (400, f"urn:hek-messenger:problem:{kind}")
    assert answer["errors"][0]["field"] == field
    assert "A123456789" not in str(answer)


async def test_a_sign_in_that_names_another_insurer_locks_the_account_at_once(homeserver: Homeserver) -> None:
    kvnr, elsewhere = new_kvnr(), {"urn:telematik:claims:organization": "109500969"}
    person = await homeserver.sign_in(claims(kvnr))
    with pytest.raises(SignInRefused, match="nicht bei der HEK versichert"):
        await homeserver.sign_in(claims(kvnr, acr="gematik-ehealth-loa-substantial", **elsewhere))
    assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 200, "a weak sign-in locks nobody"
    for _ in range(2):
        with pytest.raises(SignInRefused, match="nicht mehr öffnen oder exportieren") as refusal:
            await homeserver.sign_in(claims(kvnr, **elsewhere))
        assert "cannot be opened or exported any more" in str(refusal.value)
        assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 401
    _, told = await core_system(homeserver, "status", kvnr=kvnr)
    assert told == {"stage": "locked", "on": None, "account": True}
    with pytest.raises(SignInRefused, match="gesperrt"):
        await homeserver.sign_in(claims(kvnr))
    assert (await core_system(homeserver, "undo", kvnr=kvnr))[0] == 200
    assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 200
    assert await changes_of(homeserver, person.user_id) == ["account-made", "locked", "undone"]


async def test_who_signs_in_while_her_account_is_being_removed_is_told_to_come_back(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    homeserver.change_row("UPDATE hek_account SET state = 'deactivating' WHERE user_id = ?", person.user_id)
    with pytest.raises(SignInRefused, match="wird gerade gelöscht"):
        await homeserver.sign_in(claims(kvnr))
