"""Rooms of the account: made, joined, left, and their present members and state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import nio

from messenger_core.matrix.faults import SendFailed, reaching_homeserver, taken
from messenger_core.matrix.guarded_client import GuardedClient


class Rooms:
    """What one account does with rooms as a whole."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client
        self._homeserver: str = client.homeserver
        self._user_id: str = client.user_id

    async def create(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room, or returns the one that an earlier, interrupted call made.

        Args:
            alias_localpart: a name of the room that no other has; it must not identify a person.
            invite: who is invited.

        Raises:
            SendFailed: if the homeserver refused.
        """
        body: dict[str, Any] = {
            "room_alias_name": alias_localpart,
            "preset": "private_chat",
            "visibility": "private",
            "invite": list(invite),
            "initial_state": [
                {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
            ],
        }
        with reaching_homeserver():
            return await self._create_or_find(alias_localpart, body)

    async def _create_or_find(self, alias_localpart: str, body: dict[str, Any]) -> str:
        async with self._client.authorized_http() as http:
            async with http.post(self._homeserver + "/_matrix/client/v3/createRoom", json=body) as answer:
                content = await answer.json()
                if answer.status == 200:
                    return str(content["room_id"])
                if content.get("errcode") != "M_ROOM_IN_USE":
                    raise SendFailed("a room was not made", content.get("errcode"))
            server = self._user_id.partition(":")[2]
            alias = quote(f"#{alias_localpart}:{server}", safe="")
            async with http.get(f"{self._homeserver}/_matrix/client/v3/directory/room/{alias}") as answer:
                if answer.status != 200:
                    raise SendFailed(f"a room is not found under its alias: {answer.status}")
                return str((await answer.json())["room_id"])

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to.

        Raises:
            SendFailed: if the homeserver refused.
        """
        with reaching_homeserver():
            taken(await self._client.join(room_id))

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation.

        Raises:
            SendFailed: if the homeserver refused.
        """
        with reaching_homeserver():
            taken(await self._client.room_leave(room_id))

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody; inviting a member again is not an error.

        Raises:
            SendFailed: if the homeserver refused.
        """
        if (await self.members(room_id)).get(user_id) in {"join", "invite"}:
            return
        with reaching_homeserver():
            taken(await self._client.room_invite(room_id, user_id))

    async def remove(self, room_id: str, user_id: str) -> None:
        """Removes a member or takes an invitation back, without a reason, since reasons are not encrypted.

        Raises:
            SendFailed: if the homeserver refused.
        """
        if (await self.members(room_id)).get(user_id) not in {"join", "invite"}:
            return
        with reaching_homeserver():
            taken(await self._client.room_kick(room_id, user_id))

    async def members(self, room_id: str) -> dict[str, str]:
        """User id to membership, from the room's present state.

        Raises:
            SendFailed: if the homeserver refused.
        """
        with reaching_homeserver():
            state = taken(await self._client.room_get_state(room_id))
        return {
            event["state_key"]: event["content"].get("membership", "leave")
            for event in state.events
            if event["type"] == "m.room.member"
        }

    async def state(self, room_id: str, event_type: str) -> dict[str, Any] | None:
        """The content of a state event with the empty state key, or None if there is none.

        Raises:
            SendFailed: if the homeserver refused.
        """
        with reaching_homeserver():
            answer = await self._client.room_get_state_event(room_id, event_type)
            if isinstance(answer, nio.ErrorResponse) and answer.status_code == "M_NOT_FOUND":
                return None
            return dict(taken(answer).content)
