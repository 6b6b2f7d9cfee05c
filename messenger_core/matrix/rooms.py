"""Rooms: their present state as the homeserver tells it, and what the account does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls

_ROOMS = "/_matrix/client/v3/rooms/{}"
# From room version 12 on, creators have all power and stand in the creation event alone (MSC4289).
_WITHOUT_CREATOR_POWER = frozenset(str(version) for version in range(1, 12))
ALL_POWER = 2**53
"""More than any power level can be."""


@dataclass(frozen=True, slots=True)
class Room:
    """A room's state at one moment.

    Attributes:
        state: the content of each state event by type and state key.
        creator: who made it.
    """

    room_id: str
    state: Mapping[tuple[str, str], Mapping[str, Any]]
    creator: str

    @classmethod
    def from_state(cls, room_id: str, events: Sequence[object]) -> Room:
        """Reads the state events of a room; what is no state event is left out."""
        state: dict[tuple[str, str], Mapping[str, Any]] = {}
        creator = ""
        for event in events:
            if not isinstance(event, dict):
                continue
            type_, key, content = event.get("type"), event.get("state_key"), event.get("content")
            if not isinstance(type_, str) or not isinstance(key, str) or not isinstance(content, dict):
                continue
            state[type_, key] = content
            if type_ == "m.room.create":
                creator = str(event.get("sender"))
        return cls(room_id, state, creator)

    def content(self, event_type: str) -> Mapping[str, Any] | None:
        """The content of a state event with the empty state key, or None if there is none."""
        return self.state.get((event_type, ""))

    @property
    def version(self) -> str:
        """The room version; the first one did not name itself."""
        return str((self.content("m.room.create") or {}).get("room_version", "1"))

    @property
    def encrypted(self) -> bool:
        """Whether messages in it are encrypted."""
        return bool((self.content("m.room.encryption") or {}).get("algorithm"))

    @property
    def members(self) -> dict[str, str]:
        """User id to membership."""
        return {
            key: str(content.get("membership", "leave"))
            for (type_, key), content in self.state.items()
            if type_ == "m.room.member"
        }

    @property
    def present(self) -> frozenset[str]:
        """Who has joined or is invited."""
        return frozenset(user for user, membership in self.members.items() if membership in {"join", "invite"})

    @property
    def creators(self) -> frozenset[str]:
        """Those with all power: none below room version 12."""
        if self.version in _WITHOUT_CREATOR_POWER:
            return frozenset()
        more = (self.content("m.room.create") or {}).get("additional_creators")
        others = [user for user in more if isinstance(user, str)] if isinstance(more, list) else []
        return frozenset([self.creator, *others])

    def power_of(self, user_id: str) -> int:
        """Somebody's power, from the state itself."""
        if user_id in self.creators:
            return ALL_POWER
        levels = self.content("m.room.power_levels")
        if levels is None:
            return 100 if user_id == self.creator else 0
        users = levels.get("users")
        default = levels.get("users_default", 0)
        power = users.get(user_id, default) if isinstance(users, dict) else default
        return power if isinstance(power, int) and not isinstance(power, bool) else 0


class Rooms:
    """The account's rooms at its homeserver."""

    def __init__(self, calls: HomeserverCalls) -> None:
        self._calls = calls

    async def room(self, room_id: str) -> Room:
        """A room's present state.

        Raises:
            SendFailed: if the homeserver refused.
        """
        # The answer is a list; see HomeserverCalls.get_list.
        events = await self._calls.get_list(self._calls.path(_ROOMS + "/state", room_id))
        return Room.from_state(room_id, events)

    async def create(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room, or returns the one that an interrupted call made.

        Args:
            alias_localpart: an alias of which the homeserver lets only one room be made; it may say nothing about
                anybody, since it is readable.
            invite: who is invited.

        Raises:
            SendFailed: if the homeserver refused.
        """
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        body = {
            "preset": "private_chat",
            "visibility": "private",
            "room_alias_name": alias_localpart,
            "invite": list(invite),
            "initial_state": [encryption],
        }
        try:
            return str((await self._calls.post("/_matrix/client/v3/createRoom", body))["room_id"])
        except SendFailed as refusal:
            if refusal.errcode != "M_ROOM_IN_USE":
                raise
        alias = f"#{alias_localpart}:{self._calls.user_id.partition(':')[2]}"
        answer = await self._calls.get(self._calls.path("/_matrix/client/v3/directory/room/{}", alias))
        return str(answer["room_id"])

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to.

        Raises:
            SendFailed: if the homeserver refused.
        """
        await self._calls.post(self._calls.path("/_matrix/client/v3/join/{}", room_id), {})

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation.

        Raises:
            SendFailed: if the homeserver refused.
        """
        await self._calls.post(self._calls.path(_ROOMS + "/leave", room_id), {})

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody; inviting a member again is not an error.

        Raises:
            SendFailed: if the homeserver refused.
        """
        if user_id not in (await self.room(room_id)).present:
            await self._calls.post(self._calls.path(_ROOMS + "/invite", room_id), {"user_id": user_id})

    async def remove(self, room_id: str, user_id: str) -> None:
        """Removes a member or takes an invitation back, without a reason, since reasons are not encrypted.

        Raises:
            SendFailed: if the homeserver refused.
        """
        if user_id in (await self.room(room_id)).present:
            await self._calls.post(self._calls.path(_ROOMS + "/kick", room_id), {"user_id": user_id})
