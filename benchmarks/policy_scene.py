"""Who is in which room while the rules' cost is measured: made once, under our rules, for all homeservers compared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, SignedIn

_AT_ONCE = 5
_LONGEST_FOLLOWING_S = 300
INVITATIONS = 3
"""How many invitations of a kind are pending at once, before they are declined."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that can be made, declined and made again."""

    room_id: str
    inviter: SignedIn
    invitee: SignedIn

    @property
    def path(self) -> str:
        """The room's, in Matrix's client interface."""
        return f"/rooms/{quote(self.room_id)}"


@dataclass(frozen=True, slots=True)
class Writing:
    """Where messages can be sent, and by whom."""

    room_id: str
    writer: SignedIn


@dataclass(frozen=True, slots=True)
class Scene:
    """What is measured, by the names of the figures.

    Attributes:
        messages: those that are sent one at a time.
        invitations: those that are made in one turn.
    """

    messages: Mapping[str, Writing]
    invitations: Mapping[str, Sequence[Invitation]]


async def make_scene(homeserver: Homeserver, members: int, *, invites_into_large: bool) -> Scene:
    """Makes two team rooms, the only kind that may have many members, a chat, and chats that a practice has declined.

    Args:
        homeserver: ours.
        members: of the larger team room; the smaller one has 10.
        invites_into_large: whether somebody is invited there.
    """
    writer = await homeserver.own_account(SUPPORT, "bot")
    # One after the other: sign-in is a browser's way, whose provider says one person's claims at a time.
    agents = [await homeserver.new_agent(f"a{number}") for number in range(members - 1)]
    guests = [await homeserver.new_agent(f"guest{number}") for number in range(INVITATIONS)]
    small = await _team_room(homeserver, writer, agents[:9])
    large = await _team_room(homeserver, writer, agents)
    rooms = {"invite": small, f"invite_{members}": large} if invites_into_large else {"invite": small}
    invitations = {what: [Invitation(room_id, writer, guest) for guest in guests] for what, room_id in rooms.items()}
    chats = await _declined_chats(homeserver)
    person, _, _, chat = await homeserver.care_room()
    # Synapse's directory of users follows the members from afar. Whoever starts before it has, works on for minutes.
    await homeserver.until(lambda: _has_followed(homeserver), within_s=_LONGEST_FOLLOWING_S)
    messages = {
        "send_10": Writing(small, writer),
        f"send_{members}": Writing(large, writer),
        "send_chat": Writing(chat, person),
    }
    return Scene(messages, invitations | {"invite_chat": chats})


def _has_followed(homeserver: Homeserver) -> bool:
    [(seen, written)] = homeserver.rows(
        "SELECT stream_id, (SELECT max(stream_ordering) FROM events) FROM user_directory_stream_pos"
    )
    return seen is not None and bool(seen >= written)


async def _team_room(homeserver: Homeserver, writer: SignedIn, agents: Sequence[SignedIn]) -> str:
    invited = [agent.user_id for agent in agents]
    status, made = await homeserver.create_room(writer, *invited, preset="private_chat", is_direct=False)
    assert status == 200, made
    room_id, gate = str(made["room_id"]), asyncio.Semaphore(_AT_ONCE)

    async def enter(agent: SignedIn) -> None:
        async with gate:
            assert await homeserver.join(agent, room_id) == 200

    await asyncio.gather(*map(enter, agents))
    return room_id


async def _declined_chats(homeserver: Homeserver) -> list[Invitation]:
    """An insured person can ask the practice anew in each of them: what our rules have the most to look up for."""
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    chats = []
    for _ in range(INVITATIONS):
        status, made = await homeserver.create_room(person, practice.user_id)
        assert status == 200, made
        chat = Invitation(made["room_id"], person, device)
        status, answer = await homeserver.call(device, "POST", f"{chat.path}/leave", {})
        assert status == 200, answer
        chats.append(chat)
    return chats
