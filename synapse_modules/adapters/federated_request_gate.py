"""What other servers ask and send beside the rooms: devices, keys, profiles, and what is only of the moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from synapse.api.constants import EduTypes
from synapse.api.errors import Codes, NotFoundError, SynapseError

from synapse_modules.adapters.refusals import no_common_room
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import between_devices, device_keys
from synapse_modules.rules.identifiers import is_event_id, is_token
from synapse_modules.store.common_rooms import CommonRooms


class FederatedRequestGate:
    """Stands in front of everything that another server asks, or sends to our people's devices and screens."""

    def __init__(self, common_rooms: CommonRooms) -> None:
        self._common_rooms = common_rooms

    async def query_keys(self, call: Call) -> Any:
        """Keys of devices: of people who share a room with somebody of the server."""
        content = call.arguments["content"]
        within = await self._within_reach(call.arguments["origin"], content, "device_keys")
        return await call.go_on(content={**content, "device_keys": within})

    async def claim_keys(self, call: Call) -> Any:
        """One-time keys: of the same people."""
        content = call.arguments["content"]
        within = await self._within_reach(call.arguments["origin"], content, "one_time_keys")
        if not all(isinstance(devices, Mapping) for devices in within.values()):
            raise _not_readable()
        return await call.go_on(content={**content, "one_time_keys": within})

    async def query_devices(self, call: Call) -> Any:
        """Somebody's devices.

        Raises:
            SynapseError: if she shares no room with anybody of the server.
        """
        await self._check_reach(call.arguments["origin"], call.arguments["user_id"])
        return await call.go_on()

    async def query(self, call: Call) -> Any:
        """Somebody's profile, or a room by its name.

        Raises:
            SynapseError: if she shares no room with anybody of the server; rooms of ours have no public names.
        """
        kind, query = call.arguments["query_type"], call.arguments["args"]
        if kind == "profile":
            await self._check_reach(query["origin"], query.get("user_id", ""))
        elif kind == "directory":
            raise NotFoundError("Room alias not found")
        return await call.go_on()

    async def receive(self, call: Call) -> None:
        """What is only of the moment; see ``TAKEN_EDUS``."""
        read = TAKEN_EDUS.get(call.arguments["edu_type"])
        if read is None:
            # Presence of people elsewhere, and whatever else there may be, is not shown to anybody here.
            return
        try:
            content = await read(self._common_rooms, call.arguments["origin"], call.arguments["content"])
        except (KeyError, TypeError, AttributeError, ValueError):
            # Whatever it was meant to be. A fault would make Synapse refuse what else came with it, for ever.
            return
        if content:
            await call.go_on(content=content)

    async def _check_reach(self, origin: str, user_id: str) -> None:
        """Refuses a question about somebody without a common room, whether there is such a person or not."""
        if not await self._common_rooms.sharing_with_server(origin, [user_id]):
            raise no_common_room()

    async def _within_reach(self, origin: str, content: Mapping[str, Any], key: str) -> dict[str, Any]:
        """What of a map by user id is about users within reach; the rest is treated as if these users did not exist."""
        by_user = content.get(key)
        if not isinstance(by_user, Mapping):
            raise _not_readable()
        reached = await self._common_rooms.sharing_with_server(origin, list(by_user))
        return {user_id: value for user_id, value in by_user.items() if user_id in reached}


def _not_readable() -> SynapseError:
    return SynapseError(400, "A map by user id is expected", Codes.BAD_JSON)


def _is_of(user_id: str, origin: str) -> bool:
    return user_id.startswith("@") and user_id.partition(":")[2] == origin


async def _for_devices(common_rooms: CommonRooms, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """To-device messages to those whom a room connects to the sender, without words."""
    sender, kind, messages, number = (content[key] for key in ("sender", "type", "messages", "message_id"))
    if not _is_of(sender, origin) or not is_token(number):
        return None
    reached = await common_rooms.sharing(sender, list(messages)) - {sender}
    for_reached: dict[str, dict[str, Any]] = {}
    for user_id in reached:
        fit = {device: between_devices.for_others(kind, dict(one)) for device, one in messages[user_id].items()}
        for_reached[user_id] = {device: one for device, one in fit.items() if one is not None}
    taken = {"sender": sender, "type": kind, "message_id": number, "messages": for_reached}
    return taken if any(for_reached.values()) else None


async def _of_device(_common_rooms: CommonRooms, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """A changed device, without its name: that is its owner's own text, and other people have no use for it."""
    return device_keys.of_changed_device(content) if _is_of(content["user_id"], origin) else None


async def _of_keys(_common_rooms: CommonRooms, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Changed keys by which somebody vouches for her devices."""
    user_id = content["user_id"]
    return {"user_id": user_id} | device_keys.of_vouching(user_id, content) if _is_of(user_id, origin) else None


async def _of_member(common_rooms: CommonRooms, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Typing, of somebody who is in the room."""
    user_id, room_id, is_typing = content["user_id"], content["room_id"], content["typing"]
    is_told = _is_of(user_id, origin) and isinstance(is_typing, bool) and await common_rooms.is_joined(room_id, user_id)
    return {"user_id": user_id, "room_id": room_id, "typing": is_typing} if is_told else None


async def _of_members(common_rooms: CommonRooms, origin: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Receipts, of those who are in their rooms, without anything that is no event id: clients show none of it."""
    taken: dict[str, Any] = {}
    for room_id, by_type in content.items():
        for kind, by_user in by_type.items():
            for user_id, receipt in by_user.items():
                is_there = _is_of(user_id, origin) and await common_rooms.is_joined(room_id, user_id)
                if is_there and _is_receipt(kind, receipt):
                    taken.setdefault(room_id, {}).setdefault(kind, {})[user_id] = receipt
    return taken


def _is_receipt(kind: str, receipt: Mapping[str, Any]) -> bool:
    data = receipt["data"]
    thread = data.get("thread_id", "main")
    return (
        kind == "m.read"
        and receipt.keys() <= {"event_ids", "data"}
        and all(map(is_event_id, receipt["event_ids"]))
        and data.keys() <= {"ts", "thread_id"}
        and type(data.get("ts", 0)) is int
        and (thread == "main" or is_event_id(thread))
    )


TAKEN_EDUS: Mapping[str, Callable[[CommonRooms, str, Mapping[str, Any]], Awaitable[dict[str, Any] | None]]] = {
    EduTypes.DEVICE_LIST_UPDATE: _of_device,
    EduTypes.DIRECT_TO_DEVICE: _for_devices,
    EduTypes.RECEIPT: _of_members,
    EduTypes.SIGNING_KEY_UPDATE: _of_keys,
    EduTypes.TYPING: _of_member,
    EduTypes.UNSTABLE_SIGNING_KEY_UPDATE: _of_keys,
}
"""What is taken of the moment from other servers, with what is looked at; every other type is dropped."""
