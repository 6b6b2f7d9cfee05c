"""A homeserver with workers: every process is the same homeserver to a client and to a machine."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, claims, new_kvnr
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers


async def test_every_process_signs_in_and_knows_what_another_one_did(workers: HomeserverWithWorkers) -> None:
    kvnr = new_kvnr()
    devices = {name: await view.sign_in(claims(kvnr)) for name, view in workers.views.items()}
    assert len({device.user_id for device in devices.values()}) == 1
    for view in workers.views.values():
        for device in devices.values():
            status, answer = await view.call(device, "GET", "/account/whoami")
            assert (status, answer["device_id"]) == (200, device.device_id)


async def test_the_machine_api_answers_on_every_process(workers: HomeserverWithWorkers) -> None:
    kvnr = new_kvnr()
    await workers.sign_in(claims(kvnr))
    for view in workers.views.values():
        answer = await view.machine("core-system", "membership:write", "POST", "/v1/memberships/status", {"kvnr": kvnr})
        assert answer == (200, {"stage": "insured", "on": None, "account": True})


async def test_who_is_there_says_nothing_beside_it(workers: HomeserverWithWorkers) -> None:
    """Where the operator has switched presence on."""
    person, device, _, _ = await workers.care_room()
    for name, view in workers.views.items():
        path, said = f"/presence/{quote(person.user_id)}/status", {"presence": "online", "status_msg": f"in {name}"}
        assert (await view.call(person, "PUT", path, said))[0] == 200
        status, seen = await workers.call(device, "GET", path)
        assert (status, seen["presence"]) == (200, "online")
        assert "status_msg" not in seen


async def _is_refused(view: Homeserver, who: SignedIn, room: str) -> bool:
    return (await view.send(who, room))[0] == 403


async def test_every_process_knows_that_the_practice_left(workers: HomeserverWithWorkers) -> None:
    person, device, _, room = await workers.care_room()
    first, *others = workers.views.values()
    for view in workers.views.values():
        assert (await view.send(person, room))[0] == 200
    assert (await first.call(device, "POST", f"/rooms/{quote(room)}/leave", {}))[0] == 200
    for view in (first, *others):
        await view.until_async(partial(_is_refused, view, person, room))
