"""The homeserver's machine interface: idle care rooms, leaving and forgetting, periods, erasures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime

from messenger_core.account_changes import AccountChange, ask_for_changes
from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient
from retention.adapters.answers import Answer, moment_text, read_answer
from retention.rules.offering import IdleRoom
from retention.store.erasures import DueRoom
from retention.use_cases.machines import Consent, Remaining, RoomResults

_ACT, _READ, _ERASE = "retention:act", "insured:read", "erasure:act"
_MEDIA_A_CALL = 1000


class _IdleRoom(Answer):
    user_id: str
    room_id: str
    last_message_at: int


class _IdlePage(Answer):
    rooms: list[_IdleRoom]
    next: str | None


class _Account(Answer):
    kind: str
    locked: bool
    membership_ends_on: date | None


class _Refusal(Answer):
    room_id: str
    reason: str


class _RoomResults(Answer):
    done: list[str]
    refused: list[_Refusal]


class _Remaining(Answer):
    remaining_events: int
    remaining_media: int


class HomeserverClient:
    """Calls of ``/_synapse/client/hek/v1/…``; each raises ``CallFailed`` if it is refused or not answered."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def idle_pages(self, as_of: datetime) -> AsyncIterator[list[tuple[str, IdleRoom]]]:
        """Pages of insured people and the care rooms that are due to be offered to them."""
        page: str | None = None
        while True:
            query = {"as_of": moment_text(as_of)} | ({"page": page} if page is not None else {})
            content = await self._client.call("GET", f"{CALLS_PREFIX}/care-rooms/idle", scope=_ACT, query=query)
            answer = read_answer(_IdlePage, content, "idle care rooms")
            yield [(room.user_id, IdleRoom(room.room_id, room.last_message_at)) for room in answer.rooms]
            if answer.next is None:
                return
            page = answer.next

    async def is_reachable_insured(self, user_id: str) -> bool:
        """Whether this is the account of an insured person that is not locked."""
        account = await self._lookup(user_id)
        return account is not None and account.kind == AccountKind.INSURED and not account.locked

    async def membership_ends_on(self, user_id: str) -> date | None:
        """The first day without insurance that is announced for a person; None if there is none."""
        account = await self._lookup(user_id)
        return account.membership_ends_on if account is not None else None

    async def changes(self, since: int, wait_s: int) -> tuple[list[AccountChange], int]:
        """What happened to accounts after a position, and the next position; waits for the first change."""
        return await ask_for_changes(self._client, since, wait_s)

    async def _lookup(self, user_id: str) -> _Account | None:
        status, content = await self._client.answer(
            "POST", f"{CALLS_PREFIX}/insured/lookup", scope=_READ, body={"user_id": user_id}
        )
        if status == 404:
            return None
        if status != 200:
            raise CallFailed("looking up an account", status)
        return read_answer(_Account, content, "looking up an account")

    async def leave(self, consent: Consent, room_ids: Sequence[str]) -> RoomResults:
        """Leaves care rooms for a person who agreed to it."""
        return await self._act("leave", consent, room_ids)

    async def forget(self, consent: Consent, room_ids: Sequence[str]) -> RoomResults:
        """Takes rooms that were left out of the person's history."""
        return await self._act("forget", consent, room_ids)

    async def _act(self, action: str, consent: Consent, room_ids: Sequence[str]) -> RoomResults:
        body = {
            "user_id": consent.user_id,
            "room_ids": list(room_ids),
            "consent_event_id": consent.event_id,
            "consented_at": consent.given_at,
        }
        content = await self._client.call("POST", f"{CALLS_PREFIX}/care-rooms/{action}", scope=_ACT, body=body)
        results = read_answer(_RoomResults, content, f"{action} care rooms")
        return RoomResults(results.done, {refusal.room_id: refusal.reason for refusal in results.refused})

    async def set_period(self, user_id: str, months: int | None) -> None:
        """Sets after how many months chats are offered to the person; None means never."""
        await self._client.call(
            "PUT", f"{CALLS_PREFIX}/insured/retention", scope=_ACT, body={"user_id": user_id, "months": months}
        )

    async def erase(self, room: DueRoom, before: datetime) -> Remaining:
        """Erases a room's messages received before the moment and the files named, and says what remains.

        Many files are named in several calls, each of which a server takes in one body.
        """
        media = [room.media[start : start + _MEDIA_A_CALL] for start in range(0, len(room.media), _MEDIA_A_CALL)]
        remaining_media = 0
        for batch in media or [()]:
            body = {"room_id": room.room_id, "before": to_milliseconds(before), "media": list(batch)}
            content = await self._client.call("POST", f"{CALLS_PREFIX}/erasures", scope=_ERASE, body=body)
            remaining = read_answer(_Remaining, content, "erasing a room")
            remaining_media += remaining.remaining_media
        return Remaining(remaining.remaining_events, remaining_media)
