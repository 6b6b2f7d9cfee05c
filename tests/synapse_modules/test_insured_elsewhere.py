"""Practices of ours and people whom other insurers insure: invited, joined and kept by one verdict, on real servers.

The bare Synapse of the scene is an insurer's here. Whether a practice may bring a second insured person in is set
both ways, each with servers of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from messenger_core.catalogue import Catalogue
from tests.clients.hostile_server import HostileRoom, HostileServer
from tests.synapse_modules.federation import OTHER_IK, Federation, running_federation, sync
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, Homeserver, SignedIn

_NOT_REACHABLE = (403, {"errcode": "M_FORBIDDEN", "error": Catalogue.of("synapse_modules").line("room-not-reachable")})


@dataclass
class Scene:
    """A federation whose bare Synapse is another insurer's, and how it is set."""

    federation: Federation
    second_insured: bool

    @property
    def ours(self) -> Homeserver:
        return self.federation.ours

    async def practice(self) -> SignedIn:
        return await self.ours.practice_device(await self.ours.new_practice("Praxis"))

    async def person(self, where: str) -> SignedIn:
        """An insured person of ours, or of the other insurer."""
        return await (self.ours.new_person() if where == "ours" else self.federation.practices.new_practice())

    def _is_ours(self, who: SignedIn) -> bool:
        return who.user_id.endswith(f":{self.ours.server_name}")

    async def join(self, who: SignedIn, room_id: str) -> int:
        return await (self.ours if self._is_ours(who) else self.federation.practices).join(who, room_id)

    async def send(self, who: SignedIn, room_id: str) -> tuple[int, dict[str, Any]]:
        return await (self.ours if self._is_ours(who) else self.federation.practices).send(who, room_id)

    async def shows(self, who: SignedIn, room_id: str, event_id: str) -> bool:
        server = self.ours if self._is_ours(who) else self.federation.practices
        _, answer = await server.call(who, "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=50")
        return event_id in {event["event_id"] for event in answer.get("chunk", [])}

    async def write_to_each_other(self, room_id: str, *members: SignedIn) -> None:
        """Everybody writes, and everybody reads it."""
        for who in members:
            status, sent = await self.send(who, room_id)
            assert status == 200, sent
            await self.shown_to_all(members, room_id, sent["event_id"])

    async def shown_to_all(self, members: tuple[SignedIn, ...], room_id: str, event_id: str) -> None:
        for reader in members:
            await self.ours.until_async(partial(self.shows, reader, room_id, event_id))

    async def chat(self, practice: SignedIn, first: SignedIn) -> str:
        """A chat that a practice asked somebody for and that she accepted."""
        status, made = await self.ours.create_room(practice, first.user_id)
        assert status == 200, made
        assert await self.join(first, made["room_id"]) == 200
        await self.write_to_each_other(made["room_id"], practice, first)
        return str(made["room_id"])

    def present(self, room_id: str) -> dict[str, str]:
        """Who is joined or invited, as our server has it."""
        query = "SELECT state_key, membership FROM current_state_events WHERE room_id = ? AND membership <> 'leave'"
        return dict(self.ours.rows(query, room_id))

    def as_known_to(self, server: HostileServer, room_id: str) -> HostileRoom:
        """Our room for a server that was told nothing of it: what only a member could know is read in our database."""
        room = HostileRoom(server, room_id, "10", "")
        query = "SELECT c.type, c.state_key, c.event_id FROM current_state_events c WHERE c.room_id = ?"
        room.state = {(kind, key): event_id for kind, key, event_id in self.ours.rows(query, room_id)}
        room.tips = [tip for (tip,) in self.ours.rows("SELECT event_id FROM event_forward_extremities"
                                                      " WHERE room_id = ?", room_id)]  # fmt: skip
        return room

    def raw_join(self, server: HostileServer, room_id: str, user_id: str) -> dict[str, Any]:
        room = self.as_known_to(server, room_id)
        return room.make("m.room.member", {"membership": "join"}, sender=user_id, state_key=user_id, depth=50)


@pytest.fixture(scope="module", params=[False, True], ids=["one insured person", "a second one"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    second = bool(request.param)
    with running_federation(
        tmp_path_factory.mktemp("insured-elsewhere"),
        practices_are_insured_of=OTHER_IK,
        second_insured_by_practice=second,
        insured_only_rooms={"grace_days": 7, "look_every_s": 1},
    ) as federation:
        yield Scene(federation, second)


async def test_a_practice_asks_somebody_insured_elsewhere_and_the_chat_lasts(scene: Scene) -> None:
    """Also after she left and was asked again, and what she deletes is deleted."""
    practice, person = await scene.practice(), await scene.person("elsewhere")
    room_id = await scene.chat(practice, person)
    assert scene.ours.rows("SELECT kind, insured_user_id FROM hek_room WHERE room_id = ?", room_id) == [
        ("care", person.user_id)
    ]
    sent = (await scene.send(person, room_id))[1]["event_id"]
    await scene.ours.until_async(lambda: scene.shows(practice, room_id, sent))
    other = scene.federation.practices
    assert (await other.call(person, "PUT", f"/rooms/{quote(room_id)}/redact/{quote(sent)}/t1", {}))[0] == 200

    async def is_deleted() -> bool:
        _, event = await scene.ours.call(practice, "GET", f"/rooms/{quote(room_id)}/event/{quote(sent)}")
        return bool(event["content"] == {})

    await scene.ours.until_async(is_deleted)
    assert (await other.call(person, "POST", f"/rooms/{quote(room_id)}/leave", {}))[0] == 200
    await scene.ours.until(lambda: scene.present(room_id) == {practice.user_id: "join"})
    assert (await scene.ours.invite(practice, room_id, person.user_id))[0] == 200
    assert await scene.join(person, room_id) == 200
    await scene.write_to_each_other(room_id, practice, person)


@pytest.mark.parametrize("second", ["ours", "elsewhere"])
@pytest.mark.parametrize("first", ["ours", "elsewhere"])
async def test_a_second_insured_person_is_decided_at_the_invitation(scene: Scene, first: str, second: str) -> None:
    """Refused with the same words wherever they are insured; where the setting admits her, she comes in and stays."""
    practice = await scene.practice()
    one, another, third = await scene.person(first), await scene.person(second), await scene.person("elsewhere")
    status, made = await scene.ours.create_room(practice, one.user_id)
    assert status == 200, made
    room_id = made["room_id"]
    assert await scene.ours.invite(practice, room_id, another.user_id) == _NOT_REACHABLE, "nobody has accepted yet"
    assert await scene.join(one, room_id) == 200
    await scene.write_to_each_other(room_id, practice, one)
    told = await scene.ours.invite(practice, room_id, another.user_id)
    if scene.second_insured:
        assert told[0] == 200, told
        assert await scene.join(another, room_id) == 200
        await scene.write_to_each_other(room_id, practice, one, another)
        assert await scene.ours.invite(practice, room_id, third.user_id) == _NOT_REACHABLE
        await scene.write_to_each_other(room_id, another, practice, one)
    else:
        assert told == _NOT_REACHABLE
        assert await scene.join(another, room_id) in {403, 404}
        await scene.write_to_each_other(room_id, practice, one)


async def test_a_raw_join_is_as_good_as_the_invitation_behind_it(scene: Scene) -> None:
    """Past make_join: whoever is invited comes in and stays, whoever is not is refused, and nobody is taken out."""
    practice, insurer = await scene.practice(), scene.federation.insurer
    invited, stranger = insurer.user("invited"), insurer.user("stranger")
    room_id = (await scene.ours.create_room(practice, invited))[1]["room_id"]
    assert (await insurer.send_join(scene.raw_join(insurer, room_id, stranger)))[0] == 403
    assert (await insurer.make_join(room_id, stranger))[0] == 403
    status, answer = await insurer.send_join(scene.raw_join(insurer, room_id, invited))
    assert status == 200, answer
    room = insurer.rooms[room_id]
    sent, _ = await room.send("m.room.encrypted", CIPHERTEXT, sender=invited)
    await scene.ours.until_async(lambda: scene.shows(practice, room_id, sent))
    assert (await scene.send(practice, room_id))[0] == 200
    # A member's server knows everything; still it brings nobody in.
    assert (await insurer.send_join(scene.raw_join(insurer, room_id, stranger)))[0] == 403
    assert (await insurer.make_join(room_id, stranger))[0] == 403
    praxis = scene.federation.hostile.user("praxis")
    await room.send("m.room.member", {"membership": "invite"}, sender=invited, state_key=praxis)
    sent, _ = await room.send("m.room.encrypted", CIPHERTEXT, sender=invited)
    await scene.ours.until_async(lambda: scene.shows(practice, room_id, sent))
    assert scene.present(room_id) == {practice.user_id: "join", invited: "join"}


async def test_a_person_elsewhere_who_brings_somebody_in_is_left_alone(scene: Scene) -> None:
    """By a bare event, past her own server's invitation; there it counts, so that our practice goes."""
    practice, insurer, victim = await scene.practice(), scene.federation.insurer, await scene.person("ours")
    person = insurer.user("person")
    room_id = (await scene.ours.create_room(practice, person))[1]["room_id"]
    room = await insurer.join(room_id, person)
    await room.send("m.room.member", {"membership": "invite"}, sender=person, state_key=victim.user_id)
    await scene.ours.until(lambda: practice.user_id not in scene.present(room_id))
    assert room_id not in str(await sync(scene.ours, victim))


async def test_who_is_left_with_somebody_insured_elsewhere_is_told_so(scene: Scene) -> None:
    """A_26348 counts people of all insurers."""
    practice, one, another = await scene.practice(), await scene.person("elsewhere"), await scene.person("ours")
    room_id = await scene.chat(practice, one)
    if not scene.second_insured:
        assert await scene.ours.invite(practice, room_id, another.user_id) == _NOT_REACHABLE
        return
    assert (await scene.ours.invite(practice, room_id, another.user_id))[0] == 200
    assert await scene.join(another, room_id) == 200
    assert (await scene.ours.call(practice, "POST", f"/rooms/{quote(room_id)}/leave", {}))[0] == 200
    told = "SELECT user_id FROM hek_change WHERE what = 'left-alone' AND room_id = ?"
    await scene.ours.until(lambda: scene.ours.rows(told, room_id) == [(another.user_id,)])
