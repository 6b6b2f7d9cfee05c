"""Sends: encrypted messages and files under frozen transaction ids, and fetches files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import nio
from nio.crypto import decrypt_attachment, encrypt_attachment

from messenger_core.matrix.events import FileToSend, ReceivedEvent, SentFile
from messenger_core.matrix.faults import FileUnreadable, SendFailed, reaching_homeserver, taken
from messenger_core.matrix.guarded_client import GuardedClient
from messenger_core.matrix.media_ledger import MediaLedger, is_media_address

_SEND_TIMEOUT_S = 120


class Sender:
    """What one account sends, in order within a room."""

    def __init__(self, client: GuardedClient, ledger: MediaLedger) -> None:
        self._client = client
        self._ledger = ledger
        self._homeserver: str = client.homeserver
        self._user_id: str = client.user_id
        self._sending: dict[str, asyncio.Lock] = {}

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> str:
        """Sends an encrypted ``m.room.message``.

        Args:
            room_id: a joined, encrypted room.
            content: the event's content in clear.
            key: names what is sent; the same key gives the same transaction id, so a repetition is not sent twice.

        Returns:
            The event id that the homeserver gave.

        Raises:
            SendFailed: if the room is not encrypted or the homeserver refused.
        """
        room = self._client.rooms.get(room_id)
        if room is None or not room.encrypted:
            with reaching_homeserver():
                await self._look_into(room_id)
        async with self._sending.setdefault(room_id, asyncio.Lock()):
            with reaching_homeserver():
                async with asyncio.timeout(_SEND_TIMEOUT_S):
                    answer = await self._client.room_send(
                        room_id,
                        "m.room.message",
                        dict(content),
                        tx_id=_transaction_id(key),
                        ignore_unverified_devices=True,
                    )
                return str(taken(answer).event_id)

    async def _look_into(self, room_id: str) -> None:
        """Loads members and encryption of a room that we joined after the last sync, without moving the position."""
        room = nio.MatrixRoom(room_id, self._user_id)
        state = taken(await self._client.room_get_state(room_id))
        for event in map(nio.Event.parse_event, state.events):
            # nio keeps members apart; a room without them would share its key with nobody.
            take = room.handle_membership if isinstance(event, nio.RoomMemberEvent) else room.handle_event
            take(event)
        if not room.encrypted:
            raise SendFailed("the room is not encrypted; nothing is sent in clear")
        room.members_synced = True
        self._client.rooms[room_id] = room
        self._client.olm.update_tracked_users(room)
        if self._client.should_query_keys:
            await self._client.keys_query()

    async def send_file(
        self, room_id: str, file: FileToSend, *, key: str, relation: Mapping[str, Any] | None = None
    ) -> SentFile:
        """Encrypts a file, uploads it and sends it; its address is in the media ledger before the upload begins.

        Raises:
            SendFailed: if the homeserver refused.
        """
        ciphertext, keys = encrypt_attachment(file.data)
        with reaching_homeserver():
            mxc = await self._upload(room_id, ciphertext)
        content: dict[str, Any] = {
            "msgtype": file.message_type,
            "body": file.name,
            "info": {"mimetype": file.media_type, "size": len(file.data)},
            "file": {**keys, "url": mxc},
        }
        if relation is not None:
            content["m.relates_to"] = dict(relation)
        return SentFile(await self.send(room_id, content, key=key), mxc)

    async def _upload(self, room_id: str, ciphertext: bytes) -> str:
        async with self._client.authorized_http() as http:
            async with http.post(self._homeserver + "/_matrix/media/v1/create") as answer:
                if answer.status != 200:
                    raise SendFailed(f"no media address was given: {answer.status}")
                mxc = str((await answer.json())["content_uri"])
            await self._ledger.record(mxc, room_id, datetime.now(UTC))
            address = f"{self._homeserver}/_matrix/media/v3/upload/{mxc.removeprefix('mxc://')}"
            headers = {"Content-Type": "application/octet-stream"}
            async with http.put(address, data=ciphertext, headers=headers) as answer:
                if answer.status != 200:
                    raise SendFailed(f"a file was not taken: {answer.status}")
        return mxc

    async def download(self, event: ReceivedEvent) -> FileToSend:
        """Fetches and decrypts the file of an event and checks its hash; its address goes into the media ledger first.

        Raises:
            FileUnreadable: if there is no such file, or its content does not have the hash that the event names.
            SendFailed: if the homeserver could not be asked.
        """
        description = event.content.get("file")
        mxc = description.get("url") if isinstance(description, dict) else None
        if not isinstance(description, dict) or not is_media_address(mxc):
            raise FileUnreadable("the event names no encrypted file")
        await self._ledger.record(mxc, event.room_id, event.sent_at)
        ciphertext = await self._fetch(mxc)
        try:
            data = decrypt_attachment(
                ciphertext, description["key"]["k"], description["hashes"]["sha256"], description["iv"]
            )
        except (nio.exceptions.EncryptionError, AttributeError, KeyError, TypeError, ValueError) as fault:
            raise FileUnreadable(f"a file cannot be decrypted: {type(fault).__name__}") from None
        info = event.content.get("info")
        media_type = info.get("mimetype") if isinstance(info, dict) else None
        name = event.content.get("filename", event.content.get("body"))
        return FileToSend(data, str(name or "Datei"), str(media_type or "application/octet-stream"))

    async def _fetch(self, mxc: str) -> bytes:
        address = f"{self._homeserver}/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        with reaching_homeserver():
            async with self._client.authorized_http() as http, http.get(address) as answer:
                if answer.status in {400, 403, 404}:
                    raise FileUnreadable(f"a file cannot be fetched: {answer.status}")
                if answer.status != 200:
                    raise SendFailed(f"a file cannot be fetched: {answer.status}")
                return await answer.read()

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        """Deletes an event of ours.

        Raises:
            SendFailed: if the homeserver refused.
        """
        with reaching_homeserver():
            taken(await self._client.room_redact(room_id, event_id, tx_id=_transaction_id(key)))


def _transaction_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
