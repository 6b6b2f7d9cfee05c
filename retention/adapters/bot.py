"""The bot's machine interface: what is due, erase it, what is still held."""

from __future__ import annotations

from datetime import datetime

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.service_auth.client import ServiceClient
from retention.adapters.answers import Answer, moment_text, read_answer
from retention.store.erasures import DueRoom
from retention.use_cases.machines import Holdings

_SCOPE = "erasure:act"


class _Holdings(Answer):
    messages: int
    media: int
    tickets: int

    def holdings(self) -> Holdings:
        return Holdings(self.messages, self.media, self.tickets)


class _DueRoom(Answer):
    room_id: str
    messages: int
    media: list[str]


class _Due(Answer):
    rooms: list[_DueRoom]


class BotClient:
    """Calls of ``/v1/retention/…``; each raises ``CallFailed`` if the bot refuses or does not answer."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def due(self, before: datetime) -> list[DueRoom]:
        """What the bot holds from before that moment, by room, both sides."""
        content = await self._client.call(
            "GET", "/v1/retention/due", scope=_SCOPE, query={"before": moment_text(before)}
        )
        rooms = read_answer(_Due, content, "what is due").rooms
        return [DueRoom(room.room_id, room.messages, tuple(room.media)) for room in rooms]

    async def erase(self, before: datetime) -> Holdings:
        """Erases at the bot and returns how much it erased; called after the homeserver has erased."""
        content = await self._client.call(
            "POST", "/v1/retention/erase", scope=_SCOPE, body={"before": to_milliseconds(before)}
        )
        return read_answer(_Holdings, content, "erasing at the bot").holdings()

    async def held(self, before: datetime) -> Holdings:
        """What the bot still holds from before that moment."""
        content = await self._client.call(
            "GET", "/v1/retention/held", scope=_SCOPE, query={"before": moment_text(before)}
        )
        return read_answer(_Holdings, content, "what is held").holdings()
