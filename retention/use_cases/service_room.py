"""Finds the room in which the service account speaks with a person, and makes it if there is none."""

from __future__ import annotations

from datetime import datetime

from retention.store.service_rooms import ServiceRooms
from retention.use_cases.service_account import ServiceAccount


async def service_room_of(user_id: str, account: ServiceAccount, rooms: ServiceRooms, now: datetime) -> str:
    """The person's service room, made with her as invited if there is none."""
    reserved = await rooms.reserve(user_id, now)
    room_id = reserved.room_id
    if room_id is None:
        room_id = await account.create_room(reserved.alias, invite=[user_id])
        await rooms.made(reserved.alias, room_id)
    return room_id
