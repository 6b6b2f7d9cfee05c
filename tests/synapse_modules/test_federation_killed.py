"""The homeserver is killed at each step of leaving a room that another server broke; when it runs again it is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from sandbox.ports import reserve_port
from tests.clients.hostile_server import HostileRoom, HostileServer, care_state, running_hostile_server
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation import federation_listener, following, over_tls, sync
from tests.synapse_modules.federation_lists import ListPublisher, entry
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, Homeserver, SignedIn, running_homeserver
from tests.synapse_modules.stand_ins import serving
from tests.synapse_modules.test_federated_chats import is_left, is_refused_and_left, shows, timeline
from tests.synapse_modules.test_membership_killed import add_switch, died, restart

_STORE = "synapse_modules.store.rooms_to_leave:RoomsToLeave"
_POINTS = (
    # Judged, and nothing written down yet.
    f"{_STORE}.add before 1",
    # Written down, and the event that broke the room not stored; the room before is being finished at the same time.
    f"{_STORE}.add after 2",
    "synapse.handlers.federation_event:FederationEventHandler.persist_events_and_notify after 1",
    f"{_STORE}.tell after 1",
    "synapse.module_api:ModuleApi.update_room_membership after 1",
    f"{_STORE}.done before 1",
)


@dataclass(frozen=True)
class MortalScene:
    """A homeserver of ours that can be killed, and a hostile one."""

    ours: Homeserver
    hostile: HostileServer


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, loopback_authority: CertificateAuthority) -> Iterator[MortalScene]:
    folder: Path = tmp_path_factory.mktemp("mortal-federation")
    address, port, list_port = "127.0.0.8", reserve_port(), reserve_port()
    own_folder, of_list = folder / "ours", folder / "list"
    own_folder.mkdir()
    of_list.mkdir()
    list_root = CertificateAuthority("Federation list root")
    lists = ListPublisher(list_port, list_root)
    with ExitStack() as running:
        hostile = running.enter_context(
            running_hostile_server(
                folder / "hostile", loopback_authority, "127.0.0.9", reserve_port(), f"{address}:{port}"
            )
        )
        lists.publish(entry(hostile.server_name))
        running.enter_context(serving(lists.app, list_port))
        ours = running.enter_context(
            running_homeserver(
                own_folder,
                server_name=f"{address}:{port}",
                more_module={"federation": following(lists, list_root.write(of_list))},
                more_synapse=over_tls(own_folder, loopback_authority, address),
                more_listeners=[federation_listener(address, port)],
            )
        )
        add_switch(own_folder)
        yield MortalScene(ours, hostile)


async def _entered(scene: MortalScene) -> tuple[SignedIn, HostileRoom]:
    person, room = await scene.ours.new_person(), scene.hostile.open_room(scene.hostile.user("praxis"))
    assert (await room.invite(person.user_id))[0] == 200
    assert await scene.ours.join(person, room.room_id) == 200
    return person, room


async def test_a_room_that_was_broken_is_left_whatever_step_the_process_was_killed_at(scene: MortalScene) -> None:
    """Each point strikes while the room of the point before is still being left."""
    entered = [await _entered(scene) for _ in _POINTS]
    breaking = [
        room.make("m.room.join_rules", {"join_rule": "public"}, sender=room.creator, state_key="")
        for _, room in entered
    ]
    for point, pdu in zip(_POINTS, breaking, strict=True):
        restart(scene.ours, point)
        # It may be dead before it has answered.
        with suppress(aiohttp.ClientError):
            await scene.hostile.transaction(pdus=[pdu])
        await scene.ours.until(lambda: died(scene.ours), within_s=60)
    restart(scene.ours)
    # As a server does whose transaction was not answered; what is stored already is not looked at again.
    assert (await scene.hostile.transaction(pdus=breaking))[0] == 200
    for person, room in entered:
        await is_left(scene.ours, person, room)


async def test_a_room_that_is_no_chat_is_left_by_who_tries_again_after_a_kill(scene: MortalScene) -> None:
    """Its server counts her as a member already, which nobody here has written down."""
    ours, praxis = scene.ours, scene.hostile.user("praxis")
    person = await ours.new_person()
    room = scene.hostile.open_room(praxis, care_state(praxis, history_visibility=None))
    assert (await room.invite(person.user_id))[0] == 200
    restart(ours, _POINTS[0])
    with suppress(aiohttp.ClientError):
        await ours.join(person, room.room_id)
    await ours.until(lambda: died(ours), within_s=60)
    assert room.state_content("m.room.member", person.user_id)["membership"] == "join"
    restart(ours)
    await is_refused_and_left(ours, person, room)


async def test_what_was_refused_is_not_shown_after_a_restart_either(scene: MortalScene) -> None:
    """Nor is it part of the room when the next event builds on it."""
    ours, (person, room) = scene.ours, await _entered(scene)
    await room.send("m.room.member", {"membership": "ban"}, state_key="@in-clear:nowhere.example")
    await room.send("m.room.member", {"membership": "join", "displayname": "in clear"}, state_key=room.creator)
    await room.send("m.room.member", {"membership": "invite", "reason": "in clear"}, state_key=scene.hostile.user("b"))
    await room.send("m.room.guest_access", {"guest_access": "forbidden", "note": "in clear"}, state_key="")
    restart(ours)
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    everything = str([await sync(ours, person), await timeline(ours, person, room.room_id)])
    assert "in clear" not in everything
    assert "in-clear" not in everything
    assert scene.hostile.user("b") in everything
