"""The homeserver is killed while somebody makes a room: nobody is left in a room that nobody was invited to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from messenger_core.catalogue import Catalogue
from tests.synapse_modules.federation import sync
from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, SignedIn, running_homeserver
from tests.synapse_modules.test_membership_killed import add_switch, died, restart

_MAKING = "synapse_modules.store.rooms_in_making:RoomsInMaking"
_JUDGE = "synapse_modules.adapters.membership_judge:MembershipJudge"
# In the order in which Synapse comes by them: before the maker is in the room, before its state, before the invitation.
_HALF_MADE = (
    f"{_MAKING}.begin after 1",
    "synapse.handlers.message:EventCreationHandler.handle_new_client_event before 3",
    f"{_JUDGE}.judge before 2",
)
_MADE = f"{_MAKING}.end before 1"
_ENDED = Catalogue.of("synapse_modules").line("room-request-ended")


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own that can be killed."""
    folder = tmp_path_factory.mktemp("half-made")
    with running_homeserver(folder) as homeserver:
        add_switch(folder)
        yield homeserver


async def asks_in_vain(homeserver: Homeserver, point: str, who: SignedIn, whom: str) -> str:
    """The room that somebody was making when the homeserver was killed; it runs again."""
    restart(homeserver, point)
    with pytest.raises(aiohttp.ClientError):
        await homeserver.create_room(who, whom)
    await homeserver.until(lambda: died(homeserver))
    restart(homeserver)
    [(room_id,)] = homeserver.rows("SELECT room_id FROM hek_room_in_making WHERE maker = ?", who.user_id)
    return str(room_id)


async def rooms_of(homeserver: Homeserver, who: SignedIn) -> dict[str, Any]:
    shown: dict[str, Any] = (await sync(homeserver, who)).get("rooms", {})
    return shown


def time_passes(homeserver: Homeserver) -> None:
    """Ten minutes; the next start looks at once."""
    homeserver.change_row("UPDATE hek_room_in_making SET begun_at = begun_at - 600000")
    restart(homeserver)


def is_forgotten(homeserver: Homeserver, room_id: str) -> bool:
    return not homeserver.rows("SELECT 1 FROM hek_room_in_making WHERE room_id = ?", room_id)


@pytest.mark.parametrize("asked", ["practice", "hek", "person"])
@pytest.mark.parametrize("point", _HALF_MADE)
async def test_a_room_that_was_left_half_made_is_ended(mortal: Homeserver, point: str, asked: str) -> None:
    """Whoever made it; until then nobody can be invited into it, since it may lack its encryption."""
    person, practice = await mortal.new_person(), await mortal.new_practice("Praxis")
    device = await mortal.practice_device(practice)
    maker, other = (device, person.user_id) if asked == "person" else (person, practice.user_id)
    if asked == "hek":
        other = SUPPORT
    room_id = await asks_in_vain(mortal, point, maker, other)
    is_in_it = point != _HALF_MADE[0]
    assert (room_id in str(await rooms_of(mortal, maker))) is is_in_it
    if is_in_it:
        status, answer = await mortal.invite(maker, room_id, other)
        assert (status, answer.get("error")) == (403, _ENDED)
    time_passes(mortal)
    await mortal.until(lambda: is_forgotten(mortal, room_id))
    assert room_id not in str(await rooms_of(mortal, maker))
    with_left = quote(json.dumps({"room": {"include_leave": True}}))
    assert room_id not in str(await mortal.call(maker, "GET", f"/sync?filter={with_left}")), "it is forgotten, too"
    status, made = await mortal.create_room(maker, other)
    assert status == 200, made
    assert made["room_id"] in (await rooms_of(mortal, maker))["join"]


async def test_a_room_whose_invitation_was_sent_stays(mortal: Homeserver) -> None:
    """Only the answer was lost; the request stands, and the practice accepts it."""
    person, practice = await mortal.new_person(), await mortal.new_practice("Praxis")
    device = await mortal.practice_device(practice)
    room_id = await asks_in_vain(mortal, _MADE, person, practice.user_id)
    time_passes(mortal)
    await mortal.until(lambda: is_forgotten(mortal, room_id))
    assert room_id in (await rooms_of(mortal, person))["join"]
    assert await mortal.join(device, room_id) == 200
    assert (await mortal.send(person, room_id))[0] == 200


async def test_a_room_that_is_being_made_is_left_alone(mortal: Homeserver) -> None:
    """Another server may take its time to answer an invitation."""
    person, practice = await mortal.new_person(), await mortal.new_practice("Praxis")
    room_id = await asks_in_vain(mortal, _HALF_MADE[2], person, practice.user_id)
    mortal.change_row("UPDATE hek_room_in_making SET begun_at = begun_at - 540000")
    older = await asks_in_vain(mortal, _HALF_MADE[2], await mortal.new_person(), practice.user_id)
    mortal.change_row("UPDATE hek_room_in_making SET begun_at = begun_at - 600000 WHERE room_id = ?", older)
    restart(mortal)
    await mortal.until(lambda: is_forgotten(mortal, older))
    assert not is_forgotten(mortal, room_id)
    assert room_id in (await rooms_of(mortal, person))["join"]


async def test_nothing_is_remembered_of_what_was_made_or_refused(mortal: Homeserver) -> None:
    person, practice = await mortal.new_person(), await mortal.new_practice("Praxis")
    assert (await mortal.create_room(person, practice.user_id))[0] == 200
    assert (await mortal.create_room(person, person.user_id))[0] == 403
    assert mortal.rows("SELECT * FROM hek_room_in_making WHERE maker = ?", person.user_id) == []
