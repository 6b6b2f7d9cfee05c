"""The homeserver is killed at each stage of a membership's end, and finishes what it began when it runs again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import psycopg2
import pytest
import yaml

from messenger_core.calendar_periods import berlin_day, to_milliseconds
from messenger_core.service_auth.client import CallFailed
from tests.conftest import running_postgresql
from tests.synapse_modules.homeserver_under_test import (
    OPERATOR,
    SUPPORT,
    Homeserver,
    SignedIn,
    SignInRefused,
    claims,
    new_kvnr,
    running_homeserver,
)
from tests.synapse_modules.postgresql_under_test import HomeserverOnPostgresql, running_homeserver_on_postgresql

SCOPE = "membership:write"
_PRIVATE = "synapse_modules.adapters.synapse_private"
_SET_LOCKED = f"{_PRIVATE}.locks:PrivateLocks.set_locked"
_DEACTIVATION = f"{_PRIVATE}.deactivation:PrivateDeactivation"
# In the order in which a deactivation comes by them, so that one account dies at each after the other.
_POINTS = (
    f"{_DEACTIVATION}.cut_off_sign_in before 1",
    f"{_DEACTIVATION}.leave after 1",
    f"{_DEACTIVATION}.forget before 1",
    f"{_DEACTIVATION}.leave before 1",
    "synapse.handlers.device:DeviceWriterHandler.delete_all_devices_for_user after 1",
    "synapse.storage.databases.main.account_data:AccountDataWorkerStore.purge_account_data_for_user before 1",
    f"{_DEACTIVATION}.delete_profile before 1",
    "synapse_modules.store.deactivations:Deactivations.finish before 1",
    "synapse_modules.store.deactivations:Deactivations.finish after 1",
)


# One point of each stage: what a crash of the database may cut in two.
_STAGES = (_POINTS[0], _POINTS[1], _POINTS[4], _POINTS[6], _POINTS[7])


def answers(homeserver: HomeserverOnPostgresql) -> bool:
    """Whether the database is back."""
    try:
        return homeserver.rows("SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


def today() -> str:
    return berlin_day(datetime.now(UTC)).isoformat()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own that can be killed, since the others' must not be."""
    folder = tmp_path_factory.mktemp("mortal")
    with running_homeserver(folder) as homeserver:
        add_switch(folder)
        yield homeserver


def add_switch(folder: Path) -> None:
    """Lets a homeserver be killed from its next start on (``restart``)."""
    settings = yaml.safe_load((folder / "homeserver.yaml").read_text())
    switch = {"module": "tests.synapse_modules.kill_switch.KillSwitch", "config": {"file": str(folder / "point")}}
    settings["modules"].append(switch)
    (folder / "homeserver.yaml").write_text(yaml.safe_dump(settings))


def end_with_point(homeserver: Homeserver, point: str | None, victim: str) -> None:
    """Stops the homeserver if it runs, and says at which point it or its database dies the next time."""
    assert homeserver.process is not None
    if homeserver.process.poll() is None:
        homeserver.stop()
    if point is not None:
        Path(homeserver.folder, "point").write_text(f"{point} {victim}")


def restart(homeserver: Homeserver, point: str | None = None, victim: str = "homeserver") -> None:
    """Starts the homeserver again, with the point at which it or its database dies if one is given."""
    end_with_point(homeserver, point, victim)
    # A point that is reached right after the start may be reached before the test could see it run.
    with suppress(AssertionError):
        homeserver.start()


def died(homeserver: Homeserver) -> bool:
    assert homeserver.process is not None
    return homeserver.process.poll() == -signal.SIGKILL


async def core_system(homeserver: Homeserver, what: str, **body: Any) -> tuple[int, Any]:
    return await homeserver.machine("core-system", SCOPE, "POST", f"/v1/memberships/{what}", body)


def state(homeserver: Homeserver, person: SignedIn) -> tuple[Any, ...]:
    query = (
        "SELECT a.state, u.locked, u.deactivated FROM hek_account a JOIN users u ON u.name = a.user_id"
        " WHERE a.user_id = ?"
    )
    return homeserver.rows(query, person.user_id)[0]


def remaining(homeserver: Homeserver, user_id: str) -> dict[str, int]:
    """What is left of an account in tables that a person would call hers."""
    left = {}
    for table, condition in {
        "devices": "user_id = ? AND NOT hidden",
        "access_tokens": "user_id = ?",
        "refresh_tokens": "user_id = ?",
        "pushers": "user_name = ?",
        "account_data": "user_id = ?",
        "room_account_data": "user_id = ?",
        "e2e_room_keys": "user_id = ?",
        "e2e_room_keys_versions": "user_id = ?",
        "e2e_one_time_keys_json": "user_id = ?",
        "device_inbox": "user_id = ?",
        "user_external_ids": "user_id = ?",
        "user_ips": "user_id = ?",
        "user_filters": "full_user_id = ?",
        "room_tags": "user_id = ?",
        "profiles": "full_user_id = ?",
        "local_current_membership": "user_id = ? AND membership <> 'leave'",
        "users_pending_deactivation": "user_id = ?",
    }.items():
        count = homeserver.rows(f"SELECT count(*) FROM {table} WHERE {condition}", user_id)[0][0]
        if count:
            left[table] = count
    return left


def changes(homeserver: Homeserver, person: SignedIn) -> list[str]:
    query = "SELECT what FROM hek_change WHERE user_id = ? ORDER BY version"
    return [what for (what,) in homeserver.rows(query, person.user_id)]


async def settled_person(homeserver: Homeserver, kvnr: str) -> tuple[SignedIn, SignedIn, str]:
    """A person with everything that an account gathers; her practice's device, and their chat."""
    person = await homeserver.sign_in(claims(kvnr))
    practice = await homeserver.new_practice("Praxis am Deich")
    device = await homeserver.practice_device(practice)
    _, made = await homeserver.create_room(person, practice.user_id)
    room = made["room_id"]
    assert await homeserver.join(device, room) == 200
    assert (await homeserver.send(person, room))[0] == 200
    _, support = await homeserver.create_room(person, SUPPORT)
    user = f"/user/{quote(person.user_id)}"
    pusher = {
        "kind": "http",
        "app_id": "app",
        "pushkey": "key",
        "app_display_name": "App",
        "device_display_name": "Handy",
        "lang": "de",
        "data": {"url": "https://push.example/_matrix/push/v1/notify"},
    }
    backup = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "A" * 43}}
    for method, path, body in (
        ("POST", "/pushers/set", pusher),
        ("POST", "/room_keys/version", backup),
        ("PUT", f"{user}/account_data/m.direct", {"x": [room]}),
        ("PUT", f"{user}/rooms/{quote(room)}/account_data/note", {"text": "secret"}),
        ("PUT", f"{user}/rooms/{quote(room)}/tags/u.Herz", {"order": 0.5}),
        ("POST", f"{user}/filter", {"room": {}}),
    ):
        status, answer = await homeserver.call(person, method, path, body)
        assert status == 200, (path, answer)
    assert support["room_id"]
    assert {"devices", "access_tokens", "pushers", "account_data", "room_tags"} <= set(
        remaining(homeserver, person.user_id)
    )
    return person, device, room


async def end_and_wait_out_the_grace_time(homeserver: Homeserver, kvnr: str, person: SignedIn) -> None:
    assert (await core_system(homeserver, "end", kvnr=kvnr, on=today(), reason="insurer-switch"))[0] == 200
    homeserver.stop()
    past = to_milliseconds(datetime.now(UTC) - timedelta(days=31))
    homeserver.change_row("UPDATE hek_account SET locked_at = ? WHERE user_id = ?", past, person.user_id)


@pytest.mark.parametrize(("what", "moment"), [("end", "before"), ("undo", "after")])
async def test_a_lock_that_was_killed_is_applied_and_so_is_its_undoing(
    mortal: Homeserver, what: str, moment: str
) -> None:
    kvnr, body = new_kvnr(), {"on": today(), "reason": "other"}
    person = await mortal.sign_in(claims(kvnr))
    if what == "undo":
        assert (await core_system(mortal, "end", kvnr=kvnr, **body))[0] == 200
        body = {}
    restart(mortal, f"{_SET_LOCKED} {moment} 1")
    with pytest.raises((CallFailed, aiohttp.ClientError)):
        await core_system(mortal, what, kvnr=kvnr, **body)
    await mortal.until(lambda: died(mortal))
    restart(mortal)
    after, status = (("locked", 1), 401) if what == "end" else (("live", 0), 200)
    await mortal.until(lambda: state(mortal, person)[:2] == after)
    assert (await mortal.call(person, "GET", "/account/whoami"))[0] == status
    assert await core_system(mortal, what, kvnr=kvnr, **body) == (200, {"status": "accepted"})
    assert changes(mortal, person) == ["account-made", "locked", "undone"][: 2 if what == "end" else 3]


async def test_a_mark_that_was_killed_reaches_every_room_and_is_taken_from_every_room(mortal: Homeserver) -> None:
    kvnr = new_kvnr()
    person, _, _ = await settled_person(mortal, kvnr)

    def names() -> set[str]:
        """Her names in all her rooms: which of them is renewed first is not said."""
        query = (
            "SELECT r.display_name FROM local_current_membership c JOIN room_memberships r ON r.event_id = c.event_id"
            " WHERE c.user_id = ?"
        )
        return {name for (name,) in mortal.rows(query, person.user_id)}

    restart(mortal, f"{_PRIVATE}.locks:PrivateLocks.renew_member_event after 1")
    # It dies before or after it could answer.
    with suppress(CallFailed, aiohttp.ClientError):
        await core_system(mortal, "end", kvnr=kvnr, on=today(), reason="other")
    await mortal.until(lambda: died(mortal))
    assert len(names()) == 2
    restart(mortal)
    await mortal.until(lambda: names() == {"Erika Muster – nicht mehr erreichbar"})
    await core_system(mortal, "undo", kvnr=kvnr)
    await mortal.until(lambda: names() == {"Erika Muster"})


async def test_a_deactivation_that_is_killed_at_every_step_is_finished(mortal: Homeserver) -> None:
    kvnr = new_kvnr()
    person, device, room = await settled_person(mortal, kvnr)
    await end_and_wait_out_the_grace_time(mortal, kvnr, person)
    for point in _POINTS:
        restart(mortal, point)
        await mortal.until(lambda: died(mortal))
    restart(mortal)
    assert state(mortal, person)[::2] == ("deactivated", 1)
    assert remaining(mortal, person.user_id) == {}
    with pytest.raises(SignInRefused, match="beendet"):
        await mortal.sign_in(claims(kvnr))
    _, told = await core_system(mortal, "status", kvnr=kvnr)
    assert told == {"stage": "deactivated", "on": today(), "account": False}
    # The practice keeps the chat, sees whom it was with, and that she is gone.
    _, history = await mortal.call(device, "GET", f"/rooms/{quote(room)}/messages?dir=b&limit=50")
    assert "m.room.encrypted" in {event["type"] for event in history["chunk"]}
    members = [event["content"] for event in history["chunk"] if event.get("state_key") == person.user_id]
    assert "Erika Muster" in {content.get("displayname", "").partition(" –")[0] for content in members}
    assert members[0]["membership"] == "leave"
    # Insured again: a new account that sees nothing of the old one.
    await core_system(mortal, "undo", kvnr=kvnr)
    again = await mortal.sign_in(claims(kvnr))
    assert again.user_id != person.user_id
    _, synced = await mortal.call(again, "GET", "/sync")
    assert not any(synced.get("rooms", {}).values())
    assert (await mortal.call(again, "GET", f"/rooms/{quote(room)}/messages?dir=b"))[0] == 403
    assert (await mortal.call(person, "GET", "/account/whoami"))[0] == 401
    assert changes(mortal, person) == ["account-made", "locked", "deactivated"]


async def test_a_deactivation_whose_database_crashes_at_every_stage_is_finished(tmp_path: Path) -> None:
    with (
        running_postgresql() as server,
        running_homeserver_on_postgresql(tmp_path, server) as homeserver,
    ):
        add_switch(tmp_path)
        kvnr = new_kvnr()
        person, _, _ = await settled_person(homeserver, kvnr)
        await end_and_wait_out_the_grace_time(homeserver, kvnr, person)

        postmaster = homeserver.postmaster
        log = Path(f"/proc/{postmaster}/fd/2").resolve()

        def crashes() -> int:
            return log.read_text().count("all server processes terminated; reinitializing")

        for number, point in enumerate(_STAGES, start=1):
            end_with_point(homeserver, point, str(postmaster))
            homeserver.launch()
            await homeserver.until(lambda: crashes() == number, 60)  # noqa: B023 - used at once
            homeserver.stop(signal.SIGKILL)
            await homeserver.until(lambda: answers(homeserver), 60)
            assert state(homeserver, person)[0] == "deactivating"
        restart(homeserver)
        await homeserver.until(lambda: state(homeserver, person)[0] == "deactivated", 60)
        assert remaining(homeserver, person.user_id) == {}
        assert changes(homeserver, person) == ["account-made", "locked", "deactivated"]


async def test_an_account_that_an_administrator_deactivates_does_not_stay_live(mortal: Homeserver) -> None:
    kvnr = new_kvnr()
    heard, unheard = await mortal.sign_in(claims(kvnr)), await mortal.new_person()
    operator = await mortal.own_account(OPERATOR, "operator")
    headers = {"Authorization": f"Bearer {operator.access_token}"}
    address = f"{mortal.base}/_synapse/admin/v1/deactivate/{quote(heard.user_id)}"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, json={}) as answer:
        assert answer.status == 200, await answer.text()
    assert state(mortal, heard)[0] == "deactivating"
    mortal.stop()
    mortal.change_row("UPDATE users SET deactivated = 1 WHERE name = ?", unheard.user_id)
    mortal.start()
    for person in (heard, unheard):
        await mortal.until(lambda: state(mortal, person)[0] == "deactivated")  # noqa: B023 - used at once
        assert remaining(mortal, person.user_id) == {}
        assert changes(mortal, person) == ["account-made", "deactivated"]
    assert (await mortal.sign_in(claims(kvnr))).user_id != heard.user_id
