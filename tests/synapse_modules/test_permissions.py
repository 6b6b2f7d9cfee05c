"""The invited side decides, against a real Synapse: what stands in her account data, or the operator's default."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules.homeserver_under_test import SERVICE, Homeserver, SignedIn

_EPA, _PRO = (f"de.gematik.tim.account.permissionconfig.{kind}.v1" for kind in ("epa", "pro"))


async def _choose(homeserver: Homeserver, who: SignedIn, data_type: str, content: object) -> None:
    path = f"/user/{quote(who.user_id)}/account_data/{data_type}"
    assert (await homeserver.call(who, "PUT", path, content))[0] == 200


async def test_who_blocks_everybody_is_asked_by_those_alone_whom_she_names(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    known = await homeserver.practice_device(await homeserver.new_practice("Praxis", opts_in=False))
    other = await homeserver.practice_device(await homeserver.new_practice("Andere Praxis", opts_in=False))
    await _choose(homeserver, person, _EPA, {"defaultSetting": "block all", "userExceptions": {known.user_id: {}}})
    rooms = homeserver.count("rooms")
    status, refused = await homeserver.create_room(other, person.user_id)
    unknown = await homeserver.create_room(other, "@nobody:hek.test")
    assert (status, refused) == (403, unknown[1]), "the refusal does not tell that she is there"
    assert homeserver.count("rooms") == rooms
    assert (await homeserver.create_room(known, person.user_id))[0] == 200


async def test_hek_reaches_who_blocks_everybody(homeserver: Homeserver) -> None:
    person, service = await homeserver.new_person(), await homeserver.own_account(SERVICE, "retention")
    await _choose(homeserver, person, _EPA, {"defaultSetting": "block all"})
    assert (await homeserver.create_room(service, person.user_id))[0] == 200


async def test_a_practice_keeps_insured_people_out_with_one_switch(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    group = {"defaultSetting": "allow all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}
    await _choose(homeserver, device, _PRO, group)
    assert (await homeserver.create_room(person, practice.user_id))[0] == 403
    await _choose(homeserver, device, _PRO, {"defaultSetting": "allow all"})
    status, made = await homeserver.create_room(person, practice.user_id)
    assert status == 200, made
    # Who was let in once and is invited anew is asked again.
    path = f"/rooms/{quote(made['room_id'])}"
    assert (await homeserver.call(device, "POST", f"{path}/leave", {}))[0] == 200
    await _choose(homeserver, device, _PRO, group)
    assert (await homeserver.invite(person, made["room_id"], practice.user_id))[0] == 403


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"defaultSetting": "block"},
        {"defaultSetting": "block all", "userExceptions": ["@x:y"]},
        {"defaultSetting": 1},
    ],
)
async def test_what_cannot_be_read_counts_as_the_default_and_locks_nobody_out(
    homeserver: Homeserver, broken: dict[str, Any]
) -> None:
    person = await homeserver.new_person()
    device = await homeserver.practice_device(await homeserver.new_practice("Praxis", opts_in=False))
    await _choose(homeserver, person, _EPA, broken)
    assert (await homeserver.create_room(device, person.user_id))[0] == 200
